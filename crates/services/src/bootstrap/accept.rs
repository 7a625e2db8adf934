//! What an operator accepts while the server is stopped, because it cannot be undone: a store that
//! was put back, a part of the trail that is lost, the reading of the clock. Each is an event.

use std::{path::Path as FilePath, sync::Arc};

use keyward_crypto::secret::arena::Arena;
use keyward_engine::{
    audit::ledger::Ledger,
    directory::{paths, purpose},
};
use keyward_keys::root_key::RootKey;
use keyward_store::{batch::Precondition, revision::Revision, sealed::Sealed, store::Store};
use keyward_trail::{
    chain::End,
    error::TrailError,
    examine::{AuthenticTrail, examine},
    head::{ChainHead, Head, KnownChain},
    segment, set_aside,
    trail::{Trail, TrailOptions},
};
use keyward_types::time::Clock;

use super::{
    OpenError,
    keys::open_keys,
    trail::{
        FirstAccount, KEYWARD, Keys, head, ledger, number, put_event, set_torn_aside, waiting,
        with_ledger,
    },
};

/// A stopped server, and who asks.
#[derive(Debug)]
pub struct Stopped<'a> {
    /// The engine.
    pub store: Arc<dyn Store>,
    /// Its root key.
    pub root: &'a RootKey,
    /// Where its secrets are opened.
    pub arena: &'a Arena,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Whose event it is.
    pub home: FirstAccount,
    /// The operating system's id of the user who asks.
    pub user: u32,
}

/// What was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The revision that the store stood at.
    pub store: u64,
    /// The revision that the trail says it had.
    pub trail: u64,
}

/// What was accepted as lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// What was wrong with the trail.
    pub trail: Option<String>,
    /// The files that were set aside.
    pub set_aside: Vec<String>,
    /// The segment that the trail goes on with.
    pub next_segment: Option<u64>,
    /// How many events of changes were gone from the outbox.
    pub events: u64,
}

/// Takes the wall clock's present reading for true, so that destruction that was held goes on.
///
/// # Errors
/// As [`super::open`].
pub async fn accept_clock(stopped: &Stopped<'_>) -> Result<(), OpenError> {
    let (sealed, keys) = stopped.open().await?;
    ledger(&sealed, &keys).await?;
    let path = paths::clock();
    let before = match sealed.get(&path).await?.value {
        Some(record) => String::from_utf8_lossy(record.bytes_of(purpose::CLOCK)?).into_owned(),
        None => String::new(),
    };
    let reading = stopped.clock.now().millis().to_string();
    let mut batch = sealed.batch();
    batch.put(path, purpose::CLOCK, reading.as_bytes(), Precondition::Any)?;
    stopped.put_event(&mut batch, "AcceptClock", |details| {
        details.string("millisBefore", &before);
        details.string("millisAccepted", &reading);
    })?;
    sealed.commit(batch).await?;
    Ok(())
}

/// Takes the store as it is, though the trail says that there was a newer one. From then on it is
/// at a revision that neither of them has had.
///
/// # Errors
/// As [`super::open`]; [`OpenError::NothingToAccept`] if store and trail agree.
pub async fn accept_restore(
    stopped: &Stopped<'_>,
    directory: &FilePath,
) -> Result<Restored, OpenError> {
    let (sealed, keys) = stopped.open().await?;
    let (head, why) = head_as_it_is(&sealed).await?;
    let lenient = KnownChain {
        // Without a true head the trail speaks for itself.
        store: if why.is_some() { 0 } else { head.revision },
        ..head.known()
    };
    let found = examine(directory, &keys.chain, &lenient)?;
    let (store, trail) = (head.revision, found.mark.store);
    let why = match why {
        Some(why) => why,
        None if trail > store => "older than the trail",
        None => return Err(OpenError::NothingToAccept),
    };
    segment::sync(directory, found.end.at.segment)?;
    let made = waiting(&sealed, &keys, found.mark.copied).await?;
    let ledger = with_ledger(&sealed, &keys, head).await?;
    let first = head.chain.first.max(1);
    let end = found.end;
    ledger.accept(ChainHead { first, end }, made);
    if let Some(torn) = &found.torn {
        set_torn_aside(&sealed, directory, torn, (stopped.home, stopped.clock)).await?;
    }
    let mut batch = sealed.batch();
    batch.raise(Revision::new(trail));
    stopped.put_event(&mut batch, "AcceptRestore", |details| {
        details.string("store", why);
        number(details, "storeRevision", store);
        number(details, "trailRevision", trail);
    })?;
    sealed.commit(batch).await?;
    Ok(Restored { store, trail })
}

