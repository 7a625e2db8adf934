//! The `keyward` program itself, as the operator runs it on the server's machine.

use std::{fs, process::Command};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::{ALIAS, FILE, stage::Stage, text};

/// Shows the last event of a caller, which must be a denial, and answers its request id.
pub fn last_event(stage: &Stage, caller: &str) -> anyhow::Result<String> {
    let file = "data/audit/trail-00000001.jsonl";
    stage.command(&format!("tail -n 2 {file}   # shortened"));
    let trail = fs::read_to_string(stage.path(file))?;
    let lines = trail.lines().rev();
    let mut events = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let event = events
        .find(|event| {
            let arn = event
                .pointer("/userIdentity/arn")
                .and_then(Value::as_str)
                .unwrap_or_default();
            arn.ends_with(caller)
        })
        .with_context(|| format!("no event of {caller} on the trail"))?;
    ensure!(
        text(&event, "/errorCode")? == "AccessDenied",
        "the event is not a denial: {event}"
    );
    let shown = json!({
        "eventTime": event.get("eventTime"),
        "eventName": event.get("eventName"),
        "userIdentity": {"arn": event.pointer("/userIdentity/arn")},
        "errorCode": event.get("errorCode"),
        "requestParameters": event.get("requestParameters"),
        "requestID": event.get("requestID"),
    });
    stage.prints(&format!("{shown:#}"));
    text(&event, "/requestID")
}

/// Has the server explain a recorded denial.
pub fn explain(stage: &Stage, request: &str) -> anyhow::Result<()> {
    let words = [
        "policy",
        "explain",
        "--data-dir",
        "data",
        "--request-id",
        request,
    ];
    let (status, said) = keyward(stage, &words)?;
    ensure!(status == Some(3), "a denial was expected: {said}");
    ensure!(
        said.contains("DENIED") && said.contains("What would allow it"),
        "{said}"
    );
    Ok(())
}

/// Has the server list who may decrypt.
pub fn who_can(stage: &Stage) -> anyhow::Result<()> {
    let context = format!("kms:EncryptionContext:file={FILE}");
    let words = [
        "policy",
        "who-can",
        "--data-dir",
        "data",
        "kms:Decrypt",
        ALIAS,
        "--context",
        &context,
    ];
    let (status, said) = keyward(stage, &words)?;
    ensure!(status == Some(0), "{said}");
    ensure!(
        said.contains("user/alice") && !said.contains("user/mallory"),
        "{said}"
    );
    Ok(())
}

/// Verifies the trail of the stopped server.
pub fn verify_trail(stage: &Stage) -> anyhow::Result<()> {
    let (status, said) = keyward(stage, &["audit", "verify", "--data-dir", "data"])?;
    ensure!(status == Some(0), "{said}");
    ensure!(said.contains("Verified "), "{said}");
    Ok(())
}

/// Tries to open a copy of the data directory.
pub fn refused_without_root_key(stage: &Stage, copy: &str) -> anyhow::Result<()> {
    let words = ["account", "list", "--data-dir", copy];
    let (status, said) = keyward(stage, &words)?;
    ensure!(status == Some(1) && said.contains("root key"), "{said}");
    Ok(())
}

/// Shows a command of `keyward`, runs it in the demo's folder, and shows what it prints. Answers its
/// status and that.
fn keyward(stage: &Stage, words: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    stage.command(&format!("keyward {}", words.join(" ")));
    let mut command = Command::new(stage.keyward());
    command.current_dir(stage.path("")).args(words);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("AWS_") || text.starts_with("KEYWARD_") {
            command.env_remove(name);
        }
    }
    let output = command.output().context("cannot start keyward")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    stage.prints(&said);
    Ok((output.status.code(), said))
}
