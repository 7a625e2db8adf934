//! A service that assumes a role and calls other APIs as that role's session: how a service works that is given a role
//! instead of forwarding its caller.
//!
//! STS decides, by the role's trust policy, which names the service. What is then called is called by the session,
//! without `kms:ViaService` and the like: their policies decide about the role. The credentials of the session do not
//! leave the engine, and nothing but the request that assumed the role uses them.

use std::fmt;

use bytes::Bytes;
use keyward_types::{
    action::Action, region::Region, unique_id::AccessKeyId, via_service::ActingService,
};
use keyward_wire::{
    json::{Limits, Object, Value},
    query::Form,
};

use crate::{
    caller::Caller,
    context::Context,
    fault::Internal,
    forward::{CallsAsServices, NotDone, Resource, by_service, serve},
    gate::{protected::Protected, supply::Supply},
    request::Source,
};

/// A session of a role, in a Region.
pub struct AssumedRole {
    caller: Caller,
    source: Source,
    region: Region,
}

impl AssumedRole {
    /// Has a service assume a role, for a resource of its own. `body` is what AssumeRole is asked, as parameters.
    ///
    /// # Errors
    /// When STS refuses or fails; and if the API may not call as that service.
    pub async fn assume<A: CallsAsServices>(
        cx: &Context<'_>,
        region: Region,
        of: (&'static ActingService, Resource<'_>),
        body: &[u8],
    ) -> Result<Self, NotDone> {
        const {
            assert!(A::CALLS_OTHERS, "an API that calls others says so");
        }
        let context = Context {
            region,
            form: Form::Json,
            ..*cx
        };
        let answer = by_service::<A>(&context, of, ("sts", "AssumeRole"), body).await?;
        let failed = |text: &'static str| NotDone::Failed(Internal::new(text));
        let answer = Object::parse(&answer, &Limits::KMS)
            .map_err(|error| NotDone::Failed(Internal::new(error)))?;
        let path = ["AssumeRoleResponse", "AssumeRoleResult", "Credentials"];
        let credentials =
            path.into_iter()
                .try_fold(&answer, |object, name| match object.get(name) {
                    Some(Value::Object(inner)) => Some(inner),
                    _ => None,
                });
        let text = |name| match credentials.and_then(|found| found.get(name)) {
            Some(Value::Text(text)) => Ok(&**text),
            _ => Err(failed("an answer of STS lacks a member")),
        };
        let id = AccessKeyId::parse(text("AccessKeyId")?)
            .map_err(|error| NotDone::Failed(Internal::new(error)))?;
        let shared = cx.shared;
        let session = shared
            .sessions
            .open(&id, text("SessionToken")?, shared.clock.now())
            .map_err(|_| failed("a session that was just made cannot be opened"))?;
        let caller = Caller::of_session(&shared.directory, session).await;
        let caller = caller.map_err(|error| NotDone::Failed(Internal::new(error)))?;
        Ok(Self {
            caller: caller.ok_or_else(|| failed("a role ended while it was assumed"))?,
            source: Source::default(),
            region,
        })
    }

    /// The session's ARN.
    pub fn arn(&self) -> &str {
        self.caller.principal().arn()
    }

    /// Calls an operation of another API as the session.
    ///
    /// # Errors
    /// As [`call`](super::call).
    pub async fn call(
        &self,
        cx: &Context<'_>,
        named: (&str, &str),
        body: &[u8],
    ) -> Result<Bytes, NotDone> {
        let caller = (&self.caller, &self.source);
        serve(&self.context(cx), caller, named, body).await
    }

    /// As [`call`](Self::call), as if the session had asked that service, which then called: for dry runs, which tell
    /// what the service would hear.
    ///
    /// # Errors
    /// As [`call`](super::call); and if the API may not call as that service.
    pub async fn call_through<A: CallsAsServices>(
        &self,
        cx: &Context<'_>,
        service: &'static ActingService,
        named: (&str, &str),
        body: &[u8],
    ) -> Result<Bytes, NotDone> {
        if !A::SERVICES.contains(&service) {
            let cause = "an API calls as a service that it is not";
            return Err(NotDone::Failed(Internal::new(cause)));
        }
        let caller = self.caller.through(service);
        serve(&self.context(cx), (&caller, &self.source), named, body).await
    }

    /// Whether the policies would allow the session something. It proves nothing and is not recorded.
    pub fn would_be_allowed<A: Action>(
        &self,
        cx: &Context<'_>,
        on: &dyn Protected,
        supply: impl FnOnce(&mut Supply),
    ) -> bool {
        self.context(cx).would_allow::<A>(on, supply)
    }

    fn context<'c>(&'c self, cx: &'c Context<'_>) -> Context<'c> {
        Context {
            caller: &self.caller,
            source: &self.source,
            region: self.region,
            form: Form::Json,
            ..*cx
        }
    }
}

impl fmt::Debug for AssumedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AssumedRole").field(&self.arn()).finish()
    }
}
