//! The end of volumes: their agent is told that they are to be gone. Where it is gone itself, they end at once.

use keyward_engine::directory::{
    paths, purpose,
    records::storage::{AgentRecord, MOST_BELONGINGS, VolumeKey, VolumeRecord},
};
use keyward_store::{batch::Precondition, path::Path, revision::Revision, sealed::SealedBatch};

use crate::{
    Cx,
    fault::RdsFault,
    snapshot::{self, Snapshot},
};

impl Cx<'_> {
    /// Whether the agent of a volume is still there to end it.
    ///
    /// # Errors
    /// When that cannot be read.
    pub async fn has_agent(&self, volume: &VolumeRecord) -> Result<bool, RdsFault> {
        let path = paths::agent(self.region, self.account(), &volume.agent);
        let agent = self.directory().rare::<AgentRecord>(&path, purpose::AGENT);
        Ok(agent.await?.is_some())
    }

    /// Has a batch end the volume of the resource whose record stands at `own`, which must not have changed.
    ///
    /// # Errors
    /// When the batch has no room.
    pub fn end(
        &self,
        batch: &mut SealedBatch,
        (volume, revision): (&VolumeRecord, Revision),
        (own, unchanged): (&Path, Precondition),
        has_agent: bool,
    ) -> Result<VolumeRecord, RdsFault> {
        let ended = volume.ended(self.now);
        let at = Precondition::At(revision);
        let fits = volume.belongings.len() <= MOST_BELONGINGS && volume.key.is_none();
        if has_agent || !fits {
            self.put_volume(batch, &ended, at)?;
            batch.check(own.clone(), unchanged)?;
            return Ok(ended);
        }
        // Nobody is left to say that it is gone. If it has grants or more than fits a batch, a worker ends it, as it
        // does with those that were to be gone before.
        batch.delete(paths::volume(self.region, self.account(), &volume.id), at)?;
        for path in &volume.belongings {
            let path = Path::parse(path)?;
            let precondition = if path == *own {
                unchanged
            } else {
                Precondition::Any
            };
            batch.delete(path, precondition)?;
        }
        Ok(ended)
    }

    /// Has a batch end a snapshot, whose name is free afterwards. Answers its data key, whose grants are to be retired
    /// then.
    ///
    /// # Errors
    /// When the batch has no room.
    pub async fn end_snapshot(
        &self,
        batch: &mut SealedBatch,
        found: &Snapshot,
    ) -> Result<Option<VolumeKey>, RdsFault> {
        let path = snapshot::path(self, &found.record.name);
        batch.delete(path, Precondition::At(found.revision))?;
        let at = Precondition::At(found.volume_revision);
        let volume = &found.volume;
        if volume.key.is_none() && !self.has_agent(volume).await? {
            let path = paths::volume(self.region, self.account(), &volume.id);
            batch.delete(path, at)?;
        } else {
            self.put_volume(batch, &volume.ended(self.now), at)?;
        }
        Ok(volume.key.clone())
    }
}
