//! What an operation sees of the server and of its request.

use keyward_crypto::derive::{self, DerivedKey};
use keyward_store::sealed::SealedBatch;
use keyward_types::{account::AccountId, partition::Partition, region::Region, time::Timestamp};
use keyward_wire::query::Form;
use uuid::Uuid;

use crate::{
    caller::Caller,
    directory::Directory,
    gate::declared::{DeclaredKey, GLOBAL},
    request::{Peer, Source},
    server::Shared,
    service::Services,
    turns::Turn,
};

/// The most bytes that a request holds while it waits for another turn: its headers and a small
/// body.
const WAITING_BYTES: usize = 64 << 10;

/// There is no turn for a request to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no turn to go on")]
pub struct NoTurn;

/// One request in the server.
#[derive(Debug)]
pub struct Context<'a> {
    pub(crate) shared: &'a Shared,
    /// The APIs that the server answers.
    pub(crate) services: &'a Services,
    /// The caller.
    pub caller: &'a Caller,
    /// The resource that a service calls for, if it calls on its own behalf.
    pub source: &'a Source,
    /// The Region of the call: the credential scope's.
    pub region: Region,
    /// When the request came.
    pub now: Timestamp,
    /// From where.
    pub peer: &'a Peer,
    /// The request's turn, if it waited for one.
    pub(crate) turn: Option<&'a Turn<'a>>,
    /// Whether a refusal repeats one that is recorded, so that it is only counted.
    pub(crate) repeats: bool,
    /// The client's word for itself, perhaps empty.
    pub user_agent: &'a str,
    /// The `Referer` header, perhaps empty.
    pub referer: &'a str,
    /// The `Host` header.
    pub host: &'a str,
    /// How the client wants an answer of the Query protocol.
    pub form: Form,
    /// The request's id.
    pub request_id: Uuid,
    /// The id of its audit event.
    pub event_id: Uuid,
}

impl Context<'_> {
    /// The account that the caller's credentials are in. For everybody but a service it is the
    /// caller's own account; what depends on the caller's account asks the principal.
    pub fn account(&self) -> AccountId {
        self.caller.home().1
    }

    /// What all requests share.
    pub fn shared(&self) -> &Shared {
        self.shared
    }

    /// A key for what an API seals itself, different for every label and version.
    pub fn derived_key(&self, label: &[u8], version: u8) -> DerivedKey {
        derive::kbkdf(self.shared.marker_key.expose(), label, &[version])
    }

    /// The partition of the call.
    pub fn partition(&self) -> Partition {
        self.caller.principal().partition()
    }

    /// Every condition key that requests to this server can have: those of all services, and those of
    /// each API.
    pub fn condition_keys(&self) -> impl Iterator<Item = &'static DeclaredKey> {
        let rows = self.services.rows().iter();
        GLOBAL
            .iter()
            .chain(rows.flat_map(|row| row.api().condition_keys))
    }

    /// Whether the caller may ask once more at the rate that the operator allows: about one thing of its own, which has
    /// a rate of its own, or at all. For [`LIMITED_BY_THEMSELVES`](crate::api::Api::LIMITED_BY_THEMSELVES).
    pub fn admits(&self, thing: Option<&str>) -> bool {
        let Some(throttle) = &self.shared.throttle else {
            return true;
        };
        match thing {
            Some(thing) => throttle.admits_about(self.caller, thing, self.now),
            None => throttle.admits(self.caller, false, self.now),
        }
    }

    /// The same request, of which refusals are counted and not recorded.
    #[must_use]
    pub fn unrecorded(&self) -> Context<'_> {
        Context {
            repeats: true,
            ..*self
        }
    }

    /// Whether an API of that name is served.
    pub fn serves(&self, service: &str) -> bool {
        self.services.named(service).is_some()
    }

    /// Waits for something without working: the request's turn is given back in the meantime, and it
    /// waits for another one after that. `None` if the server stops first.
    ///
    /// # Errors
    /// [`NoTurn`] when there is none again in time.
    pub async fn wait<T>(&self, until: impl Future<Output = T>) -> Result<Option<T>, NoTurn> {
        if let Some(turn) = self.turn {
            turn.give_back();
        }
        let mut stopping = self.shared.stopping.subscribe();
        let waited = tokio::select! {
            waited = until => Some(waited),
            _ = stopping.wait_for(|stopping| *stopping) => None,
        };
        match self.turn {
            Some(turn) if !turn.take_again(WAITING_BYTES).await => Err(NoTurn),
            Some(_) | None => Ok(waited),
        }
    }

    /// Units by what requests call them.
    pub fn directory(&self) -> &Directory {
        &self.shared.directory
    }

    /// A batch that does nothing yet.
    pub fn batch(&self) -> SealedBatch {
        self.shared.directory.node().batch()
    }
}

/// Declares the context of an API's requests: the engine's [`Context`], which it dereferences to, and
/// the API's state. It is the API's own type, so that the API can give it methods.
#[macro_export]
macro_rules! api_context {
    ($(#[$doc:meta])* $name:ident, $state:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name<'a> {
            request: &'a $crate::context::Context<'a>,
            state: &'a $state,
        }

        impl<'a> $name<'a> {
            /// The context of a request.
            pub fn new(request: &'a $crate::context::Context<'a>, state: &'a $state) -> Self {
                Self { request, state }
            }

            /// What the operations of the API share.
            pub fn state(&self) -> &'a $state {
                self.state
            }
        }

        impl<'a> std::ops::Deref for $name<'a> {
            type Target = $crate::context::Context<'a>;

            fn deref(&self) -> &$crate::context::Context<'a> {
                self.request
            }
        }

        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.request.fmt(f)
            }
        }
    };
}
