//! Where the demo plays: its folder, the server, the callers, and what the reader sees.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::{aws::Aws, storage, text};
use crate::{run, server::Server};

/// What each demo shows, whatever the machine lacks.
const PROVED: &[&str] = &[
    "policies decide who may use a key, and Keyward explains each decision",
    "every use of a key, allowed or denied, is on the audit trail",
    "rotation leaves old data readable without encrypting it again",
    "a stolen data directory is useless without the root key",
];
/// What somebody may do after the demo.
const NEXT: &str = "
  ./dev serve                      a server to play with, which keeps its data
  target/release/keyward --help    the program; copy it to wherever you want to use it
  README.md                        how to set up a server of your own
  docs/file-systems.md             encrypted file systems, by NFS too
  docs/databases.md                encrypted PostgreSQL databases
  docs/kubernetes.md               the secrets of Kubernetes clusters
  docs/cde.md                      Cloudera Data Engineering
  docs/operations.md               backups, TLS, several accounts, the audit trail
  docs/article.md                  the article behind it, and what AWS would not accept in it";

/// The folder of the demo, and all that happens in it.
#[derive(Debug)]
pub struct Stage {
    keyward: PathBuf,
    cli: PathBuf,
    home: PathBuf,
    server: Option<Server>,
    steps: Cell<usize>,
}

impl Stage {
    /// An empty folder; what an earlier run left there is gone.
    pub fn fresh(home: PathBuf, keyward: PathBuf, cli: PathBuf) -> anyhow::Result<Self> {
        if home.exists() {
            storage::clean_up(&home);
            fs::remove_dir_all(&home)?;
        }
        fs::create_dir_all(&home)?;
        println!(
            "A demo of Keyward, in less than three minutes. Its files are in {}.",
            home.display()
        );
        Ok(Self {
            keyward,
            cli,
            home,
            server: None,
            steps: Cell::new(0),
        })
    }

    /// Announces the next step.
    pub fn step(&self, what: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("\n{}. {what}", self.steps.get());
    }

    /// Says what a step has shown.
    pub fn shows(&self, what: &str) {
        println!("   ok: {what}");
    }

    /// Says why a step shows nothing here.
    pub fn skips(&self, why: &str) {
        println!("   skipped: {why}");
    }

    /// Shows a command that is run, at the prompt of the server's operator.
    pub fn command(&self, words: &str) {
        self.says("operator", words);
    }

    /// Shows a command that is run, at somebody's prompt.
    pub fn says(&self, who: &str, words: &str) {
        println!("   {who}$ {words}");
    }

    /// Shows what a command printed.
    pub fn prints(&self, text: &str) {
        for line in text.lines() {
            println!("      {line}");
        }
    }

    /// Says that all is well, what that proves, and how to go on.
    pub fn done(&self, protected: &[&str]) {
        println!(
            "\nAll {} steps worked. What they have shown:",
            self.steps.get()
        );
        for fact in PROVED {
            println!("  - {fact}");
        }
        if !protected.is_empty() {
            println!(
                "  - one key protected {}: unreadable while it was disabled, complete when it was enabled",
                protected.join(", ")
            );
        }
        println!("\nNext:");
        println!("{NEXT}");
    }

    /// The program.
    pub fn keyward(&self) -> &Path {
        &self.keyward
    }

    /// A file of the demo.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// Starts the server, on a free port.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.command("keyward serve --data-dir data");
        let log = self.path("server.log");
        let server = Server::start(&self.keyward, &self.data_dir(), "127.0.0.1:0", &log)?;
        self.shows(&format!("the server listens on {}", server.url));
        self.server = Some(server);
        Ok(())
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.server.take().context("no server is running")?.kill()?;
        self.shows("the server was killed");
        Ok(())
    }

    /// Asks the server to stop; answers whether it exited with status 0.
    pub fn drain(&mut self) -> anyhow::Result<bool> {
        self.server.take().context("no server is running")?.drain()
    }

    /// The account's root user, by what `keyward env` prints.
    pub fn root(&self) -> anyhow::Result<Aws> {
        let printed = run::output(
            Command::new(&self.keyward)
                .arg("env")
                .arg("--data-dir")
                .arg(self.data_dir()),
        )?;
        let mut environment = Vec::new();
        for line in printed.lines() {
            if let Some((name, value)) = line.trim_start_matches("export ").split_once('=') {
                let value = value.trim_matches(['\'', '"']);
                environment.push((name.to_owned(), value.to_owned()));
            }
        }
        self.again(&self.caller("root", environment))
    }

    /// A new IAM user with an access key.
    pub fn user(&self, root: &Aws, name: &str) -> anyhow::Result<Aws> {
        root.call(&["iam", "create-user", "--user-name", name])?;
        let made = root.call(&["iam", "create-access-key", "--user-name", name])?;
        let environment = vec![
            (
                "AWS_ACCESS_KEY_ID".to_owned(),
                text(&made, "/AccessKey/AccessKeyId")?,
            ),
            (
                "AWS_SECRET_ACCESS_KEY".to_owned(),
                text(&made, "/AccessKey/SecretAccessKey")?,
            ),
            ("AWS_DEFAULT_REGION".to_owned(), "us-east-1".to_owned()),
        ];
        self.again(&self.caller(name, environment))
    }

    /// The same caller, pointed at the server that runs now.
    pub fn again(&self, caller: &Aws) -> anyhow::Result<Aws> {
        let server = self.server.as_ref().context("no server is running")?;
        let mut caller = caller.clone();
        caller
            .environment
            .retain(|(name, _)| name != "AWS_ENDPOINT_URL");
        caller
            .environment
            .push(("AWS_ENDPOINT_URL".to_owned(), server.url.clone()));
        Ok(caller)
    }

    fn caller(&self, name: &str, environment: Vec<(String, String)>) -> Aws {
        Aws {
            program: self.cli.clone(),
            folder: self.home.clone(),
            name: name.to_owned(),
            environment,
        }
    }

    fn data_dir(&self) -> PathBuf {
        Path::new(&self.home).join("data")
    }
}
