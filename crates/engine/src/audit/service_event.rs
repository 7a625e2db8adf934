//! Service events: what the system itself did to a resource, recorded in the batch that does it.

use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{account::AccountId, region::Region, time::Timestamp};

use crate::{
    audit::event,
    directory::{paths, purpose},
    fault::Internal,
};

/// What the system itself does to a resource. Whoever commits the change adds the event to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEvent {
    /// Its name, such as `RotateKey`.
    pub name: &'static str,
    /// The service, such as `kms.amazonaws.com`.
    pub source: &'static str,
    /// Where the resource is.
    pub region: Region,
    /// Whose it is.
    pub account: AccountId,
    /// Its ARN.
    pub arn: String,
    /// The members of `serviceEventDetails`.
    pub details: Vec<(&'static str, String)>,
}

impl ServiceEvent {
    /// Adds the event of what this batch does, as the last of it.
    ///
    /// # Errors
    /// When the batch has no room for it.
    pub(crate) fn put(&self, batch: &mut SealedBatch, now: Timestamp) -> Result<(), Internal> {
        let event_id = uuid::Builder::from_random_bytes(keyward_crypto::random::array())
            .into_uuid()
            .to_string();
        let changes = changes(batch);
        let line = event::render_service_event(
            (self.name, self.source),
            (self.region, self.account.as_str(), Some(&self.arn)),
            (now, &event_id),
            |details| {
                for (name, text) in &self.details {
                    details.string(name, text);
                }
            },
            &changes,
        );
        let path = paths::outbox(now, &event_id).map_err(Internal::new)?;
        batch
            .put(path, purpose::OUTBOX, &line, Precondition::Absent)
            .map_err(Internal::new)?;
        Ok(())
    }
}

/// What a batch changes, as events list it. Events are not changes themselves.
pub(crate) fn changes(batch: &SealedBatch) -> Vec<event::ChangedPath> {
    let written = batch.written().iter();
    written
        .filter(|(path, _)| !paths::is_outbox(path))
        .map(|(path, generation)| (path.as_str().to_owned(), *generation))
        .collect()
}

/// Refuses a batch that holds events already: only the engine writes to the outbox.
///
/// # Errors
/// When it does.
pub(crate) fn check_untold(batch: &SealedBatch) -> Result<(), Internal> {
    if batch
        .written()
        .iter()
        .any(|(path, _)| paths::is_outbox(path))
    {
        return Err(Internal::new(
            "a change of an API writes to the outbox of events",
        ));
    }
    Ok(())
}
