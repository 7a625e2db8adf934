//! Whether the key can be used: found out by using it, at most once at a time, and remembered for a moment.

use std::time::Duration;

use keyward_client::answer::Failure;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::{fault::Fault, names::KeyName};

/// How old an answer may be.
#[derive(Clone, Copy, Debug)]
pub struct Age {
    /// That the key can be used.
    good: Duration,
    /// That it cannot.
    bad: Duration,
}

impl Age {
    /// For an API server, which asks every minute, and every 10 seconds after a bad answer.
    pub const STATUS: Self = Self {
        good: Duration::from_secs(5),
        bad: Duration::from_secs(2),
    };
    /// For health checks over HTTP, which anybody on the network may ask for.
    pub const HTTP: Self = Self {
        good: Duration::from_secs(30),
        bad: Duration::from_secs(5),
    };
}

/// The last answer.
#[derive(Debug, Default)]
pub struct Health {
    last: Mutex<Option<Check>>,
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Check {
    at: Instant,
    found: Result<KeyName, Fault>,
    /// Something has failed since.
    doubted: bool,
}

impl Health {
    /// Whether the key can be used, and with which material. If the last answer is too old, `probe` finds out.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn check(
        &self,
        key: &str,
        age: Age,
        by: Instant,
        probe: impl AsyncFnOnce() -> Result<KeyName, Fault>,
    ) -> Result<KeyName, Fault> {
        if let Some(found) = self.recent(age) {
            return found;
        }
        let Ok(_asking) = timeout_at(by, self.asking.lock()).await else {
            return Err(self.last_fault());
        };
        // Somebody else may have found out meanwhile.
        if let Some(found) = self.recent(age) {
            return found;
        }
        let found = probe().await;
        self.note(key, found.clone());
        found
    }

    /// Takes it that the key was used with this result.
    pub fn note(&self, key: &str, found: Result<KeyName, Fault>) {
        let check = Check {
            at: Instant::now(),
            found,
            doubted: false,
        };
        let before = self.last.lock().replace(check.clone());
        let before = before.map(|before| before.found);
        match (before, check.found) {
            (Some(Ok(before)), Ok(now)) if before != now => {
                tracing::info!(
                    key,
                    key_id = %now,
                    "the key has new material: what was encrypted before is stale"
                );
            }
            (Some(Ok(_)), Ok(_)) => {}
            (Some(Err(_)) | None, Ok(now)) => {
                tracing::info!(key, key_id = %now, "the key can be used");
            }
            (Some(Err(before)), Err(now)) if before.to_string() == now.to_string() => {}
            (_, Err(now)) => tracing::warn!(key, "the key cannot be used: {now}"),
        }
    }

    /// Takes it that the key may not be usable any more.
    pub fn doubt(&self) {
        if let Some(check) = &mut *self.last.lock() {
            check.doubted = true;
        }
    }

    /// What was wrong the last time, for whoever cannot wait until it is known again.
    fn last_fault(&self) -> Fault {
        let last = self.last.lock();
        match last.as_ref().map(|last| &last.found) {
            Some(Err(fault)) => fault.clone(),
            Some(Ok(_)) | None => {
                let failure = Failure::NoAnswer("KMS has not answered in time".to_owned());
                Fault::Kms(failure.into())
            }
        }
    }

    fn recent(&self, age: Age) -> Option<Result<KeyName, Fault>> {
        let last = self.last.lock();
        let Check { at, found, doubted } = last.as_ref()?;
        let limit = match found {
            Ok(_) if *doubted => return None,
            Ok(_) => age.good,
            Err(_) => age.bad,
        };
        (at.elapsed() < limit).then(|| found.clone())
    }
}
