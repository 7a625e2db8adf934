//! What an operation is: the trait that every API call implements, and what it answers.

use std::future::Future;

use keyward_store::sealed::SealedBatch;
use keyward_types::{account::AccountId, arn::ArnParts, key_id::KeyArn};
use keyward_wire::{json, query::Form, xml};

use crate::{
    audit::parameters::Declared,
    context::Context,
    fault::{Fault, Internal},
    gate::{Denied, Gate},
    pipeline::failure,
};

/// An API with its protocol: how a body is read and an answer is rendered.
pub trait Api: Sized + Send + Sync + 'static {
    /// What a body is parsed into before an operation reads it.
    type Input<'a>: Send + Sync;
    /// What an output writes itself to.
    type Renderer<'w>;
    /// The service's prefix in actions and credential scopes, such as `kms`.
    const SERVICE: &'static str;
    /// `eventSource` on the audit trail, such as `kms.amazonaws.com`.
    const EVENT_SOURCE: &'static str;
    /// The code of a failure on our side.
    const INTERNAL: &'static str = "ServiceFailure";
    /// The code and text of a request over the rate that the operator allows one principal.
    const THROTTLED: (&'static str, &'static str) = ("Throttling", "Rate exceeded");
    /// Whether an answer without members has no body at all.
    const BARE: bool = false;
    /// What the audit trail shows of every member of every operation.
    const PARAMETERS: &'static [Declared];

    /// The answer's `Content-Type`.
    fn content_type(form: Form) -> &'static str;

    /// The members of a body.
    fn body<'i>(input: &'i Self::Input<'_>) -> &'i json::Object<'i>;

    /// CloudTrail's type of a resource that the API is asked about; none for what it does not list.
    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str>;

    /// The body of a successful answer.
    fn render<O: Operation<Api = Self>>(output: &O::Output, about: &Asked<'_>) -> Vec<u8>;

    /// The body of a fault.
    fn render_fault(fault: &Fault, about: &Asked<'_>) -> Vec<u8>;

    /// The fault of a change that others were faster than, again and again.
    fn contended() -> Fault {
        failure::<Self>(Internal::new("a change met conflicts too often"))
    }
}

/// What an answer must know of its request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// How the client wants an answer of the Query protocol.
    pub form: Form,
}

impl<'a> Asked<'a> {
    /// What an answer of the Query protocol says, in that namespace.
    pub fn within(&self, namespace: &'a str) -> xml::About<'a> {
        xml::About {
            form: self.form,
            namespace,
            request_id: self.request_id,
        }
    }
}

/// One operation of an API. Its file reads in the order of the methods.
pub trait Operation: Sized + Send + Sync + 'static {
    /// The operation's name on the wire, such as `Encrypt`.
    const NAME: &'static str;
    /// Whether the audit trail calls it read-only.
    const READ_ONLY: bool;
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

    /// Reads the input and checks all that the model says of it.
    ///
    /// # Errors
    /// The service's validation fault, with every failed constraint.
    fn parse(input: &<Self::Api as Api>::Input<'_>) -> Result<Self, Self::Fault>;

    /// Fetches the units.
    fn resolve(
        &self,
        cx: &Context<'_>,
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
    fn call(
        &self,
        permits: &Self::Permits,
        resolved: &Self::Resolved,
        cx: &Context<'_>,
    ) -> impl Future<Output = Result<Done<Self::Output>, Self::Fault>> + Send;
}

/// What an operation answers.
pub trait Output<A: Api>: Send + Sync {
    /// Writes the answer's members.
    fn render(&self, out: &mut A::Renderer<'_>);

    /// Whether the answer has a body at all.
    fn is_empty(&self) -> bool {
        false
    }

    /// Writes `responseElements` of the audit event; answers whether there are any.
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
    fn render(&self, _out: &mut A::Renderer<'_>) {}

    fn is_empty(&self) -> bool {
        true
    }
}

/// An answer without members to a change of one key, which the audit trail names.
#[derive(Clone, Debug)]
pub struct Changed(pub KeyArn);

impl<A: Api> Output<A> for Changed {
    fn render(&self, _out: &mut A::Renderer<'_>) {}

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
}

impl<T> Done<T> {
    /// Nothing changes.
    pub fn unchanged(output: T) -> Self {
        Self {
            output,
            changes: None,
            used: smallvec::SmallVec::new(),
        }
    }

    /// Nothing changes, and a key was used.
    pub fn used(output: T, key: &KeyArn) -> Self {
        Self {
            output,
            changes: None,
            used: smallvec::smallvec![key.clone()],
        }
    }

    /// These changes are to be committed.
    pub fn changed(output: T, changes: SealedBatch) -> Self {
        Self {
            output,
            changes: Some(changes),
            used: smallvec::SmallVec::new(),
        }
    }
}
