//! STS: one file per operation, and the table of them.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>

pub mod assume_role;
pub mod assume_role_with_web_identity;
pub mod condition_keys;
pub mod credentials;
pub mod decode_authorization_message;
pub mod fault;
pub mod get_access_key_info;
pub mod get_caller_identity;
pub mod get_federation_token;
pub mod get_session_token;
pub mod mfa;
pub mod names;
pub mod packed;
pub mod parameters;
pub mod role;
pub mod session_policies;
pub mod session_tags;
pub mod unserved;

use keyward_types::arn::ArnParts;
use keyward_wire::{
    json::Object,
    query::{Form, Params},
    xml,
};

use crate::{
    audit::parameters::Declared,
    fault::Fault,
    operation::{Api, Asked, Operation, Output},
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
    const PARAMETERS: &'static [Declared] = parameters::PARAMETERS;

    fn body<'i>(input: &'i Params<'_>) -> &'i Object<'i> {
        input.object()
    }

    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str> {
        match (arn.service, arn.resource.split_once('/')?) {
            ("iam", ("role", _)) => Some("AWS::IAM::Role"),
            _ => None,
        }
    }

    fn content_type(form: Form) -> &'static str {
        form.content_type()
    }

    fn render<O: Operation<Api = Self>>(output: &O::Output, asked: &Asked<'_>) -> Vec<u8> {
        let about = asked.within(NAMESPACE);
        if output.is_empty() {
            return xml::empty_response(O::NAME, &about);
        }
        xml::response(O::NAME, &about, |out| output.render(out))
    }

    fn render_fault(fault: &Fault, asked: &Asked<'_>) -> Vec<u8> {
        fault.to_wire().query(&asked.within(NAMESPACE))
    }
}

/// The operations served, in the alphabet's order.
pub const OPERATIONS: &[Row<Sts>] = &[
    row::<assume_role::AssumeRole>(),
    row::<assume_role_with_web_identity::AssumeRoleWithWebIdentity>(),
    row::<decode_authorization_message::DecodeAuthorizationMessage>(),
    row::<get_access_key_info::GetAccessKeyInfo>(),
    row::<get_caller_identity::GetCallerIdentity>(),
    row::<get_federation_token::GetFederationToken>(),
    row::<get_session_token::GetSessionToken>(),
];

#[cfg(test)]
pub(crate) mod tests;
