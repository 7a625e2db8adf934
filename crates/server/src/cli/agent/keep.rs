//! The process of an encrypted volume, which the agent starts.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use keyward_agent::layout::Layout;
use keyward_client::reach::Reach;
use keyward_keeper::{
    keeper::Ended,
    state::States,
    units::{parse_duration, parse_recheck},
};
use keyward_types::storage::VolumeId;

use super::StateDir;
use keyward_host::{
    host::Said,
    keep::{self, Options},
};

use crate::{out::say, telemetry::Logging};

/// The process of an encrypted volume
#[derive(Debug, Args)]
pub struct Keep {
    #[command(flatten)]
    state: StateDir,
    #[arg(long, value_parser = parse_recheck)]
    recheck: Duration,
    #[arg(long, value_parser = parse_duration)]
    grace: Duration,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    logging: Logging,
    /// The volume
    volume: String,
}

impl Keep {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // It outlives the agent.
        let _ = rustix::process::setsid();
        self.logging.start();
        let ended = VolumeId::parse(&self.volume)
            .map_err(anyhow::Error::from)
            .and_then(|volume| {
                let layout = Layout::open(&self.state.state_dir)?;
                let options = Options {
                    states: States::within(&layout.keepers()),
                    layout,
                    volume,
                    reach: self.reach,
                    recheck: self.recheck,
                    grace: self.grace,
                };
                keep::run(options, |process| {
                    let said = Said::Attached(process.clone());
                    Ok(say!("{}", serde_json::to_string(&said)?)?)
                })
            });
        match ended {
            Ok(Ended::Closed) => Ok(ExitCode::SUCCESS),
            Ok(Ended::CutOff) => Ok(ExitCode::FAILURE),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the volume's process ends");
                let said = Said::Failed(format!("{error:#}"));
                // Nobody reads it any more, unless it has not been attached at all.
                let _ = say!("{}", serde_json::to_string(&said)?);
                Ok(ExitCode::FAILURE)
            }
        }
    }
}
