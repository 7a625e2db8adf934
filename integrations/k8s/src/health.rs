//! Whether the key can be used: found out by using it, at most once at a time, and remembered for a moment.
//!
//! The test of the key is a task of its own, with its own time limit, so that the verdict does not depend on how long
//! those who ask are willing to wait.

use std::{sync::Arc, time::Duration};

use keyward_client::answer::Failure;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{fault::Fault, limits::TEST_TIMEOUT, names::KeyName};

/// How much longer a test may take than its calls of KMS.
const SLACK: Duration = Duration::from_secs(1);

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

/// What is known of a key.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

/// When a use of the key began, in the order of all its uses and failures. What began later knows better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Began(u64);

#[derive(Debug, Default)]
struct State {
    events: u64,
    last: Option<Check>,
    /// When something failed the last time, other than the test.
    doubted: Began,
    /// What comes of the test that is running.
    testing: Option<watch::Receiver<Option<Tested>>>,
}

#[derive(Debug)]
struct Check {
    began: Began,
    at: Instant,
    found: Result<KeyName, Fault>,
}

#[derive(Clone, Debug)]
struct Tested {
    began: Began,
    found: Result<KeyName, Fault>,
}

impl Health {
    /// Whether the key can be used, and with which material. If the last answer is too old, `test` finds out, by the
    /// time that it is given.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn check<T>(
        &self,
        key: &str,
        age: Age,
        by: Instant,
        test: impl Fn(Instant) -> T,
    ) -> Result<KeyName, Fault>
    where
        T: Future<Output = Result<KeyName, Fault>> + Send + 'static,
    {
        loop {
            let mut testing = {
                let mut state = self.0.lock();
                if let Some(found) = state.recent(age) {
                    return found;
                }
                match state.running() {
                    Some(testing) => testing,
                    None => self.start(&mut state, key, &test),
                }
            };
            let ended = timeout_at(by, testing.wait_for(Option::is_some)).await;
            let ended = ended.map(|tested| tested.ok().and_then(|tested| tested.clone()));
            let state = self.0.lock();
            // The test's result, or that of a call that began later.
            if let Some(found) = state.recent(age) {
                return found;
            }
            match ended {
                // Something has failed since it began: only the next one knows.
                Ok(Some(Tested {
                    began,
                    found: Ok(_),
                })) if state.doubted > began => {}
                Ok(Some(tested)) => return tested.found,
                Ok(None) => return Err(late()),
                Err(_) => return Err(state.last_fault()),
            }
        }
    }

    /// Begins a use of the key.
    pub fn begin(&self) -> Began {
        self.0.lock().begin()
    }

    /// Takes it that the key was used with this result. What is known from a use that began later stays.
    pub fn note(&self, key: &str, began: Began, found: Result<KeyName, Fault>) {
        self.0.lock().note(key, began, found);
    }

    /// Takes it that the key may not be usable any more.
    pub fn doubt(&self) {
        let mut state = self.0.lock();
        state.doubted = state.begin();
    }

    /// Starts a test.
    fn start<T>(
        &self,
        state: &mut State,
        key: &str,
        test: impl Fn(Instant) -> T,
    ) -> watch::Receiver<Option<Tested>>
    where
        T: Future<Output = Result<KeyName, Fault>> + Send + 'static,
    {
        let (ended, testing) = watch::channel(None);
        state.testing = Some(testing.clone());
        let began = state.begin();
        let by = Instant::now() + TEST_TIMEOUT;
        let test = test(by);
        let (health, key) = (self.clone(), key.to_owned());
        tokio::spawn(async move {
            let found = timeout_at(by + SLACK, test).await;
            let found = found.unwrap_or_else(|_| Err(late()));
            let mut state = health.0.lock();
            state.testing = None;
            if found.as_ref().map_or_else(Fault::is_of_kms, |_| true) {
                state.note(&key, began, found.clone());
            }
            ended.send_replace(Some(Tested { began, found }));
        });
        testing
    }
}

impl State {
    fn begin(&mut self) -> Began {
        self.events += 1;
        Began(self.events)
    }

    /// What was wrong the last time, for whoever cannot wait until it is known again.
    fn last_fault(&self) -> Fault {
        match self.last.as_ref().map(|last| &last.found) {
            Some(Err(fault)) => fault.clone(),
            Some(Ok(_)) | None => late(),
        }
    }

    fn running(&self) -> Option<watch::Receiver<Option<Tested>>> {
        // One that has panicked runs no more.
        let testing = self.testing.as_ref()?;
        testing.has_changed().is_ok().then(|| testing.clone())
    }

    fn recent(&self, age: Age) -> Option<Result<KeyName, Fault>> {
        let Check { began, at, found } = self.last.as_ref()?;
        let limit = match found {
            Ok(_) if self.doubted > *began => return None,
            Ok(_) => age.good,
            Err(_) => age.bad,
        };
        (at.elapsed() < limit).then(|| found.clone())
    }

    fn note(&mut self, key: &str, began: Began, found: Result<KeyName, Fault>) {
        if self.last.as_ref().is_some_and(|last| last.began > began) {
            return;
        }
        let at = Instant::now();
        let check = Check { began, at, found };
        let before = self.last.replace(check).map(|before| before.found);
        match (before, self.last.as_ref().map(|now| &now.found)) {
            (Some(Ok(before)), Some(Ok(now))) if before != *now => {
                tracing::info!(
                    key,
                    key_id = %now,
                    "the key has new material: what was encrypted before is stale"
                );
            }
            (Some(Err(_)) | None, Some(Ok(now))) => {
                tracing::info!(key, key_id = %now, "the key can be used");
            }
            (Some(Err(before)), Some(Err(now))) if before.to_string() == now.to_string() => {}
            (_, Some(Err(now))) => tracing::warn!(key, "the key cannot be used: {now}"),
            (_, Some(Ok(_)) | None) => {}
        }
    }
}

fn late() -> Fault {
    Failure::NoAnswer("KMS has not answered in time".to_owned()).into()
}
