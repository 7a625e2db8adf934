//! IAM: one file per noun, and the table of operations.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html>

pub mod access_key;
pub mod fault;
pub mod names;
pub mod user;
pub mod user_policy;

use keyward_wire::{query::Params, xml};

use crate::{
    fault::Fault,
    operation::{Api, Operation, Output},
    pipeline::{Row, row},
};

/// IAM over the Query protocol.
#[derive(Clone, Copy, Debug)]
pub enum Iam {}

/// The XML namespace of IAM's answers.
pub const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
/// The API version that requests name.
pub const VERSION: &str = "2010-05-08";

impl Api for Iam {
    type Input<'a> = Params<'a>;
    type Renderer<'w> = xml::Writer<'w>;
    const SERVICE: &'static str = "iam";
    const EVENT_SOURCE: &'static str = "iam.amazonaws.com";
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
pub const OPERATIONS: &[Row<Iam>] = &[
    row::<access_key::CreateAccessKey>(),
    row::<user::CreateUser>(),
    row::<access_key::DeleteAccessKey>(),
    row::<user::DeleteUser>(),
    row::<user_policy::DeleteUserPolicy>(),
    row::<user_policy::PutUserPolicy>(),
];
