//! Counters for operators, in Prometheus's text format.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use hashbrown::HashMap;
use parking_lot::RwLock;

/// Counters of requests and refusals.
#[derive(Debug, Default)]
pub struct Metrics {
    // Set once, so that no request takes a lock to be counted.
    requests: OnceLock<HashMap<(&'static str, &'static str), Outcomes>>,
    unauthenticated: RwLock<BTreeMap<String, AtomicU64>>,
}

#[derive(Debug, Default)]
struct Outcomes {
    success: AtomicU64,
    denied: AtomicU64,
    fault: AtomicU64,
    failure: AtomicU64,
    throttled: AtomicU64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It succeeded.
    Success,
    /// Policies denied it.
    Denied,
    /// The caller's fault.
    Fault,
    /// Ours.
    Failure,
    /// The caller's principal asks more often than it may.
    Throttled,
}

impl Metrics {
    /// Makes room for the operations of the services, once and for all.
    pub fn register(&self, operations: impl IntoIterator<Item = (&'static str, &'static str)>) {
        let rooms = operations.into_iter().map(|of| (of, Outcomes::default()));
        self.requests.get_or_init(|| rooms.collect());
    }

    /// Counts a request.
    pub fn request(&self, service: &'static str, operation: &'static str, ended: Ended) {
        let Some(requests) = self.requests.get() else {
            return;
        };
        let Some(outcomes) = requests.get(&(service, operation)) else {
            return;
        };
        let counter = match ended {
            Ended::Success => &outcomes.success,
            Ended::Denied => &outcomes.denied,
            Ended::Fault => &outcomes.fault,
            Ended::Failure => &outcomes.failure,
            Ended::Throttled => &outcomes.throttled,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a caller who was not authenticated; `code` is one of a few words.
    pub fn unauthenticated(&self, code: &str) {
        {
            let counts = self.unauthenticated.read();
            if let Some(count) = counts.get(code) {
                count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        let mut counts = self.unauthenticated.write();
        counts
            .entry(code.to_owned())
            .or_default()
            .fetch_add(1, Ordering::Relaxed);
    }

    /// Writes all counters in Prometheus's text format.
    pub fn render(&self, out: &mut String) {
        out.push_str("# HELP keyward_requests_total Requests of authenticated callers.\n");
        out.push_str("# TYPE keyward_requests_total counter\n");
        let requests: BTreeMap<_, _> = self.requests.get().into_iter().flatten().collect();
        for ((service, operation), outcomes) in requests {
            for (outcome, counter) in [
                ("success", &outcomes.success),
                ("denied", &outcomes.denied),
                ("fault", &outcomes.fault),
                ("failure", &outcomes.failure),
                ("throttled", &outcomes.throttled),
            ] {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    let _ = writeln!(
                        out,
                        "keyward_requests_total{{service=\"{service}\",operation=\"{operation}\",outcome=\"{outcome}\"}} {count}"
                    );
                }
            }
        }
        out.push_str(
            "# HELP keyward_unauthenticated_total Requests that were not authenticated.\n",
        );
        out.push_str("# TYPE keyward_unauthenticated_total counter\n");
        let counts = self.unauthenticated.read();
        for (code, count) in &*counts {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(
                out,
                "keyward_unauthenticated_total{{code=\"{code}\"}} {count}"
            );
        }
    }
}
