//! A service of Cloudera Data Engineering, created by Cloudera's own `cdp` CLI: a file system, a database and a provider of
//! Kubernetes secrets, all under the key of its environment.

use std::{fs, process::Command};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::{
    aws::Aws,
    stage::Stage,
    storage::{eventually, keyward, output},
    text,
};
use crate::run;

/// The user who calls CDP, the role that it assumes, the environment and the service.
const USER: &str = "dana";
const ROLE: &str = "cdp";
const ENVIRONMENT: &str = "production";
const SERVICE: &str = "etl";

/// What this machine lacks, in one sentence; none if it has Cloudera's CLI.
pub fn missing() -> Option<String> {
    run::client("cdp")
        .is_err()
        .then(|| "this needs Cloudera's CLI (cdpcli)".to_owned())
}

/// A service that was enabled.
#[derive(Debug)]
pub struct Service {
    id: String,
    cdp: Cdp,
}

/// Cloudera's CLI, as the user.
#[derive(Debug)]
struct Cdp {
    url: String,
    environment: Vec<(&'static str, String)>,
}

impl Service {
    /// Creates the user, the role and an environment with the key, and enables a service there.
    pub fn enable(stage: &Stage, root: &Aws, key: &str) -> anyhow::Result<Self> {
        let cdp = user(stage, root)?;
        let role = role(stage, root, &cdp)?;
        allow_key(stage, root, key, &role)?;
        cdp.call(
            stage,
            &[
                "environments",
                "create-aws-credential",
                "--credential-name",
                ROLE,
                "--role-arn",
                &role,
            ],
        )?;
        let found = root.quietly(&["kms", "describe-key", "--key-id", key])?;
        cdp.call(
            stage,
            &[
                "environments",
                "create-aws-environment",
                "--environment-name",
                ENVIRONMENT,
                "--credential-name",
                ROLE,
                "--region",
                "us-east-1",
                "--encryption-key-arn",
                &text(&found, "/KeyMetadata/Arn")?,
                "--security-access",
                "cidr=10.0.0.0/8",
                "--authentication",
                "publicKeyId=login",
                "--log-storage",
                "storageLocationBase=s3a://logs/cde,instanceProfile=arn:aws:iam::000000000000:instance-profile/logs",
            ],
        )?;
        let made = cdp.call(
            stage,
            &[
                "de",
                "enable-service",
                "--name",
                SERVICE,
                "--env",
                ENVIRONMENT,
                "--instance-type",
                "m5.2xlarge",
                "--minimum-instances",
                "1",
                "--maximum-instances",
                "4",
            ],
        )?;
        let service = Self {
            id: text(&made, "/service/clusterId")?,
            cdp,
        };
        service.reaches("ClusterCreationCompleted")?;
        service.describe(stage)?;
        Ok(service)
    }

    /// Its key was disabled.
    pub fn is_unreadable(&self, stage: &Stage) -> anyhow::Result<()> {
        self.reaches("ClusterUnavailable")?;
        self.describe(stage)
    }

    /// Its key was enabled: its database is started, and the service is complete.
    pub fn is_back(&self, stage: &Stage, root: &Aws) -> anyhow::Result<()> {
        root.call(&[
            "rds",
            "start-db-instance",
            "--db-instance-identifier",
            &format!("cde-{}", self.id),
        ])?;
        self.reaches("ClusterCreationCompleted")?;
        stage.shows("service: ClusterCreationCompleted");
        Ok(())
    }

    /// Disables it, and waits until nothing is left. Then it is forgotten.
    pub fn disable(self, stage: &Stage) -> anyhow::Result<()> {
        let words = ["de", "disable-service", "--cluster-id", &self.id];
        let answer = self.cdp.call(stage, &words)?;
        if text(&answer, "/status")? == "ClusterDeletionCompleted" {
            return Ok(());
        }
        let words = ["de", "describe-service", "--cluster-id", &self.id];
        eventually("the service is still there", || {
            match self.cdp.quietly(&words) {
                Ok(found) => Ok(text(&found, "/service/status")? == "ClusterDeletionCompleted"),
                Err(error) if error.to_string().contains("Error Code: NOT_FOUND;") => Ok(true),
                Err(error) => Err(error),
            }
        })
    }

    fn describe(&self, stage: &Stage) -> anyhow::Result<()> {
        keyward(stage, &["cde", "describe", &self.id, "--data-dir", "data"])
    }

