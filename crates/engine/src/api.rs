//! What an API is: its name, its protocol, its state and its operations. An API is a type; the
//! engine works with its [`ApiDescription`], which is created when the program is built.

use std::{any::Any, future::Future, ops::Deref, pin::Pin, sync::Arc};

use keyward_store::{boxed::BoxFuture, sealed::Generation};
use keyward_types::{arn::ArnParts, key_id::KeyArn, tag::Tag};
use keyward_wire::{
    query::Form,
    sigv4::{Presigned, Skew},
};

use crate::{
    caller::{Bearer, Caller},
    context::Context,
    counts::CountedKind,
    dependents::{Dependents, FindDependents, FindState, FoundState},
    directory::ReadError,
    fault::{Fault, Internal},
    front::authenticate::Proven,
    gate::declared::DeclaredKey,
    operation::Operation,
    pipeline::Row,
    protocol::{AnswerTo, Payload, Protocol, Wire},
    request::Received,
    server::Shared,
    session::Subject,
    turns::Turn,
    workers::{Worker, WorkerContext},
};

/// What the operations of an API share, apart from the engine.
pub trait ApiState: Any + Send + Sync {
    /// Gauges for operators: name, help and value.
    fn gauges(&self) -> Vec<(&'static str, &'static str, u64)> {
        Vec::new()
    }
}

impl ApiState for () {}

/// The workers of an API, once they have what they start from.
pub type StartedWorkers<'c> = BoxFuture<'c, Result<Vec<Worker>, ReadError>>;

