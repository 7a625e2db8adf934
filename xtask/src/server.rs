//! A `keyward serve` that this process owns: started on a free port, killed or drained at will.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

/// How long a server may take until it says where it listens.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
}

impl Server {
    /// Starts the program on a data directory and waits until it listens. What the server logs
    /// goes to `log`.
    pub fn start(
        program: &Path,
        data_dir: &Path,
        listen: &str,
        log: &Path,
    ) -> anyhow::Result<Self> {
        Self::start_with(program, data_dir, listen, (log, &[]))
    }

    /// The same with more flags.
    pub fn start_with(
        program: &Path,
        data_dir: &Path,
        listen: &str,
        (log, more): (&Path, &[&str]),
    ) -> anyhow::Result<Self> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = Command::new(program)
            .arg("serve")
            .arg("--data-dir")
            .arg(data_dir)
            .args(["--listen", listen])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("no pipe from the server")?;
        let (found, wait) = mpsc::channel();
        // The thread also drains the pipe for as long as the server lives, so that the server
        // never stops at a full one.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(url) = line.trim().strip_prefix("listening on ") {
                    let _ = found.send(url.to_owned());
                }
            }
        });
        match wait.recv_timeout(PATIENCE) {
            Ok(url) => Ok(Self { child, url }),
            Err(_) => {
                let _ = child.kill();
                let status = child.wait()?;
                bail!("the server did not say where it listens ({status}); see its log");
            }
        }
    }

    /// Kills the server with SIGKILL, as a crash would.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the server to drain (SIGTERM) and answers whether it left with status 0.
    pub fn drain(mut self) -> anyhow::Result<bool> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        Ok(self.child.wait()?.success())
    }

    /// Waits until the server leaves by itself.
    pub fn wait(mut self) -> anyhow::Result<()> {
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the server left with {status}");
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
