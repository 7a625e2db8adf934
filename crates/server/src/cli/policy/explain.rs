//! `keyward policy explain`

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueEnum};
use keyward_client::{Connect, ENVIRONMENT};
use serde_json::{Value, json};

use crate::out::{self, say};

/// What follows the help.
fn after_help() -> String {
    format!(
        "Examples:
  keyward policy explain --data-dir DIR --last-denied
  keyward policy explain --data-dir DIR --request-id 8b5c04e3-0a4f-4f54-9a55-0d1c7f9a2f6e
  keyward policy explain --data-dir DIR --action kms:Decrypt --key alias/customers \\
      --principal arn:aws:iam::000000000000:user/alice --context kms:EncryptionContext:dept=hr

{ENVIRONMENT}"
    )
}

/// Ask a running server why a call is allowed or denied
///
/// Prints the decision, every policy that takes part with the statement that decides, each element
/// that does not match with the value it was compared with, and for a denial the smallest changes
/// that would allow the call. Ask about a principal, an action and a key (or another resource) as
/// they are now, or about a request on the audit trail: with --request-id, or with --last-denied
/// about the last one that was denied.
///
/// Exits with 0 if the call is allowed, and with 3 if it is denied.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Explain {
    #[command(flatten)]
    connect: Connect,
    /// Who calls: the ARN of a user, role, session, federated user or root user, or a service
    #[arg(long, value_name = "ARN", required_unless_present_any = ["request_id", "last_denied"])]
    principal: Option<String>,
    /// For a federated user: the user who created the session
    #[arg(long, value_name = "ARN", requires = "principal")]
    issuer: Option<String>,
    /// The action, such as kms:Decrypt
    #[arg(long, value_name = "ACTION", required_unless_present_any = ["request_id", "last_denied"])]
    action: Option<String>,
    /// The KMS key: id, ARN, alias name or alias ARN
    #[arg(long, value_name = "KEY", conflicts_with = "resource")]
    key: Option<String>,
    /// Another resource: an alias ARN, a role ARN (with sts:AssumeRole), an ARN of IAM, or *
    #[arg(long, value_name = "ARN")]
    resource: Option<String>,
    /// A condition key of the request and its value, such as kms:EncryptionContext:dept=hr. Give a
    /// key several times to give it several values. `keyward policy keys` lists the keys
    #[arg(long = "context", value_name = "KEY=VALUE", num_args = 1..)]
    context: Vec<String>,
    /// Ask about a recorded request instead: its id, which the answer has in its header
    /// x-amzn-RequestId, and the audit trail as requestID
    #[arg(long, value_name = "ID", value_parser = whole_id, conflicts_with_all = ["principal", "action", "key", "resource", "context"])]
    request_id: Option<String>,
    /// Ask about the last request that was denied instead; with --principal, about the last one of
    /// that user, role, session or service
    #[arg(long, conflicts_with_all = ["request_id", "issuer", "action", "key", "resource", "context"])]
    last_denied: bool,
    /// The output format
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Text for people
    Text,
    /// Everything, as JSON
    Json,
    /// The decided case, for `keyward policy test` (docs/policy-cases.md)
    Case,
}

/// A request id as the server gives it.
fn whole_id(text: &str) -> Result<String, &'static str> {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    match parts.as_slice() {
        [8, 4, 4, 4, 12] => Ok(text.to_owned()),
        _ => Err("give the whole request id, such as 01234567-89ab-cdef-0123-456789abcdef"),
    }
}

impl Explain {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.connect.client()?;
        let (operation, input) = self.question()?;
        let runtime = tokio::runtime::Runtime::new()?;
        let answer = runtime.block_on(client.call(operation, &input))?;
        let member = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        match self.output {
            Output::Text => out::text(format_args!("{}", member("Text")))?,
            Output::Case => say!("{}", one_line(member("Case")))?,
            Output::Json => {
                let explanation: Value = serde_json::from_str(member("Explanation"))?;
                let shown = json!({
                    "decision": member("Decision"),
                    "explanation": explanation,
                    "policies": answer.get("Policies"),
                    "unknown": answer.get("Unknown"),
                    "notes": answer.get("Notes"),
                });
                say!("{}", serde_json::to_string_pretty(&shown)?)?;
            }
        }
        Ok(match member("Decision") {
            "Allow" => ExitCode::SUCCESS,
            _ => ExitCode::from(3),
        })
    }

    fn question(&self) -> anyhow::Result<(&'static str, Value)> {
        if let Some(id) = &self.request_id {
            return Ok(("ExplainRecordedDecision", json!({ "RequestId": id })));
        }
        if self.last_denied {
            let mut input = json!({ "LastDenied": true });
            if let (Some(principal), Some(input)) = (&self.principal, input.as_object_mut()) {
                input.insert("Principal".to_owned(), json!(principal));
            }
            return Ok(("ExplainRecordedDecision", input));
        }
        if self.key.is_none() && self.resource.is_none() {
            bail!("the resource is missing: give --key KEY or --resource ARN");
        }
        let mut input = serde_json::Map::new();
        input.insert("Principal".to_owned(), json!(self.principal));
        input.insert("Action".to_owned(), json!(self.action));
        input.insert("Context".to_owned(), context(&self.context)?);
        let optional = [
            ("KeyId", &self.key),
            ("Resource", &self.resource),
            ("Issuer", &self.issuer),
        ];
        for (member, value) in optional {
            if let Some(value) = value {
                input.insert(member.to_owned(), json!(value));
            }
        }
        Ok(("ExplainDecision", Value::Object(input)))
    }
}

/// Condition values in the form that the service expects.
pub fn context(given: &[String]) -> anyhow::Result<Value> {
    let mut list: Vec<(String, Vec<String>)> = Vec::new();
    for pair in given {
        let Some((name, value)) = pair.split_once('=') else {
            bail!("--context is `{pair}`: write KEY=VALUE");
        };
        match list.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value.to_owned()),
            None => list.push((name.to_owned(), vec![value.to_owned()])),
        }
    }
    let shown = list
        .into_iter()
        .map(|(name, values)| json!({ "Name": name, "Values": values }));
    Ok(Value::Array(shown.collect()))
}

/// A case keeps its policies as they were written, with their line feeds, but a case file has one
/// case on each line.
fn one_line(case: &str) -> String {
    serde_json::from_str::<Value>(case).map_or_else(|_| case.to_owned(), |case| case.to_string())
}