/// An API of AWS, or of Keyward itself.
pub trait Api: Sized + Send + Sync + 'static {
    /// How its requests and answers look on the wire.
    type Protocol: Protocol;
    /// What its operations share, apart from the engine; `()` if they share nothing.
    type State: ApiState;
    /// The context of a request, see [`api_context`](crate::api_context).
    type Context<'a>: Deref<Target = Context<'a>> + Copy + Send + Sync;
    /// The service's prefix in actions and credential scopes, such as `kms`.
    const SERVICE: &'static str;
    /// What people call the API, such as `Organizations`; in capital letters, it is the end of the variable with its URL
    /// in AWS's tools, such as `AWS_ENDPOINT_URL_ORGANIZATIONS`. Empty for an API that AWS's tools do not have.
    const TITLE: &'static str = "";
    /// `eventSource` on the audit trail, such as `kms.amazonaws.com`.
    const EVENT_SOURCE: &'static str;
    /// How requests name the API and its operations.
    const WIRE: Wire;
    /// The operations served, in alphabetical order.
    const OPERATIONS: &'static [Row];
    /// The operations that AWS has and this version does not, in alphabetical order. They are
    /// refused by name.
    const UNSUPPORTED: &'static [&'static str] = &[];
    /// The code of a failure on our side.
    const INTERNAL: &'static str = "ServiceFailure";
    /// The code and text of a request over the rate that the operator allows one principal.
    const THROTTLED: (&'static str, &'static str) = ("Throttling", "Rate exceeded");
    /// Whether an answer without members has no body at all.
    const BARE: bool = false;
    /// Bytes reserved for an answer. An answer with secrets must fit, so that no copy of them is
    /// left behind when the buffer grows.
    const ANSWER_ROOM: usize = 1024;
    /// Whether its operations have other APIs change something for their callers
    /// ([`call`](crate::forward::call)). What such an API changes goes on to its end although the client hangs up:
    /// otherwise, what another API has committed would be left without what it is for.
    const CALLS_OTHERS: bool = false;
    /// The condition keys that are the API's own, see [`condition_keys`](crate::condition_keys).
    const CONDITION_KEYS: &'static [DeclaredKey] = &[];
    /// The operations that a service may call by itself. A service belongs to no account, so it
    /// cannot call operations that work in the caller's own account.
    const FOR_SERVICES: &'static [&'static str] = &[];

    /// The operations that only agents may call.
    const FOR_AGENTS: &'static [&'static str] = &[];
    /// The operations that a caller calls on behalf of strangers. They have a rate of their own, so that
    /// strangers cannot use up what the caller needs for itself.
    const FOR_STRANGERS: &'static [&'static str] = &[];
    /// The operations that limit by themselves how often a caller may ask
    /// ([`admits`](crate::context::Context::admits)), so that nothing else uses up what they need.
    const LIMITED_BY_THEMSELVES: &'static [&'static str] = &[];
    /// The records that are counted in the background for quotas.
    const COUNTED: &'static [CountedKind] = &[];

    /// The operations that clients of a resource reach by other ways than the API's protocol, such as
    /// NFS; nobody reaches them by that protocol: [`for_client`](crate::forward::for_client).
    const FOR_CLIENTS: &'static [&'static str] = &[];

    /// What the engine knows of the API: a static of the API's crate, made by [`ApiDescription::of`].
    /// As a static it is compiled there, and all operations with it; a constant would be compiled in
    /// every crate that uses it.
    fn description() -> &'static ApiDescription;

    /// The context of a request.
    fn context<'a>(request: &'a Context<'a>, state: &'a Self::State) -> Self::Context<'a>;

    /// CloudTrail's type of a resource of the API; `None` for those that it does not list.
    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str>;

    /// What is stored about a resource of the API and matters for decisions about it, apart from the
    /// caller, to explain such decisions; `None` if nothing is, or if it is not of the caller's account.
    ///
    /// # Errors
    /// When it cannot be read.
    fn facts<'c>(_cx: &'c Context<'c>, _asked: ResourceQuestion<'c>) -> FoundFacts<'c> {
        Box::pin(async { Ok(None) })
    }

    /// The API's resources in a key's account and Region whose data cannot be read without the key, in any order.
    ///
    /// # Errors
    /// When one cannot be read.
    fn dependents<'c>(_cx: &'c Context<'_>, _key: &'c KeyArn) -> Dependents<'c> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The state of a resource of the caller's account, for an API that had it created; none if it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    fn state_of<'c>(_cx: &'c Context<'_>, _arn: &'c str) -> FoundState<'c> {
        Box::pin(async { Ok(None) })
    }

    /// The API's workers.
    ///
    /// # Errors
    /// When what a worker starts from cannot be read.
    fn workers(_state: Arc<Self::State>, _cx: &WorkerContext) -> StartedWorkers<'_> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The body of a fault.
    fn render_fault(fault: &Fault, asked: &AnswerTo<'_>) -> Vec<u8> {
        Self::Protocol::render_fault(fault, asked)
    }

    /// The fault of a change that others were faster than, again and again.
    fn contended() -> Fault {
        Fault::internal(
            Self::INTERNAL,
            Internal::new("a change met conflicts too often"),
        )
    }

    /// How far a client's clock may be off.
    fn skew() -> Skew {
        match Self::WIRE {
            Wire::Json { .. } | Wire::Rest { .. } => Skew::FiveMinutes,
            Wire::Query { .. } => Skew::FifteenMinutes,
        }
    }

    /// Whether a presigned URL is as good as a signed request.
    fn presigned(_operation: &str) -> Presigned {
        Presigned::Refused
    }

    /// How the caller of an operation is authenticated if the operation is not signed with
    /// Signature Version 4; `None` if it is signed.
    fn own_proof(_operation: &str) -> Option<Prove> {
        None
    }

    /// Why temporary credentials may not be used for an operation, whatever policies say; `None` if
    /// they may.
    fn restricted(_caller: &Caller, _subject: &Subject, _operation: &str) -> Option<Fault> {
        None
    }

    /// The fault of a service that calls an operation which is not for services.
    fn service_denied(caller: &Caller, operation: &str) -> Fault {
        let (code, status) = match Self::WIRE {
            Wire::Json { .. } => ("AccessDeniedException", 400),
            Wire::Query { .. } => ("AccessDenied", 403),
            Wire::Rest { .. } => ("AccessDeniedException", 403),
        };
        let principal = caller.principal().arn();
        let service = Self::SERVICE;
        let message = format!(
            "User: {principal} is not authorized to perform: {service}:{operation} on resource: * because \
             no identity-based policy allows the {service}:{operation} action"
        );
        let fault = Fault::new(code, Some(message)).status(status);
        fault.audited_as("AccessDenied")
    }
}

