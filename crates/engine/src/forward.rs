//! Calls from one API to another, for the caller of the first: the one door between APIs, which need
//! no crate of each other for it.
//!
//! The called API serves the request as it serves any other: the caller's own policies decide, with
//! `kms:ViaService`, `aws:CalledVia` and `aws:ViaAWSService`, and the call has an event of its own with
//! `invokedBy`. Nothing restricts it to one key, and it does not matter how the caller was proven. A
//! called API may call a further one.
//!
//! The calls are part of the caller's request: they are made before it is answered. What a service does later
//! is allowed by grants that it creates here. Each call commits for itself. If the commit of the calling
//! operation then meets a conflict, the operation runs again, and calls again: what it creates elsewhere must
//! be the same the second time, as a grant with a name is. A client that hangs up stops none of this
//! ([`CALLS_OTHERS`](crate::api::Api::CALLS_OTHERS)). If the operation fails, it takes that back
//! ([`abandoned`](crate::operation::Operation::abandoned)). What cannot be taken back waits until the
//! operation's own changes are committed ([`committed`](crate::operation::Operation::committed)).
//!
//! A service outside of this process asks for a forward access session instead.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html>

pub mod role;

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

use bytes::Bytes;
use keyward_types::{account::AccountId, region::Region, via_service::ActingService};
use keyward_wire::query::Form;

use crate::{
    api::Api,
    caller::Caller,
    context::Context,
    fault::Internal,
    front::{self, authenticate::Proven, dispatch::Dispatched},
    protocol::{Payload, Wire},
    request::{Ids, Peer, Source, Told},
    workers::WorkerContext,
};

/// The most calls that one request may lead to one inside the other.
const MOST_HOPS: usize = 4;

/// An API that may call others for its callers.
pub trait Forwards: Api {
    /// The service as which it calls.
    const CALLS_AS: &'static ActingService;
}

/// Why a call has no answer.
#[derive(Debug)]
pub enum NotDone {
    /// The called API refused it, with this code and message, which the calling API passes on in
    /// its own way.
    Refused(Told),
    /// It failed on our side; the cause is in the log.
    Failed(Internal),
}

/// An API that may call KMS as services by themselves, for resources that they were given a key for.
pub trait CallsAsServices: Api {
    /// The services.
    const SERVICES: &'static [&'static ActingService];
}

/// The resource for which a service calls on its own behalf.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'r> {
    /// Its ARN.
    pub arn: &'r str,
    /// The account that it belongs to.
    pub account: AccountId,
}

/// Calls an operation of another API as a service on its own behalf, for a resource of its own:
/// with only those rights that policies and grants give the service. Returns the body of the
/// answer.
///
/// # Errors
/// As [`call`]; and if the API may not call as that service.
pub async fn by_service<A: CallsAsServices>(
    cx: &Context<'_>,
    (service, resource): (&'static ActingService, Resource<'_>),
    named: (&str, &str),
    body: &[u8],
) -> Result<Bytes, NotDone> {
    if !A::SERVICES.contains(&service) {
        let cause = "an API calls as a service that it is not";
        return Err(NotDone::Failed(Internal::new(cause)));
    }
    let partition = cx.region.partition();
    let home = (partition, resource.account);
    let organization = cx.directory().membership(home).await;
    let source = Source {
        arn: Some(resource.arn.to_owned()),
        account: Some(resource.account.to_string()),
        organization: organization.map_err(|error| NotDone::Failed(Internal::new(error)))?,
    };
    let caller = Caller::of_service(service, cx.region, home);
    serve(cx, (&caller, &source), named, body).await
}

