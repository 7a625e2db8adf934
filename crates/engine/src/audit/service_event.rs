//! Service events: what the system itself did to a resource, written into the batch that does it.

use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{account::AccountId, region::Region, time::Timestamp};
use keyward_wire::json::Writer;

use crate::{
    audit::event,
    directory::{paths, purpose},
    fault::Internal,
};

/// Adds the event of what this batch does to a resource: its name and source, and where it is.
///
/// # Errors
/// When the batch has no room for it.
pub fn put(
    batch: &mut SealedBatch,
    (name, source): (&str, &str),
    (region, account, arn): (Region, AccountId, &str),
    now: Timestamp,
    details: impl FnOnce(&mut Writer<'_>),
) -> Result<(), Internal> {
    let event_id = uuid::Builder::from_random_bytes(keyward_crypto::random::array())
        .into_uuid()
        .to_string();
    let changes: Vec<event::Changed> = batch
        .written()
        .iter()
        .map(|(path, generation)| (path.as_str().to_owned(), *generation))
        .collect();
    let line = event::render_service_event(
        (name, source),
        (region, account.as_str(), Some(arn)),
        (now, &event_id),
        details,
        &changes,
    );
    let path = paths::outbox(now, &event_id).map_err(Internal::new)?;
    batch
        .put(path, purpose::OUTBOX, &line, Precondition::Absent)
        .map_err(Internal::new)?;
    Ok(())
}