/// A question about a resource.
#[derive(Clone, Copy, Debug)]
pub struct ResourceQuestion<'c> {
    /// Its ARN.
    pub arn: &'c str,
    /// What is to be done to it.
    pub action: &'c str,
}

/// What decisions about a resource depend on, apart from the caller.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The policy of the resource, if it has one: what it is called, and its text with today's principals.
    pub policy: Option<(String, String)>,
    /// The generation of the policy's record, if it is stored.
    pub generation: Option<Generation>,
    /// The resource's tags.
    pub tags: Vec<Tag>,
    /// The values of the API's own condition keys that describe the resource.
    pub values: Vec<(String, String)>,
}

/// The facts of a resource, once they are read.
pub type FoundFacts<'c> = BoxFuture<'c, Result<Option<Facts>, Internal>>;

/// A request whose caller is not proven by Signature Version 4.
#[derive(Clone, Copy)]
pub struct Unproven<'a> {
    /// What all requests share.
    pub shared: &'a Shared,
    /// The state of the API; its own type is known to the API.
    pub state: &'a dyn ApiState,
    /// The request as it was received.
    pub received: &'a Received<'a>,
    /// The body.
    pub payload: &'a Payload<'a>,
    /// The request's turn.
    pub(crate) turn: &'a Turn<'a>,
}

impl<'a> Unproven<'a> {
    /// The state of the API, if it is of that type.
    pub fn state<S: ApiState>(&self) -> Option<&'a S> {
        let state: &dyn Any = self.state;
        state.downcast_ref()
    }

    /// Gives the request's turn back: it waits for somebody else, which is not work. What follows the proof
    /// waits for another turn.
    pub fn waits(&self) {
        self.turn.give_back();
    }
}

impl std::fmt::Debug for Unproven<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unproven").finish_non_exhaustive()
    }
}

/// How an API proves a caller itself.
///
/// # Errors
/// The fault of a request that is malformed, or whose proof is not believed.
pub type Prove = for<'a> fn(
    &'a Unproven<'a>,
) -> Pin<Box<dyn Future<Output = Result<Proven, Fault>> + Send + 'a>>;

/// What the engine knows of an API: what is not generic works with this.
pub struct ApiDescription {
    /// See [`Api::SERVICE`].
    pub service: &'static str,
    /// See [`Api::TITLE`].
    pub title: &'static str,
    /// See [`Api::EVENT_SOURCE`].
    pub event_source: &'static str,
    /// See [`Api::WIRE`].
    pub wire: Wire,
    /// See [`Api::OPERATIONS`].
    pub operations: &'static [Row],
    /// See [`Api::UNSUPPORTED`].
    pub unsupported: &'static [&'static str],
    /// See [`Api::INTERNAL`].
    pub internal: &'static str,
    /// See [`Api::THROTTLED`].
    pub throttled: (&'static str, &'static str),
    /// See [`Api::CONDITION_KEYS`].
    pub condition_keys: &'static [DeclaredKey],
    /// See [`Api::FOR_SERVICES`].
    pub for_services: &'static [&'static str],
    /// See [`Api::FOR_AGENTS`].
    pub for_agents: &'static [&'static str],
    /// See [`Api::FOR_STRANGERS`].
    pub for_strangers: &'static [&'static str],
    /// See [`Api::LIMITED_BY_THEMSELVES`].
    pub limited_by_themselves: &'static [&'static str],
    /// See [`Api::COUNTED`].
    pub counted: &'static [CountedKind],
    /// See [`Api::FOR_CLIENTS`].
    pub for_clients: &'static [&'static str],
    /// See [`Protocol::content_type`].
    pub content_type: fn(Form) -> &'static str,
    /// See [`Api::resource_type`].
    pub resource_type: fn(&ArnParts<'_>) -> Option<&'static str>,
    facts: for<'c> fn(&'c Context<'c>, ResourceQuestion<'c>) -> FoundFacts<'c>,
    /// See [`Api::render_fault`].
    pub render_fault: fn(&Fault, &AnswerTo<'_>) -> Vec<u8>,
    /// See [`Api::contended`].
    pub contended: fn() -> Fault,
    /// See [`Api::skew`].
    pub skew: fn() -> Skew,
    /// See [`Api::presigned`].
    pub presigned: fn(&str) -> Presigned,
    /// See [`Api::own_proof`].
    pub own_proof: fn(&str) -> Option<Prove>,
    /// See [`Api::dependents`].
    pub dependents: FindDependents,
    /// See [`Api::state_of`].
    pub state_of: FindState,
    restricted: fn(&Caller, &Subject, &str) -> Option<Fault>,
    service_denied: fn(&Caller, &str) -> Fault,
}

