//! Processes of a database server: found again for certain, signaled, and killed to the last.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde::{Deserialize, Serialize};

use crate::{
    cgroup::Cgroup,
    error::Error,
    files::{self, Access},
    launch::{self, SHELL},
    names::Name,
    tool::{self, Task},
    user::SystemUser,
    watch::Watch,
};

/// The version of what is noted down of a process.
const VERSION: u32 = 1;
/// The longest of it that is read.
const MAX_RECORD: u64 = 16 * 1024;
/// How often it is looked whether what was killed has ended.
const LOOK: Duration = Duration::from_millis(10);
/// How many lists in a row must be empty.
const EMPTY_LISTS: u32 = 3;
/// How long a process may take that kills the others. An eviction has no more to spare.
const SWEEP: Duration = Duration::from_millis(500);

/// What is noted down of a server that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    version: u32,
    pid: i32,
    /// Ticks from the machine's start to that of the process.
    start_time: u64,
    /// Of the machine.
    boot_id: String,
    /// What it was told, of which another means another start.
    pub(crate) started_with: StartedWith,
    /// See [`Cgroup`].
    cgroup: Vec<PathBuf>,
}

/// What a server is told at its start, and cannot be told later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartedWith {
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) restart_epoch: u64,
}

impl Record {
    /// Of a process that was just started.
    pub(crate) fn of(pid: u32, started_with: StartedWith, cgroup: &Cgroup) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        Some(Self {
            version: VERSION,
            pid,
            start_time: start_time(pid)?,
            boot_id: boot_id()?,
            started_with,
            cgroup: cgroup.folders().to_vec(),
        })
    }

    /// Reads what was noted down; none if there is nothing that is understood.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let Some(text) = files::read(path, MAX_RECORD)? else {
            return Ok(None);
        };
        let record: Option<Self> = serde_json::from_str(&text).ok();
        Ok(record.filter(|record| record.version == VERSION))
    }

    /// Notes it down.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        files::write(path, &text, Access::root(0o600))
    }

    /// The group that the process was started in.
    pub(crate) fn cgroup(&self) -> Cgroup {
        Cgroup::from_folders(self.cgroup.clone())
    }

    /// The process, if it still runs: the very one, not another with its number.
    pub(crate) fn find(&self) -> Option<Process> {
        if boot_id()? != self.boot_id {
            return None;
        }
        let process = Process::open(self.pid)?;
        // The handle is of the process that is looked at now, or of none.
        let is_it = start_time(self.pid)? == self.start_time;
        (is_it && !process.has_ended()).then_some(process)
    }
}

/// A handle of a process, which is of no other one even after its end.
#[derive(Debug)]
pub(crate) struct Process {
    pid: i32,
    handle: OwnedFd,
}

