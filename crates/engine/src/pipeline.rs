//! The life of a request whose caller is proven: parse, resolve, authorize, call, record, render.
//!
//! What differs between operations is generic and compiled once for each; recording is not, see
//! [`record`].

mod record;

use std::{any::Any, future::Future, pin::Pin};

pub(crate) use crate::pipeline::record::{refuse, refused};
use crate::{
    api::{Api, ApiDescription, ApiState, api_of},
    audit::{
        event::{EventParts, ServedOperation},
        parameters::{Parameter, Sent},
    },
    context::Context,
    fault::{Fault, Internal},
    gate::{Gate, evaluation::Evaluation},
    operation::{ContextOf, Done, Operation, Output as _, Work},
    pipeline::record::{Effects, Recorded, Recorder},
    protocol::{AnswerTo, Payload, Protocol as _},
    request::Answer,
};

/// How often a request starts again because another was faster.
const MAX_CONFLICTS: u32 = 16;

/// A table's row: an operation behind one function type. Only [`row`] makes one, so that every operation
/// goes through the pipeline.
#[derive(Clone, Copy)]
pub struct Row {
    name: &'static str,
    parameters: &'static [Parameter],
    finishes: bool,
    serve: Serve,
}

/// What a row's function is.
type Serve = for<'a> fn(
    &'a Context<'a>,
    &'a dyn ApiState,
    &'a Payload<'a>,
) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Row {
    /// The operation's name on the wire.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Every member of its input, and what the audit trail shows of it.
    pub const fn parameters(&self) -> &'static [Parameter] {
        self.parameters
    }

    /// Whether a request goes on to its end although its client hangs up, see
    /// [`CALLS_OTHERS`](Api::CALLS_OTHERS).
    pub(crate) const fn finishes(&self) -> bool {
        self.finishes
    }

    /// Serves a request, with the state of the API.
    pub(crate) async fn serve(
        &self,
        cx: &Context<'_>,
        state: &dyn ApiState,
        payload: &Payload<'_>,
    ) -> Answer {
        (self.serve)(cx, state, payload).await
    }
}

/// The row of an operation.
pub const fn row<O: Operation>() -> Row {
    Row {
        name: O::NAME,
        parameters: O::PARAMETERS,
        finishes: O::Api::CALLS_OTHERS && !O::READ_ONLY,
        serve: |cx, state, payload| Box::pin(serve::<O>(cx, state, payload)),
    }
}

/// What an attempt came to, before it is recorded.
struct Attempt<O: Operation> {
    done: Result<Done<O::Output>, Fault>,
    evaluations: Vec<Evaluation>,
}

/// Serves one request from its body to its answer.
async fn serve<O: Operation>(
    cx: &Context<'_>,
    state: &dyn ApiState,
    payload: &Payload<'_>,
) -> Answer {
    let recorder = Recorder::new(cx, named::<O>());
    let state: &dyn Any = state;
    let Some(state) = state.downcast_ref::<<O::Api as Api>::State>() else {
        let failed = Internal::new("an API is served with another API's state");
        let fault = recorder.named().api.failure(failed);
        return recorder.fault(None, fault, &[]).await;
    };
    let cx = &O::Api::context(cx, state);
    let read = match <O::Api as Api>::Protocol::read(payload) {
        Ok(read) => read,
        Err(fault) => return recorder.fault(None, fault, &[]).await,
    };
    let input = &*read;
    let operation = match O::parse(input) {
        Ok(operation) => operation,
        Err(fault) => return recorder.fault(None, fault.into(), &[]).await,
    };
    let sent = Sent::to::<O>(input);
    for _ in 0..MAX_CONFLICTS {
        let Attempt { done, evaluations } = attempt::<O>(cx, &operation).await;
        let Done {
            output,
            changes,
            used,
            counted,
            events,
        } = match done {
            Ok(done) => done,
            Err(fault) => {
                operation.abandoned(cx).await;
                return recorder.fault(Some(sent), fault, &evaluations).await;
            }
        };
        let parts = Parts::<O>(&output);
        let effects = Effects {
            changes,
            used: &used,
            counted: &counted,
            events: &events,
        };
        let recorded = recorder.success(sent, &parts, effects, &evaluations).await;
        match recorded {
            Recorded::Written => {
                operation.committed(&output, cx).await;
                return answer::<O>(cx, &output);
            }
            Recorded::Failed(answer) => {
                operation.abandoned(cx).await;
                return answer;
            }
            Recorded::Conflict => {}
        }
    }
    operation.abandoned(cx).await;
    let fault = O::Api::contended();
    recorder.fault(Some(sent), fault, &[]).await
}

fn named<O: Operation>() -> ServedOperation {
    ServedOperation {
        api: api_of::<O>(),
        operation: O::NAME,
        read_only: O::READ_ONLY,
    }
}

async fn attempt<'c, O: Operation>(cx: &'c ContextOf<'c, O::Api>, operation: &O) -> Attempt<O> {
    let resolved = match operation.resolve(cx).await {
        Ok(resolved) => resolved,
        Err(fault) => {
            return Attempt {
                done: Err(fault.into()),
                evaluations: Vec::new(),
            };
        }
    };
    // The gate is dropped before anything waits again, so no decision is kept.
    let (permits, evaluations) = {
        let gate = Gate::new(&cx.shared.authority, cx);
        let permits = operation.authorize(&resolved, &gate);
        (permits, gate.into_evaluations())
    };
    let done = match permits {
        Ok(permits) => {
            let call = operation.call(&permits, &resolved, cx);
            let done = match O::WORK {
                Work::Ready => Some(call.await),
                Work::Blocks => cx.shared.pool.run(call).await,
                Work::Computes => {
                    // From here on, the pool bounds what it holds: it takes no turn from operations that
                    // do not compute.
                    if let Some(turn) = cx.turn {
                        turn.give_back();
                    }
                    let principal = cx.shared.turns.principal(cx.caller);
                    cx.shared.pool.compute(principal, call).await
                }
            };
            match done {
                Some(done) => done.map_err(Into::into),
                None => Err(throttled::<O>()),
            }
        }
        Err(denied) => Err(O::Fault::from(denied).into()),
    };
    Attempt { done, evaluations }
}

/// The fault of a request for which the pool has no place.
fn throttled<O: Operation>() -> Fault {
    api_of::<O>().throttled()
}

/// The answer of a request that succeeded and is recorded.
fn answer<O: Operation>(cx: &Context<'_>, output: &O::Output) -> Answer {
    let api: &ApiDescription = api_of::<O>();
    let body = if O::Api::BARE && output.is_empty() {
        Vec::new()
    } else {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let request_id = cx.request_id.hyphenated().encode_lower(&mut text);
        let asked = AnswerTo::of(O::Api::WIRE, request_id, cx.form);
        <O::Api as Api>::Protocol::render::<O>(output, &asked)
    };
    let status = O::Api::WIRE.success(O::NAME);
    Answer::new(status, (api.content_type)(cx.form), cx.request_id, body)
}

/// What the event of an operation shows of its output.
struct Parts<'o, O: Operation>(&'o O::Output);

impl<O: Operation> EventParts for Parts<'_, O> {
    fn response_elements(&self, elements: &mut keyward_wire::json::Writer<'_>) {
        self.0.response_elements(elements);
    }

    fn made(&self) -> Option<keyward_types::key_id::KeyArn> {
        self.0.made()
    }

    fn recipient(&self) -> Option<keyward_types::account::AccountId> {
        self.0.recipient()
    }

    fn additional_event_data(&self, data: &mut keyward_wire::json::Writer<'_>) {
        self.0.additional_event_data(data);
    }
}
