//! A volume that is open, served and mounted.

use std::{
    ffi::OsString,
    io::{Read as _, Write as _},
    num::NonZeroUsize,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use keyward_attach::{
    attachment::cut_off,
    place::Place,
    server::{Server, serve},
};
use keyward_volume::Volume;

use crate::volume::{blocks::Served, key::Pending};

/// Threads that serve; a flush takes one until the data is on disk.
const THREADS: NonZeroUsize = NonZeroUsize::new(4).expect("it is 4");
/// How long shutting the file system down may take before the kernel's wait for this process is ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the process that mounts says when it has created the file system; then it waits for a line.
pub const FORMATTED: &str = "formatted";
/// How often it is looked whether the served file has ended.
const LOOK: Duration = Duration::from_millis(20);

// How a volume is mounted.
#[derive(Clone, Debug, Args)]
pub struct Mounting {
    /// The directory to mount it on
    #[arg(value_name = "DIR", required_unless_present = "no_mount")]
    pub dir: Option<PathBuf>,
    /// Mount nothing: only the loop device is there, for a file system of your own
    #[arg(long, conflicts_with_all = ["dir", "read_only", "mount_option"])]
    pub no_mount: bool,
    /// Mount it for reading only
    #[arg(long)]
    pub read_only: bool,
    /// A mount option: noexec, noatime, or an option of ext4 such as discard; can be given several times
    #[arg(long, short = 'o', value_name = "OPTION")]
    pub mount_option: Vec<String>,
}

impl Mounting {
    /// The flags that say the same, without the directory.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        if self.no_mount {
            arguments.push("--no-mount".into());
        }
        if self.read_only {
            arguments.push("--read-only".into());
        }
        for option in &self.mount_option {
            arguments.push(format!("--mount-option={option}").into());
        }
        arguments
    }
}

/// An attached volume.
pub struct Live {
    /// The volume.
    pub volume: Arc<Volume>,
    /// What serves it.
    pub server: Server,
    /// The loop device.
    pub device: PathBuf,
    checkpoints: JoinHandle<()>,
}

/// This program, in a new process.
pub fn program() -> Command {
    // The same file, even if its name has another one by now.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("keyward").stdin(Stdio::null());
    command
}

impl Live {
    /// Serves an open volume, and has another process mount it.
    ///
    /// # Errors
    /// When that fails; then nothing of it is left.
    pub fn start(volume: Volume, place: &Place, mounting: &Mounting) -> anyhow::Result<Self> {
        let volume = Arc::new(volume);
        let server = serve(place, Arc::new(Served(Arc::clone(&volume))), THREADS)?;
        let worker = Arc::clone(&volume);
        let checkpoints = thread::Builder::new().name("checkpoints".to_owned());
        let checkpoints = checkpoints.spawn(move || {
            if let Err(error) = worker.run_checkpoints() {
                tracing::error!(%error, "the journal cannot be brought home");
            }
        });
        let mut live = Self {
            volume,
            server,
            device: PathBuf::new(),
            checkpoints: checkpoints.context("no thread can be started")?,
        };
        match live.bind(place, mounting) {
            Ok(()) => Ok(live),
            Err(error) => {
                note(cut_off(place, PATIENCE));
                if let Err(error) = live.close() {
                    tracing::error!(error = format!("{error:#}"), "the volume is not closed");
                }
                Err(error)
            }
        }
    }

