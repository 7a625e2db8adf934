//! The front: from a received request to an answer. It finds the service and the operation,
//! proves the caller, and hands over to the pipeline.

pub mod authenticate;
pub mod before_body;
mod dispatch;
mod restrictions;
mod unserved;
mod web_identity;

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use keyward_crypto::{random, secret::SecretBytes};
use keyward_trail::refused::Refusal;
use keyward_wire::{json, query::Form, xml};
use uuid::Uuid;

use crate::{
    context::Context,
    fault::{Fault, Internal},
    front::dispatch::{Protocol, Target},
    iam, keyward, kms,
    metrics::Ended,
    operation::{Api, Asked, Operation as _},
    organizations,
    pipeline::Row,
    server::Shared,
    sts::{self, assume_role_with_web_identity::AssumeRoleWithWebIdentity},
    unsupported,
};

/// A request as the listener received it.
#[derive(Debug)]
pub struct Received<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it stands on the request line.
    pub path: &'a str,
    /// The query string as it stands there, perhaps empty.
    pub query: &'a str,
    /// The headers in order; HTTP/2's authority as `host`.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// From where.
    pub peer: &'a Peer,
}

impl<'a> Received<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        let found = self
            .headers
            .iter()
            .find(|(field, _)| field.len() == name.len() && field.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// Whether it claims to be signed. What does not is at most a web identity's.
    pub fn is_signed(&self) -> bool {
        let header = "authorization";
        let is_it = |field: &str| field.len() == header.len() && field.eq_ignore_ascii_case(header);
        self.headers.iter().any(|(field, _)| is_it(field))
            || self.query.contains("X-Amz-Signature=")
    }

    /// How the client wants an answer of the Query protocol.
    fn form(&self) -> Form {
        let fields = self.headers.iter();
        let accept = fields.filter(|(field, _)| field.eq_ignore_ascii_case("accept"));
        Form::accepted(accept.map(|(_, value)| *value))
    }

    /// What every event says of the client, found in one pass; empty what is not there.
    fn client(&self) -> Client<'a> {
        let mut client = Client::default();
        // From the last to the first, which is the one that counts.
        for (field, value) in self.headers.iter().rev() {
            let place = match field.len() {
                4 if field.eq_ignore_ascii_case("host") => &mut client.host,
                7 if field.eq_ignore_ascii_case("referer") => &mut client.referer,
                10 if field.eq_ignore_ascii_case("user-agent") => &mut client.user_agent,
                _ => continue,
            };
            *place = std::str::from_utf8(value).unwrap_or_default();
        }
        client
    }
}

/// What a client says of itself in headers.
#[derive(Default)]
struct Client<'a> {
    user_agent: &'a str,
    referer: &'a str,
    host: &'a str,
}

/// The other end of a connection, as the socket knows it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client's address.
    pub source_ip: IpAddr,
    /// TLS, if the connection has it.
    pub tls: Option<TlsDetails>,
    /// Whether a caller was proven on the connection.
    pub proof: Proof,
    address: Box<str>,
}

impl Peer {
    /// The other end at an address.
    pub fn new(source_ip: IpAddr, tls: Option<TlsDetails>) -> Self {
        Self {
            source_ip,
            tls,
            proof: Proof::default(),
            address: source_ip.to_string().into(),
        }
    }

