//! The life of a request whose caller is proven: parse, resolve, authorize, call, record, render.

use std::{future::Future, pin::Pin};

use keyward_store::{batch::Precondition, error::CommitError, sealed::SealedBatch};
use keyward_trail::refused::Refusal;
use keyward_types::key_id::KeyArn;
use smallvec::{SmallVec, smallvec};
use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    audit::{
        event::{self, Audience, Circumstances},
        outbox::places::Place,
        parameters::{self, Parameter, Sent},
        shares::Shares,
    },
    caller::WebIdentity,
    context::Context,
    directory::purpose,
    fault::{Fault, Internal},
    front::Answer,
    gate::{Gate, evaluation::Evaluation},
    metrics::Ended,
    operation::{Api, Asked, Done, Operation, Output},
    unsupported,
    usage::LastUse,
};

/// How often a request starts anew because another was faster.
const MAX_CONFLICTS: u32 = 16;

/// A table's row: an operation behind one function type.
pub struct Row<A: Api> {
    /// The operation's name on the wire.
    pub name: &'static str,
    /// What the audit trail shows of its members.
    pub parameters: &'static [Parameter],
    /// Serves a request.
    pub serve: Serve<A>,
}

/// What a row's function is.
pub type Serve<A> = for<'a> fn(
    &'a Context<'a>,
    &'a <A as Api>::Input<'a>,
) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

impl<A: Api> std::fmt::Debug for Row<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The row of an operation.
pub const fn row<O: Operation>() -> Row<O::Api> {
    Row {
        name: O::NAME,
        parameters: parameters::Of::<O>::DECLARED,
        serve: |cx, input| Box::pin(serve::<O>(cx, input)),
    }
}

/// What an attempt came to, before it is recorded.
struct Attempt<O: Operation> {
    done: Result<Done<O::Output>, Fault>,
    evaluations: Vec<Evaluation>,
}

/// Serves one request from its parsed body to its answer.
async fn serve<O: Operation>(cx: &Context<'_>, input: &<O::Api as Api>::Input<'_>) -> Answer {
    let operation = match O::parse(input) {
        Ok(operation) => operation,
        Err(fault) => return record_fault::<O>(cx, None, fault.into(), &[]).await,
    };
    let sent = Sent::to::<O>(input);
    for _ in 0..MAX_CONFLICTS {
        let Attempt { done, evaluations } = attempt(cx, &operation).await;
        let done = match done {
            Ok(done) => done,
            Err(fault) => return record_fault::<O>(cx, Some(sent), fault, &evaluations).await,
        };
        match record_success::<O>(cx, sent, done, &evaluations).await {
            Recorded::Answer(answer) => return answer,
            Recorded::Conflict => {}
        }
    }
    record_fault::<O>(cx, Some(sent), O::Api::contended(), &[]).await
}

async fn attempt<O: Operation>(cx: &Context<'_>, operation: &O) -> Attempt<O> {
    let resolved = match operation.resolve(cx).await {
        Ok(resolved) => resolved,
        Err(fault) => {
            return Attempt {
                done: Err(fault.into()),
                evaluations: Vec::new(),
            };
        }
    };
    // The gate is gone before anything waits again: no decision outlives its moment.
    let (permits, evaluations) = {
        let gate = Gate::new(&cx.shared.authority, cx);
        let permits = operation.authorize(&resolved, &gate);
        (permits, gate.into_evaluations())
    };
    let done = match permits {
        Ok(permits) => operation
            .call(&permits, &resolved, cx)
            .await
            .map_err(Into::into),
        Err(denied) => Err(O::Fault::from(denied).into()),
    };
    Attempt { done, evaluations }
}

enum Recorded {
    Answer(Answer),
    Conflict,
}

