//! What `keyward serve --agent` has beside the server: a process that runs an agent, as it would run on another machine.
//! The server asks nothing of it, and it reaches the server through the listener like everybody.
//!
//! The process is started before the server gives up its privileges, which the agent needs. A pipe tells it when to
//! begin, and, by its end, when to stop: an unprivileged server could not send it a signal.

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Stdio},
};

use anyhow::Context as _;
use keyward_keeper::keeper::program;

use crate::{cli::agent::place::BackupArgs, telemetry::Logging};

/// The process beside a server. If the server is killed, it ends as well.
#[derive(Debug)]
pub struct Beside {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Beside {
    /// Starts the process, which does nothing yet.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn prepare(
        data_dir: &Path,
        backups: &BackupArgs,
        logging: &Logging,
    ) -> anyhow::Result<Self> {
        let mut command = program();
        command
            .args(["agent", "beside", "--data-dir"])
            .arg(data_dir);
        command.args(backups.arguments());
        command.args(logging.arguments());
        // What it says is in the log; scripts read the server's own lines.
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        // Ctrl-C in a terminal is for the server, which then ends the agent.
        command.process_group(0);
        let mut process = command.spawn().context("cannot start this program again")?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// Has it run the agent: the server listens.
    pub fn begin(&mut self) {
        let told = self.pipe.as_mut().map(|pipe| pipe.write_all(b"\n"));
        if let Some(Err(error)) = told {
            tracing::error!(%error, "the process that runs the agent has ended");
        }
    }

    /// Has the agent end, and waits until it has.
    pub fn stop(mut self) {
        drop(self.pipe.take());
        match self.process.wait() {
            Ok(status) if status.success() => {}
            Ok(status) => tracing::error!(%status, "the process that runs the agent has failed"),
            Err(error) => tracing::error!(%error, "the process that runs the agent is lost"),
        }
    }
}
