//! Volumes that are made from others, as agents hear of them: snapshots, copies of those, and what is restored from them.
//!
//! Where a volume is still to be made from another, both are stored by one agent, and the other one stays.

use keyward_engine::directory::{
    ReadError, paths, purpose,
    records::{
        database::Happened,
        storage::{VolumeRecord, VolumeState},
    },
};
use keyward_store::{revision::Revision, sealed::SealedBatch};
use keyward_types::{storage::VolumeId, time::Timestamp};
use keyward_wire::json::Writer;

use crate::{
    Cx,
    agents::{self, AccountRegion},
    fault::KeywardFault,
};

/// What tells one state of what is wanted of a volume as a copy from another.
pub fn told(volume: &VolumeRecord) -> String {
    let origin = volume.unmade_copy();
    let origin = origin.map(|origin| format!(" {} {}", origin.volume, origin.reseals));
    let at_rest = if volume.copies.at_rest {
        " at rest"
    } else {
        ""
    };
    format!("{at_rest}{}", origin.unwrap_or_default())
}

/// Writes what is wanted of a volume as a copy.
pub fn write(volume: &VolumeRecord, out: &mut Writer<'_>) {
    if volume.copies.at_rest {
        out.boolean("AtRest", true);
    }
    if let Some(origin) = volume.unmade_copy() {
        out.object("Origin", |out| {
            out.string("VolumeId", origin.volume.as_str());
            out.boolean("Reseal", origin.reseals);
        });
    }
}

/// Whether another volume is still to be made from one.
///
/// # Errors
/// When the volumes cannot be read.
pub async fn is_being_copied(
    cx: &Cx<'_>,
    (region, account): AccountRegion,
    id: &VolumeId,
) -> Result<bool, ReadError> {
    let prefix = paths::volumes(region, account);
    let all = cx
        .directory()
        .every::<VolumeRecord>(&prefix, purpose::VOLUME);
    Ok(all.await?.iter().any(|volume| volume.is_made_from(id)))
}

/// The copies that a report says are made for the first time.
#[derive(Debug, Default)]
pub struct Made(Vec<(VolumeId, VolumeId)>);

impl Made {
    /// Takes down that a volume is there, if it is a snapshot that was not there before.
    pub fn hear(&mut self, before: &VolumeRecord) {
        let origin = before.unmade_copy().filter(|_| before.copies.at_rest);
        if let Some(origin) = origin {
            self.0.push((origin.volume.clone(), before.id.clone()));
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What becomes of the volume of a database of which these are snapshots: it ends, if one of them is its last.
    pub fn apply(&self, volume: &mut VolumeRecord, now: Timestamp) -> bool {
        let copies = self.0.iter().filter(|(origin, _)| *origin == volume.id);
        let copies: Vec<&VolumeId> = copies.map(|(_, copy)| copy).collect();
        let Some(database) = &mut volume.database else {
            return false;
        };
        for _ in &copies {
            database.happened(now, Happened::BackedUp);
        }
        let last = volume.copies.last.as_ref();
        if last.is_some_and(|last| copies.contains(&last)) {
            *volume = volume.ended(now);
        }
        !copies.is_empty()
    }

    /// Has a batch write what becomes of those of which these are snapshots, and which it does not write yet.
    ///
    /// # Errors
    /// When they cannot be read, or the batch has no room.
    pub async fn put_others(
        &self,
        batch: &mut SealedBatch,
        written: &[VolumeId],
        cx: &Cx<'_>,
    ) -> Result<(), KeywardFault> {
        let (agent, _) = agents::caller(cx)?;
        let place = (agent.region, agent.account);
        let mut others: Vec<&VolumeId> = self.0.iter().map(|(origin, _)| origin).collect();
        others.retain(|origin| !written.contains(origin));
        others.sort_unstable();
        others.dedup();
        for origin in others {
            let path = paths::volume(place.0, place.1, origin);
            let found = cx.directory().rare::<VolumeRecord>(&path, purpose::VOLUME);
            let found: Option<(VolumeRecord, Revision)> = found.await?;
            let Some((mut volume, revision)) = found else {
                continue;
            };
            if self.apply(&mut volume, cx.now) {
                agents::put(batch, place, (&volume, revision))?;
            }
        }
        Ok(())
    }
}

/// Keeps when a volume that is made from another was first there.
pub fn hear(volume: &mut VolumeRecord, state: VolumeState, now: Timestamp) {
    if let Some(origin) = &mut volume.copies.origin
        && state == VolumeState::Ready
    {
        origin.copied.get_or_insert(now);
    }
}
