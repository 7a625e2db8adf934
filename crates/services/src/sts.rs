//! STS: one file per operation, and the table of them.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>

pub mod fault;
pub mod get_caller_identity;
pub mod names;
pub mod oidc;

use keyward_wire::{query::Params, xml};

use crate::{
    fault::Fault,
    operation::{Api, Operation, Output},
    pipeline::{Row, row},
};

/// STS over the Query protocol.
#[derive(Clone, Copy, Debug)]
pub enum Sts {}

/// The XML namespace of STS's answers.
pub const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// The API version that requests name.
pub const VERSION: &str = "2011-06-15";

impl Api for Sts {
    type Input<'a> = Params<'a>;
    type Renderer<'w> = xml::Writer<'w>;
    const SERVICE: &'static str = "sts";
    const EVENT_SOURCE: &'static str = "sts.amazonaws.com";
    const CONTENT_TYPE: &'static str = keyward_wire::response::XML;

    fn render<O: Operation<Api = Self>>(output: &O::Output, request_id: &str) -> Vec<u8> {
        if output.is_empty() {
            return xml::empty_response(O::NAME, NAMESPACE, request_id);
        }
        xml::response(O::NAME, NAMESPACE, request_id, |out| output.render(out))
    }

    fn render_fault(fault: &Fault, request_id: &str) -> Vec<u8> {
        fault.to_wire().xml(NAMESPACE, request_id)
    }
}

/// The operations served, in the alphabet's order.
pub const OPERATIONS: &[Row<Sts>] = &[row::<get_caller_identity::GetCallerIdentity>()];
