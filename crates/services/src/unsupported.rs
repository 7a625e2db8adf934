//! Requests of proven callers that no operation serves: AWS-shaped faults, recorded like others.

use std::{convert::Infallible, marker::PhantomData};

use crate::{
    audit::event::{self, Audience, Circumstances},
    context::Context,
    fault::{Fault, Internal},
    front::Answer,
    gate::{Denied, Gate},
    kms::fault::KmsFault,
    metrics::Ended,
    operation::{Api, Asked, Done, Empty, Operation},
    pipeline::failure,
};

/// The fault of an operation that AWS has and this version has not.
pub fn fault(operation: &str) -> Fault {
    let message = format!("{operation} is not supported by this version of Keyward.");
    Fault::new("UnsupportedOperationException", Some(message))
}

/// Stands for an operation that is not served, in its audit event. There is none of it.
#[derive(Debug)]
struct Nothing<A> {
    never: Infallible,
    api: PhantomData<fn() -> A>,
}

impl<A: Api> Operation for Nothing<A> {
    const NAME: &'static str = "";
    const READ_ONLY: bool = true;
    type Api = A;
    type Output = Empty;
    type Fault = KmsFault;
    type Resolved = ();
    type Permits = ();

    fn parse(_input: &A::Input<'_>) -> Result<Self, KmsFault> {
        Err(KmsFault::UnsupportedOperation { message: None })
    }

    async fn resolve(&self, _cx: &Context<'_>) -> Result<(), KmsFault> {
        match self.never {}
    }

    fn authorize(&self, (): &(), _gate: &Gate<'_>) -> Result<(), Denied> {
        match self.never {}
    }

    async fn call(&self, (): &(), (): &(), _cx: &Context<'_>) -> Result<Done<Empty>, KmsFault> {
        match self.never {}
    }
}

/// Records the fault under the name that was asked for, and answers it.
pub async fn record<A: Api>(cx: &Context<'_>, name: &'static str, fault: Fault) -> Answer {
    let fault = recorded::<A>(cx, (A::SERVICE, name), fault, Ended::Fault).await;
    answer::<A>(cx, &fault)
}

/// As [`record`], for what the caller's credentials may not be used for.
pub async fn record_denied<A: Api>(cx: &Context<'_>, name: &'static str, fault: Fault) -> Answer {
    let fault = recorded::<A>(cx, (A::SERVICE, name), fault, Ended::Denied).await;
    answer::<A>(cx, &fault)
}

/// Answers a fault.
pub(crate) fn answer<A: Api>(cx: &Context<'_>, fault: &Fault) -> Answer {
    let asked = Asked {
        request_id: &cx.request_id.to_string(),
        form: cx.form,
    };
    let (content_type, body) = (A::content_type(cx.form), A::render_fault(fault, &asked));
    Answer::new(fault.http_status(), content_type, cx.request_id, body)
}

/// Records the fault, and counts it for a service and an operation. Answers it, or the failure to
/// record it.
pub async fn recorded<A: Api>(
    cx: &Context<'_>,
    (service, name): (&'static str, &'static str),
    fault: Fault,
    ended: Ended,
) -> Fault {
    let (request_id, event_id) = (cx.request_id.to_string(), cx.event_id.to_string());
    let circumstances = Circumstances {
        caller: cx.caller,
        source: cx.source,
        region: cx.region,
        time: cx.now,
        peer: cx.peer,
        user_agent: cx.user_agent,
        host: cx.host,
        request_id: &request_id,
        event_id: &event_id,
        audience: Audience::Caller(None),
    };
    let result = event::Result::Failure(&fault);
    let line = event::render_named::<Nothing<A>>(name, &circumstances, None, result, &[], &[]);
    let fault = match cx.shared.writer.record(line).await {
        Ok(()) => fault,
        Err(error) => failure::<A>(Internal::new(error)),
    };
    let ended = if fault.http_status() >= 500 {
        Ended::Failure
    } else {
        ended
    };
    cx.shared.metrics.request(service, name, ended);
    fault
}
