//! What all requests share.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use keyward_crypto::secret::arena::ArenaSecret;
use keyward_metrics::Metrics;
use keyward_policy::permit::Authority;
use keyward_store::error::StoreError;
use keyward_trail::{refused::Refusals, writer::Writer};
use keyward_types::{
    key_id::KeyArn,
    region::Region,
    time::Clock,
    unique_id::{AccessKeyId, UniqueId},
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    audit::{ledger::Ledger, outbox::places::Places},
    counts::Counts,
    directory::{Directory, accounts::OfAccounts, identities::Home},
    pool::Pool,
    session::Sessions,
    throttle::Throttle,
    turns::Turns,
    usage::{CredentialUse, LastUse, LastUses},
};

/// Limits that an operator chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Customer managed keys in an account and Region; requests in flight may exceed it.
    pub keys: u64,
    /// Aliases of a key; exact.
    pub aliases_per_key: usize,
    /// Users of an account; requests in flight may exceed it.
    pub users: u64,
    /// Roles of an account, likewise.
    pub roles: u64,
    /// Groups of an account, likewise.
    pub groups: u64,
    /// Customer managed policies of an account, likewise.
    pub policies: u64,
    /// Instance profiles of an account, likewise.
    pub instance_profiles: u64,
    /// Managed policies attached to a user, group or role; exact.
    pub policies_per_identity: usize,
    /// Grants on a key; requests in flight may exceed it.
    pub grants_per_key: u64,
    /// How often one principal may ask, if there is a limit.
    pub request_interval: Option<Duration>,
    /// Requests of one principal at once, if there is such a limit.
    pub request_burst: u32,
    /// Requests that are worked on at once; of one principal, half of them.
    pub requests_at_once: usize,
    /// Bytes of memory for requests that wait for their turn.
    pub waiting_bytes: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            keys: 100_000,
            aliases_per_key: 50,
            users: 5000,
            roles: 1000,
            groups: 300,
            policies: 1500,
            instance_profiles: 1000,
            policies_per_identity: 10,
            grants_per_key: 50_000,
            request_interval: None,
            request_burst: 100,
            requests_at_once: 256,
            waiting_bytes: 16 << 20,
        }
    }
}

/// What a server is assembled from.
#[derive(Debug)]
pub struct Parts {
    /// Units by what requests call them.
    pub directory: Directory,
    /// What an account gets from others when it is created.
    pub of_accounts: Arc<dyn OfAccounts>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The writer of the audit trail.
    pub writer: Writer,
    /// Up to where the trail is written, for the store.
    pub ledger: Arc<Ledger>,
    /// The log of refused callers.
    pub refusals: Refusals,
    /// Limits that an operator chooses.
    pub quotas: Quotas,
    /// The Regions served.
    pub regions: Vec<Region>,
    /// The key of page markers.
    pub marker_key: ArenaSecret,
    /// Temporary credentials.
    pub sessions: Arc<Sessions>,
    /// The directory of the audit trail.
    pub audit_directory: PathBuf,
}

/// What all requests share. An operation sees it behind its context, and reaches what has an
/// accessor here: it cannot commit, write to the trail, or make temporary credentials.
pub struct Shared {
    pub(crate) directory: Directory,
    pub(crate) of_accounts: Arc<dyn OfAccounts>,
    pub(crate) authority: Authority,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) writer: Writer,
    pub(crate) outbox: Arc<Places>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) refusals: Refusals,
    pub(crate) usage: LastUses<KeyArn, LastUse>,
    pub(crate) access_key_usage: LastUses<AccessKeyId, CredentialUse>,
    pub(crate) role_usage: LastUses<UniqueId, (Home, CredentialUse)>,
    pub(crate) counts: Counts,
    pub(crate) metrics: Metrics,
    pub(crate) quotas: Quotas,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) turns: Turns,
    pub(crate) regions: Vec<Region>,
    pub(crate) marker_key: ArenaSecret,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) audit_directory: PathBuf,
    pub(crate) pool: Pool,
    /// Whether requests that wait for something to happen should stop waiting.
    pub(crate) stopping: watch::Sender<bool>,
    health: Health,
}

/// What the workers found out about the server's health.
#[derive(Debug, Default)]
pub struct Health {
    reasons: Mutex<Vec<String>>,
}

