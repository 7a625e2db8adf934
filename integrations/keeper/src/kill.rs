//! The end of a volume by force, and of its process even if that does not answer: it hangs, is stopped, or waits for its own
//! disk.

use std::{fs, io, path::Path, thread, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use keyward_attach::{
    attachment::{self, cut_off},
    error::Error,
};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::{
    control::{Request, ask, ask_within},
    state::{Found, LOCK, Phase},
};

/// How long shutting the file system down may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the volume's process may take to cut it off itself.
const ANSWER: Duration = Duration::from_secs(10);
/// How often, and after which time each, it is looked whether it has ended.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

impl Found {
    /// Writes everything, unmounts the volume and closes it. Answers what to say.
    ///
    /// # Errors
    /// When it is in use, or its process is dead or cannot close it.
    pub fn detach_cleanly(&self) -> anyhow::Result<String> {
        let image = self.process.image.display();
        if !self.lives {
            bail!(
                "the process of {image} is dead. What was flushed is safe in the image: attach it again, or take away what is left with `keyward volume detach --force {image}`"
            );
        }
        let ended = match self.process.phase {
            // There is nothing that would have to be written.
            Phase::CutOff => Ok(()),
            Phase::Starting | Phase::Attached => attachment::detach(&self.folder.place()?),
        };
        match ended {
            Err(busy @ Error::Busy { .. }) => bail!(
                "{busy}: nothing was changed. End what uses it, then try again. `keyward volume detach --force` cuts it off, and what was not written to disk is lost"
            ),
            ended => ended?,
        }
        ask(&self.folder, &Request::Finish, &mut |_, _| {})?;
        Ok(format!("{image} is detached."))
    }

    /// Cuts the volume off, whoever uses it, and ends its process, or takes away what one has left that was killed. Answers what
    /// to say.
    ///
    /// # Errors
    /// When something of it is left, or its process is.
    pub fn detach_by_force(&self) -> anyhow::Result<String> {
        let image = self.process.image.display();
        let mut hangs = false;
        if self.lives {
            match ask_within(&self.folder, &Request::CutOff, ANSWER) {
                Ok(Some(_)) => return Ok(format!("{image} is cut off.")),
                Ok(None) => hangs = true,
                Err(_) => {}
            }
        }
        // Its keys go with it. What is left is cut off however that ends: it may be frozen, and is not waited for.
        let killed = hangs.then(|| self.kill());
        let done = cut_off(&self.folder.place()?, PATIENCE);
        if let Some(error) = done.failures.into_iter().next() {
            return Err(anyhow!(error).context(format!(
                "{image} is cut off, but not all of it is taken away"
            )));
        }
        if let Some(killed) = killed {
            let pid = self.process.pid;
            killed.with_context(|| {
                format!(
                    "{image} is cut off, but its process {pid} does not answer, and was not killed"
                )
            })?;
            if !self.has_ended() {
                bail!(
                    "{image} is cut off and its process {pid} is killed, but has not ended yet: it is frozen, or waits for a disk"
                );
            }
            self.folder.forget()?;
            return Ok(format!(
                "{image} is cut off. Its process {pid} did not answer, and is killed."
            ));
        }
        if self.lives {
            // It could not take everything away itself.
            if let Ok(Some(_)) = ask_within(&self.folder, &Request::Finish, ANSWER) {
                return Ok(format!("{image} is cut off."));
            }
            bail!(
                "{image} is cut off, but its process {} does not answer: end it with `kill -9 {}`",
                self.process.pid,
                self.process.pid
            );
        }
        self.folder.forget()?;
        Ok(format!(
            "What the dead process of {image} had left is taken away."
        ))
    }

    /// Sends SIGKILL to the process, and does not wait for its end: a process that is frozen, or waits for a disk, ends when
    /// that is over.
    ///
    /// It fails when the process that is noted down is not the one that has the volume's lock, so that somebody else may have its
    /// number, or it cannot be killed.
    fn kill(&self) -> anyhow::Result<()> {
        let number = self.process.pid;
        let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{number} is the number of no process"))?;
        // What is looked at below is this very process, or the signal reaches nobody.
        let process = pidfd_open(pid, PidfdFlags::empty())
            .with_context(|| format!("there is no process {number}"))?;
        let lock = self.folder.path().canonicalize()?.join(LOCK);
        if !has_lock(number, &lock)? {
            bail!("process {number} does not have {} locked", lock.display());
        }
        pidfd_send_signal(&process, Signal::KILL)
            .with_context(|| format!("process {number} cannot be killed"))
    }

    /// Waits a few seconds for the end of a process that was killed, and answers whether it has ended.
    fn has_ended(&self) -> bool {
        for _ in 0..LOOKS {
            if !self.folder.is_locked() {
                return true;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        false
    }
}

/// Whether a process has a file open and locked. Asks no file system: one of those that the process uses may hang.
fn has_lock(process: u32, lock: &Path) -> io::Result<bool> {
    let own = format!("/proc/{process}");
    for open in fs::read_dir(format!("{own}/fd"))? {
        let name = open?.file_name();
        let Some(name) = name.to_str() else { continue };
        // It may be closed meanwhile.
        if fs::read_link(format!("{own}/fd/{name}")).is_ok_and(|path| path == lock) {
            let told = fs::read_to_string(format!("{own}/fdinfo/{name}")).unwrap_or_default();
            let mut lines = told.lines().filter(|line| line.starts_with("lock:"));
            if lines.any(|line| line.contains("FLOCK") && line.contains("WRITE")) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use keyward_volume::ImageId;

    use super::*;
    use crate::state::{Process, States};

    const VOLUME: ImageId = ImageId::from_bytes([7; 16]);

    /// What is found of a volume whose process is said to be this one.
    fn found(home: &Path, process: &Child) -> Found {
        let states = States::within(home);
        let folder = states.folder(VOLUME).unwrap();
        let mut said = Process::this(VOLUME, &home.join("image"), None, false);
        said.pid = process.id();
        folder.record(&said).unwrap();
        states.find(VOLUME).unwrap().unwrap()
    }

    fn lock(home: &Path) -> String {
        let path = home.canonicalize().unwrap().join(VOLUME.to_string());
        path.join(LOCK).to_str().unwrap().to_owned()
    }

    #[test]
    fn who_does_not_have_the_lock_is_not_killed() {
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let found = found(home.path(), &child);
        let _lock = found.folder.lock().unwrap();
        let error = found.kill().unwrap_err().to_string();
        let lock = lock(home.path());
        let expected = format!("process {} does not have {lock} locked", child.id());
        assert_eq!(error, expected);
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn who_has_the_lock_is_killed_though_it_is_stopped() {
        let home = tempfile::tempdir().unwrap();
        let folder = States::within(home.path()).folder(VOLUME).unwrap();
        drop(folder.lock().unwrap());
        // It has the lock itself, and stops.
        let script = "exec 3>\"$1\"; flock 3; kill -STOP $$";
        let mut command = Command::new("sh");
        let child = command.args(["-c", script, "sh", &lock(home.path())]);
        let mut child = child.spawn().unwrap();
        let found = found(home.path(), &child);
        while !has_lock(child.id(), Path::new(&lock(home.path()))).unwrap() {
            thread::sleep(Duration::from_millis(10));
        }
        found.kill().unwrap();
        assert_eq!(child.wait().unwrap().code(), None);
        assert!(found.has_ended());
        let error = found.kill().unwrap_err().to_string();
        assert_eq!(error, format!("there is no process {}", child.id()));
    }
}