/// Takes what is there of the trail, and of the events that wait for it, for all there is. What is
/// not authentic is set aside, and the trail goes on with a new segment that says so.
///
/// # Errors
/// As [`super::open`]; [`OpenError::NothingToAccept`] if nothing is lost.
pub async fn accept_loss(stopped: &Stopped<'_>, directory: &FilePath) -> Result<Lost, OpenError> {
    let (sealed, keys) = stopped.open().await?;
    let (head, _) = head_as_it_is(&sealed).await?;
    let (mut lost, mut clearing) = (Lost::default(), None);
    let found = match examine(directory, &keys.chain, &head.known()) {
        Ok(found) => found,
        Err(error) if error.is_loss() => {
            lost.trail = Some(error.to_string());
            let (found, to_do, files) = set_aside::clear(directory, &keys.chain, &head)?;
            clearing = Some(to_do);
            (lost.set_aside, lost.next_segment) = (files, found.next_segment);
            found
        }
        Err(error) => return Err(error.into()),
    };
    let made = waiting(&sealed, &keys, found.mark.copied).await?;
    let same = (made.events, made.sum) == (head.made.events, head.made.sum);
    if lost.trail.is_none() && same {
        return Err(OpenError::NothingToAccept);
    }
    lost.events = head.made.events.saturating_sub(made.events);
    let ledger = with_ledger(&sealed, &keys, head).await?;
    let chain = match found.next_segment.filter(|_| found.after_loss) {
        Some(number) => ChainHead {
            first: number,
            end: begin(&keys, directory, &found, &ledger)?,
        },
        None => head.chain,
    };
    ledger.accept(chain, made);
    let mut batch = sealed.batch();
    stopped.put_event(&mut batch, "AcceptLoss", |details| {
        details.string("trail", lost.trail.as_deref().unwrap_or("whole"));
        number(details, "knownSegment", head.chain.end.at.segment);
        number(details, "knownBytes", head.chain.end.at.length);
        details.array("setAside", |list| {
            lost.set_aside.iter().for_each(|file| list.string(file));
        });
        number(details, "eventsMissing", lost.events);
    })?;
    sealed.commit(batch).await?;
    // Only now: what was moved without an event would be missed by nobody.
    if let Some(clearing) = clearing {
        clearing.carry_out(directory)?;
    }
    Ok(lost)
}

impl Stopped<'_> {
    async fn open(&self) -> Result<(Sealed, Keys), OpenError> {
        open_keys(Arc::clone(&self.store), self.root, self.arena).await
    }

    fn put_event(
        &self,
        batch: &mut keyward_store::sealed::SealedBatch,
        name: &str,
        details: impl FnOnce(&mut keyward_wire::json::Writer<'_>),
    ) -> Result<(), OpenError> {
        put_event(batch, (name, KEYWARD), (self.home, self.clock), |all| {
            number(all, "operatingSystemUserId", u64::from(self.user));
            details(all);
        })
    }
}

/// The head that is in the store, though it may not be the store's; and why not.
async fn head_as_it_is(sealed: &Sealed) -> Result<(Head, Option<&'static str>), OpenError> {
    match head(sealed).await {
        Ok(head) => Ok((head, None)),
        Err(OpenError::HeadElsewhere { store, .. }) => {
            let record = sealed.get(&paths::trail_head()).await?.value;
            let record = record.ok_or(OpenError::NoHead)?;
            let head = Head::parse(record.bytes_of(purpose::TRAIL_HEAD)?)?;
            let head = Head {
                revision: store.max(head.revision),
                ..head
            };
            Ok((head, Some("its head is of another revision")))
        }
        Err(OpenError::NoHead) => {
            let revision = sealed.store().revision().await?.number();
            Ok((Head::newborn(revision), Some("without a head")))
        }
        Err(error) => Err(error),
    }
}

/// Begins the segment that the trail goes on with; answers where it ends.
fn begin(
    keys: &Keys,
    directory: &FilePath,
    found: &AuthenticTrail,
    ledger: &Arc<Ledger>,
) -> Result<End, TrailError> {
    let options = TrailOptions::default();
    let frontier = Arc::clone(ledger.frontier());
    let trail = Trail::open(directory, options, keys.chain.clone(), found, frontier)?;
    Ok(trail.end())
}
