//! `keyward agent certificates`

use anyhow::bail;
use clap::Args;
use keyward_client::{Connect, ENVIRONMENT};
use serde_json::{Value, json};

use super::{call, member};
use crate::out::say;

fn after_help() -> String {
    format!(
        "Examples:
  keyward agent certificates --data-dir DIR > rds.pem
  psql 'host=127.0.0.1 user=dba dbname=app sslmode=verify-full sslrootcert=rds.pem'

{ENVIRONMENT}"
    )
}

/// Print the certificates with which clients verify databases
///
/// Each agent has an authority of its own, which signs the certificates of its databases. All of them are printed, in PEM,
/// as one file for `sslrootcert`; `aws rds describe-certificates` shows their thumbprints (the SHA-1 of each). Needs
/// keyward:ListAgents.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Certificates {
    #[command(flatten)]
    connect: Connect,
    /// Only that of this agent [default: all]
    #[arg(value_name = "AGENT")]
    agent: Option<String>,
}

impl Certificates {
    pub fn run(self) -> anyhow::Result<()> {
        let answer = call(&self.connect, "ListAgents", &json!({}))?;
        let agents = answer.get("Agents").and_then(Value::as_array);
        let mut found = false;
        for agent in agents.map(Vec::as_slice).unwrap_or_default() {
            let named = self.agent.as_deref();
            let authority = member(agent, "DatabaseAuthority").trim_end();
            if named.is_some_and(|named| named != member(agent, "AgentId")) || authority.is_empty()
            {
                continue;
            }
            found = true;
            say!("{authority}")?;
        }
        match (found, &self.agent) {
            (true, _) => Ok(()),
            (false, None) => bail!(
                "no agent can run databases: install PostgreSQL on the agent's machine (docs/databases.md), and wait a minute"
            ),
            (false, Some(agent)) => {
                bail!("no agent {agent} that can run databases: `keyward agent list` shows them")
            }
        }
    }
}
