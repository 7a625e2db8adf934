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
    attachment::{CutOff, cut_off},
    server::{Server, serve},
    volume_dir::VolumeDir,
};
use keyward_volume::{KeyInfo, Volume};

use crate::{blocks::Served, key::Pending};

/// Threads that serve; a flush takes one until the data is on disk.
const THREADS: NonZeroUsize = NonZeroUsize::new(4).expect("it is 4");
/// How long shutting the file system down may take before the kernel's wait for this process is ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the process that mounts says when it has created the file system; then it waits for a line.
pub const FORMATTED: &str = "formatted";

// How a volume is mounted.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would show it as the help of a command")]
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
    pub fn start(volume: Volume, place: &VolumeDir, mounting: &Mounting) -> anyhow::Result<Self> {
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

    fn bind(&mut self, place: &VolumeDir, mounting: &Mounting) -> anyhow::Result<()> {
        self.prepare_format(mounting)?;
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
            self.change(|key| Pending::Grow.remove(key))?;
        }
        Ok(())
    }

    /// Notes durably what is going to be done about the file system, before it is.
    fn prepare_format(&self, mounting: &Mounting) -> anyhow::Result<()> {
        let key = self.volume.key_info();
        match formatting(&key, self.volume.is_empty(), mounting)? {
            Formatting::AsItIs => Ok(()),
            Formatting::Foreign => self.change(|key| Pending::Format.remove(key)),
            Formatting::Begin => self.change(|key| Pending::Format.begin(key)),
        }
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
        self.change(|key| Pending::Format.remove(key))?;
        // If it has ended, its status says so.
        let _ = input.write_all(b"\n");
        Ok(())
    }

    /// Changes what is to be done with the file system.
    fn change(&self, change: impl FnOnce(&mut KeyInfo)) -> anyhow::Result<()> {
        let mut key = self.volume.key_info();
        change(&mut key);
        self.volume.rekey(key)?;
        Ok(())
    }

    /// Wipes the keys, and makes everything fail that uses the volume.
    pub fn cut_off(self, place: &VolumeDir) {
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

/// What is noted about the file system before a volume is mounted.
#[derive(Debug, PartialEq, Eq)]
enum Formatting {
    /// Nothing new.
    AsItIs,
    /// What is there is not ours, and none of ours is to be created any more.
    Foreign,
    /// Ours is being created.
    Begin,
}

/// Creating a file system must destroy nothing but what an interrupted attempt of ours has written.
fn formatting(key: &KeyInfo, is_empty: bool, mounting: &Mounting) -> anyhow::Result<Formatting> {
    if !Pending::Format.is_in(key) {
        return Ok(Formatting::AsItIs);
    }
    let is_foreign = !is_empty && !Pending::Format.is_begun(key);
    match (&mounting.dir, is_foreign) {
        (None, true) => Ok(Formatting::Foreign),
        (None, false) => bail!(
            "the volume gets an ext4 when it is attached to a directory for the first time, which would overwrite a file system of your own: attach it to a directory first, or create a volume with --no-mkfs"
        ),
        (Some(_), true) => bail!(
            "the volume has no ext4 of ours yet, but something was written to it, which creating one would destroy. If it is a file system of your own, attach it once with --no-mount: from then on it is mounted as it is"
        ),
        (Some(_), false) if mounting.read_only => Ok(Formatting::AsItIs),
        (Some(_), false) => Ok(Formatting::Begin),
    }
}

/// Cuts off what a process has left that was killed: the kernel serves what it has in its page cache to everybody, and
/// no process is there that would ask whether the key may still be used. Nothing is no error.
///
/// # Errors
/// When not all of it can be taken away.
pub fn take_away_remains(place: &VolumeDir) -> anyhow::Result<()> {
    let done = cut_off(place, PATIENCE);
    if done.lazily_unmounted.is_empty() && done.held.is_none() && done.failures.is_empty() {
        return Ok(());
    }
    let failures = note(done);
    match failures.into_iter().last() {
        None => Ok(()),
        Some(error) => Err(error.context(
            "what an earlier process of the volume has left is cut off, but not all of it is taken away",
        )),
    }
}

/// Logs what a cut-off has found and done, and answers what has failed.
fn note(done: CutOff) -> Vec<anyhow::Error> {
    for point in &done.lazily_unmounted {
        tracing::warn!(point = %point.display(), "files were open there: those who have them get errors");
    }
    if !done.mapped.is_empty() {
        let processes = done.mapped.join(", ");
        tracing::warn!(
            processes,
            "these processes have files mapped: what they have mapped stays readable to them until they end"
        );
    }
    if let Some(device) = &done.held {
        tracing::warn!(device = %device.display(), "somebody holds the dead loop device: it is free when they let go");
    }
    let failures: Vec<anyhow::Error> = done.failures.into_iter().map(Into::into).collect();
    for error in &failures {
        let error = format!("{error:#}");
        tracing::error!(error, "a step of the cut-off failed");
    }
    if failures.is_empty() {
        tracing::info!("everything is unmounted");
    }
    failures
}

/// Where programs are found.
#[expect(
    clippy::disallowed_methods,
    reason = "the other process finds its programs as this one would"
)]
fn path() -> Option<(&'static str, String)> {
    std::env::var("PATH").ok().map(|path| ("PATH", path))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_what_is_empty_or_was_begun_by_us_is_formatted() {
        let mounting = |dir: Option<&str>| Mounting {
            dir: dir.map(PathBuf::from),
            no_mount: dir.is_none(),
            read_only: false,
            mount_option: Vec::new(),
        };
        let mut key = KeyInfo {
            wrapped: Vec::new(),
            key_arn: String::new(),
            context: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        let decide = |key: &KeyInfo, is_empty, dir| {
            formatting(key, is_empty, &mounting(dir)).map_err(|error| {
                let said = error.to_string();
                said.split(',').next().unwrap_or_default().to_owned()
            })
        };
        let first = "the volume gets an ext4 when it is attached to a directory for the first time";
        let foreign = "the volume has no ext4 of ours yet";
        for dir in [None, Some("/mnt")] {
            assert_eq!(decide(&key, false, dir), Ok(Formatting::AsItIs));
        }
        Pending::Format.add(&mut key);
        assert_eq!(decide(&key, true, None), Err(first.to_owned()));
        assert_eq!(decide(&key, true, Some("/mnt")), Ok(Formatting::Begin));
        assert_eq!(decide(&key, false, None), Ok(Formatting::Foreign));
        assert_eq!(decide(&key, false, Some("/mnt")), Err(foreign.to_owned()));
        Pending::Format.begin(&mut key);
        for is_empty in [true, false] {
            assert_eq!(decide(&key, is_empty, None), Err(first.to_owned()));
            assert_eq!(decide(&key, is_empty, Some("/mnt")), Ok(Formatting::Begin));
        }
    }
}