    fn bind(&mut self, place: &Place, mounting: &Mounting) -> anyhow::Result<()> {
        let key = self.volume.key_info();
        let mut todo = Vec::new();
        let mut command = program();
        // It needs no credentials.
        command.env_clear().envs(path());
        command
            .args(["volume", "bind", "--place"])
            .arg(place.path());
        command.args(mounting.arguments());
        for (pending, flag) in [(Pending::Format, "--format"), (Pending::Grow, "--grow")] {
            if pending.is_in(&key) && mounting.dir.is_some() {
                command.arg(flag);
                todo.push(pending);
            }
        }
        if let Some(dir) = &mounting.dir {
            if mounting.read_only && !todo.is_empty() {
                bail!(
                    "the file system has not been created or grown yet, which writes: attach the volume once without --read-only"
                );
            }
            command.arg(dir);
        }
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start this program again")?;
        let noted = if todo.contains(&Pending::Format) {
            self.note_format(&mut child)
        } else {
            Ok(())
        };
        // It ends when it reads no reply.
        let output = child.wait_with_output()?;
        noted?;
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim_end();
        if !output.status.success() {
            let said = said.strip_prefix("keyward: ").unwrap_or(said);
            return Err(anyhow!("{said}"));
        }
        if !said.is_empty() {
            tracing::warn!("{said}");
        }
        let device = String::from_utf8_lossy(&output.stdout);
        self.device = PathBuf::from(device.trim_end());
        if todo.contains(&Pending::Grow) {
            self.note_done(Pending::Grow)?;
        }
        Ok(())
    }

    /// Notes durably that the file system is there, before anybody can write to it: the next attaching must not create
    /// another one in its place.
    fn note_format(&self, child: &mut Child) -> anyhow::Result<()> {
        let (Some(output), Some(input)) = (&mut child.stdout, &mut child.stdin) else {
            bail!("the process that mounts cannot be reached");
        };
        let mut said = [0; FORMATTED.len() + 1];
        if output.read_exact(&mut said).is_err() {
            // Its status says that it has failed.
            return Ok(());
        }
        if said.strip_suffix(b"\n") != Some(FORMATTED.as_bytes()) {
            bail!("the process that mounts says something else than expected");
        }
        self.note_done(Pending::Format)?;
        // If it has ended, its status says so.
        let _ = input.write_all(b"\n");
        Ok(())
    }

    fn note_done(&self, pending: Pending) -> anyhow::Result<()> {
        let mut key = self.volume.key_info();
        pending.remove(&mut key);
        self.volume.rekey(key)?;
        Ok(())
    }

    /// Whether the served file ends within a time.
    pub fn has_ended_within(&self, time: Duration) -> bool {
        let mut left = time;
        while !self.server.has_ended() && !left.is_zero() {
            thread::sleep(LOOK);
            left = left.saturating_sub(LOOK);
        }
        self.server.has_ended()
    }

    /// Wipes the keys, and makes everything fail that uses the volume.
    pub fn cut_off(self, place: &Place) {
        self.volume.wipe();
        let done = cut_off(place, PATIENCE);
        tracing::info!("the keys are wiped");
        note(done);
        if let Err(error) = self.end() {
            tracing::warn!(error = format!("{error:#}"), "serving has not ended well");
        }
    }

    /// Closes the volume, whose served file has ended, and answers the last generation.
    ///
    /// # Errors
    /// When what was written cannot be brought home.
    pub fn close(self) -> anyhow::Result<u64> {
        let closed = self.volume.close();
        self.volume.wipe();
        if let Err(error) = self.end() {
            tracing::warn!(error = format!("{error:#}"), "serving has not ended well");
        }
        Ok(closed?)
    }

    /// Waits for the threads.
    fn end(self) -> anyhow::Result<()> {
        let served = self.server.wait();
        let checked = self.checkpoints.join();
        served?;
        checked.map_err(|_| anyhow!("a thread panicked"))
    }
}

/// Logs what a cut-off has found and done.
fn note(done: keyward_attach::attachment::CutOff) {
    for point in &done.lazily_unmounted {
        tracing::warn!(point = %point.display(), "files were open there: those who have them get errors");
    }
    if let Some(device) = &done.held {
        tracing::warn!(device = %device.display(), "somebody holds the dead loop device: it is free when they let go");
    }
    for error in &done.failures {
        tracing::error!(%error, "a step of the cut-off failed");
    }
    if done.failures.is_empty() {
        tracing::info!("everything is unmounted");
    }
}

/// Where programs are found.
#[expect(
    clippy::disallowed_methods,
    reason = "the other process finds its programs as this one would"
)]
fn path() -> Option<(&'static str, String)> {
    std::env::var("PATH").ok().map(|path| ("PATH", path))
}