async fn record_success<O: Operation>(
    cx: &Context<'_>,
    sent: Sent<'_>,
    done: Done<O::Output>,
    evaluations: &[Evaluation],
) -> Recorded {
    let Done {
        output,
        changes,
        used,
    } = done;
    let shares = Shares::of(cx.caller, evaluations);
    let recorded = match changes {
        Some(batch) => commit::<O>(cx, sent, &output, evaluations, batch, &shares).await,
        None => {
            let lines = render_success::<O>(cx, sent, &output, evaluations, &[], &shares);
            let recorded = match lines.into_inner() {
                Ok([line]) => cx.shared.writer.record(line).await,
                Err(lines) => cx.shared.writer.record_all(lines).await,
            };
            recorded.map_err(|error| Failed::Internal(Internal::new(error)))
        }
    };
    match recorded {
        Ok(()) => {}
        Err(Failed::Conflict) => return Recorded::Conflict,
        Err(Failed::Internal(internal)) => {
            let fault = failure::<O::Api>(internal);
            return Recorded::Answer(record_fault::<O>(cx, Some(sent), fault, evaluations).await);
        }
    }
    note_use::<O>(cx, &used, &shares);
    cx.shared
        .metrics
        .request(O::Api::SERVICE, O::NAME, Ended::Success);
    let body = if output.is_empty() && O::Api::BARE {
        Vec::new()
    } else {
        let mut text = [0; Hyphenated::LENGTH];
        let request_id = cx.request_id.hyphenated().encode_lower(&mut text);
        let form = cx.form;
        O::Api::render::<O>(&output, &Asked { request_id, form })
    };
    let content_type = O::Api::content_type(cx.form);
    Recorded::Answer(Answer::new(200, content_type, cx.request_id, body))
}

enum Failed {
    Conflict,
    Internal(Internal),
}

