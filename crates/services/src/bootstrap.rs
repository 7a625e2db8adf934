//! From an engine and a root key to a server that answers; at the first start, with what a
//! server needs to begin. Every step may be cut short by a crash: the next start goes on.

pub mod accept;
mod accounts;
mod error;
mod keys;
pub mod services;
mod trail;

use std::{
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

pub use keyward_api_kms::state::KmsOptions;
use keyward_api_kms::state::{KmsCaches, KmsState};
use keyward_crypto::secret::arena::Arena;
use keyward_engine::{
    audit::ledger::{Ledger, keep},
    directory::{Directory, DirectoryOptions},
    front::Front,
    server::{Parts, Quotas, Shared},
    session::Sessions,
    workers::WorkerContext,
};
use keyward_keys::root_key::RootKey;
use keyward_oidc::issuers::Issuers;
use keyward_store::{error::CommitError, reader::Reader, sealed::Sealed, store::Store};
use keyward_trail::{
    chain::Copied,
    refused::Refusals,
    trail::{Trail, TrailOptions},
    verify::{Verified, verify},
    writer::Writer,
};
use keyward_types::{
    account::AccountId, region::Region, time::Clock, unique_id::AccessKeyId, vpc::Vpcs,
};

use self::{
    accounts::account,
    keys::{OtherKeys, open_keys, opened_keys},
};
pub use self::{
    accounts::{
        FirstCredentials, NewAccount, accounts, create_account, has_access_key,
        replace_root_credentials,
    },
    error::OpenError,
    keys::is_empty,
};
use crate::apis::{self, States};

/// How a server is opened.
#[derive(Debug)]
pub struct OpenOptions<'a> {
    /// The account that the first start makes.
    pub account: AccountId,
    /// The default Region, whose partition the account lives in.
    pub region: Region,
    /// The Regions served.
    pub regions: Vec<Region>,
    /// The directory of the audit trail.
    pub audit_directory: &'a FilePath,
    /// How the trail is written.
    pub trail: TrailOptions,
    /// How much is kept in memory.
    pub directory: DirectoryOptions,
    /// How much KMS keeps in memory.
    pub kms: KmsOptions,
    /// Resource quotas.
    pub quotas: Quotas,
    /// What verifies web identities.
    pub issuers: Issuers,
    /// The subnets in which agents serve volumes.
    pub vpcs: Vpcs,
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    /// The front.
    pub front: Front,
    /// The state of KMS.
    pub kms: Arc<KmsState>,
    /// What its workers work with.
    pub workers: Arc<WorkerContext>,
    /// The audit writer's thread; it ends when the last handle on the server is gone.
    pub writer: JoinHandle<()>,
    /// What is to be done after that.
    pub closing: Closing,
    /// Which events of changes the trail has.
    pub copied: Copied,
    /// What the account's root user may sign with.
    pub root_access_keys: Vec<AccessKeyId>,
}

/// The last thing that a server does.
#[derive(Debug)]
pub struct Closing {
    sealed: Sealed,
    ledger: Arc<Ledger>,
}

impl Closing {
    /// Has the store know where the trail ends, now that nothing more comes.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn finish(self) -> Result<(), CommitError> {
        keep::write(&self.sealed, &self.ledger).await
    }
}

/// Opens a server. `first` is asked for credentials if the account does not exist yet; it must
/// have put them on disk before it answers. They count once the account has them.
///
/// # Errors
/// When anything is not as it must be; nothing is ever created again over something that exists.
pub async fn open(
    store: Arc<dyn Store>,
    root: RootKey,
    arena: Arena,
    clock: Arc<dyn Clock>,
    options: OpenOptions<'_>,
    first: impl FnOnce() -> std::io::Result<FirstCredentials>,
) -> Result<Running, OpenError> {
    let (sealed, keys, rest) = opened_keys(store, &root, &arena).await?;
    let OtherKeys {
        marker_key,
        session_key,
    } = rest;
    let ledger = trail::ledger(&sealed, &keys).await?;
    let root_access_keys = account(&sealed, &root, &*clock, &options, first).await?;
    let sessions = Arc::new(Sessions::new(
        (sealed.store_id(), session_key),
        arena.clone(),
        options.directory.cached_principals,
    ));
    let directory = options.audit_directory;
    let found = trail::reconcile(&sealed, &keys, directory, &ledger.head()).await?;
    if let Some(torn) = &found.torn {
        let home = (options.region, options.account);
        trail::set_torn_aside(&sealed, directory, torn, (home, &*clock)).await?;
    }
    let trail = Trail::open(
        directory,
        options.trail,
        keys.chain.clone(),
        &found,
        Arc::clone(ledger.frontier()),
    )?;
    let copied = trail.copied();
    let (writer, thread) = Writer::start(trail)?;
    let closing = Closing {
        sealed: sealed.clone(),
        ledger: Arc::clone(&ledger),
    };
    let caches = KmsCaches::new(options.kms);
    let (directory, node) = Directory::start(
        sealed,
        arena.clone(),
        Arc::clone(&clock),
        options.directory,
        caches.all(),
    )
    .await?;
    let kms = KmsState::new(Reader::new(Arc::clone(&node)), (root, arena), caches);
    let kms = Arc::new(kms);
    let shared = Shared::new(Parts {
        directory,
        of_accounts: Arc::clone(&kms) as _,
        clock,
        writer,
        ledger,
        refusals: Refusals::open(options.audit_directory)?,
        quotas: options.quotas,
        regions: options.regions,
        marker_key,
        sessions: Arc::clone(&sessions),
        audit_directory: options.audit_directory.to_owned(),
    });
    let services = apis::services(&States {
        kms: Arc::clone(&kms),
        issuers: Arc::new(options.issuers),
        sessions,
        vpcs: Arc::new(options.vpcs),
        polls: Arc::default(),
    });
    let shared = Arc::new(shared);
    let front = Front::new(shared, services);
    let workers = Arc::new(WorkerContext::new(&front, node));
    Ok(Running {
        front,
        kms,
        workers,
        writer: thread,
        closing,
        copied,
        root_access_keys,
    })
}

/// Checks every batch of the trail and of segments that were moved to `archives`, and compares the
/// trail with the store.
///
/// # Errors
/// The first thing that is not as it was written, and what a start would refuse.
pub async fn verify_trail(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
    (directory, archives): (&FilePath, &[PathBuf]),
) -> Result<Verified, OpenError> {
    let (sealed, keys) = open_keys(store, root, arena).await?;
    let head = trail::head(&sealed).await?;
    let verified = verify((directory, archives), &keys.chain, &head.known())?;
    trail::reconcile(&sealed, &keys, directory, &head).await?;
    Ok(verified)
}