    /// The client's address as text, which every event has.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Whether a caller was proven on a connection; its clones share that.
#[derive(Clone, Debug, Default)]
pub struct Proof(Arc<AtomicBool>);

impl Proof {
    /// A caller was proven.
    pub fn note(&self) {
        // Read first: the requests of a connection then do not take the line from each other.
        if !self.is_proven() {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether one was.
    pub fn is_proven(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the audit trail says of a connection's TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsDetails {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite by its registered name.
    pub cipher_suite: String,
}

/// An answer for the listener to send.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body's type.
    pub content_type: &'static str,
    /// The request's id.
    pub request_id: Uuid,
    /// The body; its memory is wiped when it has been sent.
    pub body: Bytes,
}

impl Answer {
    /// An answer whose body may hold secrets.
    pub fn new(status: u16, content_type: &'static str, request_id: Uuid, body: Vec<u8>) -> Self {
        let body = Bytes::from_owner(Wiped(SecretBytes::from_vec(body)));
        Self {
            status,
            content_type,
            request_id,
            body,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

struct Wiped(SecretBytes);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// What the audit trail and the metrics call an operation that nobody knows: the name asked for
/// stands in the message.
const UNKNOWN: &str = "UnknownOperation";

/// The front of a server.
#[derive(Clone, Debug)]
pub struct Front {
    shared: Arc<Shared>,
}

impl Front {
    /// The front of what all requests share.
    pub fn new(shared: Arc<Shared>) -> Self {
        let kms = kms::OPERATIONS.iter().map(|row| row.name);
        let kms = kms.chain(kms::UNSUPPORTED.iter().copied());
        let organizations = organizations::OPERATIONS.iter().map(|row| row.name);
        let organizations = organizations.chain(organizations::UNSUPPORTED.iter().copied());
        let iam = iam::OPERATIONS.iter().map(|row| row.name);
        let sts = sts::OPERATIONS.iter().map(|row| row.name);
        let own = keyward::OPERATIONS.iter().map(|row| row.name);
        let unknown = ["kms", "organizations", "iam", "sts", "keyward"];
        let named = (kms.map(|name| ("kms", name)))
            .chain(organizations.map(|name| ("organizations", name)))
            .chain(iam.map(|name| ("iam", name)))
            .chain(sts.map(|name| ("sts", name)))
            .chain(own.map(|name| ("keyward", name)))
            .chain(unknown.map(|service| (service, UNKNOWN)))
            .chain([(unserved::OTHER, UNKNOWN)]);
        shared.metrics.register(named);
        Self { shared }
    }

    /// What all requests share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Answers a request.
    pub async fn answer(&self, received: &Received<'_>, body: &[u8]) -> Answer {
        let ids = Ids::new();
        let target = match dispatch::target(received, body) {
            Ok(target) => target,
            Err(refused) => return self.answer_unserved(received, body, &ids, refused).await,
        };
        let proven = match &target {
            Target::Sts { params, name } if name == AssumeRoleWithWebIdentity::NAME => self
                .authenticate_web_identity(params)
                .await
                .map_err(|fault| self.refuse_token(received, &ids, &target, fault)),
            _ => self
                .authenticate(received, body, &target)
                .await
                .map_err(|refused| self.refuse_caller(received, &ids, &target, refused)),
        };
        let caller = match proven {
            Ok(proven) => proven,
            Err(answer) => return answer,
        };
        received.peer.proof.note();
        let form = target.form(received);
        if let Some(throttle) = &self.shared.throttle
            && !throttle.admits(&caller.caller, caller.at)
        {
            return self.throttled((&ids, form), &target);
        }
        let cx = context(&self.shared, received, (&caller, form), &ids);
        if let Some(fault) = restrictions::restricted(cx.caller, &target) {
            return refuse_restricted(&cx, &target, fault).await;
        }
        match target {
            Target::Keyward { name } => {
                serve_json(&cx, name, body, (keyward::OPERATIONS, &[])).await
            }
            Target::Kms { name } => {
                let operations = (kms::OPERATIONS, kms::UNSUPPORTED);
                serve_json(&cx, name, body, operations).await
            }
            Target::Organizations { name } => {
                let operations = (organizations::OPERATIONS, organizations::UNSUPPORTED);
                serve_json(&cx, name, body, operations).await
            }
            Target::Iam { params, name } => match find(iam::OPERATIONS, &name) {
                Some(row) => (row.serve)(&cx, &params).await,
                None => {
                    let fault = dispatch::unknown_action_fault(&name, iam::VERSION);
                    unsupported::record::<iam::Iam>(&cx, UNKNOWN, fault).await
                }
            },
            Target::Sts { params, name } => match find(sts::OPERATIONS, &name) {
                Some(row) => (row.serve)(&cx, &params).await,
                None => {
                    let fault = dispatch::unknown_action_fault(&name, sts::VERSION);
                    unsupported::record::<sts::Sts>(&cx, UNKNOWN, fault).await
                }
            },
        }
    }

    /// The answer to a principal that asks more often than it may: counted, and not recorded.
    fn throttled(&self, of: (&Ids, Form), target: &Target<'_>) -> Answer {
        match target {
            Target::Keyward { name } => self.slow_down(of, keyward::OPERATIONS, name),
            Target::Kms { name } => self.slow_down(of, kms::OPERATIONS, name),
            Target::Organizations { name } => self.slow_down(of, organizations::OPERATIONS, name),
            Target::Iam { name, .. } => self.slow_down(of, iam::OPERATIONS, name),
            Target::Sts { name, .. } => self.slow_down(of, sts::OPERATIONS, name),
        }
    }

    fn slow_down<A: Api>(
        &self,
        (ids, form): (&Ids, Form),
        operations: &'static [Row<A>],
        name: &str,
    ) -> Answer {
        let name = find(operations, name).map_or(UNKNOWN, |row| row.name);
        let ended = Ended::Throttled;
        self.shared.metrics.request(A::SERVICE, name, ended);
        let (code, text) = A::THROTTLED;
        let fault = Fault::new(code, Some(text.to_owned()));
        let asked = Asked {
            request_id: &ids.request.to_string(),
            form,
        };
        let body = A::render_fault(&fault, &asked);
        Answer::new(
            fault.http_status(),
            A::content_type(form),
            ids.request,
            body,
        )
    }

    /// The answer to a body longer than any request's.
    pub fn body_too_large(&self, received: &Received<'_>) -> Answer {
        let fault = keyward_wire::fault::Fault::new("RequestEntityTooLargeException", 413);
        self.refuse_claimed(received, &Ids::new(), protocol_of(received), &fault, "", "")
    }

    /// The answer to a body that did not come in time.
    pub fn body_too_slow(&self, received: &Received<'_>) -> Answer {
        let fault = keyward_wire::fault::Fault::new("RequestTimeoutException", 408)
            .with_message("The body of the request did not arrive in time.");
        self.refuse_claimed(received, &Ids::new(), protocol_of(received), &fault, "", "")
    }

    /// The answer to a body that ended early.
    pub fn body_broken(&self, received: &Received<'_>) -> Answer {
        let fault = keyward_wire::fault::Fault::new("SerializationException", 400);
        self.refuse_claimed(received, &Ids::new(), protocol_of(received), &fault, "", "")
    }

    /// The answer to a request that waited for its body while others needed the memory.
    pub fn crowded(&self, received: &Received<'_>) -> Answer {
        let fault = keyward_wire::fault::Fault::new("ServiceUnavailable", 503)
            .with_message("The request has failed due to a temporary failure of the server.");
        self.refuse_claimed(received, &Ids::new(), protocol_of(received), &fault, "", "")
    }

    /// Counts a request with more headers than clients send, of which nothing was kept.
    pub fn too_many_headers(&self, peer: &Peer) {
        self.count_refused(peer, "RequestHeaderFieldsTooLarge", "", "");
    }

    /// Why requests cannot succeed for now; nothing if they can.
    pub fn not_ready(&self) -> Vec<String> {
        self.shared.not_ready()
    }

    fn refuse(&self, received: &Received<'_>, ids: &Ids, refused: dispatch::Refused) -> Answer {
        self.refuse_claimed(received, ids, refused.protocol, &refused.fault, "", "")
    }

    /// The answer to a caller who is not proven.
    fn refuse_caller(
        &self,
        received: &Received<'_>,
        ids: &Ids,
        target: &Target<'_>,
        refused: authenticate::Refused,
    ) -> Answer {
        let protocol = target.protocol();
        if let authenticate::Refused::Internal(internal) = refused {
            let cause = internal.chain();
            tracing::error!(request_id = %ids.request, cause, "a caller cannot be looked up");
            let fault = internal_fault(target, internal).to_wire();
            return self.render(received, protocol, ids, &fault);
        }
        self.refuse_unproven(received, ids, protocol, refused, target.name())
    }

    /// The answer to a caller who is not proven, whatever the request is for.
    fn refuse_unproven(
        &self,
        received: &Received<'_>,
        ids: &Ids,
        protocol: Protocol,
        refused: authenticate::Refused,
        operation: &str,
    ) -> Answer {
        match refused {
            authenticate::Refused::Auth(error, claimed) => {
                let fault = match protocol {
                    Protocol::Json => error.json(),
                    Protocol::Query(_) => error.query(),
                };
                self.refuse_claimed(received, ids, protocol, &fault, &claimed, operation)
            }
            authenticate::Refused::Internal(internal) => {
                let cause = internal.chain();
                tracing::error!(request_id = %ids.request, cause, "a caller cannot be looked up");
                let fault = Fault::internal(kms::Kms::INTERNAL, internal);
                self.render(received, protocol, ids, &fault.to_wire())
            }
        }
    }

    /// The answer to a token that is not believed, or to the rest of its request.
    fn refuse_token(
        &self,
        received: &Received<'_>,
        ids: &Ids,
        target: &Target<'_>,
        fault: Fault,
    ) -> Answer {
        if let Some(internal) = fault.internal_cause() {
            let cause = internal.chain();
            tracing::error!(request_id = %ids.request, cause, "a token cannot be verified");
            return self.render(received, target.protocol(), ids, &fault.to_wire());
        }
        let fault = fault.to_wire();
        self.refuse_claimed(received, ids, target.protocol(), &fault, "", target.name())
    }

    fn refuse_claimed(
        &self,
        received: &Received<'_>,
        ids: &Ids,
        protocol: Protocol,
        fault: &keyward_wire::fault::Fault,
        claimed: &str,
        operation: &str,
    ) -> Answer {
        self.count_refused(received.peer, &fault.code, claimed, operation);
        self.render(received, protocol, ids, fault)
    }

    fn count_refused(&self, peer: &Peer, code: &str, claimed: &str, operation: &str) {
        self.shared.metrics.unauthenticated(code);
        self.shared.refusals.sample(&Refusal {
            at: self.shared.clock.now(),
            source_ip: peer.source_ip,
            code,
            access_key_id: Some(claimed).filter(|claimed| !claimed.is_empty()),
            operation: Some(operation).filter(|operation| !operation.is_empty()),
            identity: None,
        });
    }

    fn render(
        &self,
        received: &Received<'_>,
        protocol: Protocol,
        ids: &Ids,
        fault: &keyward_wire::fault::Fault,
    ) -> Answer {
        let (content_type, body) = match protocol {
            Protocol::Json => (keyward_wire::response::AWS_JSON, fault.json()),
            Protocol::Query(namespace) => {
                let form = received.form();
                let about = xml::About {
                    form,
                    namespace,
                    request_id: &ids.request.to_string(),
                };
                (form.content_type(), fault.query(&about))
            }
        };
        Answer::new(fault.status, content_type, ids.request, body)
    }
}

/// Serves a request of an API that speaks AWS JSON.
async fn serve_json<A>(
    cx: &Context<'_>,
    name: &str,
    body: &[u8],
    (operations, unsupported): (&'static [Row<A>], &'static [&'static str]),
) -> Answer
where
    A: for<'a> Api<Input<'a> = json::Object<'a>>,
{
    let object = json::Object::parse(body, &json::Limits::KMS);
    match (find(operations, name), object) {
        (Some(row), Ok(object)) => (row.serve)(cx, &object).await,
        (Some(row), Err(error)) => {
            let fault = keyward_wire::fault::Fault::from(error);
            let code = if fault.status == 413 {
                "RequestEntityTooLargeException"
            } else {
                "SerializationException"
            };
            let message = fault.message.map(std::borrow::Cow::into_owned);
            let fault = Fault::new(code, message).status(fault.status);
            unsupported::record::<A>(cx, row.name, fault).await
        }
        (None, _) => match unsupported.iter().find(|known| **known == name) {
            Some(known) => unsupported::record::<A>(cx, known, unsupported::fault(known)).await,
            None => {
                let fault = Fault::new("UnknownOperationException", None);
                unsupported::record::<A>(cx, UNKNOWN, fault).await
            }
        },
    }
}

/// What an operation sees of a request whose caller was proven.
fn context<'a>(
    shared: &'a Shared,
    received: &Received<'a>,
    (proven, form): (&'a authenticate::Proven, Form),
    ids: &Ids,
) -> Context<'a> {
    let client = received.client();
    Context {
        shared,
        caller: &proven.caller,
        source: &proven.source,
        region: proven.region,
        now: proven.at,
        peer: received.peer,
        user_agent: client.user_agent,
        referer: client.referer,
        host: client.host,
        form,
        request_id: ids.request,
        event_id: ids.event,
    }
}

/// The ids of one request.
struct Ids {
    request: Uuid,
    event: Uuid,
}

impl Ids {
    fn new() -> Self {
        let bytes: [u8; 32] = random::public();
        let (first, second) = bytes.split_at(16);
        let uuid = |half: &[u8]| {
            let half: [u8; 16] = half.try_into().unwrap_or_default();
            uuid::Builder::from_random_bytes(half).into_uuid()
        };
        Self {
            request: uuid(first),
            event: uuid(second),
        }
    }
}

fn find<A: crate::operation::Api>(table: &'static [Row<A>], name: &str) -> Option<&'static Row<A>> {
    let index = table.binary_search_by(|row| row.name.cmp(name)).ok()?;
    table.get(index)
}

/// Refuses what the caller's credentials may not call, on the trail too.
async fn refuse_restricted(cx: &Context<'_>, target: &Target<'_>, fault: Fault) -> Answer {
    match target {
        Target::Kms { name } => {
            let name = find(kms::OPERATIONS, name).map_or(UNKNOWN, |row| row.name);
            unsupported::record_denied::<kms::Kms>(cx, name, fault).await
        }
        Target::Keyward { name } => {
            let name = find(keyward::OPERATIONS, name).map_or(UNKNOWN, |row| row.name);
            unsupported::record_denied::<keyward::Keyward>(cx, name, fault).await
        }
        Target::Organizations { name } => {
            let name = find(organizations::OPERATIONS, name).map_or(UNKNOWN, |row| row.name);
            unsupported::record_denied::<organizations::Organizations>(cx, name, fault).await
        }
        Target::Iam { name, .. } => {
            let name = find(iam::OPERATIONS, name).map_or(UNKNOWN, |row| row.name);
            unsupported::record_denied::<iam::Iam>(cx, name, fault).await
        }
        Target::Sts { name, .. } => {
            let name = find(sts::OPERATIONS, name).map_or(UNKNOWN, |row| row.name);
            unsupported::record_denied::<sts::Sts>(cx, name, fault).await
        }
    }
}

fn protocol_of(received: &Received<'_>) -> Protocol {
    if received.header("x-amz-target").is_some() {
        Protocol::Json
    } else {
        Protocol::Query(sts::NAMESPACE)
    }
}

fn internal_fault(target: &Target<'_>, internal: Internal) -> Fault {
    let code = match target {
        Target::Kms { .. } => kms::Kms::INTERNAL,
        Target::Organizations { .. } => organizations::Organizations::INTERNAL,
        Target::Keyward { .. } => keyward::Keyward::INTERNAL,
        Target::Iam { .. } => iam::Iam::INTERNAL,
        Target::Sts { .. } => sts::Sts::INTERNAL,
    };
    Fault::internal(code, internal)
}