/// As [`by_service`], for a worker of the API, in that Region.
///
/// # Errors
/// As [`by_service`].
pub async fn by_worker<A: CallsAsServices>(
    cx: &WorkerContext,
    region: Region,
    (service, resource): (&'static ActingService, Resource<'_>),
    named: (&str, &str),
    body: &[u8],
) -> Result<Bytes, NotDone> {
    // It replaces what is here about a caller before anything looks at it.
    let caller = Caller::of_service(service, region, (region.partition(), resource.account));
    let (source, ids) = (Source::default(), Ids::new());
    let peer = Peer::new(IpAddr::V4(Ipv4Addr::LOCALHOST), None);
    let context = Context {
        shared: cx.shared(),
        services: cx.services(),
        caller: &caller,
        source: &source,
        region,
        now: cx.shared().clock().now(),
        peer: &peer,
        turn: None,
        repeats: false,
        user_agent: "",
        referer: "",
        host: "",
        form: Form::Xml,
        request_id: ids.request,
        event_id: ids.event,
    };
    by_service::<A>(&context, (service, resource), named, body).await
}

/// Calls an operation of another API for the caller of this request; `body` is what a client would send, for
/// REST-JSON with the members that are in path and query string. Returns the body of the answer.
///
/// # Errors
/// When the called API refuses, or fails.
pub async fn call<A: Forwards>(
    cx: &Context<'_>,
    named: (&str, &str),
    body: &[u8],
) -> Result<Bytes, NotDone> {
    const {
        assert!(A::CALLS_OTHERS, "an API that calls others says so");
    }
    if cx.caller.acting().count() >= MOST_HOPS {
        let cause = "APIs call each other in too many hops";
        return Err(NotDone::Failed(Internal::new(cause)));
    }
    let caller = cx.caller.through(A::CALLS_AS);
    serve(cx, (&caller, cx.source), named, body).await
}

/// Asks another API about a client of a resource of the account that it names, on whose behalf whoever
/// serves the resource calls: a caller that was proven, or nobody that is known. The client's
/// address is its own. If a refusal `repeats` one that is recorded, it is only counted.
///
/// # Errors
/// As [`call`]; and if the operation is not for clients.
pub async fn for_client(
    cx: &Context<'_>,
    (client, owner): (Option<&Proven>, AccountId),
    (address, repeats): (IpAddr, bool),
    (service, operation): (&str, &str),
    body: &[u8],
) -> Result<Bytes, NotDone> {
    let called = cx.services.named(service);
    if !called.is_some_and(|called| called.api().for_clients.contains(&operation)) {
        let cause = "an operation is not for clients of resources";
        return Err(NotDone::Failed(Internal::new(cause)));
    }
    let nobody = Caller::anonymous((cx.region.partition(), owner));
    let caller = client.map_or(&nobody, Proven::caller);
    let source = Source::default();
    let peer = Peer::new(address, None);
    let context = Context {
        source: &source,
        peer: &peer,
        repeats,
        user_agent: "",
        referer: "",
        ..*cx
    };
    serve(&context, (caller, &source), (service, operation), body).await
}

async fn serve(
    cx: &Context<'_>,
    (caller, source): (&Caller, &Source),
    (service, operation): (&str, &str),
    body: &[u8],
) -> Result<Bytes, NotDone> {
    let failed = |text: &'static str| NotDone::Failed(Internal::new(text));
    let called = cx.services.named(service);
    let called = called.ok_or_else(|| failed("an API calls one that is not served"))?;
    let payload = match called.api().wire {
        Wire::Json { .. } | Wire::Rest { .. } => Payload::Json(body),
        Wire::Query { items, .. } => Payload::parameters(body, items)
            .map_err(|_| failed("an API calls another with malformed parameters"))?,
    };
    let ids = Ids::new();
    let request = Context {
        caller,
        source,
        request_id: ids.request,
        event_id: ids.event,
        ..*cx
    };
    let target = Dispatched {
        service: called,
        name: Cow::Borrowed(operation),
        payload,
    };
    let answer = front::serve(&request, &target).await;
    match answer.told {
        None => Ok(answer.body),
        Some(told) if answer.status < 500 => Err(NotDone::Refused(*told)),
        Some(_) => Err(failed("a call to another API failed")),
    }
}