/// Commits changes and their events in one batch.
async fn commit<O: Operation>(
    cx: &Context<'_>,
    sent: Sent<'_>,
    output: &O::Output,
    evaluations: &[Evaluation],
    mut batch: SealedBatch,
    shares: &Shares,
) -> Result<(), Failed> {
    let changes: Vec<event::Changed> = batch
        .written()
        .iter()
        // Events are no changes of their own.
        .filter(|(path, _)| !path.as_str().starts_with("outbox/"))
        .map(|(path, generation)| (path.as_str().to_owned(), *generation))
        .collect();
    let internal =
        |error: &dyn std::fmt::Display| Failed::Internal(Internal::new(error.to_string()));
    let mut places = SmallVec::<[Place<'_>; 1]>::new();
    for line in render_success::<O>(cx, sent, output, evaluations, &changes, shares) {
        let place = cx.shared.outbox.take().map_err(|error| internal(&error))?;
        // Whatever stands there is on the trail.
        let path = place.path().clone();
        let generation = batch
            .put(path, purpose::OUTBOX, &line, Precondition::Any)
            .map_err(|error| internal(&error))?;
        place.keep(generation, line);
        places.push(place);
    }
    match cx.shared.directory.node().commit(batch).await {
        Ok(_) => {
            places.into_iter().for_each(Place::committed);
            Ok(())
        }
        Err(CommitError::Conflict { .. }) => {
            places.into_iter().for_each(Place::refused);
            Err(Failed::Conflict)
        }
        Err(error) => Err(Failed::Internal(Internal::new(error))),
    }
}

async fn record_fault<O: Operation>(
    cx: &Context<'_>,
    sent: Option<Sent<'_>>,
    fault: Fault,
    evaluations: &[Evaluation],
) -> Answer {
    if let Some(cause) = fault.internal_cause() {
        let cause = cause.chain();
        tracing::error!(request_id = %cx.request_id, operation = O::NAME, cause, "request failed");
    }
    if let Some(identity) = cx.caller.web_identity()
        && !evaluations.iter().any(Evaluation::is_allowed)
    {
        return refuse_stranger::<O>(cx, identity, &fault);
    }
    let failed = event::Result::Failure(&fault);
    let (id, audience) = (cx.event_id, Audience::Caller(None));
    let line = render_event::<O>(cx, (id, audience), sent, failed, evaluations, &[]);
    let fault = match cx.shared.writer.record(line).await {
        Ok(()) => fault,
        Err(error) => failure::<O::Api>(Internal::new(error)),
    };
    let ended = match (fault.http_status(), fault.audit_code()) {
        (500.., _) => Ended::Failure,
        (_, "AccessDenied") => Ended::Denied,
        (_, _) => Ended::Fault,
    };
    cx.shared.metrics.request(O::Api::SERVICE, O::NAME, ended);
    unsupported::answer::<O::Api>(cx, &fault)
}

/// Answers somebody whom an identity provider knows and no trust policy lets in: whoever can get a
/// token of a public provider is a stranger here.
fn refuse_stranger<O: Operation>(
    cx: &Context<'_>,
    identity: &WebIdentity,
    fault: &Fault,
) -> Answer {
    cx.shared.metrics.unauthenticated(fault.code());
    cx.shared.refusals.sample(&Refusal {
        at: cx.now,
        source_ip: cx.peer.source_ip,
        code: fault.code(),
        access_key_id: None,
        operation: Some(O::NAME),
        identity: Some((&identity.federation.provider_arn, identity.token.subject())),
    });
    unsupported::answer::<O::Api>(cx, fault)
}

/// The events of a request that succeeded: the caller's, and one for each other account whose
/// resource was used.
fn render_success<O: Operation>(
    cx: &Context<'_>,
    sent: Sent<'_>,
    output: &O::Output,
    evaluations: &[Evaluation],
    changes: &[event::Changed],
    shares: &Shares,
) -> SmallVec<[Vec<u8>; 1]> {
    let render = |of| {
        let result = event::Result::Success(output);
        render_event::<O>(cx, of, Some(sent), result, evaluations, changes)
    };
    let Some(id) = shares.id() else {
        return smallvec![render((cx.event_id, Audience::Caller(None)))];
    };
    let mut text = [0; Hyphenated::LENGTH];
    let id: &str = id.hyphenated().encode_lower(&mut text);
    let mut lines = smallvec![render((cx.event_id, Audience::Caller(Some(id))))];
    for (owner, event) in shares.owners() {
        lines.push(render((*event, Audience::Owner(*owner, id))));
    }
    lines
}

fn render_event<O: Operation>(
    cx: &Context<'_>,
    (id, audience): (Uuid, Audience<'_>),
    sent: Option<Sent<'_>>,
    result: event::Result<'_, O::Output>,
    evaluations: &[Evaluation],
    changes: &[event::Changed],
) -> Vec<u8> {
    let (mut request_id, mut event_id) = ([0; Hyphenated::LENGTH], [0; Hyphenated::LENGTH]);
    let circumstances = Circumstances {
        caller: cx.caller,
        source: cx.source,
        region: cx.region,
        time: cx.now,
        peer: cx.peer,
        user_agent: cx.user_agent,
        host: cx.host,
        request_id: cx.request_id.hyphenated().encode_lower(&mut request_id),
        event_id: id.hyphenated().encode_lower(&mut event_id),
        audience,
    };
    event::render::<O>(&circumstances, sent, result, evaluations, changes)
}

fn note_use<O: Operation>(cx: &Context<'_>, used: &[KeyArn], shares: &Shares) {
    for key in used {
        // A key's owner is pointed to the event that it can see.
        let event_id = shares.event_of(key.account()).unwrap_or(cx.event_id);
        let usage = LastUse {
            operation: O::NAME,
            at: cx.now,
            event_id,
            request_id: cx.request_id,
        };
        cx.shared.usage.note(key, usage);
    }
}

/// The fault of a request that failed on our side, as its API names it.
pub(crate) fn failure<A: Api>(internal: Internal) -> Fault {
    Fault::internal(A::INTERNAL, internal)
}