impl Process {
    /// The process that has this number now.
    pub(crate) fn open(pid: i32) -> Option<Self> {
        let handle = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        Some(Self { pid, handle })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it has ended, also if nobody has waited for it yet.
    pub(crate) fn has_ended(&self) -> bool {
        let mut waited = [PollFd::new(&self.handle, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        matches!(poll(&mut waited, Some(&at_once)), Ok(ready) if ready > 0)
    }

    /// Sends a signal. To a process that has ended, nothing is sent.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.handle, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }
}

/// What all processes of a server have: its system user, and perhaps a control group.
#[derive(Clone, Debug)]
pub(crate) struct Family<'f> {
    pub(crate) name: &'f Name,
    pub(crate) user: &'f SystemUser,
    pub(crate) cgroup: &'f Cgroup,
}

impl Family<'_> {
    /// Those that run now.
    pub(crate) fn members(&self) -> Vec<Process> {
        let mut numbers = self.cgroup.processes();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        numbers.extend(all.filter(|pid| self.is_of_user(*pid)));
        numbers.sort_unstable();
        numbers.dedup();
        let mut members = Vec::new();
        for pid in numbers {
            let Some(process) = Process::open(pid) else {
                continue;
            };
            // Again with the handle: its number may be another's by now.
            let is_member = self.is_of_user(pid) || self.cgroup.processes().contains(&pid);
            if is_member && !process.has_ended() {
                members.push(process);
            }
        }
        members
    }

    fn is_of_user(&self, pid: i32) -> bool {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut lines = status.lines().filter_map(|line| line.strip_prefix("Uid:"));
        let wanted = self.user.uid.to_string();
        let mut ids = lines.next().unwrap_or_default().split_whitespace();
        ids.any(|id| id == wanted)
    }

    /// Kills them until none is left. Fails if some are left after that time: they wait for a disk.
    ///
    /// A list of processes does not have those that start while it is made, and so one that has none says little. What
    /// kills for certain is the kernel, which lets nothing start meanwhile: [`Cgroup::kill`], and [`Family::sweep`].
    pub(crate) fn kill(&self, within: Duration, watch: &Watch) -> Result<usize, Error> {
        let begun = watch.millis();
        let mut killed = Vec::new();
        let mut empty = 0;
        let mut is_swept = false;
        loop {
            let left = self.members();
            for process in &left {
                if let Err(error) = process.signal(Signal::KILL) {
                    tracing::warn!(database = %self.name, pid = process.pid(), %error, "a process cannot be killed");
                }
            }
            killed.extend(left.iter().map(Process::pid));
            self.cgroup.kill();
            let swept = self.sweep(watch);
            // Once is enough: whoever else ends this server may kill the process that does it later.
            is_swept |= swept.is_ok();
            empty = if left.is_empty() && is_swept {
                empty + 1
            } else {
                0
            };
            if empty >= EMPTY_LISTS {
                killed.sort_unstable();
                killed.dedup();
                return Ok(killed.len());
            }
            if empty == 0 && watch.has_passed(within, begun) {
                let error = match swept {
                    Err(error) if !is_swept => error,
                    _ => Error::StillRunning {
                        name: self.name.to_string(),
                        processes: left.len(),
                    },
                };
                tracing::error!(database = %self.name, %error, "processes of a database may be left");
                return Err(error);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Has the kernel kill everything that runs as the user, in one step in which nothing can be started: a process that
    /// is that user itself sends the signal to all that it may, except for itself.
    fn sweep(&self, watch: &Watch) -> Result<(), Error> {
        let mut command = launch::command(Path::new(SHELL), self.user, &Cgroup::default());
        // There may be nobody, which is no failure. The end of the script says that it came that far.
        command.args(["-c", "kill -s KILL -- -1 2>/dev/null || :"]);
        let task = Task {
            program: "kill",
            within: SWEEP,
        };
        // Also if the database is to stop: this is how it stops.
        tool::run(task, command, "", &watch.uninterrupted()).map(drop)
    }
}

/// Field 22 of `/proc/PID/stat`, after the name, which may have blanks and parentheses.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::CommandExt as _,
        process::{Command, Stdio},
    };

    use super::*;
    use crate::tool::tests::Real;

    fn started_with() -> StartedWith {
        StartedWith {
            address: "127.0.0.1".to_owned(),
            port: 5432,
            restart_epoch: 3,
        }
    }

    fn user(uid: u32) -> SystemUser {
        SystemUser {
            name: "u".to_owned(),
            uid,
            gid: uid,
        }
    }

    #[test]
    fn a_process_is_found_again_and_no_other_with_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("process.json");
        assert_eq!(Record::read(&path).unwrap(), None);
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let record = Record::of(child.id(), started_with(), &Cgroup::default()).unwrap();
        record.write(&path).unwrap();
        let read = Record::read(&path).unwrap().unwrap();
        assert_eq!(read, record);
        let found = read.find().unwrap();
        assert_eq!(u32::try_from(found.pid()).unwrap(), child.id());
        for other in [
            Record {
                start_time: record.start_time + 1,
                ..record.clone()
            },
            Record {
                boot_id: "x".to_owned(),
                ..record.clone()
            },
        ] {
            assert!(other.find().is_none(), "{other:?}");
        }
        found.signal(Signal::KILL).unwrap();
        while !found.has_ended() {
            std::thread::sleep(LOOK);
        }
        // It is not waited for yet, and does not run any more.
        assert!(record.find().is_none());
        child.wait().unwrap();
        found.signal(Signal::KILL).unwrap();
        assert!(record.find().is_none());
    }

    #[test]
    fn a_record_that_is_not_understood_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("process.json");
        fs::write(&path, "{\"version\":").unwrap();
        assert_eq!(Record::read(&path).unwrap(), None);
    }

    #[test]
    fn everything_that_runs_as_the_user_is_killed_though_it_is_stopped() {
        // No user of the system has this number.
        let uid = 2_000_000_000 + std::process::id();
        let script = "sleep 1000 & kill -STOP $$; wait";
        let mut command = Command::new("sh");
        let mut child = command.args(["-c", script]).uid(uid).spawn().unwrap();
        let name = Name::parse("x").unwrap();
        let cgroup = Cgroup::default();
        let family = Family {
            name: &name,
            user: &user(uid),
            cgroup: &cgroup,
        };
        while family.members().len() < 2 {
            std::thread::sleep(LOOK);
        }
        let killed = family.kill(Duration::from_secs(60), &Real::watch());
        assert_eq!(killed.unwrap(), 2);
        assert!(family.members().is_empty());
        child.wait().unwrap();
    }

    /// Each process lives only until it has started the next, so that no list of processes has all of them.
    #[test]
    fn processes_that_fork_all_the_time_are_killed_to_the_last() {
        const CHAINS: usize = 4;
        let script = "use POSIX; my $stop = time + 30;
            while (time < $stop) { my $pid = fork(); next unless defined $pid; POSIX::_exit(0) if $pid }
            print 'survived'";
        // No user of the system has this number.
        let uid = 2_010_000_000 + std::process::id();
        let chains: Vec<_> = (0..CHAINS)
            .map(|_| {
                let mut command = Command::new("perl");
                command.args(["-e", script]).uid(uid).stdout(Stdio::piped());
                let mut first = command.spawn().unwrap();
                let output = first.stdout.take().unwrap();
                first.wait().unwrap();
                output
            })
            .collect();
        let name = Name::parse("x").unwrap();
        let family = Family {
            name: &name,
            user: &user(uid),
            cgroup: &Cgroup::default(),
        };
        family
            .kill(Duration::from_secs(60), &Real::watch())
            .unwrap();
        for output in chains {
            // This ends when nobody has the other end any more.
            assert_eq!(io::read_to_string(output).unwrap(), "");
        }
    }
}
