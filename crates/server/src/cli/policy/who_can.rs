//! `keyward policy who-can`

use clap::Args;
use keyward_client::{Connect, ENVIRONMENT};
use serde_json::Value;

use super::explain::context;
use crate::out::{OutError, say};

/// What follows the help.
fn after_help() -> String {
    format!(
        "Examples:
  keyward policy who-can --data-dir DIR kms:Decrypt alias/customers
  keyward policy who-can --data-dir DIR kms:Decrypt alias/customers \\
      --context kms:EncryptionContext:dept=hr

{ENVIRONMENT}"
    )
}

/// Ask a running server who may use a key
///
/// Lists every principal of the account that policies or grants allow to perform the action, and
/// through which statement or grant. Then lists the principals that may perform it under conditions
/// that a request can meet, such as an encryption context. Says what cannot be known here.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct WhoCan {
    #[command(flatten)]
    connect: Connect,
    /// The action, such as kms:Decrypt
    action: String,
    /// The KMS key: id, ARN, alias name or alias ARN
    key: String,
    /// A condition key of the request and its value, such as kms:EncryptionContext:dept=hr.
    /// `keyward policy keys` lists the keys
    #[arg(long = "context", value_name = "KEY=VALUE")]
    context: Vec<String>,
    /// The output format
    #[arg(long, value_parser = ["text", "json"], default_value = "text")]
    output: String,
}

impl WhoCan {
    pub fn run(self) -> anyhow::Result<()> {
        let client = self.connect.client()?;
        let input = serde_json::json!({
            "Action": self.action,
            "KeyId": self.key,
            "Context": context(&self.context)?,
        });
        let runtime = tokio::runtime::Runtime::new()?;
        let answer = runtime.block_on(client.call("WhoCan", &input))?;
        if self.output == "json" {
            say!("{}", serde_json::to_string_pretty(&answer)?)?;
        } else {
            print(&self.action, &answer)?;
        }
        Ok(())
    }
}

fn print(action: &str, answer: &Value) -> Result<(), OutError> {
    let list = |name: &str| {
        let list = answer.get(name).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    };
    let (allowed, conditional) = (list("Principals"), list("Conditional"));
    let mut whom: Vec<&str> = conditional
        .iter()
        .map(|one| member(one, "Principal"))
        .collect();
    whom.dedup();
    match (allowed.len(), whom.len()) {
        (0, 0) => say!("Nobody in the account may call {action}.")?,
        (0, _) => say!("Nobody may call {action} without conditions.")?,
        (count, _) => say!("{} may call {action}:", principals(count))?,
    }
    for principal in allowed {
        say!("  {}", member(principal, "Principal"))?;
        print_way(principal)?;
    }
    if !conditional.is_empty() {
        say!("{} may call it under conditions:", principals(whom.len()))?;
    }
    let mut last = "";
    for way in conditional {
        // A principal may have several ways to be allowed.
        let principal = member(way, "Principal");
        if principal != last {
            say!("  {principal}")?;
        }
        print_way(way)?;
        last = principal;
    }
    for (title, name) in [
        ("Assumed absent; set them with --context:", "Unknown"),
        ("Notes:", "Notes"),
    ] {
        let entries = list(name);
        if !entries.is_empty() {
            say!("{title}")?;
        }
        for entry in entries.iter().filter_map(Value::as_str) {
            say!("  - {entry}")?;
        }
    }
    Ok(())
}

fn principals(count: usize) -> String {
    match count {
        1 => "1 principal".to_owned(),
        _ => format!("{count} principals"),
    }
}

fn print_way(way: &Value) -> Result<(), OutError> {
    let sid = match member(way, "Sid") {
        "" => String::new(),
        sid => format!(" ({sid})"),
    };
    say!("      through {}{sid}", member(way, "Through"))?;
    for (word, name) in [("if", "Conditions"), ("unless", "Exceptions")] {
        let clauses = way.get(name).and_then(Value::as_array);
        for clause in clauses.into_iter().flatten().filter_map(Value::as_str) {
            say!("      {word} {clause}")?;
        }
    }
    Ok(())
}

fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
