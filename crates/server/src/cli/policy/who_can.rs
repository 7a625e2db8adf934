//! `keyward policy who-can`

use clap::Args;
use serde_json::Value;

use super::explain::context;
use crate::client::Connect;

/// Ask a running server who may do something with a key
///
/// Lists every principal of the account whom the policies and grants let, through which statement
/// or grant, under which conditions; and says what cannot be known from here.
#[derive(Debug, Args)]
pub struct WhoCan {
    #[command(flatten)]
    connect: Connect,
    /// What, such as kms:Decrypt
    action: String,
    /// The key: id, ARN, alias or alias ARN
    key: String,
    /// A condition value of the request, such as kms:EncryptionContext:dept=hr
    #[arg(long = "context", value_name = "KEY=VALUE")]
    context: Vec<String>,
    /// How to print it
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
            println!("{}", serde_json::to_string_pretty(&answer)?);
        } else {
            print(&self.action, &answer);
        }
        Ok(())
    }
}

fn print(action: &str, answer: &Value) {
    let list = |name: &str| {
        let list = answer.get(name).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default().to_vec()
    };
    let principals = list("Principals");
    println!("{} may {action}:", principals.len());
    for principal in &principals {
        let member = |name: &str| principal.get(name).and_then(Value::as_str);
        println!("  {}", member("Principal").unwrap_or_default());
        let sid = member("Sid").map(|sid| format!(" ({sid})"));
        println!(
            "      through {}{}",
            member("Through").unwrap_or_default(),
            sid.unwrap_or_default()
        );
        let conditions = principal.get("Conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten().filter_map(Value::as_str) {
            println!("      if {condition}");
        }
    }
    for (title, name) in [
        ("Taken for absent; give them with --context:", "Unknown"),
        ("To know:", "Notes"),
    ] {
        let entries = list(name);
        if !entries.is_empty() {
            println!("{title}");
        }
        for entry in entries.iter().filter_map(Value::as_str) {
            println!("  - {entry}");
        }
    }
}