impl ApiDescription {
    /// The description of an API, for its [`description`](Api::description).
    pub const fn of<A: Api>() -> Self {
        Self {
            service: A::SERVICE,
            title: A::TITLE,
            event_source: A::EVENT_SOURCE,
            wire: A::WIRE,
            operations: A::OPERATIONS,
            unsupported: A::UNSUPPORTED,
            internal: A::INTERNAL,
            throttled: A::THROTTLED,
            condition_keys: A::CONDITION_KEYS,
            for_services: A::FOR_SERVICES,
            for_agents: A::FOR_AGENTS,
            for_strangers: A::FOR_STRANGERS,
            limited_by_themselves: A::LIMITED_BY_THEMSELVES,
            counted: A::COUNTED,
            for_clients: A::FOR_CLIENTS,
            content_type: <A::Protocol as Protocol>::content_type,
            resource_type: A::resource_type,
            facts: A::facts,
            render_fault: A::render_fault,
            contended: A::contended,
            skew: A::skew,
            presigned: A::presigned,
            own_proof: A::own_proof,
            dependents: A::dependents,
            state_of: A::state_of,
            restricted: A::restricted,
            service_denied: A::service_denied,
        }
    }

    /// An operation that is served.
    pub fn operation(&self, name: &str) -> Option<&'static Row> {
        let found = self.operations.binary_search_by(|row| row.name().cmp(name));
        self.operations.get(found.ok()?)
    }

    /// The fault of a request over a rate.
    pub fn throttled(&self) -> Fault {
        let (code, text) = self.throttled;
        Fault::new(code, Some(text.to_owned())).status(self.wire.throttled())
    }

    /// The fault of a request that failed on our side, as this API names it.
    pub fn failure(&self, internal: Internal) -> Fault {
        Fault::internal(self.internal, internal)
    }

    /// Why the caller's credentials may not be used for an operation, whatever policies say; `None`
    /// if they may.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html>
    pub fn restricted(&self, caller: &Caller, operation: &str) -> Option<Fault> {
        // Unknown operations are refused as such.
        let known = || self.operations.iter().any(|row| row.name() == operation);
        let only = match caller.bearer() {
            Bearer::Service(_) => Some(self.for_services),
            Bearer::Agent(_) => Some(self.for_agents),
            Bearer::Root | Bearer::User(_) | Bearer::Role(_) | Bearer::Nobody => None,
        };
        let beyond = match only {
            Some(only) => !only.contains(&operation) && known(),
            None => self.for_agents.contains(&operation),
        };
        if beyond {
            return Some((self.service_denied)(caller, operation));
        }
        if only.is_some() {
            return None;
        }
        let subject = caller.session()?.subject();
        (self.restricted)(caller, subject, operation)
    }
}

impl Context<'_> {
    /// What is stored about a resource and matters for decisions about it, as its API reports it; `None` if
    /// that is not served, or nothing is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn facts(&self, asked: ResourceQuestion<'_>) -> Result<Option<Facts>, Internal> {
        let parts = ArnParts::parse(asked.arn);
        let service = parts.and_then(|parts| self.services.named(parts.service));
        match service {
            Some(service) => (service.api().facts)(self, asked).await,
            None => Ok(None),
        }
    }
}

impl std::fmt::Debug for ApiDescription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.service)
    }
}

/// The API of an operation.
pub(crate) fn api_of<O: Operation>() -> &'static ApiDescription {
    O::Api::description()
}