impl Shared {
    /// A server of these parts, which has done nothing yet.
    pub fn new(parts: Parts) -> Self {
        let quotas = parts.quotas;
        Self {
            directory: parts.directory,
            of_accounts: parts.of_accounts,
            // The only authority; only the gate of the pipeline uses it.
            authority: Authority::dangerous_new(),
            clock: parts.clock,
            writer: parts.writer,
            outbox: Arc::default(),
            ledger: parts.ledger,
            refusals: parts.refusals,
            usage: LastUses::default(),
            access_key_usage: LastUses::default(),
            role_usage: LastUses::default(),
            counts: Counts::default(),
            metrics: Metrics::default(),
            quotas,
            throttle: (quotas.request_interval)
                .map(|interval| Throttle::new(interval, quotas.request_burst)),
            turns: Turns::new(quotas.requests_at_once, quotas.waiting_bytes),
            regions: parts.regions,
            marker_key: parts.marker_key,
            sessions: parts.sessions,
            audit_directory: parts.audit_directory,
            pool: Pool::default(),
            stopping: watch::Sender::new(false),
            health: Health::default(),
        }
    }

    /// Units by what requests call them.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// What an account gets from others when it is created.
    pub fn of_accounts(&self) -> &dyn OfAccounts {
        &*self.of_accounts
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Limits that an operator chooses.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// How many there are of what has a quota.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// When keys were last used.
    pub fn usage(&self) -> &LastUses<KeyArn, LastUse> {
        &self.usage
    }

    /// When access keys were last used.
    pub fn access_key_usage(&self) -> &LastUses<AccessKeyId, CredentialUse> {
        &self.access_key_usage
    }

    /// When roles were last used.
    pub fn role_usage(&self) -> &LastUses<UniqueId, (Home, CredentialUse)> {
        &self.role_usage
    }

    /// The Regions served.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The directory of the audit trail.
    pub fn audit_directory(&self) -> &Path {
        &self.audit_directory
    }

    /// The turns of requests.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Has requests that wait for something to happen wait no longer: the server stops.
    pub fn end_waiting(&self) {
        self.stopping.send_replace(true);
    }

    /// Why requests cannot succeed for now; nothing if they can.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = self.health.reasons.lock().clone();
        let trail = self.writer.state();
        let store = StoreError::Full.to_string();
        let store = reasons.iter_mut().find(|reason| **reason == store);
        match (trail.is_failing(), trail.is_disk_full(), store) {
            (false, _, _) => {}
            (true, false, _) => reasons.push("the audit trail cannot be written".to_owned()),
            (true, true, None) => {
                let reason = "the audit trail has no room left to write: free space on its disk";
                reasons.push(reason.to_owned());
            }
            // As a rule it is one disk, and there is one thing to do.
            (true, true, Some(reason)) => {
                let both = "the store and the audit trail have no room left to write: free space on their disk";
                both.clone_into(reason);
            }
        }
        if !self.directory.node().is_fresh(self.clock.monotonic()) {
            reasons.push("the store has not been heard from for too long".to_owned());
        }
        reasons
    }

    /// Returns why requests cannot succeed, as far as a worker knows.
    pub fn found_unready(&self, reasons: Vec<String>) {
        *self.health.reasons.lock() = reasons;
    }

    /// Counters in Prometheus's text format.
    pub(crate) fn render_metrics(
        &self,
        gauges: impl Iterator<Item = (&'static str, &'static str, u64)>,
    ) -> String {
        let mut out = String::with_capacity(4096);
        self.metrics.render(&mut out);
        let state = self.writer.state();
        let directory = &self.directory;
        let ours = [
            (
                "audit_events_total",
                "Events on the audit trail.",
                "counter",
                state.events(),
            ),
            (
                "audit_batches_total",
                "Batches of the audit trail.",
                "counter",
                state.batches(),
            ),
            (
                "audit_bytes_total",
                "Bytes of events on the audit trail.",
                "counter",
                state.bytes(),
            ),
            (
                "arena_slots_used",
                "Slots of the arena for secrets in use.",
                "gauge",
                u64::try_from(directory.arena().used_slots()).unwrap_or(u64::MAX),
            ),
            (
                "store_revision",
                "The revision that this node has applied.",
                "gauge",
                directory.node().applied().number(),
            ),
        ];
        let gauges = gauges.map(|(name, help, value)| (name, help, "gauge", value));
        for (name, help, kind, value) in ours.into_iter().chain(gauges) {
            let _ = writeln!(
                out,
                "# HELP keyward_{name} {help}\n# TYPE keyward_{name} {kind}\nkeyward_{name} {value}"
            );
        }
        out
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("regions", &self.regions)
            .finish_non_exhaustive()
    }
}
