//! `keyward key`

use clap::{Args, Subcommand};
use keyward_client::{Connect, ENVIRONMENT};
use serde_json::{Value, json};

use crate::out::{OutError, say};

/// Ask a running server about a KMS key what AWS has no operation for
#[derive(Debug, Subcommand)]
pub enum Key {
    Impact(Impact),
}

fn after_help() -> String {
    format!(
        "Examples:
  keyward key impact --data-dir DIR alias/customers
  keyward key impact --data-dir DIR alias/customers --days 90 --output json

{ENVIRONMENT}"
    )
}

/// Show what would become unreadable without a key, and who has used it
///
/// Run this before you disable or delete a key. It lists the resources of the account whose data the key
/// protects, such as EFS file systems, each with the newest backup that the server was told of, and everybody who has
/// used the key successfully in the last days, from the audit trail. It cannot list data that callers encrypted and
/// stored themselves, nor backups of file systems that were deleted: they become unreadable, too. Needs
/// keyward:DescribeKeyImpact.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Impact {
    #[command(flatten)]
    connect: Connect,
    /// The KMS key: id, ARN, alias name or alias ARN
    key: String,
    /// For how many days the audit trail is read
    #[arg(long, value_name = "DAYS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=400))]
    days: u32,
    /// The output format
    #[arg(long, value_parser = ["text", "json"], default_value = "text")]
    output: String,
}

impl Key {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Impact(impact) => impact.run(),
        }
    }
}

impl Impact {
    fn run(self) -> anyhow::Result<()> {
        let client = self.connect.client()?;
        let runtime = tokio::runtime::Runtime::new()?;
        let page = |marker: Option<Value>| {
            let mut input = json!({ "KeyId": self.key, "Days": self.days });
            if let (Some(input), Some(marker)) = (input.as_object_mut(), marker) {
                input.insert("Marker".to_owned(), marker);
            }
            runtime.block_on(client.call("DescribeKeyImpact", &input))
        };
        let mut answer = page(None)?;
        let mut resources = list(&answer, "Resources").to_vec();
        let mut marker = answer.get("NextMarker").cloned();
        while marker.is_some() {
            let next = page(marker)?;
            resources.extend_from_slice(list(&next, "Resources"));
            marker = next.get("NextMarker").cloned();
        }
        if let Some(members) = answer.as_object_mut() {
            members.remove("NextMarker");
            members.remove("Truncated");
            members.insert("Resources".to_owned(), Value::Array(resources));
        }
        if self.output == "json" {
            return Ok(say!("{}", serde_json::to_string_pretty(&answer)?)?);
        }
        Ok(print(&answer, self.days)?)
    }
}

fn print(answer: &Value, days: u32) -> Result<(), OutError> {
    let key = member(answer, "KeyId");
    let resources = list(answer, "Resources");
    match resources.len() {
        0 => say!("No resource of the account is encrypted under {key}.")?,
        1 => say!("1 resource would become unreadable without {key}:")?,
        count => say!("{count} resources would become unreadable without {key}:")?,
    }
    for resource in resources {
        let name = resource.get("Name").and_then(Value::as_str);
        let name = name.map_or_else(String::new, |name| format!(" ({name})"));
        say!("  {}{name}", member(resource, "Arn"))?;
        if let Some(backup) = resource.get("NewestBackup") {
            say!(
                "      and its backups, the newest of {}",
                member(backup, "Time")
            )?;
        }
    }
    let (users, since) = (list(answer, "Users"), member(answer, "Since"));
    let within = match days {
        1 => "in the last day".to_owned(),
        _ => format!("in the last {days} days"),
    };
    match users.len() {
        0 => say!("Nobody has used it {within}, since {since}.")?,
        1 => say!("1 principal has used it {within}, since {since}:")?,
        count => say!("{count} principals have used it {within}, since {since}:")?,
    }
    for user in users {
        let uses = user.get("Uses").and_then(Value::as_u64).unwrap_or_default();
        let times = match uses {
            1 => "once".to_owned(),
            _ => format!("{uses} times"),
        };
        say!("  {}", member(user, "Principal"))?;
        say!(
            "      {times}, last at {}: {}",
            member(user, "LastUse"),
            words(user, "Operations")
        )?;
        let via = words(user, "Via");
        if !via.is_empty() {
            say!("      through {via}")?;
        }
    }
    let notes = list(answer, "Notes");
    if !notes.is_empty() {
        say!("Notes:")?;
    }
    for note in notes.iter().filter_map(Value::as_str) {
        say!("  - {note}")?;
    }
    Ok(())
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn words(value: &Value, name: &str) -> String {
    let words: Vec<&str> = list(value, name).iter().filter_map(Value::as_str).collect();
    words.join(", ")
}
