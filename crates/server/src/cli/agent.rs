//! `keyward agent`

mod adopt;
mod assign;
mod backups;
mod beside;
mod certificates;
mod copy;
mod keep;
mod list;
pub mod place;
mod register;
mod run;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use keyward_client::{Connect, ENVIRONMENT};
use serde_json::{Value, json};

use crate::out::say;

fn after_token() -> String {
    format!(
        "Examples:
  keyward agent token --data-dir DIR storage-1
  keyward agent token --data-dir DIR --hours 24 storage-1

{ENVIRONMENT}"
    )
}

fn after_remove() -> String {
    format!(
        "Examples:
  keyward agent remove --data-dir DIR agent-0123456789abcdef0
  keyward agent remove --data-dir DIR token-0123456789abcdef0

{ENVIRONMENT}"
    )
}

/// Where an agent keeps everything, unless another directory is given.
const STATE_DIR: &str = "/var/lib/keyward-agent";

/// Run an agent, and manage the agents that store the volumes of an account in a Region
///
/// An agent is a program that stores volumes, such as EFS file systems, on a machine of yours. It registers once,
/// with a token, and gets an access key of its own, with which it can open the volumes that are assigned to it and
/// do nothing else. See docs/file-systems.md.
#[derive(Debug, Subcommand)]
pub enum Agent {
    Run(run::Run),
    Register(register::Register),
    Token(Token),
    List(list::List),
    Certificates(certificates::Certificates),
    Remove(Remove),
    Assign(assign::Assign),
    Adopt(adopt::Adopt),
    Backup(backups::Backup),
    Backups(backups::Backups),
    Restore(backups::Restore),
    #[command(hide = true)]
    Beside(beside::Beside),
    #[command(hide = true)]
    Keep(keep::Keep),
    #[command(hide = true)]
    Copy(copy::Copy),
}

// Where an agent keeps everything.
#[derive(Clone, Debug, Args)]
pub struct StateDir {
    /// The agent's directory: its access key, and the images of its volumes. Only its user may be able to use it
    #[arg(long, value_name = "DIR", env = "KEYWARD_AGENT_STATE_DIR", hide_env_values = true, default_value = STATE_DIR)]
    pub state_dir: PathBuf,
}

/// What the help of commands for a running agent says of the environment.
const OF_STATE: &str = "\
Environment:
  KEYWARD_AGENT_STATE_DIR: the same as --state-dir.";

/// What the help of the agent's own commands says of the environment.
const OF_AGENT: &str = "\
Environment:
  KEYWARD_AGENT_STATE_DIR: the same as --state-dir. For the first start, AWS_ENDPOINT_URL is
  the server's URL, and AWS_CA_BUNDLE is the same as --ca-file.";

/// Create a token by which one agent may register
///
/// Prints the token, which cannot be shown again: the server stores only a hash of it. The token is used up
/// when the agent first calls with the access key that it got. Needs keyward:CreateAgentToken.
#[derive(Debug, Args)]
#[command(after_long_help = after_token())]
pub struct Token {
    #[command(flatten)]
    connect: Connect,
    /// What the agent will be called: letters, digits and . _ -
    #[arg(value_parser = parse_name)]
    name: String,
    /// How many hours the token is valid, at most 24
    #[arg(long, value_name = "HOURS", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=24))]
    hours: u32,
}

/// Remove an agent, whose access key stops working at once, or a token
///
/// The volumes that the agent stores stay on its disks, and the encrypted ones cannot be opened until they are
/// assigned to another agent (`keyward agent assign`). To stop using a token, give the token's id: this also removes the agent that
/// registered with it and has not called since. Needs keyward:RemoveAgent.
#[derive(Debug, Args)]
#[command(after_long_help = after_remove())]
pub struct Remove {
    #[command(flatten)]
    connect: Connect,
    /// The id, such as agent-0123456789abcdef0 or token-0123456789abcdef0
    agent: String,
}

/// A name that the server takes.
fn parse_name(text: &str) -> Result<String, &'static str> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(legal) {
        Ok(text.to_owned())
    } else {
        Err("a name has 1 to 64 letters (a-z, A-Z), digits and the characters . _ -")
    }
}

impl Agent {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Beside(beside) => beside.run()?,
            Self::Keep(keep) => return keep.run(),
            Self::Copy(copy) => copy.run()?,
            Self::Run(run) => run.run()?,
            Self::Register(register) => register.run()?,
            Self::Token(token) => token.run()?,
            Self::List(list) => list.run()?,
            Self::Certificates(certificates) => certificates.run()?,
            Self::Remove(remove) => remove.run()?,
            Self::Assign(assign) => assign.run()?,
            Self::Adopt(adopt) => adopt.run()?,
            Self::Backup(backup) => backup.run()?,
            Self::Backups(backups) => backups.run()?,
            Self::Restore(restore) => restore.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Token {
    fn run(self) -> anyhow::Result<()> {
        let seconds = self.hours * 3600;
        let input = json!({ "AgentName": self.name, "DurationSeconds": seconds });
        let answer = call(&self.connect, "CreateAgentToken", &input)?;
        Ok(say!("{}", member(&answer, "Token"))?)
    }
}

impl Remove {
    fn run(self) -> anyhow::Result<()> {
        let input = json!({ "AgentId": self.agent });
        let answer = call(&self.connect, "RemoveAgent", &input)?;
        say!("Removed {}.", self.agent)?;
        let left = answer.get("NumberOfVolumes").and_then(Value::as_u64);
        let left = left.unwrap_or_default();
        if left == 0 {
            return Ok(());
        }
        let are = if left == 1 {
            "file system has"
        } else {
            "file systems have"
        };
        Ok(say!(
            "{left} {are} no agent now, and nobody can open what is encrypted until it is assigned to another agent \
             (`keyward agent assign`). `keyward agent list` says which."
        )?)
    }
}

fn call(connect: &Connect, operation: &str, input: &Value) -> anyhow::Result<Value> {
    let client = connect.client()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(client.call(operation, input))
}

fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
