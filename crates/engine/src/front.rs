//! The front: from a received request to an answer. It finds the API and the operation, proves the
//! caller, and hands over to the pipeline.

pub mod authenticate;
pub mod before_body;
pub(crate) mod dispatch;
mod to_the_end;
mod unserved;

use std::sync::Arc;

use keyward_metrics::Ended;
use keyward_trail::refused::Refusal;
use keyward_wire::{query::Form, xml};

use crate::{
    api::{ApiState, Unproven},
    context::Context,
    fault::{Fault, Internal},
    front::dispatch::Dispatched,
    pipeline::{self, Row},
    protocol::{AnswerTo, Dialect, Style, Wire},
    request::{Answer, Ids, Peer, Received},
    server::Shared,
    service::{Service, Services},
    turns::Turn,
};

/// What the audit trail and the metrics call an unknown operation: the requested name is in the
/// message.
const UNKNOWN: &str = "UnknownOperation";

/// The code of a failure on our side before an API is known, which is one of AWS's common errors.
const INTERNAL: &str = "InternalFailure";

/// The longest body of a request whose caller is not proven by a signature, in bytes: a web identity's
/// token of 20,000 characters with session policies.
pub const MAX_UNSIGNED_BODY: usize = 64 << 10;

/// The front of a server.
#[derive(Clone, Debug)]
pub struct Front {
    shared: Arc<Shared>,
    services: Arc<Services>,
}

impl Front {
    /// The front of these APIs, and of what all requests share.
    pub fn new(shared: Arc<Shared>, services: Services) -> Self {
        let mut names = vec![(unserved::OTHER, UNKNOWN)];
        for row in services.rows() {
            let api = row.api();
            let served = api.operations.iter().map(|row| row.name());
            let known = served.chain(api.unsupported.iter().copied());
            let named = known.chain([UNKNOWN]).map(|name| (api.service, name));
            names.extend(named);
        }
        shared.metrics.register(names);
        Self {
            shared,
            services: Arc::new(services),
        }
    }

    /// What all requests share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Counters and gauges in Prometheus's text format.
    pub fn render_metrics(&self) -> String {
        let states = self.services.rows().iter().map(Service::state);
        self.shared
            .render_metrics(states.flat_map(ApiState::gauges))
    }

    /// The APIs.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The APIs, for what outlives the front.
    pub(crate) fn shared_services(&self) -> Arc<Services> {
        Arc::clone(&self.services)
    }

    /// Answers a request.
    pub async fn answer(&self, received: &Received<'_>, body: &[u8]) -> Answer {
        let ids = Ids::new();
        let holds = || received.holds() + body.len();
        let Some(mut turn) = self.shared.turns.take(received.peer, holds).await else {
            return self.crowded_out(received, &ids);
        };
        let target = match dispatch::target(&self.services, received, body) {
            Ok(target) => target,
            Err(refused) => {
                // In a box, so that the future of served requests does not grow.
                let answer = self.answer_unserved(received, body, &ids, refused);
                return Box::pin(answer).await;
            }
        };
        let proven = match (target.api().own_proof)(&target.name) {
            Some(prove) => {
                // A signature in addition to the proof is ignored, and does not allow more memory.
                if body.len() > MAX_UNSIGNED_BODY {
                    return self.body_too_large(received);
                }
                let unproven = Unproven {
                    shared: &self.shared,
                    received,
                    state: target.service.state(),
                    payload: &target.payload,
                    turn: &turn,
                };
                let proven = prove(&unproven).await;
                // It waited for an issuer. Whoever it believes is served in turn, like everybody.
                if proven.is_ok() && turn.is_over() {
                    let next = Box::pin(self.shared.turns.take(received.peer, holds)).await;
                    let Some(next) = next else {
                        return self.throttled((&ids, target.form(received)), &target);
                    };
                    turn = next;
                }
                proven.map_err(|fault| self.refuse_proof(received, &ids, &target, fault))
            }
            None => {
                let proven = self.authenticate(received, body, &target).await;
                proven.map_err(|refused| self.refuse_caller(received, &ids, &target, refused))
            }
        };
        let caller = match proven {
            Ok(proven) => proven,
            Err(answer) => return answer,
        };
        // A token of a public provider proves nothing until a trust policy allows it.
        if caller.caller.web_identity().is_none() {
            self.shared.turns.note(received.peer, &caller.caller);
        }
        let form = target.form(received);
        let for_stranger = target.api().for_strangers.contains(&&*target.name);
        let by_itself = target.api().limited_by_themselves.contains(&&*target.name);
        if let Some(throttle) = &self.shared.throttle
            && !by_itself
            && !throttle.admits(&caller.caller, for_stranger, caller.at)
        {
            return self.throttled((&ids, form), &target);
        }
        if target.operation().is_some_and(Row::finishes) {
            let turn = turn.keep(&self.shared);
            let (front, asked) = (self.clone(), (received, body));
            return Box::pin(to_the_end::serve(front, asked, (caller, form), (ids, turn))).await;
        }
        let cx = self.context(received, (&caller, form), (&ids, Some(&turn)));
        serve(&cx, &target).await
    }

