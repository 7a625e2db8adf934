//! What an agent asks its server and tells it, each call signed by the agent's own key.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use keyward_agent::{
    report::{Report, shortened},
    wanted::Volumes,
};
use keyward_client::{
    answer::{Failure, of_answer},
    reach::Reach,
};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use keyward_keeper::identity::Identity;

use crate::databases::{ENGINE, Offer};

/// How long an answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a question waits for news.
const WAIT: Duration = Duration::from_secs(20);

/// The server, for one agent.
#[derive(Clone, Debug)]
pub struct Server {
    identity: Arc<Identity>,
    reach: Reach,
    /// Whether this agent has a place for backups.
    backs_up: bool,
    /// Why the place cannot be used, if it cannot.
    place_failure: Arc<Mutex<Option<String>>>,
}

/// The answer to ReportVolumes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reported {
    stale: BTreeSet<String>,
}

impl Server {
    /// The server of an agent.
    pub fn new(identity: Arc<Identity>, reach: Reach, backs_up: bool) -> Self {
        Self {
            identity,
            reach,
            backs_up,
            place_failure: Arc::default(),
        }
    }

    /// From now on it is told that the place for backups cannot be used for this reason, or that it can.
    pub fn tell_of_place(&self, failure: Option<&str>) {
        *self.place_failure.lock() = failure.map(shortened);
    }

    /// What is wanted. With what is known, it waits until something else is. The server is told which databases can run here.
    ///
    /// # Errors
    /// When the server refuses or does not answer.
    pub async fn poll(&self, known: Option<&str>, offer: &Offer) -> Result<Volumes, Failure> {
        let engine = |version| json!({ "Engine": ENGINE, "EngineVersion": version });
        let engines: Vec<Value> = offer.versions.iter().map(engine).collect();
        let mut input = json!({ "BacksUp": self.backs_up, "Databases": engines, "Copies": true });
        let failure = self.place_failure.lock().clone();
        let mut add = |name: &str, value: Value| {
            if let Some(members) = input.as_object_mut() {
                members.insert(name.to_owned(), value);
            }
        };
        if let Some(failure) = failure {
            add("BackupFailure", failure.into());
        }
        if let Some(authority) = &offer.authority {
            add("DatabaseAuthority", authority.as_str().into());
        }
        let timeout = match known {
            Some(known) => {
                add("Known", known.into());
                add("WaitSeconds", WAIT.as_secs().into());
                TIMEOUT + WAIT
            }
            None => TIMEOUT,
        };
        let answer = self.call("PollVolumes", &input, timeout).await?;
        Volumes::parse(&answer).map_err(|error| Failure::NoAnswer(error.to_string()))
    }

    /// Tells how volumes are. Answers those of which something else is wanted by now.
    ///
    /// # Errors
    /// When the server refuses or does not answer.
    pub async fn report(&self, reports: &[Report]) -> Result<BTreeSet<String>, Failure> {
        let input = json!({ "Volumes": reports });
        let answer = self.call("ReportVolumes", &input, TIMEOUT).await?;
        let answer: Reported = serde_json::from_slice(&answer)
            .map_err(|error| Failure::NoAnswer(format!("the server's answer is none: {error}")))?;
        Ok(answer.stale)
    }

    /// Calls an operation for agents, and answers the body of the answer.
    ///
    /// # Errors
    /// When the server refuses or does not answer.
    pub async fn call(
        &self,
        operation: &str,
        input: &Value,
        timeout: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let failed = |error: anyhow::Error| Failure::NoAnswer(format!("{error:#}"));
        let client = self.identity.client(&self.reach).map_err(failed)?;
        let body = serde_json::to_vec(input).map_err(|error| failed(error.into()))?;
        of_answer(client.post_own(operation, body, timeout).await)
    }
}

/// Whether the server does not know the agent any more.
pub fn is_removed(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { code, .. } if code == "UnrecognizedClientException")
}

/// Whether another request of the same agent has come since.
pub fn is_overtaken(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { code, .. } if code == "OvertakenException")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unknown_access_key_says_that_an_agent_was_removed() {
        let refused = |code: &str| Failure::Refused {
            status: 400,
            code: code.to_owned(),
            message: None,
        };
        assert!(is_removed(&refused("UnrecognizedClientException")));
        for other in [
            "ThrottlingException",
            "OvertakenException",
            "InvalidSignatureException",
            "AccessDeniedException",
        ] {
            assert!(!is_removed(&refused(other)), "{other}");
        }
        assert!(!is_removed(&Failure::NoAnswer("refused".to_owned())));
    }
}
