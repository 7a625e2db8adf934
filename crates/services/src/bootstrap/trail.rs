//! The audit trail at start: what the store knows of it, what is there, and whether they agree.

use std::{path::Path as FilePath, sync::Arc};

use keyward_crypto::random;
use keyward_engine::{
    audit::{event, ledger::Ledger},
    directory::{paths, purpose},
};
use keyward_store::{
    batch::Precondition,
    path::{Path, Prefix},
    sealed::{Sealed, SealedBatch, keys::SealKeys},
    store::MAX_RANGE,
};
use keyward_trail::{
    chain::{Chain, Copied},
    examine::{AuthenticTrail, Torn, examine},
    head::Head,
    set_aside,
};
use keyward_types::{account::AccountId, region::Region, time::Clock};
use keyward_wire::json::Writer;

use super::OpenError;

/// What seals the head and authenticates the trail.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub seal: Arc<SealKeys>,
    pub chain: Chain,
}

/// The account of the store's first start, and its Region: the system's own events are its own, and the credentials of
/// services are stored with it.
pub type FirstAccount = (Region, AccountId);

/// Reads the head, which must be of the store's own revision, and has every transaction from now
/// on seal it anew.
pub(super) async fn ledger(sealed: &Sealed, keys: &Keys) -> Result<Arc<Ledger>, OpenError> {
    let head = head(sealed).await?;
    with_ledger(sealed, keys, head).await
}

/// Has every transaction from now on seal this head, with what is new.
pub(super) async fn with_ledger(
    sealed: &Sealed,
    keys: &Keys,
    head: Head,
) -> Result<Arc<Ledger>, OpenError> {
    let (seal, chain) = (Arc::clone(&keys.seal), keys.chain.clone());
    let ledger = Ledger::new(paths::trail_head(), seal, chain, head);
    sealed.store().stamp(Arc::clone(&ledger) as _).await?;
    Ok(ledger)
}

/// The head that is in the store.
pub(super) async fn head(sealed: &Sealed) -> Result<Head, OpenError> {
    let read = sealed.get(&paths::trail_head()).await?;
    let store = read.at.number();
    if let Some(record) = read.value {
        let head = Head::parse(record.bytes_of(purpose::TRAIL_HEAD)?)?;
        if head.revision != store || record.revision != read.at {
            let head = head.revision;
            return Err(OpenError::HeadElsewhere { head, store });
        }
        return Ok(head);
    }
    // Only the keyring is in a store that has no head yet.
    let all = sealed.store().range(&Prefix::all(), None, 2).await?.value;
    if all.len() > 1 {
        return Err(OpenError::NoHead);
    }
    Ok(Head::newborn(store))
}

/// Compares the trail with the store, and answers what is there of it.
pub(super) async fn reconcile(
    sealed: &Sealed,
    keys: &Keys,
    directory: &FilePath,
    head: &Head,
) -> Result<AuthenticTrail, OpenError> {
    let found = examine(directory, &keys.chain, &head.known())?;
    let (store, trail) = (head.revision, found.mark.store);
    if trail > store {
        return Err(OpenError::OlderStore { store, trail });
    }
    let waiting = waiting(sealed, keys, found.mark.copied).await?;
    if (waiting.events, waiting.sum) != (head.made.events, head.made.sum) {
        return Err(OpenError::Outbox {
            found: waiting.events,
            made: head.made.events,
        });
    }
    Ok(found)
}

/// The events that the trail has, and with them those that wait in the outbox to be copied.
pub(super) async fn waiting(
    sealed: &Sealed,
    keys: &Keys,
    copied: Copied,
) -> Result<Copied, OpenError> {
    let prefix = paths::all_outbox();
    let (mut all, mut after): (Copied, Option<Path>) = (copied, None);
    loop {
        let page = sealed
            .range(&prefix, after.as_ref(), MAX_RANGE)
            .await?
            .value;
        for record in &page {
            record.bytes_of(purpose::OUTBOX)?;
            if record.revision.number() > copied.revision {
                let generation = record.generation.as_bytes();
                let weight = keys.chain.weight(generation);
                all.events += 1;
                all.sum = all.sum.wrapping_add(weight);
            }
        }
        after = page.last().map(|last| last.path.clone());
        if page.len() < MAX_RANGE {
            return Ok(all);
        }
    }
}

/// Puts what a crash left behind the trail beside it, and records that.
pub(super) async fn set_torn_aside(
    sealed: &Sealed,
    directory: &FilePath,
    torn: &Torn,
    (home, clock): (FirstAccount, &dyn Clock),
) -> Result<(), OpenError> {
    let aside = set_aside::copy(directory, torn)?;
    tracing::warn!(
        file = aside.file,
        bytes = aside.bytes,
        "the audit trail ended with bytes that are not authentic, as after a crash: they are set aside"
    );
    let mut batch = sealed.batch();
    let name = ("SetAsideTornTrail", KEYWARD);
    put_event(&mut batch, name, (home, clock), |details| {
        number(details, "segment", torn.at.segment);
        number(details, "offset", torn.at.length);
        number(details, "bytes", aside.bytes);
        details.string("sha256", &aside.sha256);
        details.string("file", &aside.file);
    })?;
    sealed.commit(batch).await?;
    Ok(())
}

/// The source of events of the server itself.
pub(super) const KEYWARD: &str = "keyward";

/// Adds the event of something that was done without a caller, with all that the batch does. It has a name, and the
/// API whose event it is, or [`KEYWARD`].
pub(super) fn put_event(
    batch: &mut SealedBatch,
    name_and_source: (&str, &str),
    ((region, account), clock): ((Region, AccountId), &dyn Clock),
    details: impl FnOnce(&mut Writer<'_>),
) -> Result<(), OpenError> {
    let event_id = uuid::Builder::from_random_bytes(random::array())
        .into_uuid()
        .to_string();
    let changes: Vec<event::ChangedPath> = (batch.written().iter())
        .map(|(path, generation)| (path.as_str().to_owned(), *generation))
        .collect();
    let line = event::render_service_event(
        name_and_source,
        (region, account.as_str(), None),
        (clock.now(), &event_id),
        details,
        &changes,
    );
    let path = paths::outbox(clock.now(), &event_id)?;
    batch.put(path, purpose::OUTBOX, &line, Precondition::Absent)?;
    Ok(())
}

/// Writes a member that is a count.
pub(super) fn number(details: &mut Writer<'_>, name: &'static str, value: u64) {
    details.integer(name, i64::try_from(value).unwrap_or(i64::MAX));
}
