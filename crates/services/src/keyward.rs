//! Keyward's own service: what AWS has no operation for. JSON 1.1 like KMS, signed for `keyward`.

pub mod case;
pub mod create_forward_access_session;
pub mod explain_decision;
pub mod explain_recorded_decision;
pub mod fault;
pub mod parameters;
pub mod who_can;

use keyward_types::arn::ArnParts;
use keyward_wire::{
    json::{Object, Writer},
    query::Form,
};

use crate::{
    audit::parameters::Declared,
    fault::Fault,
    operation::{Api, Asked, Operation, Output},
    pipeline::{Row, row},
};

/// The service `keyward` over AWS JSON 1.1.
#[derive(Clone, Copy, Debug)]
pub enum Keyward {}

impl Api for Keyward {
    type Input<'a> = Object<'a>;
    type Renderer<'w> = Writer<'w>;
    const SERVICE: &'static str = "keyward";
    const EVENT_SOURCE: &'static str = "keyward";
    const THROTTLED: (&'static str, &'static str) = ("ThrottlingException", "Rate exceeded");
    const PARAMETERS: &'static [Declared] = parameters::PARAMETERS;

    fn content_type(_form: Form) -> &'static str {
        keyward_wire::response::AWS_JSON
    }

    fn body<'i>(input: &'i Object<'_>) -> &'i Object<'i> {
        input
    }

    fn resource_type(_arn: &ArnParts<'_>) -> Option<&'static str> {
        None
    }

    fn render<O: Operation<Api = Self>>(output: &O::Output, _asked: &Asked<'_>) -> Vec<u8> {
        Writer::render(2048, |out| output.render(out))
    }

    fn render_fault(fault: &Fault, _asked: &Asked<'_>) -> Vec<u8> {
        fault.to_wire().json()
    }
}

/// The operations served, in the alphabet's order.
pub const OPERATIONS: &[Row<Keyward>] = &[
    row::<create_forward_access_session::CreateForwardAccessSession>(),
    row::<explain_decision::ExplainDecision>(),
    row::<explain_recorded_decision::ExplainRecordedDecision>(),
    row::<who_can::WhoCan>(),
];

#[cfg(test)]
mod tests;
