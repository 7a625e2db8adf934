//! `keyward agent register`

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use keyward_agent::layout::Layout;
use keyward_client::reach::Reach;
use zeroize::Zeroizing;

use super::{OF_AGENT, StateDir};
use keyward_host::register::{register, token_of};

use crate::{
    cli::{env::quoted, first_start::program},
    out::say,
    telemetry::Logging,
};

fn after_help() -> String {
    format!(
        "Examples:
  keyward agent register --endpoint-url https://keyward.example:5670 --token-file token
  keyward agent token --data-dir DIR storage-1 | ssh storage-1 \\
      keyward agent register --endpoint-url https://keyward.example:5670 --token-file -

{OF_AGENT}"
    )
}

/// Register this machine's agent with a token
///
/// The access key that the agent gets is stored in the state directory, for its user alone. If the answer is lost,
/// run the command again with the same token. `keyward agent run --token-file` registers, too.
#[derive(Debug, Args)]
#[command(after_long_help = after_help(), group = ArgGroup::new("by").args(["token", "token_file"]).required(true))]
pub struct Register {
    #[command(flatten)]
    state: StateDir,
    /// The token. Other users can see it in the list of processes: --token-file hides it
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// A file with the token; - for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    logging: Logging,
}

impl Register {
    pub fn run(self) -> anyhow::Result<()> {
        self.logging.start();
        let token = match (self.token, &self.token_file) {
            (Some(token), _) => Zeroizing::new(token),
            (None, Some(file)) => token_of(file)?,
            (None, None) => Zeroizing::default(),
        };
        let is_new = !self.state.state_dir.exists();
        let layout = Layout::open(&self.state.state_dir)?;
        let _lock = layout.lock()?;
        let runtime = tokio::runtime::Runtime::new()?;
        let registered = runtime.block_on(register(&layout, &self.reach, &token));
        if registered.is_err() && is_new {
            layout.discard();
        }
        let identity = registered?;
        say!(
            "Agent {} ({}) is registered for account {} in {}.",
            identity.agent,
            identity.name,
            identity.account,
            identity.region
        )?;
        let program = program();
        Ok(say!(
            "\nNext: start it, as root:\n\n  {} agent run --state-dir {}",
            quoted(&program),
            quoted(&layout.path().display().to_string())
        )?)
    }
}
