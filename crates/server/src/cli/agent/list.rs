//! `keyward agent list`

use clap::Args;
use keyward_client::{Connect, ENVIRONMENT};
use keyward_types::{shown, time::Timestamp};
use serde_json::{Value, json};

use super::{call, member};
use crate::out::say;

fn after_help() -> String {
    format!(
        "Examples:
  keyward agent list --data-dir DIR
  keyward agent list --data-dir DIR fs-0123456789abcdef0    # which agent stores it

Columns:
  CONNECTED  yes: it has asked the server for news within the last minute, and has not ended since
             no: it has ended, or cannot reach the server
             never: it has registered, and has never called; it is given no volumes until it does
  DATABASES  the versions of PostgreSQL that its databases can have; no: none is installed there
  BACKUPS    yes: the agent has a place for backups (--backup-to); no: it has none
             failed: so many of its file systems could not be backed up the last time
             unusable: the place cannot be read

{ENVIRONMENT}"
    )
}

/// List the agents, the tokens that are not used up, and what is wrong
///
/// Below the agents and the tokens are the file systems whose agent was removed, until they are assigned to another one
/// (`keyward agent assign`) or deleted; those that wait for an agent that is not connected; the file systems that are not available, and the backups that have failed the last time,
/// by the schedule or by hand, each with the reason that the agent gives. Needs keyward:ListAgents.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct List {
    #[command(flatten)]
    connect: Connect,
    /// Only what is about this file system: the agent that stores it, and what is wrong with it [default: all]
    #[arg(value_name = "FILE_SYSTEM")]
    file_system: Option<String>,
}

impl List {
    pub fn run(self) -> anyhow::Result<()> {
        let input = match &self.file_system {
            Some(named) => json!({ "VolumeId": named }),
            None => json!({}),
        };
        let answer = call(&self.connect, "ListAgents", &input)?;
        let list = |name: &str| {
            let list = answer.get(name).and_then(Value::as_array);
            list.map(Vec::as_slice).unwrap_or_default()
        };
        say!(
            "{:<25}{:<30}{:<9}{:<11}{:<11}BACKUPS",
            "AGENT",
            "NAME",
            "VOLUMES",
            "CONNECTED",
            "DATABASES"
        )?;
        for agent in list("Agents") {
            let volumes = agent.get("NumberOfVolumes").and_then(Value::as_u64);
            say!(
                "{:<25}{:<30}{:<9}{:<11}{:<11}{}",
                member(agent, "AgentId"),
                member(agent, "AgentName"),
                volumes.unwrap_or_default(),
                connected(agent),
                databases(agent),
                backups(agent),
            )?;
        }
        for token in list("Tokens") {
            let (id, name) = (member(token, "TokenId"), member(token, "AgentName"));
            say!(
                "{id:<25}{name:<30}unused token, expires {}",
                moment(token, "Expiration")
            )?;
        }
        let problems = problems(&list);
        if !problems.is_empty() {
            say!("")?;
        }
        for problem in problems {
            say!("{problem}")?;
        }
        Ok(())
    }
}

/// What is wrong, one sentence for each volume or agent.
fn problems<'a>(list: &impl Fn(&str) -> &'a [Value]) -> Vec<String> {
    let mut out = Vec::new();
    for volume in list("VolumesWithoutAgent") {
        let (id, before) = (
            member(volume, "VolumeId"),
            member(volume, "PreviousAgentId"),
        );
        out.push(format!("{id:<25}has no agent: {before} was removed"));
    }
    for volume in list("WaitingVolumes") {
        let (id, agent) = (member(volume, "VolumeId"), member(volume, "AgentId"));
        out.push(match volume.get("Ending") == Some(&Value::Bool(true)) {
            true => format!(
                "{id:<25}waits to be deleted by {agent}, which is not connected: start that agent, or remove it (`keyward agent remove`)"
            ),
            false => format!(
                "{id:<25}waits for {agent}, which is not connected: start that agent, or assign the file system to another one (`keyward agent assign`)"
            ),
        });
    }
    for volume in list("FailedVolumes") {
        let (id, agent) = (member(volume, "VolumeId"), member(volume, "AgentId"));
        let (since, why) = (time(volume), reason(volume, "Message"));
        out.push(format!(
            "{id:<25}is not available on {agent}, since {since}: {why}"
        ));
    }
    for agent in list("Agents") {
        if agent.get("BackupFailure").is_some() {
            let (id, why) = (member(agent, "AgentId"), reason(agent, "BackupFailure"));
            out.push(format!("{id:<25}cannot use its place for backups: {why}"));
        }
    }
    for volume in list("FailedBackups") {
        let (id, agent) = (member(volume, "VolumeId"), member(volume, "AgentId"));
        let (at, why) = (time(volume), reason(volume, "Message"));
        out.push(format!(
            "{id:<25}could not be backed up by {agent}, at {at}: {why}"
        ));
    }
    out
}

/// What an agent said was wrong, in one line.
fn reason(value: &Value, name: &str) -> String {
    shown::Value(member(value, name)).to_string()
}

/// When that was.
fn time(value: &Value) -> String {
    moment(value, "Time")
}

/// The moment that a member says.
fn moment(value: &Value, name: &str) -> String {
    let seconds = value.get(name).and_then(Value::as_f64);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is too large becomes the largest second, which is shown all the same"
    )]
    let seconds = seconds.map(|seconds| seconds as i64);
    Timestamp::from_seconds(seconds.unwrap_or_default())
        .iso8601()
        .to_string()
}

/// Whether an agent is connected.
fn connected(agent: &Value) -> &'static str {
    let is = agent.get("Connected") == Some(&Value::Bool(true));
    match agent.get("FirstCallTime") {
        None => "never",
        Some(_) if is => "yes",
        Some(_) => "no",
    }
}

/// The versions of the databases that an agent can run.
fn databases(agent: &Value) -> String {
    let list = agent.get("Databases").and_then(Value::as_array);
    let list = list.map(Vec::as_slice).unwrap_or_default();
    let versions: Vec<&str> = list
        .iter()
        .map(|one| member(one, "EngineVersion"))
        .collect();
    match versions.is_empty() {
        true => "no".to_owned(),
        false => versions.join(","),
    }
}

/// Whether an agent has a place for backups, and of how many volumes the last one has failed.
fn backups(agent: &Value) -> String {
    let failed = agent.get("NumberOfFailedBackups").and_then(Value::as_u64);
    if agent.get("BackupFailure").is_some() {
        return "unusable".to_owned();
    }
    match failed.filter(|failed| *failed > 0) {
        Some(failed) => format!("{failed} failed"),
        None if agent.get("BacksUp") == Some(&Value::Bool(true)) => "yes".to_owned(),
        None => "no".to_owned(),
    }
}
