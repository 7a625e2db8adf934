//! `keyward agent run`

use std::{path::PathBuf, time::Duration};

use clap::Args;
use keyward_agent::layout::Layout;
use keyward_attach::requirements;
use keyward_client::reach::Reach;
use keyward_crypto::secret::process::harden;
use keyward_keeper::{
    identity::Identity,
    units::{parse_duration, parse_recheck, parse_size},
};

use super::{
    OF_AGENT, StateDir, parse_name,
    place::{BackupArgs, OF_BUCKETS},
};
use keyward_host::{
    host::{Host, Keeping},
    register::{new_token, register, token_of},
    run::Agent,
};

use crate::{ending::Ending, out::say, telemetry::Logging};

fn after_help() -> String {
    format!(
        "Examples:
  keyward agent run --endpoint-url https://keyward.example:5670 --token-file token
  keyward agent run                                # every later start
  keyward agent run --data-dir /var/lib/keyward    # on the server's own machine, without a token
  keyward agent run --backup-to /mnt/backups
  AWS_PROFILE=backups keyward agent run --backup-to s3://our-backups/efs

{OF_AGENT}
  {OF_BUCKETS}

Signals:
  SIGTERM and SIGINT detach all volumes and end the agent. Volumes that are in use stay attached,
  each with its own process, and the next start takes them over. So do all if the agent is killed."
    )
}

/// Run the agent of this machine: it stores the volumes that are assigned to it
///
/// It asks the server which volumes should exist, creates, attaches and deletes them, and reports how they are.
/// Each encrypted volume has a process of its own, which has the server unwrap the data key. When the KMS key may
/// not be used any more, the server tells the agent at once, and the volume is cut off; when it may, the volume comes
/// back. The first start registers with a token. Needs root, and what docs/volumes.md says that a machine needs.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Run {
    #[command(flatten)]
    state: StateDir,
    /// A file with the token for the first start; - for standard input. Later starts need none
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// What the agent is called if it registers by --data-dir, without a token
    #[arg(long, value_name = "NAME", default_value = "local", value_parser = parse_name)]
    name: String,
    /// The size of a new file system. It takes space only as it is filled, and is full at this size
    #[arg(long, value_name = "SIZE", default_value = "1TiB", value_parser = parse_size)]
    volume_size: u64,
    /// How often the server is asked whether a key may still be used, even if it has not said anything
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_recheck)]
    recheck: Duration,
    /// How long a volume stays while the server does not answer, or has an error of its own; 0s for not at all
    #[arg(long, value_name = "TIME", default_value = "60m", value_parser = parse_duration)]
    grace: Duration,
    /// The certificate, with its chain, that clients of NFS are shown when they use TLS (PEM) [default: one that
    /// is made in the state directory, nfs/certificate.pem]
    #[arg(long, value_name = "FILE", requires = "nfs_private_key")]
    nfs_certificate: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "nfs_certificate")]
    nfs_private_key: Option<PathBuf>,
    #[command(flatten)]
    backups: BackupArgs,
    /// End when the process ends that has started the agent
    #[arg(long, hide = true)]
    with_parent: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    logging: Logging,
}

impl Run {
    pub fn run(self) -> anyhow::Result<()> {
        let of_parent = self.with_parent;
        let ended = self.run_here();
        match of_parent {
            true => ended.map_err(Ending::of),
            false => ended,
        }
    }

    fn run_here(self) -> anyhow::Result<()> {
        if !rustix::process::geteuid().is_root() {
            anyhow::bail!("an agent mounts file systems, which needs root: run it with sudo");
        }
        if self.with_parent {
            let signal = rustix::process::Signal::TERM;
            rustix::process::set_parent_process_death_signal(Some(signal))?;
        }
        self.logging.start();
        // Its access key is in its memory.
        for warning in harden().warnings {
            tracing::warn!("{warning}");
        }
        let is_new = !self.state.state_dir.exists();
        let layout = Layout::open(&self.state.state_dir)?;
        let lock = layout.lock()?;
        for sentence in requirements::missing() {
            tracing::warn!("{sentence}");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let ended = runtime.block_on(async {
            let reach = self.reach.absolute()?;
            let identity = match Identity::read(&layout.credentials())? {
                Some(identity) => identity,
                None => {
                    let registered = async {
                        let token = match &self.token_file {
                            Some(file) => token_of(file)?,
                            None => new_token(&reach, &self.name).await?,
                        };
                        register(&layout, &reach, &token).await
                    };
                    let registered = registered.await;
                    if registered.is_err() && is_new {
                        layout.discard();
                    }
                    registered?
                }
            };
            // Only a URL that can be found can be kept for the volumes' processes.
            identity.client(&reach)?;
            let agent = identity.agent.clone();
            let keeping = Keeping {
                reach,
                size: self.volume_size,
                recheck: self.recheck,
                grace: self.grace,
                logging: self.logging.arguments(),
                certificate: self.nfs_certificate.zip(self.nfs_private_key),
                backups: self.backups.backups(&layout)?,
            };
            let host = Host::new(layout, keeping, identity.note_key());
            // First: whoever can write to volumes/ must not keep anything readable by what is there.
            host.cut_off_remains()?;
            host.layout.check_mark(&agent)?;
            tracing::info!(agent, "the agent runs");
            let ready = move || {
                // It runs even if its standard output is closed.
                let _ = say!("agent {agent} is running");
            };
            Agent::new(host, identity, lock).run(ready).await
        });
        // What still waits for a disk must not hold the end up.
        runtime.shutdown_timeout(Duration::from_secs(1));
        ended
    }
}
