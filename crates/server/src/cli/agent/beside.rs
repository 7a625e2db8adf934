//! The process that `keyward serve --agent` has beside the server. It runs an agent, and starts it again if it ends by
//! itself, from when it is told until its standard input ends.

use std::{
    io::{self, Read as _},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
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
use crate::{ending, telemetry::Logging};

/// How long is waited until an agent is started again that has ended by itself.
const AGAIN: Duration = Duration::from_secs(5);
/// How long is waited at most while another agent runs with the same directory. One that was started by a server that was
/// killed ends soon.
const LONGEST: Duration = Duration::from_secs(60);

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
    /// Where the agent keeps everything.
    fn state_dir(&self) -> PathBuf {
        self.data_dir.join("agent")
    }

    /// The agent's own process.
    fn command(&self) -> Command {
        let mut command = program();
        command.args(["agent", "run", "--with-parent", "--data-dir"]);
        command.arg(&self.data_dir);
        command.arg("--state-dir").arg(self.state_dir());
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
        let mut in_use = AGAIN;
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
            let code = ended.as_ref().ok().and_then(ExitStatus::code);
            let is = |status: u8| code == Some(i32::from(status));
            if is(ending::FOR_GOOD) {
                // It would end in the same way for ever. The server goes on without it.
                tracing::error!(
                    state_dir = %beside.state_dir().display(),
                    "the agent has ended and is not started again: do what it says above, then restart the server"
                );
                return;
            }
            let mut wait = AGAIN;
            if is(ending::IN_USE) {
                wait = in_use;
                in_use = in_use.saturating_mul(2).min(LONGEST);
                tracing::error!(
                    "another agent runs with the directory of this server's agent: stop that one (`keyward agent run`), or start this server without --agent; it is tried again in {} seconds",
                    wait.as_secs()
                );
            } else {
                in_use = AGAIN;
            }
            match ended {
                Ok(_) if is(ending::IN_USE) => {}
                Ok(status) => tracing::error!(%status, "the agent has ended, and is started again"),
                Err(error) => tracing::error!(%error, "the agent cannot be started yet"),
            }
            let going_on = |state: &mut State| !state.stopping;
            self.changed.wait_while_for(&mut state, going_on, wait);
        }
    }
}
