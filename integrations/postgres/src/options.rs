//! What the databases of a machine are told, what is wanted of each, and what is said of it.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use keyward_types::network::Network;

use crate::{
    error::Error,
    installed::Version,
    names::{DatabaseName, RoleName, Verifier},
};

/// The most names of a certificate, and the longest one.
const MAX_NAMES: usize = 16;
const MAX_NAME: usize = 253;

/// How databases are run on this machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// A directory that outlives restarts of the machine: `authority` is made in it. It belongs to root.
    pub state: PathBuf,
    /// A directory for what the servers are told, and for their sockets, written again at each start. All directories
    /// above it can be entered by everybody (mode 0755 or 0711), since each server has a system user of its own; one
    /// in `/run` is right. Its path must be short: a socket's path has 107 bytes at most.
    pub runtime: PathBuf,
    /// How long the phases of a shutdown may take, where nobody says another time.
    pub bounds: Bounds,
    /// The longest log of each server in bytes; as much again is kept of what was before.
    pub log_bytes: u64,
    /// The size of each server's buffers in bytes (`shared_buffers`); none for a sixteenth of the machine's memory, but
    /// not more than a quarter of the volume, within 16 MiB and 2 GiB.
    pub buffers: Option<u64>,
    /// How often a server is asked whether it answers, and its log and certificate are looked at.
    pub upkeep: Duration,
    /// How long it is waited before a server that has ended is started for a third time, doubled each time until
    /// `longest_backoff`. The second start is at once.
    pub backoff: Duration,
    /// See `backoff`.
    pub longest_backoff: Duration,
    /// Whether each volume must be mounted: where nothing is mounted, nothing is created. Without this, a database whose
    /// volume was unmounted a moment ago could be created anew in the mount point.
    pub mounted: bool,
}

impl Options {
    /// The defaults.
    pub fn new(state: PathBuf, runtime: PathBuf) -> Self {
        Self {
            state,
            runtime,
            bounds: Bounds::default(),
            log_bytes: 8 * 1024 * 1024,
            buffers: None,
            upkeep: Duration::from_secs(15),
            backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(60),
            mounted: true,
        }
    }
}

/// How long the phases of a shutdown may take, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For a fast shutdown: transactions are rolled back, clients are disconnected, and everything is written.
    pub fast: Duration,
    /// For an immediate one: nothing is written, and the next start recovers from the WAL.
    pub immediate: Duration,
    /// Until everything that was killed has ended.
    pub kill: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            fast: Duration::from_secs(60),
            immediate: Duration::from_secs(5),
            kill: Duration::from_secs(5),
        }
    }
}

/// How a server was stopped. In each case, nothing of it runs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It did not run.
    Before,
    /// By a fast shutdown: the data are as after a clean end.
    Fast,
    /// By an immediate shutdown: the next start recovers.
    Immediate,
    /// It was killed: the next start recovers.
    Killed,
}

/// What is wanted of a database server.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whether it is to run.
    pub running: bool,
    /// Its major version. What runs is the minor version that is installed.
    pub version: Version,
    /// Where clients find it: one of this machine's addresses.
    pub address: IpAddr,
    /// The port, 1024 or more.
    pub port: u16,
    /// The database that is made at first; `postgres` is always there.
    pub database: Option<DatabaseName>,
    /// The master user.
    pub master: RoleName,
    /// The master user's password.
    pub verifier: Verifier,
    /// The password is set when this changes, and else left as the master user may have changed it.
    pub password_epoch: u32,
    /// The server is restarted when this changes.
    pub restart_epoch: u64,
    /// The host names and addresses of the server's certificate, the most usual one first: 1 to 16.
    pub names: Vec<String>,
    /// The networks whose clients may connect; nobody if there is none.
    pub clients: Vec<Network>,
}

impl Wanted {
    /// Checks what has no type of its own.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.port < 1024 {
            return Err(Error::Port {
                address: self.address,
                port: self.port,
            });
        }
        let count = self.names.len();
        if !(1..=MAX_NAMES).contains(&count) {
            return Err(Error::Certificate(format!(
                "it is for {count} names; name 1 to {MAX_NAMES}"
            )));
        }
        match self.names.iter().find(|name| !is_host(name)) {
            Some(name) => Err(Error::Certificate(format!(
                "`{}` is neither a host name nor an address",
                name.escape_debug()
            ))),
            None => Ok(()),
        }
    }
}

fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(inside)
    };
    name.parse::<IpAddr>().is_ok() || (name.len() <= MAX_NAME && name.split('.').all(is_label))
}

/// How a database server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being made, started or prepared, or recovers.
    Starting,
    /// It accepts connections, and everything that was wanted is done.
    Running,
    /// It does not run, as it is wanted.
    Stopped,
    /// It does not run as it should; the message says why and what to do. It is tried again.
    Failed,
}

/// What is said of a database server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How it is.
    pub state: State,
    /// What runs, or ran last, under this supervisor.
    pub version: Option<Version>,
    /// That of the last start.
    pub restart_epoch: u64,
    /// That of the password that was set last.
    pub password_epoch: u32,
    /// One or more sentences; empty if there is nothing to say.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_certificate_are_hosts_or_addresses() {
        for name in [
            "localhost",
            "orders.x.us-east-1.rds.localhost",
            "::1",
            "10.0.0.1",
        ] {
            assert!(is_host(name), "{name}");
        }
        let long = format!("{}.com", "a.".repeat(125));
        for name in [
            "",
            "a b",
            "a..b",
            "*.a",
            "a\nb",
            "a/b",
            &long,
            &"a".repeat(64),
        ] {
            assert!(!is_host(name), "{name}");
        }
    }
}
