//! How an agent becomes known to its server: once, by a token.

use std::{
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use keyward_agent::layout::Layout;
use keyward_client::{
    answer::{Failure, of_answer},
    reach::Reach,
};
use keyward_keeper::identity::Identity;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::talk::TIMEOUT;

/// How often the same token is presented: an answer may be lost, and the server takes it so often.
const ATTEMPTS: u32 = 5;
/// How long is waited after the first attempt without an answer; twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest token.
const MAX_TOKEN: u64 = 4096;

/// Reads a token from a file, or from standard input if that is called `-`.
///
/// # Errors
/// When it cannot be read.
pub fn token_of(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    let mut token = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        io::stdin().take(MAX_TOKEN).read_to_string(&mut token)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(MAX_TOKEN).read_to_string(&mut token))
    };
    read.with_context(|| format!("cannot read the token from {}", file.display()))?;
    let token = Zeroizing::new(token.trim().to_owned());
    if token.is_empty() {
        bail!("there is no token in {}", file.display());
    }
    Ok(token)
}

/// A token that is made for the purpose, by the account's root user of the server whose data directory is on this
/// machine.
///
/// # Errors
/// When no data directory is given, or the server refuses.
pub async fn new_token(reach: &Reach, name: &str) -> anyhow::Result<Zeroizing<String>> {
    let client = reach.root()?.context(
        "a token is needed for the first start: create one with `keyward agent token` where the server is, and pass it with --token-file",
    )?;
    let input = json!({ "AgentName": name });
    let made = client.call("CreateAgentToken", &input).await?;
    let token = made.get("Token").and_then(Value::as_str);
    let token = token.context("the server did not answer as Keyward does")?;
    Ok(Zeroizing::new(token.to_owned()))
}

/// Registers an agent, and keeps what it signs with.
///
/// # Errors
/// When one has registered with this state directory before, the server refuses the token, or does not answer.
pub async fn register(layout: &Layout, reach: &Reach, token: &str) -> anyhow::Result<Identity> {
    let path = layout.credentials();
    if let Some(before) = Identity::read(&path)? {
        bail!(
            "agent {} has registered with {} before: start it with `keyward agent run`. For another agent, use another --state-dir",
            before.agent,
            layout.path().display()
        );
    }
    let server = reach.find(None)?;
    server.check()?;
    let body = Zeroizing::new(serde_json::to_vec(&json!({ "Token": token }))?);
    let mut wait = FIRST_WAIT;
    for attempt in 1.. {
        let asked = server.post_unsigned("RegisterAgent", body.to_vec(), TIMEOUT);
        match of_answer(asked.await) {
            Ok(answer) => {
                let identity = Identity::of_answer(&answer, server)?;
                // First: whoever has registered has the mark.
                layout.mark(&identity.agent)?;
                identity.write(&path)?;
                return Ok(identity);
            }
            Err(refused @ Failure::Refused { status, .. }) if status < 500 => {
                return Err(anyhow!(refused));
            }
            Err(failure) if attempt == ATTEMPTS => {
                let url = &server.endpoint;
                bail!(
                    "the agent has not registered: {url} has not answered {ATTEMPTS} times. Start it again with the same token when the server can be reached: {failure}"
                );
            }
            Err(failure) => {
                // The same token again replaces the access key of an answer that was lost.
                tracing::warn!(%failure, "the server has not answered: trying again");
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
        }
    }
    bail!("the server has not answered")
}
