//! The process that `keyward serve --agent` has beside the server. It runs an agent, and starts it again if it ends by
//! itself, from when it is told until its standard input ends.

use std::{
    io::{self, Read as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use keyward_keeper::keeper::program;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::process::{Pid, Signal, kill_process};

use super::place::BackupArgs;
use crate::telemetry::Logging;

/// How long is waited until an agent is started again that has ended by itself.
const AGAIN: Duration = Duration::from_secs(5);

/// Run the agent beside a server.
#[derive(Debug, Args)]
pub struct Beside {
    /// The server's data directory.
    #[arg(long)]
    data_dir: PathBuf,
    #[command(flatten)]
    backups: BackupArgs,
    #[command(flatten)]
    logging: Logging,
}

impl Beside {
    pub fn run(self) -> anyhow::Result<()> {
        self.logging.start();
        let mut input = io::stdin().lock();
        // The end of the server, however it comes, is the end of its input.
        if input.read(&mut [0])? == 0 {
            return Ok(());
        }
        let running = Running::start(self)?;
        io::copy(&mut input, &mut io::sink())?;
        running.stop();
        Ok(())
    }
}

impl Beside {
    /// The agent's own process.
    fn command(&self) -> Command {
        let mut command = program();
        command.args(["agent", "run", "--with-parent", "--data-dir"]);
        command.arg(&self.data_dir);
        command.arg("--state-dir").arg(self.data_dir.join("agent"));
        command.args(self.backups.arguments());
        command.args(self.logging.arguments());
        command.stdout(Stdio::null());
        command
    }
}

/// The agent.
#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The process, while it has not been waited for.
    process: Option<Pid>,
    stopping: bool,
}

impl Running {
    /// Starts an agent, and starts it again if it ends by itself.
    fn start(beside: Beside) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        // The kernel ends the agent when this thread ends, and so when this process is killed.
        let thread = thread::Builder::new().name("agent".to_owned());
        let thread = thread
            .spawn(move || own.run(&beside))
            .context("no thread can be started")?;
        Ok(Self { shared, thread })
    }

    /// Asks the agent to end, and waits until it has.
    fn stop(self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        if let Some(process) = state.process
            && let Err(error) = kill_process(process, Signal::TERM)
        {
            tracing::warn!(%error, "the agent cannot be asked to end");
        }
        drop(state);
        self.shared.changed.notify_all();
        if self.thread.join().is_err() {
            tracing::error!("the thread that runs the agent has failed");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn run(&self, beside: &Beside) {
        loop {
            let mut state = self.lock();
            if state.stopping {
                return;
            }
            let child = beside.command().spawn();
            state.process = child.as_ref().ok().map(Pid::from_child);
            drop(state);
            let ended = child.and_then(|mut child: Child| child.wait());
            let mut state = self.lock();
            state.process = None;
            if state.stopping {
                return;
            }
            match ended {
                Ok(status) => tracing::error!(%status, "the agent has ended, and is started again"),
                Err(error) => tracing::error!(%error, "the agent cannot be started yet"),
            }
            let going_on = |state: &mut State| !state.stopping;
            self.changed.wait_while_for(&mut state, going_on, AGAIN);
        }
    }
}
