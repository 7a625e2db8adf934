//! The end of volumes that were to be gone when their agent was removed, since nobody is left to say that they
//! are, and of those that are gone and have more records that end with them than the report's batch holds.

use std::collections::BTreeSet;

use keyward_engine::{
    directory::{
        ReadError, paths, purpose,
        records::storage::{AgentRecord, VolumeRecord, Wanted},
        scopes::scopes,
    },
    workers::{NotCommitted, WorkerContext},
};
use keyward_store::{batch::MAX_BATCH_CHANGES, error::CommitError, revision::Revision};
use keyward_types::storage::AgentId;

use crate::agents::{self, NotEnded, Place};

/// The most records that end in one batch, with the volume's own.
const AT_ONCE: usize = 50;
const _: () = assert!(AT_ONCE < MAX_BATCH_CHANGES, "beside the volume");

/// Ends them all. It can stop anywhere and go on later. What cannot be ended holds up nothing else.
pub async fn end(cx: &WorkerContext) {
    let scopes = match scopes(cx.shared()).await {
        Ok(scopes) => scopes,
        Err(error) => {
            tracing::warn!(%error, "volumes of removed agents cannot be ended yet");
            return;
        }
    };
    for scope in scopes {
        let Some(region) = scope.region else { continue };
        let place = (region, scope.account);
        if let Err(error) = end_in(cx, place).await {
            let account = scope.account;
            tracing::warn!(%error, %account, %region, "volumes cannot be ended yet");
        }
    }
}

/// Why a volume has not ended.
#[derive(Debug, thiserror::Error)]
enum EndError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] NotCommitted),
    #[error(transparent)]
    End(#[from] NotEnded),
}

/// Ends those of an account in a Region.
async fn end_in(cx: &WorkerContext, place: Place) -> Result<(), ReadError> {
    for (volume, revision) in left(cx, place).await? {
        let id = volume.id.clone();
        if let Err(error) = end_one(cx, place, (volume, revision)).await {
            let (region, account) = place;
            tracing::warn!(%error, %account, %region, volume = %id, "a volume cannot be ended yet");
        }
    }
    Ok(())
}

/// The volumes that are to be gone, and are or whose agent is.
async fn left(
    cx: &WorkerContext,
    (region, account): Place,
) -> Result<Vec<(VolumeRecord, Revision)>, ReadError> {
    let directory = cx.shared().directory();
    // Read before the agents: a volume's agent was there when the volume was made, so that one that is
    // not there afterwards was removed.
    let prefix = paths::volumes(region, account);
    let mut volumes = directory
        .every_with_revision::<VolumeRecord>(&prefix, purpose::VOLUME)
        .await?;
    volumes.retain(|(volume, _)| volume.wanted == Wanted::Absent);
    if volumes.is_empty() {
        return Ok(volumes);
    }
    let prefix = paths::agents(region, account);
    let agents = directory.every::<AgentRecord>(&prefix, purpose::AGENT);
    let agents: BTreeSet<AgentId> = agents.await?.into_iter().map(|agent| agent.id).collect();
    volumes.retain(|(volume, _)| volume.is_gone() || !agents.contains(&volume.agent));
    Ok(volumes)
}

/// Ends a volume. A request that was under way when its agent was removed may be faster; the next round sees
/// what it did.
async fn end_one(
    cx: &WorkerContext,
    place: Place,
    (mut volume, mut revision): (VolumeRecord, Revision),
) -> Result<(), EndError> {
    let path = paths::volume(place.0, place.1, &volume.id);
    loop {
        let mut batch = cx.batch();
        let is_last = volume.belongings.len() <= AT_ONCE;
        if is_last {
            agents::end(&mut batch, place, (&volume, revision))?;
        } else {
            agents::end_some(&mut batch, place, (&volume, revision), AT_ONCE)?;
        }
        match cx.commit(batch).await {
            Ok(()) if is_last => return Ok(()),
            Ok(()) => {}
            Err(NotCommitted::Commit(CommitError::Conflict { .. })) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let directory = cx.shared().directory();
        match directory.rare(&path, purpose::VOLUME).await? {
            Some(found) => (volume, revision) = found,
            None => return Ok(()),
        }
    }
}
