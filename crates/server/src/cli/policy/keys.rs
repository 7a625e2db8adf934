//! `keyward policy keys`

use clap::Args;
use keyward_engine::gate::declared::{Supplier, ValueType};
use keyward_services::apis::condition_keys;

use crate::out::{OutError, say};

const EXAMPLES: &str = "\
Examples:
  keyward policy keys
  keyward policy keys | grep kms:";

/// List the condition keys that the server supplies, with their types and where they come from
///
/// `<…>` is a placeholder for a name that a user chose. A key with several values (strings) needs ForAllValues or
/// ForAnyValue. Condition keys of AWS that are not in the list are absent from every request.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Keys {}

impl Keys {
    pub fn run(self) -> Result<(), OutError> {
        for key in condition_keys() {
            let kind = match key.kind {
                ValueType::String => "string",
                ValueType::Bool => "bool",
                ValueType::Numeric => "numeric",
                ValueType::Date => "date",
                ValueType::Arn => "ARN",
                ValueType::Ip => "IP address",
                ValueType::Strings => "strings",
            };
            let from = match key.from {
                Supplier::Caller => "the caller",
                Supplier::Session => "temporary credentials",
                Supplier::Network => "the connection",
                Supplier::Resource => "the resource",
                Supplier::Request => "the request",
                Supplier::Service => "services",
                Supplier::Operation => "the operation",
            };
            say!("{:<44} {kind:<11} {from}", key.name)?;
        }
        Ok(())
    }
}
