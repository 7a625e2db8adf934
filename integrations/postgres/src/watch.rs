//! How a supervisor waits: until some time has passed, or somebody wants something of it.

use std::{sync::Arc, time::Duration};

use keyward_types::time::{Clock, Timestamp};
use parking_lot::{Condvar, Mutex};

use crate::error::Error;

/// The clock of a supervisor, and the bell by which it is woken.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    interrupted: bool,
}

impl Watch {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            bell: Condvar::new(),
        }
    }

    /// The same clock, for what is not given up.
    pub(crate) fn uninterrupted(&self) -> Self {
        Self::new(Arc::clone(&self.clock))
    }

    /// Wakes who sleeps.
    pub(crate) fn ring(&self) {
        self.state.lock().rung = true;
        self.bell.notify_all();
    }

    /// Wakes who sleeps, and has what takes long given up from now on.
    pub(crate) fn interrupt(&self) {
        let mut state = self.state.lock();
        state.rung = true;
        state.interrupted = true;
        self.bell.notify_all();
    }

    /// What takes long is done again.
    pub(crate) fn resume(&self) {
        self.state.lock().interrupted = false;
    }

    /// Sleeps until the bell is rung, also if that was before.
    pub(crate) fn sleep(&self, time: Duration) {
        let mut state = self.state.lock();
        if !state.rung {
            self.bell.wait_for(&mut state, time);
        }
        state.rung = false;
    }

    /// Lets a short time pass within something that takes longer.
    pub(crate) fn pause(&self, time: Duration) -> Result<(), Error> {
        let mut state = self.state.lock();
        if !state.interrupted {
            self.bell.wait_for(&mut state, time);
        }
        if state.interrupted {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Fails if what takes long is to be given up.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.state.lock().interrupted {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    /// The wall clock, for certificates.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Milliseconds that only go on.
    pub(crate) fn millis(&self) -> u64 {
        self.clock.monotonic().millis()
    }

    /// Whether some time has passed since [`Watch::millis`] was `begun`.
    pub(crate) fn has_passed(&self, time: Duration, begun: u64) -> bool {
        u128::from(self.millis().saturating_sub(begun)) >= time.as_millis()
    }
}
