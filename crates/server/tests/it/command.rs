//! Commands as somebody runs them, without what this machine's environment would tell them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::process::program;

/// A directory that one test owns, and the commands that are run in it.
pub struct Desk(TempDir);

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// What it printed, if it worked.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// What it said when it failed: one line.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.status, 1, "{}{}", self.out, self.err);
        self.err
    }
}

impl Desk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The data directory of most tests.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// A command, in a clean environment.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        clean(&mut command);
        command
            .current_dir(self.path())
            .env("HOME", self.path())
            // The width of help.
            .env("COLUMNS", "100");
        command
    }

    /// Runs `keyward` with these words.
    pub fn keyward(&self, words: &str) -> Ran {
        self.run(self.command(program()).args(words.split_whitespace()))
    }

    /// Runs a command. Paths within the directory are shown from there.
    pub fn run(&self, command: &mut Command) -> Ran {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        Ran {
            status: status.code().unwrap_or(-1),
            out: self.shown(&stdout),
            err: self.shown(&stderr),
        }
    }

    fn shown(&self, text: &[u8]) -> String {
        let text = String::from_utf8(text.to_vec()).unwrap();
        let home = format!("{}/", self.path().display());
        text.replace(&home, "")
            .replace(program().to_str().unwrap(), "keyward")
    }
}

/// Takes everything from a command's environment that would steer it.
pub fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("AWS_") || text.starts_with("KEYWARD_") {
            command.env_remove(name);
        }
    }
}
