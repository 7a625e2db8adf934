//! The life of a request whose caller is proven: parse, resolve, authorize, call, record, render.

use std::{future::Future, pin::Pin};

use keyward_store::{batch::Precondition, error::CommitError, sealed::SealedBatch};
use smallvec::SmallVec;
use uuid::fmt::Hyphenated;

use crate::{
    audit::event::{self, Circumstances},
    context::Context,
    directory::purpose,
    fault::{Fault, Internal},
    front::Answer,
    gate::{Gate, evaluation::Evaluation},
    metrics::Ended,
    operation::{Api, Asked, Done, Operation, Output},
    usage::LastUse,
};

/// How often a request starts anew because another was faster.
const MAX_CONFLICTS: u32 = 16;

/// A table's row: an operation behind one function type.
pub struct Row<A: Api> {
    /// The operation's name on the wire.
    pub name: &'static str,
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
    for _ in 0..MAX_CONFLICTS {
        let Attempt { done, evaluations } = attempt(cx, &operation).await;
        let done = match done {
            Ok(done) => done,
            Err(fault) => return record_fault(cx, Some(&operation), fault, &evaluations).await,
        };
        match record_success(cx, &operation, done, &evaluations).await {
            Recorded::Answer(answer) => return answer,
            Recorded::Conflict => {}
        }
    }
    record_fault(cx, Some(&operation), O::Api::contended(), &[]).await
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
    operation: &O,
    done: Done<O::Output>,
    evaluations: &[Evaluation],
) -> Recorded {
    let Done {
        output,
        changes,
        used,
    } = done;
    let recorded = match changes {
        Some(batch) => commit(cx, operation, &output, evaluations, batch).await,
        None => {
            let line = render_event(
                cx,
                Some(operation),
                event::Result::Success(&output),
                evaluations,
                &[],
            );
            cx.shared
                .writer
                .record(line)
                .await
                .map_err(|error| Failed::Internal(Internal::new(error)))
        }
    };
    match recorded {
        Ok(()) => {}
        Err(Failed::Conflict) => return Recorded::Conflict,
        Err(Failed::Internal(internal)) => {
            let fault = failure::<O::Api>(internal);
            return Recorded::Answer(record_fault(cx, Some(operation), fault, evaluations).await);
        }
    }
    note_use::<O>(cx, &used);
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

/// Commits changes and their event in one batch.
async fn commit<O: Operation>(
    cx: &Context<'_>,
    operation: &O,
    output: &O::Output,
    evaluations: &[Evaluation],
    mut batch: SealedBatch,
) -> Result<(), Failed> {
    let changes: Vec<event::Changed> = batch
        .written()
        .iter()
        // Events are no changes of their own.
        .filter(|(path, _)| !path.as_str().starts_with("outbox/"))
        .map(|(path, generation)| (path.as_str().to_owned(), *generation))
        .collect();
    let result = event::Result::Success(output);
    let line = render_event(cx, Some(operation), result, evaluations, &changes);
    let internal =
        |error: &dyn std::fmt::Display| Failed::Internal(Internal::new(error.to_string()));
    let place = cx.shared.outbox.take().map_err(|error| internal(&error))?;
    // Whatever stands there is on the trail.
    let path = place.path().clone();
    batch
        .put(path, purpose::OUTBOX, &line, Precondition::Any)
        .map_err(|error| internal(&error))?;
    place.keep(line);
    match cx.shared.directory.node().commit(batch).await {
        Ok(_) => {
            place.committed();
            Ok(())
        }
        Err(CommitError::Conflict { .. }) => {
            place.refused();
            Err(Failed::Conflict)
        }
        Err(error) => Err(Failed::Internal(Internal::new(error))),
    }
}

async fn record_fault<O: Operation>(
    cx: &Context<'_>,
    operation: Option<&O>,
    fault: Fault,
    evaluations: &[Evaluation],
) -> Answer {
    if let Some(cause) = fault.internal_cause() {
        let cause = cause.chain();
        tracing::error!(request_id = %cx.request_id, operation = O::NAME, cause, "request failed");
    }
    let line = render_event(
        cx,
        operation,
        event::Result::Failure(&fault),
        evaluations,
        &[],
    );
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
    let asked = Asked {
        request_id: &cx.request_id.to_string(),
        form: cx.form,
    };
    let body = O::Api::render_fault(&fault, &asked);
    let content_type = O::Api::content_type(cx.form);
    Answer::new(fault.http_status(), content_type, cx.request_id, body)
}

fn render_event<O: Operation>(
    cx: &Context<'_>,
    operation: Option<&O>,
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
        event_id: cx.event_id.hyphenated().encode_lower(&mut event_id),
    };
    event::render(&circumstances, operation, result, evaluations, changes)
}

fn note_use<O: Operation>(cx: &Context<'_>, used: &SmallVec<[keyward_types::key_id::KeyArn; 1]>) {
    for key in used {
        let usage = LastUse {
            operation: O::NAME,
            at: cx.now,
            event_id: cx.event_id,
            request_id: cx.request_id,
        };
        cx.shared.usage.note(key, usage);
    }
}

/// The fault of a request that failed on our side, as its API names it.
pub(crate) fn failure<A: Api>(internal: Internal) -> Fault {
    Fault::internal(A::INTERNAL, internal)
}
