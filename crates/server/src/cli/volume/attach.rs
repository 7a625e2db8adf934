//! `keyward volume attach`, and the process that it starts.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf, absolute},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use keyward_agent::layout::Layout;
use keyward_client::Connect;
use keyward_keeper::{
    image::{Known, inspect},
    keeper::{self, Ended, Mounting, program},
    key::check_context,
    state::{Found, Phase, Process, StateArgs},
    units::{parse_duration, parse_recheck},
};
use serde::{Deserialize, Serialize};

use super::{STATE, check_requirements, environment, existing};
use crate::{cli::mount::must_be_directory, out::say, telemetry::Logging};

/// Files that the environment may name with relative paths.
const FILES: [&str; 3] = [
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
];

fn after_help() -> String {
    let help = environment(
        "Examples:
  keyward volume attach customers.img /mnt/customers --data-dir /var/lib/keyward
  keyward volume attach customers.img /mnt/customers --read-only
  keyward volume attach customers.img /mnt/customers --grace 10m

Permissions:
  kms:Decrypt on the key.",
    );
    format!("{help}\n  {STATE}")
}

/// Mount a volume on a directory
///
/// Returns when it is mounted. A process stays, which serves the volume and asks KMS at least every minute
/// whether the key may still be used. When KMS says that it may not (it is disabled, it waits for its
/// deletion, or the permission is gone), the volume is cut off at once: its keys are wiped, and reads of its
/// files fail, also of those in the page cache. When KMS does not answer, the volume stays for the grace. It
/// comes back by itself when the key may be used again. Needs root.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Attach {
    #[command(flatten)]
    options: Options,
    /// Serve in this process, and log to standard error, as for a service of systemd. SIGTERM detaches
    #[arg(long)]
    foreground: bool,
}

/// The process of an attached volume.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct Options {
    /// The image
    image: PathBuf,
    #[command(flatten)]
    mounting: Mounting,
    /// How often KMS is asked whether the key may still be used
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_recheck)]
    recheck: Duration,
    /// How long the volume stays while KMS does not answer, or has an error of its own; 0s for not at all
    #[arg(long, value_name = "TIME", default_value = "60m", value_parser = parse_duration)]
    grace: Duration,
    /// End after a cut-off, instead of coming back when the key may be used again
    #[arg(long)]
    no_return: bool,
    #[command(flatten)]
    known: Known,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    logging: Logging,
    #[command(flatten)]
    connect: Connect,
}

/// What the process that was started says in one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    Attached(Process),
    Failed(String),
}

impl Attach {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        check_requirements()?;
        let options = self.options.settled()?;
        if self.foreground {
            let _log = options.logging.start_apart()?;
            return options.serve(|process| announce(process, None));
        }
        options.start()?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Serve {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // Whoever closes the terminal does not end it.
        let _ = rustix::process::setsid();
        let _log = self.options.logging.start_apart()?;
        let ended = self.options.serve(|process| {
            let said = Said::Attached(process.clone());
            Ok(say!("{}", serde_json::to_string(&said)?)?)
        });
        if let Err(error) = &ended {
            tracing::error!(error = format!("{error:#}"), "the volume's process ends");
            let said = Said::Failed(format!("{error:#}"));
            // Nobody reads it any more, unless it has not been attached at all.
            let _ = say!("{}", serde_json::to_string(&said)?);
            return Ok(ExitCode::FAILURE);
        }
        ended
    }
}

impl Options {
    /// The same with absolute paths, if nothing speaks against attaching the volume.
    fn settled(mut self) -> anyhow::Result<Self> {
        self.image = existing(&self.image)?;
        if let Some(agent) = Layout::of_image(&self.image) {
            let (image, state) = (self.image.display(), agent.path().display());
            bail!(
                "{image} is the image of a file system that an agent stores, and only the agent attaches it: start it with `keyward agent run --state-dir {state}`, and mount the file system with `keyward mount FILE_SYSTEM DIR --state-dir {state}`"
            );
        }
        let superblock = inspect(&self.image)?;
        check_context(&superblock)?;
        if let Some(dir) = &mut self.mounting.dir {
            let shown = dir.display();
            must_be_directory(dir)?;
            *dir = fs::canonicalize(&*dir).with_context(|| format!("cannot open {shown}"))?;
        }
        self.connect = self.connect.absolute()?;
        let states = self.state.states()?;
        let mut found = vec![states.find(superblock.volume_id)?];
        if let Some(dir) = &self.mounting.dir {
            found.push(states.find_by_path(dir)?);
        }
        if let Some(found) = found.into_iter().flatten().find(|found| found.lives) {
            return Err(attached_already(&found));
        }
        Ok(self)
    }

