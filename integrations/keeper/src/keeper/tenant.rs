//! What uses a volume and keeps what it has read in its own memory, such as a database server: it has to end before the
//! volume is cut off, and is given little time for that. The keys are wiped whatever it does.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use super::spawn;

/// How long the end of a tenant is waited for before the keys are wiped. Together with the cut-off, this is less than five
/// seconds.
pub const LONGEST: Duration = Duration::from_millis(4_600);
/// How long a tenant is waited for that did not end in time, once the volume is cut off.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// What uses a volume.
pub trait Tenant: Debug + Send + Sync {
    /// Ends it: in order if that is done quickly, and by force if not.
    ///
    /// # Errors
    /// When something of it is left.
    fn end(&self) -> anyhow::Result<()>;

    /// Ends by force what is left of it after the volume was cut off.
    ///
    /// # Errors
    /// When something of it is left.
    fn kill(&self) -> anyhow::Result<()>;
}

/// A tenant that was told to end.
pub struct Evicted {
    tenant: Arc<dyn Tenant>,
    /// Whether it has ended for certain.
    has_ended: bool,
}

/// Has a tenant end, and waits for that at most so long.
pub fn evict(tenant: &Arc<dyn Tenant>, within: Duration) -> Evicted {
    let worker = Arc::clone(tenant);
    let has_ended = match within_time(move || worker.end(), within) {
        Some(Ok(())) => true,
        Some(Err(error)) => {
            let error = format!("{error:#}");
            tracing::error!(error, "what uses the volume has not ended");
            false
        }
        None => {
            tracing::error!("what uses the volume has not ended in time: it is not waited for");
            false
        }
    };
    Evicted {
        tenant: Arc::clone(tenant),
        has_ended,
    }
}

impl Evicted {
    /// Ends what is left of it. The volume is cut off, so that nothing of it waits for the volume any more.
    pub fn finish(self) {
        // Also if it has ended: who supervises it may have started it again meanwhile.
        let had_ended = self.has_ended;
        match within_time(move || self.tenant.kill(), AFTERWARDS) {
            Some(Ok(())) if had_ended => {}
            Some(Ok(())) => tracing::info!("what used the volume has ended"),
            Some(Err(error)) => {
                let error = format!("{error:#}");
                tracing::error!(error, "what used the volume has not ended");
            }
            None => tracing::error!("what used the volume has not ended yet"),
        }
    }
}

/// Does something on another thread, which may hang, and waits at most so long for it. Without a thread, it is not done.
fn within_time(
    work: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    within: Duration,
) -> Option<anyhow::Result<()>> {
    let (report, reported) = mpsc::channel();
    let begun = spawn("tenant", move || {
        // Nobody may wait any more.
        let _ = report.send(work());
    });
    match begun {
        Ok(()) => wait(&reported, within),
        Err(error) => Some(Err(error)),
    }
}

fn wait(reported: &Receiver<anyhow::Result<()>>, within: Duration) -> Option<anyhow::Result<()>> {
    match reported.recv_timeout(within) {
        Ok(result) => Some(result),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Err(anyhow::anyhow!("a thread has failed"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use parking_lot::Mutex;

    use super::*;

    /// One that ends when it is killed, or before.
    #[derive(Debug)]
    struct Told {
        ends: bool,
        gate: Mutex<Option<Receiver<()>>>,
        killed: AtomicU32,
    }

    impl Tenant for Told {
        fn end(&self) -> anyhow::Result<()> {
            if let Some(gate) = self.gate.lock().take() {
                let _ = gate.recv();
            }
            match self.ends {
                true => Ok(()),
                false => Err(anyhow::anyhow!("no")),
            }
        }

        fn kill(&self) -> anyhow::Result<()> {
            self.killed.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    fn told(ends: bool, gate: Option<Receiver<()>>) -> Arc<Told> {
        Arc::new(Told {
            ends,
            gate: Mutex::new(gate),
            killed: AtomicU32::new(0),
        })
    }

    #[test]
    fn what_hangs_or_fails_is_not_waited_for_and_killed_afterwards() {
        let (open, gate) = mpsc::channel();
        for (tenant, has_ended) in [
            (told(true, None), true),
            (told(false, None), false),
            (told(true, Some(gate)), false),
        ] {
            let hangs = tenant.gate.lock().is_some();
            let within = match hangs {
                true => Duration::from_millis(1),
                false => LONGEST,
            };
            let evicted = evict(&(Arc::clone(&tenant) as Arc<dyn Tenant>), within);
            assert_eq!(evicted.has_ended, has_ended);
            assert_eq!(tenant.killed.load(Ordering::Relaxed), 0);
            evicted.finish();
            assert_eq!(tenant.killed.load(Ordering::Relaxed), 1);
        }
        open.send(()).unwrap();
    }
}