    fn reaches(&self, wanted: &str) -> anyhow::Result<()> {
        let mut last = String::new();
        let found = eventually("the service has another status", || {
            let words = ["de", "describe-service", "--cluster-id", &self.id];
            let found = self.cdp.quietly(&words)?;
            last = text(&found, "/service/status")?;
            Ok(last == wanted)
        });
        found.with_context(|| format!("it is {last}, and should be {wanted}"))
    }
}

impl Cdp {
    fn call(&self, stage: &Stage, words: &[&str]) -> anyhow::Result<Value> {
        stage.says(USER, &format!("cdp {}", words.join(" ")));
        self.quietly(words)
    }

    fn quietly(&self, words: &[&str]) -> anyhow::Result<Value> {
        let mut command = Command::new(run::client("cdp")?);
        command
            .args(["--endpoint-url", &self.url])
            .args(words)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().context("cannot start the cdp CLI")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        if output.stdout.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout).context("the cdp CLI did not print JSON")
    }
}

/// An IAM user with an access key for the CLI.
fn user(stage: &Stage, root: &Aws) -> anyhow::Result<Cdp> {
    let may = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["environments:*", "de:*"], "Resource": "*"}, {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "cdp.cloudera.com"}}}]}"#;
    root.call(&["iam", "create-user", "--user-name", USER])?;
    root.call(&[
        "iam",
        "put-user-policy",
        "--user-name",
        USER,
        "--policy-name",
        "cdp",
        "--policy-document",
        may,
    ])?;
    let words = [
        "cdp",
        "create-access-key",
        "--user",
        USER,
        "--data-dir",
        "data",
        "--output",
        "json",
    ];
    stage.command(&format!("keyward {}", words.join(" ")));
    let key: Value = serde_json::from_str(&output(stage, &words)?)?;
    // The CLI takes other names of this machine for a private cloud.
    let url = root.variable("AWS_ENDPOINT_URL")?;
    Ok(Cdp {
        url: url.replace("127.0.0.1", "localhost"),
        environment: vec![
            ("HOME", stage.path("").to_string_lossy().into_owned()),
            ("CDP_ACCESS_KEY_ID", text(&key, "/AccessKeyId")?),
            ("CDP_PRIVATE_KEY", text(&key, "/PrivateKey")?),
        ],
    })
}

/// The role that CDP assumes; its ARN.
fn role(stage: &Stage, root: &Aws, cdp: &Cdp) -> anyhow::Result<String> {
    let found = cdp.call(
        stage,
        &[
            "environments",
            "get-credential-prerequisites",
            "--cloud-platform",
            "AWS",
        ],
    )?;
    let id = text(&found, "/aws/externalId")?;
    template(stage, &["trust", "--external-id", &id], "trust.json")?;
    template(stage, &["role"], "role.json")?;
    let made = root.call(&[
        "iam",
        "create-role",
        "--role-name",
        ROLE,
        "--assume-role-policy-document",
        "file://trust.json",
    ])?;
    root.call(&[
        "iam",
        "put-role-policy",
        "--role-name",
        ROLE,
        "--policy-name",
        "cdp",
        "--policy-document",
        "file://role.json",
    ])?;
    text(&made, "/Role/Arn")
}

/// Adds the statements for the role to the policy of the key.
fn allow_key(stage: &Stage, root: &Aws, key: &str, role: &str) -> anyhow::Result<()> {
    template(stage, &["key", "--role", role], "cdp-key.json")?;
    let template: Value = serde_json::from_slice(&fs::read(stage.path("cdp-key.json"))?)?;
    let mut policy: Value = serde_json::from_slice(&fs::read(stage.path("policy.json"))?)?;
    let more = template
        .get("Statement")
        .and_then(Value::as_array)
        .context("no statements")?;
    let statements = policy
        .get_mut("Statement")
        .and_then(Value::as_array_mut)
        .context("no statements")?;
    let before = statements.len();
    statements.extend(
        more.iter()
            .filter(|one| one.pointer("/Principal/AWS").and_then(Value::as_str) == Some(role))
            .cloned(),
    );
    ensure!(statements.len() > before, "no statement names the role");
    fs::write(stage.path("policy.json"), format!("{policy:#}\n"))?;
    stage.command("# the statements of cdp-key.json for the role are added to policy.json");
    root.call(&[
        "kms",
        "put-key-policy",
        "--key-id",
        key,
        "--policy",
        "file://policy.json",
    ])?;
    Ok(())
}

fn template(stage: &Stage, words: &[&str], file: &str) -> anyhow::Result<()> {
    let words = [&["cde", "policy-template"], words].concat();
    stage.command(&format!("keyward {} > {file}", words.join(" ")));
    fs::write(stage.path(file), output(stage, &words)?)?;
    Ok(())
}
