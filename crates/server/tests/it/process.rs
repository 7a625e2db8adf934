//! A `keyward serve` that one test owns.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::wire::{Connection, Signer};

/// A server process on a fresh data directory. Dropping it kills the one and removes the other.
pub struct Server {
    child: Child,
    home: TempDir,
    address: String,
}

impl Server {
    /// Starts a server with this configuration file and waits until it listens.
    pub fn start(config: &str) -> Self {
        Self::start_by(&mut Command::new(program()), config)
    }

    /// As [`start`](Self::start), by a command to which the server's arguments are appended.
    pub fn start_by(command: &mut Command, config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("keyward.toml"), config).unwrap();
        let (child, address) = launch(command, home.path());
        Self {
            child,
            home,
            address,
        }
    }

    /// Kills the process and starts another on the same data directory.
    pub fn restart(&mut self, command: &mut Command) {
        self.restart_after(command, |_| {});
    }

    /// As [`restart`](Self::restart), with something done to the data directory in between.
    pub fn restart_after(&mut self, command: &mut Command, between: impl FnOnce(&Path)) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        between(&self.data_dir());
        (self.child, self.address) = launch(command, self.home.path());
    }

    /// Waits until the process has ended by itself; its files are there until the answer is
    /// dropped.
    pub fn ended(mut self) -> Self {
        assert!(self.child.wait().unwrap().success());
        self
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// What the process has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    pub fn connect(&self) -> Connection {
        Connection::open(&self.address)
    }

    /// Signs as the account's root user.
    pub fn root(&self) -> Signer {
        let text = fs::read_to_string(self.data_dir().join("admin-credentials")).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim_start_matches([' ', '=']).to_owned()
        };
        let (id, secret) = (value("aws_access_key_id"), value("aws_secret_access_key"));
        Signer::new(id, secret)
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Server {
    /// Ends the process as a crash does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a process that keeps everything in `home` and waits until it listens.
fn launch(command: &mut Command, home: &Path) -> (Child, String) {
    let mut child = command
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(home.join("keyward.toml"))
        .arg("--data-dir")
        .arg(home.join("data"))
        .stdout(Stdio::piped())
        .stderr(fs::File::create(home.join("log")).unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, address) = line.strip_prefix("listening on ")?.split_once("://")?;
        Some(address.to_owned())
    });
    let log = || fs::read_to_string(home.join("log")).unwrap();
    let address = address.unwrap_or_else(|| panic!("the server left:\n{}", log()));
    // Read on, so that the server never stops at a full pipe.
    thread::spawn(move || lines.for_each(drop));
    (child, address)
}

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_keyward"))
}
