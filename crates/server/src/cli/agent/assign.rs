//! `keyward agent assign`

use clap::Args;
use keyward_client::{Connect, ENVIRONMENT};
use serde_json::{Value, json};

use super::{call, member};
use crate::out::say;

fn after_help() -> String {
    format!(
        "Examples:
  keyward agent assign --data-dir DIR fs-0123456789abcdef0 agent-0123456789abcdef0

{ENVIRONMENT}"
    )
}

/// Have another agent store a file system, for example because its agent is gone
///
/// From then on only the new agent can open it. An agent that has stored it until now detaches it, and leaves its image on
/// disk. If it is in use there, it is cut off, and what was not flushed to disk is lost: end what uses it first. Bring the image to the new agent's machine and run `keyward agent adopt` there, or restore a
/// backup with `keyward agent restore`: the new agent never creates a file system again that was available before. An agent
/// without a place for backups is refused if the file system's backup policy is enabled. Needs keyward:AssignVolume.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Assign {
    #[command(flatten)]
    connect: Connect,
    /// The file system, such as fs-0123456789abcdef0
    #[arg(value_name = "FILE_SYSTEM")]
    file_system: String,
    /// The agent that stores it from now on, such as agent-0123456789abcdef0
    agent: String,
}

impl Assign {
    pub fn run(self) -> anyhow::Result<()> {
        let input = json!({ "VolumeId": self.file_system, "AgentId": self.agent });
        let answer = call(&self.connect, "AssignVolume", &input)?;
        let (volume, agent) = (member(&answer, "VolumeId"), member(&answer, "AgentId"));
        let before = member(&answer, "PreviousAgentId");
        let image = member(&answer, "ImageAgentId");
        if before == agent {
            return Ok(say!("{volume} is assigned to {agent} already.")?);
        }
        say!("{volume} is assigned to {agent}.")?;
        if answer.get("Connected") == Some(&Value::Bool(false)) {
            say!(
                "{agent} is not connected: nothing happens until it is started, see `keyward agent list`."
            )?;
        }
        if answer.get("Made").and_then(Value::as_bool) != Some(true) {
            return Ok(());
        }
        say!(
            "If {before} still has it in use, it is cut off there now: what was not flushed to disk is lost."
        )?;
        Ok(say!(
            "\nNext: bring its image, volumes/{volume}.img in the state directory of {image}, to the machine of the new agent, \
             and run there, as root:\n\n  keyward agent adopt {volume} IMAGE\n\n\
             If that machine has an older image in its volumes/, move it away first. If the image is lost, restore a backup there:\n\
             `keyward agent restore {volume}`."
        )?)
    }
}
