//! The article behind Keyward: one key protects a file system, a database and the secrets of a cluster, and all of them
//! become unreadable when it is disabled.

use std::fs;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{
    aws::Aws,
    database::{self, Database},
    files::Files,
    secrets::{self, Secrets},
    service::{self, Service},
    stage::Stage,
    storage::{self, Agent, keyward},
};

/// What the key protects. A part is missing if this machine cannot have it. The agent ends last: volumes that are in use
/// would stay behind.
#[derive(Debug, Default)]
struct Protected {
    files: Option<Files>,
    database: Option<Database>,
    secrets: Option<Secrets>,
    service: Option<Service>,
    agent: Option<Agent>,
}

/// Plays it all under the key that is given, and answers what it has shown, in a few words.
pub fn play(stage: &Stage, caller: &Aws, key: &str) -> anyhow::Result<Vec<&'static str>> {
    let mut protected = Protected::default();
    storage(stage, caller, key, &mut protected)?;
    let has_agent = protected.agent.is_some();

    stage.step("Encrypt the secrets of a Kubernetes cluster under the same key");
    match secrets::missing() {
        Some(why) => stage.skips(&why),
        None => protected.secrets = Some(Secrets::encrypt(stage, caller, key)?),
    }
    if has_agent {
        stage.step(
            "Enable a service of Cloudera Data Engineering, which has all three under the key",
        );
        match service::missing().or_else(database::missing) {
            Some(why) => stage.skips(&why),
            None => protected.service = Some(Service::enable(stage, caller, key)?),
        }
    }
    let shown = protected.words();
    if shown.is_empty() {
        return Ok(shown);
    }

    if has_agent {
        stage.step("What would become unreadable without the key?");
        keyward(stage, &["key", "impact", key, "--data-dir", "data"])?;
        stage.step("The trail shows which grants let the services use it");
        grants(stage)?;
    }

    stage.step(&format!(
        "Disable the key: {} cannot be read any more",
        shown.join(", ")
    ));
    caller.call(&["kms", "disable-key", "--key-id", key])?;
    if let Some(files) = &protected.files {
        files.is_unreadable(stage)?;
    }
    if let Some(secrets) = &protected.secrets {
        secrets.is_unreadable(stage)?;
    }
    if let Some(database) = &protected.database {
        database.is_unreadable(stage, caller)?;
    }
    if let Some(service) = &protected.service {
        service.is_unreadable(stage)?;
    }

    stage.step("Enable the key: all of it is back");
    caller.call(&["kms", "enable-key", "--key-id", key])?;
    if let Some(files) = &mut protected.files {
        files.is_back(stage)?;
    }
    if let Some(secrets) = &protected.secrets {
        secrets.is_back(stage)?;
    }
    if let Some(database) = &protected.database {
        database.is_back(stage, caller)?;
    }
    if let Some(service) = &protected.service {
        service.is_back(stage, caller)?;
    }

    if has_agent {
        stage.step("Delete it all: the grants are retired, and nothing is left on disk");
        if let Some(service) = protected.service.take() {
            service.disable(stage)?;
        }
        if let Some(files) = protected.files.take() {
            files.delete(stage, caller)?;
        }
        if let Some(database) = protected.database.take() {
            database.delete(caller)?;
        }
        let left = caller.call(&["kms", "list-grants", "--key-id", key])?;
        let none = Value::Array(Vec::new());
        ensure!(left.get("Grants") == Some(&none), "{left}");
        stage.shows("the key has no grants, and the images are gone");
    }
    Ok(shown)
}

/// An agent with a file system and a database, as far as this machine can.
fn storage(
    stage: &Stage,
    caller: &Aws,
    key: &str,
    protected: &mut Protected,
) -> anyhow::Result<()> {
    stage.step("Start an agent, which stores file systems and databases");
    if let Some(why) = storage::missing() {
        stage.skips(&why);
        return Ok(());
    }
    protected.agent = Some(Agent::start(stage)?);

    stage.step("Create an encrypted file system, and write a file");
    protected.files = Some(Files::create(stage, caller, key)?);

    stage.step("Create an encrypted PostgreSQL database, and write rows");
    match database::missing() {
        Some(why) => stage.skips(&why),
        None => protected.database = Some(Database::create(stage, caller, key)?),
    }
    Ok(())
}

/// Shows who has granted what to whom.
fn grants(stage: &Stage) -> anyhow::Result<()> {
    let file = "data/audit/trail-00000001.jsonl";
    stage.command(&format!("grep '\"CreateGrant\"' {file}   # shortened"));
    let trail = fs::read_to_string(stage.path(file))?;
    let mut count = 0;
    for line in trail.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let member = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        if member("/eventName") != Some("CreateGrant") {
            continue;
        }
        count += 1;
        let grantee = member("/requestParameters/granteePrincipal");
        let grantee = grantee.or_else(|| member("/requestParameters/granteeServicePrincipal"));
        let operations = event.pointer("/requestParameters/operations");
        let operations = operations.and_then(Value::as_array).into_iter().flatten();
        let operations: Vec<&str> = operations.filter_map(Value::as_str).collect();
        let constraints = event.pointer("/requestParameters/constraints");
        let constraints = constraints.context("a grant without constraints")?;
        stage.prints(&format!(
            "invoked by {}: {} may {}",
            member("/userIdentity/invokedBy").unwrap_or("nobody"),
            grantee.context("no grantee")?,
            operations.join(", "),
        ));
        stage.prints(&format!("   only with {constraints}"));
    }
    ensure!(count > 0, "no CreateGrant on the trail");
    Ok(())
}

impl Protected {
    fn words(&self) -> Vec<&'static str> {
        let parts = [
            self.files.as_ref().map(|_| "the file system"),
            self.database.as_ref().map(|_| "the database"),
            self.secrets.as_ref().map(|_| "the secrets"),
            self.service.as_ref().map(|_| "the service"),
        ];
        parts.into_iter().flatten().collect()
    }
}
