//! The end of volumes that were to be gone when their agent was removed, since nobody is left to say that they
//! are, and of those that are gone and have more records that end with them than the report's batch holds. A volume
//! that is to be gone and still has its grant loses it here: whoever wanted it gone could not retire it.

use std::collections::BTreeSet;

use keyward_engine::{
    directory::{
        ReadError, paths, purpose,
        records::storage::{AgentRecord, VolumeRecord, Wanted},
        scopes::scopes,
    },
    fault::Internal,
    forward::{NotDone, Resource, by_worker},
    workers::{NotCommitted, WorkerContext},
};
use keyward_store::{batch::MAX_BATCH_CHANGES, error::CommitError, revision::Revision};
use keyward_types::{storage::AgentId, via_service::ActingService};
use keyward_wire::json::Writer;

use crate::{
    Keyward,
    agents::{self, AccountRegion, NotEnded},
};

/// The most records that end in one batch, with the volume's own.
const AT_ONCE: usize = 50;
const _: () = assert!(AT_ONCE < MAX_BATCH_CHANGES, "beside the volume");

/// Ends them all. It can stop anywhere and continue later. One that cannot be ended does not delay
/// the others.
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
    #[error("its grant cannot be retired: {}", .0.chain())]
    Retire(Internal),
}

/// Ends those of an account in a Region.
async fn end_in(cx: &WorkerContext, place: AccountRegion) -> Result<(), ReadError> {
    for (volume, revision, ends) in left(cx, place).await? {
        let id = volume.id.clone();
        let ended = async {
            retire(cx, place, &volume).await?;
            match ends {
                true => end_one(cx, place, (volume, revision)).await,
                false => Ok(()),
            }
        };
        if let Err(error) = ended.await {
            let (region, account) = place;
            tracing::warn!(%error, %account, %region, volume = %id, "a volume cannot be ended yet");
        }
    }
    Ok(())
}

/// Retires the grants of a volume, as the service that it belongs to, if there still is one.
async fn retire(
    cx: &WorkerContext,
    (region, account): AccountRegion,
    volume: &VolumeRecord,
) -> Result<(), EndError> {
    let Some(key) = &volume.key else {
        return Ok(());
    };
    if !agents::has_grant(cx.reader(), region, volume).await? {
        return Ok(());
    }
    let service = ActingService::find(&volume.service)
        .ok_or_else(|| EndError::Retire(Internal::new("a volume belongs to no service")))?;
    let resource = Resource {
        arn: &volume.source,
        account,
    };
    for grant in key.grants() {
        let body = Writer::render(256, |out| {
            out.string("KeyId", &key.key);
            out.string("GrantId", grant);
        });
        let named = ("kms", "RetireGrant");
        let retired = by_worker::<Keyward>(cx, region, (service, resource), named, &body);
        match retired.await {
            // It is refused only if the grant or its key has gone meanwhile.
            Ok(_) | Err(NotDone::Refused(_)) => {}
            Err(NotDone::Failed(internal)) => return Err(EndError::Retire(internal)),
        }
    }
    Ok(())
}

/// The volumes that are being deleted, and whether they can end: because they are gone, or their
/// agent is.
async fn left(
    cx: &WorkerContext,
    (region, account): AccountRegion,
) -> Result<Vec<(VolumeRecord, Revision, bool)>, ReadError> {
    let directory = cx.shared().directory();
    // Read before the agents: a volume's agent was there when the volume was made, so that one that is
    // not there afterwards was removed.
    let prefix = paths::volumes(region, account);
    let mut volumes = directory
        .every_with_revision::<VolumeRecord>(&prefix, purpose::VOLUME)
        .await?;
    volumes.retain(|(volume, _)| volume.wanted == Wanted::Absent);
    if volumes.is_empty() {
        return Ok(Vec::new());
    }
    let prefix = paths::agents(region, account);
    let agents = directory.every::<AgentRecord>(&prefix, purpose::AGENT);
    let agents: BTreeSet<AgentId> = agents.await?.into_iter().map(|agent| agent.id).collect();
    let found = volumes.into_iter().map(|(volume, revision)| {
        let ends = volume.is_gone() || !agents.contains(&volume.agent);
        (volume, revision, ends)
    });
    Ok(found.collect())
}

/// Ends a volume. A request that was running when its agent was removed may be faster; the next round sees
/// what it did.
async fn end_one(
    cx: &WorkerContext,
    place: AccountRegion,
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
