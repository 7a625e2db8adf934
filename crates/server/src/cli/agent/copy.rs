//! The process that copies a volume that is not attached, which the agent starts.

use clap::Args;
use keyward_agent::layout::Layout;
use keyward_client::reach::Reach;
use keyward_host::copy;

use super::StateDir;
use crate::telemetry::Logging;

/// The process that copies a volume
#[derive(Debug, Args)]
pub struct Copy {
    #[command(flatten)]
    state: StateDir,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    logging: Logging,
}

impl Copy {
    pub fn run(self) -> anyhow::Result<()> {
        // What it has begun is of no use without the agent that has started it.
        let signal = rustix::process::Signal::KILL;
        rustix::process::set_parent_process_death_signal(Some(signal))?;
        self.logging.start();
        let layout = Layout::open(&self.state.state_dir)?;
        copy::run(&layout, &self.reach)
    }
}
