//! `keyward policy explain`

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::client::Connect;

/// Ask a running server how a decision comes about
///
/// Prints the decision, every policy in play with the statement that decides, each element that
/// fails with the value it meets, and for a denial the least changes that would allow the call.
/// Either about a principal, an action and a key (or another resource) as they are today, or
/// about a request that is on the audit trail, by --request-id.
///
/// Exits with 0 if the call is allowed, 3 if it is denied.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    connect: Connect,
    /// Who asks: the ARN of a user, role, session, federated user or root user, or a service
    #[arg(long, value_name = "ARN", required_unless_present = "request_id")]
    principal: Option<String>,
    /// Of a federated user: the user who made the session
    #[arg(long, value_name = "ARN", requires = "principal")]
    issuer: Option<String>,
    /// What for, such as kms:Decrypt
    #[arg(long, value_name = "ACTION", required_unless_present = "request_id")]
    action: Option<String>,
    /// The key: id, ARN, alias or alias ARN
    #[arg(long, value_name = "KEY", conflicts_with = "resource")]
    key: Option<String>,
    /// Another resource: an alias ARN, a role ARN (with sts:AssumeRole), an ARN of IAM, or *
    #[arg(long, value_name = "ARN")]
    resource: Option<String>,
    /// A condition value of the request, such as kms:EncryptionContext:dept=hr; several of one
    /// name make a multivalued key
    #[arg(long = "context", value_name = "KEY=VALUE", num_args = 1..)]
    context: Vec<String>,
    /// A recorded request instead: the id in its answer's x-amzn-RequestId
    #[arg(long, value_name = "ID", conflicts_with_all = ["principal", "action", "key", "resource", "context"])]
    request_id: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// To be read
    Text,
    /// The whole as JSON
    Json,
    /// The case by which it was decided, for `keyward policy test` (docs/policy-cases.md)
    Case,
}

impl Explain {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.connect.client()?;
        let (operation, input) = self.question()?;
        let runtime = tokio::runtime::Runtime::new()?;
        let answer = runtime.block_on(client.call(operation, &input))?;
        let member = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        match self.output {
            Output::Text => print!("{}", member("Text")),
            Output::Case => println!("{}", one_line(member("Case"))),
            Output::Json => {
                let explanation: Value = serde_json::from_str(member("Explanation"))?;
                let shown = json!({
                    "decision": member("Decision"),
                    "explanation": explanation,
                    "policies": answer.get("Policies"),
                    "unknown": answer.get("Unknown"),
                    "notes": answer.get("Notes"),
                });
                println!("{}", serde_json::to_string_pretty(&shown)?);
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
        if self.key.is_none() && self.resource.is_none() {
            bail!("say what it is about: --key KEY, or --resource ARN");
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

/// Condition values as the service takes them.
pub fn context(given: &[String]) -> anyhow::Result<Value> {
    let mut list: Vec<(String, Vec<String>)> = Vec::new();
    for pair in given {
        let Some((name, value)) = pair.split_once('=') else {
            bail!("`{pair}` is no condition value: write KEY=VALUE");
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

/// A case keeps its policies as they were written; a line of cases has no line feeds.
fn one_line(case: &str) -> String {
    serde_json::from_str::<Value>(case).map_or_else(|_| case.to_owned(), |case| case.to_string())
}
