//! What an operation is: the trait that every API call implements, and its answer.

use std::future::Future;

use keyward_store::sealed::SealedBatch;
use keyward_types::{account::AccountId, key_id::KeyArn};
use keyward_wire::json;

use crate::{
    api::Api,
    audit::{parameters::Parameter, service_event::ServiceEvent},
    counts::Counted,
    fault::Fault,
    gate::{Denied, Gate},
    protocol::Protocol,
};

/// The context of a request to an API.
pub type ContextOf<'a, A> = <A as Api>::Context<'a>;

/// What a body of an API is parsed into.
pub type InputOf<'a, A> = <<A as Api>::Protocol as Protocol>::Input<'a>;

/// What an output of an API writes itself to.
pub type RendererOf<'w, A> = <<A as Api>::Protocol as Protocol>::Renderer<'w>;

/// What the call of an operation does to the thread that it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It ends at once, or waits without holding the thread: for the store, for a key's backend, for
    /// work that it has given to another thread.
    Ready,
    /// It may block the thread, by a library that cannot wait otherwise.
    Blocks,
    /// It may compute for more than a millisecond. Such an operation gives its turn back when it enters
    /// the pool, which has only one operation of each principal.
    Computes,
}

/// One operation of an API. Its file reads in the order of the methods.
pub trait Operation: Sized + Send + Sync + 'static {
    /// The operation's name on the wire, such as `Encrypt`.
    const NAME: &'static str;
    /// Whether the audit trail calls it read-only.
    const READ_ONLY: bool;
    /// Every member of its input, in the order of AWS's model, and what the audit trail shows of it.
    const PARAMETERS: &'static [Parameter];
    /// What its call does to the thread. All but [`Work::Ready`] runs on the bounded [pool](crate::pool).
    const WORK: Work = Work::Ready;
    /// The API it belongs to.
    type Api: Api;
    /// What it answers.
    type Output: Output<Self::Api>;
    /// The faults of its service.
    type Fault: From<Denied> + Into<Fault> + Send;
    /// The units it needs, each whole.
    type Resolved: Send + Sync;
    /// The permits it needs.
    type Permits: Send + Sync;

    /// Reads the input and checks it against the model.
    ///
    /// # Errors
    /// The service's validation fault, with every failed constraint.
    fn parse(input: &InputOf<'_, Self::Api>) -> Result<Self, Self::Fault>;

    /// Fetches the units that the decisions are about. What only the answer needs, and what costs much, is
    /// read by [`call`](Self::call), so that callers without permission cost nothing.
    fn resolve<'c>(
        &self,
        cx: &'c ContextOf<'c, Self::Api>,
    ) -> impl Future<Output = Result<Self::Resolved, Self::Fault>> + Send;

    /// Asks the gate for every permit.
    ///
    /// # Errors
    /// The first denial.
    fn authorize(
        &self,
        resolved: &Self::Resolved,
        gate: &Gate<'_>,
    ) -> Result<Self::Permits, Denied>;

    /// Does the work. It may run again when a commit meets a conflict.
    fn call<'c>(
        &self,
        permits: &Self::Permits,
        resolved: &Self::Resolved,
        cx: &'c ContextOf<'c, Self::Api>,
    ) -> impl Future<Output = Result<Done<Self::Output>, Self::Fault>> + Send;

    /// What it has another API do that cannot be undone, and what its own API notes, after its changes are committed
    /// and before it is answered. If the server stops before, or this fails, a worker must do it.
    fn committed<'c>(
        &self,
        _output: &Self::Output,
        _cx: &'c ContextOf<'c, Self::Api>,
    ) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Undoes what its calls have had another API do, if it fails.
    fn abandoned<'c>(&self, _cx: &'c ContextOf<'c, Self::Api>) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What an operation answers.
pub trait Output<A: Api>: Send + Sync {
    /// Writes the answer's members.
    fn render(&self, out: &mut RendererOf<'_, A>);

    /// Whether the answer has a body at all.
    fn is_empty(&self) -> bool {
        false
    }

    /// Writes `responseElements` of the audit event; returns whether there are any.
    fn response_elements(&self, _elements: &mut json::Writer<'_>) {}

    /// The key that the call made, which the audit event names among its resources.
    fn made(&self) -> Option<KeyArn> {
        None
    }

    /// Whose account the event is recorded for if the caller belongs to none and no decision was
    /// about anything of an account.
    fn recipient(&self) -> Option<AccountId> {
        None
    }

    /// Writes `additionalEventData` of the audit event.
    fn additional_event_data(&self, _data: &mut json::Writer<'_>) {}
}

/// An answer without members.
#[derive(Clone, Copy, Debug)]
pub struct Empty;

impl<A: Api> Output<A> for Empty {
    fn render(&self, _out: &mut RendererOf<'_, A>) {}

    fn is_empty(&self) -> bool {
        true
    }
}

/// An answer without members to a change of one key, which the audit trail names.
#[derive(Clone, Debug)]
pub struct KeyChanged(pub KeyArn);

impl<A: Api> Output<A> for KeyChanged {
    fn render(&self, _out: &mut RendererOf<'_, A>) {}

    fn is_empty(&self) -> bool {
        true
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        elements.string("keyId", self.0.as_str());
    }
}

/// What a call has done: its output, and the changes that are to be committed with its event.
#[derive(Debug)]
pub struct Done<T> {
    /// The answer.
    pub output: T,
    /// What changes, if anything.
    pub changes: Option<SealedBatch>,
    /// The keys that were successfully used, for GetKeyLastUsage.
    pub used: smallvec::SmallVec<[KeyArn; 1]>,
    /// What there is one more of by the changes.
    pub counted: Vec<Counted>,
    /// What the changes do that has an event of its own.
    pub events: Vec<ServiceEvent>,
}

impl<T> Done<T> {
    /// Nothing changes.
    pub fn unchanged(output: T) -> Self {
        Self {
            output,
            changes: None,
            used: smallvec::SmallVec::new(),
            counted: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Nothing changes, and a key was used.
    pub fn used(output: T, key: &KeyArn) -> Self {
        Self {
            output,
            changes: None,
            used: smallvec::smallvec![key.clone()],
            counted: Vec::new(),
            events: Vec::new(),
        }
    }

    /// These changes are to be committed.
    pub fn changed(output: T, changes: SealedBatch) -> Self {
        Self {
            output,
            changes: Some(changes),
            used: smallvec::SmallVec::new(),
            counted: Vec::new(),
            events: Vec::new(),
        }
    }

    /// By the changes there is one more of this.
    #[must_use]
    pub fn counting(mut self, counted: Counted) -> Self {
        self.counted.push(counted);
        self
    }

    /// The changes do something that has an event of its own.
    #[must_use]
    pub fn with_event(mut self, event: ServiceEvent) -> Self {
        self.events.push(event);
        self
    }
}
