//! Requests of proven callers that no operation serves: AWS-shaped faults, recorded like others.

use keyward_wire::json::{Object, Writer};

use crate::{
    audit::event::{self, Circumstances},
    context::Context,
    fault::{Fault, Internal},
    front::Answer,
    gate::{Denied, Gate},
    kms::{Kms, fault::KmsFault},
    metrics::Ended,
    operation::{Api, Done, Empty, Operation},
};

/// The fault of an operation that AWS has and this version has not.
pub fn fault(operation: &str) -> Fault {
    let message = format!("{operation} is not supported by this version of Keyward.");
    Fault::new("UnsupportedOperationException", Some(message))
}

/// Stands for an operation that is not served, in its audit event.
#[derive(Debug)]
enum Nothing {}

impl Operation for Nothing {
    const NAME: &'static str = "";
    const READ_ONLY: bool = true;
    type Api = Kms;
    type Output = Empty;
    type Fault = KmsFault;
    type Resolved = ();
    type Permits = ();

    fn parse(_body: &Object<'_>) -> Result<Self, KmsFault> {
        Err(KmsFault::UnsupportedOperation { message: None })
    }

    async fn resolve(&self, _cx: &Context<'_>) -> Result<(), KmsFault> {
        match *self {}
    }

    fn authorize(&self, (): &(), _gate: &Gate<'_>) -> Result<(), Denied> {
        match *self {}
    }

    async fn call(&self, (): &(), (): &(), _cx: &Context<'_>) -> Result<Done<Empty>, KmsFault> {
        match *self {}
    }

    fn describe(&self, _parameters: &mut Writer<'_>) {
        match *self {}
    }
}

/// Records the fault under the name that was asked for, and answers it.
pub async fn record(cx: &Context<'_>, name: &'static str, fault: Fault) -> Answer {
    let (request_id, event_id) = (cx.request_id.to_string(), cx.event_id.to_string());
    let circumstances = Circumstances {
        caller: cx.caller,
        region: cx.region,
        time: cx.now,
        peer: cx.peer,
        user_agent: cx.user_agent,
        host: cx.host,
        request_id: &request_id,
        event_id: &event_id,
    };
    let result = event::Result::Failure(&fault);
    let line = event::render_named::<Nothing>(name, &circumstances, None, result, &[], &[]);
    let fault = match cx.shared.writer.record(line).await {
        Ok(()) => fault,
        Err(error) => Fault::internal("KMSInternalException", Internal::new(error)),
    };
    let ended = if fault.http_status() >= 500 {
        Ended::Failure
    } else {
        Ended::Fault
    };
    cx.shared.metrics.request("kms", name, ended);
    let body = Kms::render_fault(&fault, &request_id);
    Answer::new(fault.http_status(), Kms::CONTENT_TYPE, request_id, body)
}