    fn serve(
        self,
        attached: impl FnOnce(&Process) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitCode> {
        let options = keeper::Options {
            image: self.image,
            mounting: self.mounting,
            source: self.connect.into(),
            states: self.state.states()?,
            known: self.known,
            recheck: self.recheck,
            grace: self.grace,
            returns: !self.no_return,
            tenant: None,
        };
        match keeper::run(options, attached)? {
            Ended::Closed => Ok(ExitCode::SUCCESS),
            Ended::CutOff => Ok(ExitCode::FAILURE),
        }
    }

    /// Starts a process that serves, and waits until the volume is mounted.
    fn start(&self) -> anyhow::Result<()> {
        let superblock = inspect(&self.image)?;
        let folder = self.state.states()?.folder(superblock.volume_id)?;
        let path = folder.log();
        let mut log = OpenOptions::new();
        log.append(true).create(true).mode(0o600);
        let log = log
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let mut command = program();
        command.args(["volume", "serve"]).args(self.arguments()?);
        // No file system is held, least of all the volume's own.
        command.current_dir("/").stdout(Stdio::piped()).stderr(log);
        with_absolute_files(&mut command)?;
        let mut child = command.spawn().context("cannot start this program again")?;
        let output = child.stdout.take().context("the process has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        match serde_json::from_str(&line) {
            Ok(Said::Attached(process)) => announce(&process, Some(&path)),
            Ok(Said::Failed(why)) => Err(anyhow!(why)),
            Err(_) => bail!(
                "the volume's process ended before it was attached: its log is {}",
                path.display()
            ),
        }
    }

    fn arguments(&self) -> anyhow::Result<Vec<OsString>> {
        let mut all: Vec<OsString> = vec![
            format!("--recheck={}s", self.recheck.as_secs()).into(),
            format!("--grace={}s", self.grace.as_secs()).into(),
        ];
        if self.no_return {
            all.push("--no-return".into());
        }
        if let Some(known) = self.known.known_generation {
            all.push(format!("--known-generation={known}").into());
        }
        if self.known.danger_accept_rollback {
            all.push("--danger-accept-rollback".into());
        }
        if self.known.danger_accept_other_key {
            all.push("--danger-accept-other-key".into());
        }
        if let Some(dir) = self.state.states()?.given() {
            all.extend(["--state-dir".into(), dir.into()]);
        }
        all.extend(self.logging.arguments());
        all.extend(self.connect.arguments());
        all.extend(self.mounting.arguments());
        all.extend(["--".into(), self.image.clone().into()]);
        all.extend(self.mounting.dir.clone().map(OsString::from));
        Ok(all)
    }
}

fn attached_already(found: &Found) -> anyhow::Error {
    let process = &found.process;
    let image = process.image.display();
    match (process.phase, &process.dir) {
        (Phase::CutOff, _) => anyhow!(
            "{image} is cut off, and its process {} waits for the key: end it first with `keyward volume detach {image}`",
            process.pid
        ),
        (_, Some(dir)) => anyhow!(
            "{image} is attached already, at {}, by process {}",
            dir.display(),
            process.pid
        ),
        (_, None) => anyhow!("{image} is attached already, by process {}", process.pid),
    }
}

/// Says where the volume is.
fn announce(process: &Process, log: Option<&Path>) -> anyhow::Result<()> {
    let (image, pid) = (process.image.display(), process.pid);
    let device = process
        .device
        .as_deref()
        .unwrap_or(Path::new("-"))
        .display();
    match &process.dir {
        Some(dir) => say!(
            "{image} is mounted on {} ({device}), by process {pid}.",
            dir.display()
        )?,
        None => say!("{image} is {device}, by process {pid}.")?,
    }
    if let Some(log) = log {
        say!("Its log is {}.", log.display())?;
    }
    Ok(())
}

/// The other process has another working directory.
#[expect(
    clippy::disallowed_methods,
    reason = "the other process reads the same environment"
)]
fn with_absolute_files(command: &mut Command) -> anyhow::Result<()> {
    for name in FILES {
        let value = std::env::var(name).ok();
        if let Some(value) = value.filter(|value| !value.is_empty() && !value.starts_with('~')) {
            command.env(name, absolute(value)?);
        }
    }
    Ok(())
}
