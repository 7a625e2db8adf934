//! The secrets of a Kubernetes cluster: `keyward k8s-plugin`, asked over its socket as an API server asks it.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail, ensure};

use super::{
    aws::Aws,
    stage::Stage,
    storage::{end, eventually},
};
use crate::run;

/// What an API server asks, in Python. Its messages are those of the tests' client.
const API_SERVER: &str = include_str!("api_server.py");
/// The seed from which an API server derives the keys of its secrets; 32 bytes.
const SEED: &str = "this seed encrypts all secrets!!";
/// The plugin's socket, below the demo's folder.
const SOCKET: &str = "kms/socket.sock";

/// The plugin, and what the cluster stores. Dropping it ends the plugin.
#[derive(Debug)]
pub struct Secrets {
    plugin: Child,
    python: PathBuf,
    folder: PathBuf,
}

/// What this machine lacks, in one sentence; none if it can play an API server.
pub fn missing() -> Option<String> {
    let mut python = Command::new(run::client("python").ok()?);
    let found = python.args(["-c", "import grpc"]).stderr(Stdio::null());
    let works = found.status().is_ok_and(|status| status.success());
    (!works).then(|| "this needs Python's gRPC (grpcio)".to_owned())
}

impl Secrets {
    /// Starts the plugin under a key, and has it encrypt the seed of a cluster.
    pub fn encrypt(stage: &Stage, caller: &Aws, key: &str) -> anyhow::Result<Self> {
        let socket = stage.path(SOCKET);
        let folder = socket.parent().context("the socket has no directory")?;
        fs::DirBuilder::new().mode(0o700).create(folder)?;
        let region = caller.variable("AWS_DEFAULT_REGION").unwrap_or("us-east-1");
        let words = [
            "k8s-plugin",
            "--key",
            key,
            "--region",
            region,
            "--encryption-context",
            "cluster=demo",
            "--health-port",
            "off",
            "--listen",
            socket
                .to_str()
                .context("the path of the socket is not UTF-8")?,
        ];
        stage.command(&format!("keyward {}", words.join(" ")));
        let plugin = Command::new(stage.keyward())
            .args(words)
            .current_dir(stage.path(""))
            .envs(caller.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(stage.path("plugin.log"))?)
            .spawn()?;
        let secrets = Self {
            plugin,
            python: run::client("python")?,
            folder: stage.path(""),
        };
        eventually("the plugin does not start; see plugin.log", || {
            Ok(socket.exists())
        })?;
        secrets.ask(&["encrypt", SEED])?;
        let stored = fs::read(stage.path("secrets.seed"))?;
        let plain = SEED.as_bytes();
        ensure!(
            !stored.windows(plain.len()).any(|part| part == plain),
            "the seed is stored in the clear"
        );
        stage.shows("a cluster's secrets are encrypted under a seed; secrets.seed is that seed, encrypted by KMS");
        ensure!(secrets.ask(&["decrypt"])? == SEED, "it is another seed");
        Ok(secrets)
    }

    /// The key was disabled: the API server gets neither the seed nor a good status.
    pub fn is_unreadable(&self, stage: &Stage) -> anyhow::Result<()> {
        let Err(said) = self.ask(&["decrypt"]) else {
            bail!("the secrets can still be read");
        };
        stage.shows(&format!("secrets: {said}"));
        Ok(())
    }

    /// The key was enabled: the secrets can be read.
    pub fn is_back(&self, stage: &Stage) -> anyhow::Result<()> {
        eventually("the secrets have not come back", || {
            Ok(self.ask(&["decrypt"]).is_ok_and(|seed| seed == SEED))
        })?;
        stage.shows("secrets: the plugin decrypts the seed again");
        Ok(())
    }

    fn ask(&self, words: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.python);
        command
            .args(["-c", API_SERVER])
            .args([&self.folder.join(SOCKET), Path::new("secrets.seed")])
            .args(words)
            .current_dir(&self.folder)
            .env("PYTHONPATH", run::root().join("clients"));
        let output = command.output().context("cannot start Python")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        end(&mut self.plugin);
    }
}
