//! `keyward policy who-can`

use clap::Args;
use serde_json::Value;

use super::explain::context;
use crate::{
    client::{Connect, ENVIRONMENT},
    out::{OutError, say},
};

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
/// Lists every principal of the account that policies or grants allow to perform the action, through
/// which statement or grant, and under which conditions. Says what cannot be known here.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct WhoCan {
    #[command(flatten)]
    connect: Connect,
    /// The action, such as kms:Decrypt
    action: String,
    /// The KMS key: id, ARN, alias name or alias ARN
    key: String,
    /// A condition key of the request and its value, such as kms:EncryptionContext:dept=hr
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
        list.map(Vec::as_slice).unwrap_or_default().to_vec()
    };
    let principals = list("Principals");
    say!("{} may {action}:", principals.len())?;
    for principal in &principals {
        let member = |name: &str| principal.get(name).and_then(Value::as_str);
        say!("  {}", member("Principal").unwrap_or_default())?;
        let sid = member("Sid").map(|sid| format!(" ({sid})"));
        say!(
            "      through {}{}",
            member("Through").unwrap_or_default(),
            sid.unwrap_or_default()
        )?;
        let conditions = principal.get("Conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten().filter_map(Value::as_str) {
            say!("      if {condition}")?;
        }
    }
    for (title, name) in [
        ("Taken for absent; give them with --context:", "Unknown"),
        ("To know:", "Notes"),
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