    /// What an operation sees of a request whose caller was proven.
    fn context<'a>(
        &'a self,
        received: &Received<'a>,
        (proven, form): (&'a authenticate::Proven, Form),
        (ids, turn): (&Ids, Option<&'a Turn<'a>>),
    ) -> Context<'a> {
        let client = received.client();
        Context {
            shared: &self.shared,
            services: &self.services,
            caller: &proven.caller,
            source: &proven.source,
            region: proven.region,
            now: proven.at,
            peer: received.peer,
            turn,
            repeats: false,
            user_agent: client.user_agent,
            referer: client.referer,
            host: client.host,
            form,
            request_id: ids.request,
            event_id: ids.event,
        }
    }

    /// The answer to a principal over its rate: counted, and not recorded.
    fn throttled(&self, (ids, form): (&Ids, Form), target: &Dispatched<'_>) -> Answer {
        let api = target.api();
        let metrics = &self.shared.metrics;
        metrics.request(api.service, target.known_name(), Ended::Throttled);
        let fault = api.throttled();
        let request_id = ids.request.to_string();
        let body = (api.render_fault)(&fault, &AnswerTo::of(api.wire, &request_id, form));
        let content_type = (api.content_type)(form);
        Answer::new(fault.http_status(), content_type, ids.request, body)
            .with_code(api.wire.style(), fault.code().into())
    }

    /// The answer to a request for which there was no turn: counted, and not recorded. Its caller is
    /// not authenticated.
    fn crowded_out(&self, received: &Received<'_>, ids: &Ids) -> Answer {
        let target = received.header("x-amz-target");
        let found = target.and_then(|target| self.services.targeted(target));
        let claimed = || self.services.named(&dispatch::claimed_service(received)?);
        let row = found.map(|(row, _)| row).or_else(claimed);
        let unknown = || match target {
            Some(_) => self.services.own(),
            None => self.services.unnamed(),
        };
        let api = row.unwrap_or_else(unknown).api();
        let known = found.and_then(|(_, name)| api.operation(name));
        if received.peer.proof.is_proven() {
            let operation = known.map_or(UNKNOWN, |row| row.name());
            let metrics = &self.shared.metrics;
            metrics.request(api.service, operation, Ended::Throttled);
        } else {
            self.count_refused(received.peer, api.throttled.0, "", "");
        }
        let style = match (target, row) {
            (Some(_), _) => Style::Json,
            (None, _) => dispatch::claimed_style(&self.services, received),
        };
        let mut fault = api.throttled();
        if style != api.wire.style() {
            fault = fault.status(400);
        }
        self.render(received, style, ids, &fault.to_wire())
    }

    /// The answer to a body longer than any request's.
    pub fn body_too_large(&self, received: &Received<'_>) -> Answer {
        let fault = keyward_wire::fault::Fault::new("RequestEntityTooLargeException", 413);
        self.refuse_unread(received, &fault)
    }

    /// The answer to a body that did not come in time.
    pub fn body_too_slow(&self, received: &Received<'_>) -> Answer {
        let fault = keyward_wire::fault::Fault::new("RequestTimeoutException", 408)
            .with_message("The body of the request did not arrive in time.");
        self.refuse_unread(received, &fault)
    }

    /// The answer to a body that ended early.
    pub fn body_broken(&self, received: &Received<'_>) -> Answer {
        let fault = keyward_wire::fault::Fault::new("SerializationException", 400);
        self.refuse_unread(received, &fault)
    }

    /// The answer to a request that waited for its body while others needed the memory.
    pub fn crowded(&self, received: &Received<'_>) -> Answer {
        let fault = keyward_wire::fault::Fault::new("ServiceUnavailable", 503)
            .with_message("The request has failed due to a temporary failure of the server.");
        self.refuse_unread(received, &fault)
    }

    fn refuse_unread(&self, received: &Received<'_>, fault: &keyward_wire::fault::Fault) -> Answer {
        let style = if received.header("x-amz-target").is_some() {
            Style::Json
        } else {
            dispatch::claimed_style(&self.services, received)
        };
        self.refuse_claimed(received, &Ids::new(), style, fault, "", "")
    }

    /// Counts a request that was refused for its head alone, under this code.
    pub fn refused(&self, peer: &Peer, code: &str) {
        self.count_refused(peer, code, "", "");
    }

    /// Why requests cannot succeed for now; nothing if they can.
    pub fn not_ready(&self) -> Vec<String> {
        self.shared.not_ready()
    }

    fn refuse(&self, received: &Received<'_>, ids: &Ids, refused: dispatch::Refused) -> Answer {
        self.refuse_claimed(received, ids, refused.style, &refused.fault, "", "")
    }

    /// The answer to an unauthenticated caller.
    fn refuse_caller(
        &self,
        received: &Received<'_>,
        ids: &Ids,
        target: &Dispatched<'_>,
        refused: authenticate::Refused,
    ) -> Answer {
        let (style, internal) = (target.style(), target.api().internal);
        self.refuse_unproven(received, ids, (style, internal), refused, &target.name)
    }

    /// The answer to an unauthenticated caller, whatever the request is for; with the code of a
    /// failure on our side.
    fn refuse_unproven(
        &self,
        received: &Received<'_>,
        ids: &Ids,
        (style, internal_code): (Style, &'static str),
        refused: authenticate::Refused,
        operation: &str,
    ) -> Answer {
        match refused {
            authenticate::Refused::Auth(error, claimed) => {
                let fault = match style {
                    Style::Json => error.json(),
                    Style::Rest(_) => error.rest(),
                    Style::Query(_) => error.query(),
                };
                self.refuse_claimed(received, ids, style, &fault, &claimed, operation)
            }
            authenticate::Refused::Internal(internal) => {
                log_failure(ids, &internal);
                self.count_refused(received.peer, internal_code, "", operation);
                let fault = Fault::internal(internal_code, internal);
                self.render(received, style, ids, &fault.to_wire())
            }
        }
    }

    /// The answer if the API's own proof of the caller, or the rest of the request, is not
    /// accepted.
    fn refuse_proof(
        &self,
        received: &Received<'_>,
        ids: &Ids,
        target: &Dispatched<'_>,
        fault: Fault,
    ) -> Answer {
        if let Some(internal) = fault.internal_cause() {
            log_failure(ids, internal);
            return self.render(received, target.style(), ids, &fault.to_wire());
        }
        let fault = fault.to_wire();
        self.refuse_claimed(received, ids, target.style(), &fault, "", &target.name)
    }

    fn refuse_claimed(
        &self,
        received: &Received<'_>,
        ids: &Ids,
        style: Style,
        fault: &keyward_wire::fault::Fault,
        claimed: &str,
        operation: &str,
    ) -> Answer {
        self.count_refused(received.peer, &fault.code, claimed, operation);
        self.render(received, style, ids, fault)
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

    /// The answer to an unauthenticated caller.
    fn render(
        &self,
        received: &Received<'_>,
        style: Style,
        ids: &Ids,
        fault: &keyward_wire::fault::Fault,
    ) -> Answer {
        let fault = fault.clone().for_strangers();
        let (content_type, body) = match style {
            Style::Json => (keyward_wire::response::AWS_JSON, fault.json()),
            Style::Rest(Dialect::Aws) => (keyward_wire::response::JSON, fault.rest()),
            Style::Rest(Dialect::Cloudera) => {
                let (code, message) = (&*fault.code, fault.message.as_deref());
                let body = keyward_altus::error::body(code, fault.status, message);
                (keyward_wire::response::JSON, body)
            }
            Style::Query(namespace) => {
                let form = received.form();
                let about = xml::About {
                    form,
                    namespace,
                    request_id: &ids.request.to_string(),
                };
                (form.content_type(), fault.query(&about))
            }
        };
        Answer::new(fault.status, content_type, ids.request, body).with_code(style, fault.code)
    }
}

fn log_failure(ids: &Ids, internal: &Internal) {
    let cause = internal.chain();
    tracing::error!(request_id = %ids.request, cause, "a caller cannot be authenticated");
}

/// Serves a request whose caller is proven.
pub(crate) async fn serve(cx: &Context<'_>, target: &Dispatched<'_>) -> Answer {
    let (api, name) = (target.api(), &*target.name);
    if let Some(fault) = api.restricted(cx.caller, name) {
        // Refused on the trail too.
        return pipeline::refuse(cx, (api, target.known_name()), fault, Ended::Denied).await;
    }
    if let Some(row) = target.operation() {
        return row.serve(cx, target.service.state(), &target.payload).await;
    }
    let unsupported = api.unsupported.iter().find(|known| **known == name);
    let (name, fault) = match (api.wire, unsupported) {
        (_, Some(known)) => (*known, unsupported_fault(known)),
        (Wire::Json { .. } | Wire::Rest { .. }, None) => {
            (UNKNOWN, Fault::new("UnknownOperationException", None))
        }
        (Wire::Query { version, .. }, None) => {
            (UNKNOWN, dispatch::unknown_action_fault(name, version))
        }
    };
    pipeline::refuse(cx, (api, name), fault, Ended::Fault).await
}

/// The fault for an operation that AWS has and this version does not have.
fn unsupported_fault(operation: &str) -> Fault {
    let message = format!("{operation} is not supported by this version of Keyward.");
    Fault::new("UnsupportedOperationException", Some(message))
}
