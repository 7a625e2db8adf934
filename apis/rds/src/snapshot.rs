//! DB snapshots as requests see them: their records with the volumes that hold them, and how they are protected.

use keyward_engine::{
    caller::Caller,
    context::Context,
    directory::{
        paths, purpose,
        records::{
            self,
            storage::{VolumeRecord, VolumeState, Wanted},
        },
    },
    fault::Internal,
    gate::protected::Protected,
    policy::{attributes::Values, request::Resource},
};
use keyward_store::{
    batch::Precondition,
    path::{Path, Segment},
    revision::Revision,
    sealed::SealedBatch,
};
use keyward_types::{account::AccountId, region::Region, tag::Tag};

use crate::{
    Cx,
    data_key::Original,
    fault::RdsFault,
    instance::own_name,
    protected::{Traits, tagged},
    records::DbSnapshotRecord,
};

/// What stands in paths for DB snapshots.
pub(crate) const KIND: Segment<'static> = Segment::word("db-snapshot");

/// A DB snapshot with its volume.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its record.
    pub record: DbSnapshotRecord,
    /// When that was last written.
    pub revision: Revision,
    /// Its volume.
    pub volume: VolumeRecord,
    /// When that was last written.
    pub volume_revision: Revision,
}

impl Snapshot {
    /// `Status`: what the agent says of the volume.
    pub fn status(&self) -> &'static str {
        let reported = self.volume.reported.as_ref();
        match reported.map(|reported| reported.state) {
            Some(VolumeState::Failed | VolumeState::Gone) => "failed",
            _ if self.volume.was_made() => "available",
            Some(VolumeState::Ready) | None => "creating",
        }
    }

    /// The snapshot, if it can be copied and restored.
    ///
    /// # Errors
    /// If its status is not `available`.
    pub fn available(&self) -> Result<&Self, RdsFault> {
        match self.status() {
            "available" => Ok(self),
            status => Err(RdsFault::InvalidDbSnapshotState(format!(
                "The DB snapshot {} is not in the available state: it is {status}.",
                self.record.name
            ))),
        }
    }

    /// What a copy of it is made from, if it is encrypted.
    pub fn original(&self) -> Option<Original<'_>> {
        let key = self.volume.key.as_ref()?;
        Some(Original {
            arn: &self.volume.source,
            key,
        })
    }
}

/// The ARN of a DB snapshot.
pub fn arn(region: Region, account: AccountId, name: &str) -> String {
    let partition = region.partition();
    format!("arn:{partition}:rds:{region}:{account}:snapshot:{name}")
}

/// Where the snapshot's record stands that has a name in small letters.
pub fn path(cx: &Context<'_>, name: &str) -> Path {
    path_in(cx, (cx.region, cx.account()), name)
}

/// As [`path`], in whatever account and Region.
pub fn path_in(cx: &Context<'_>, (region, account): (Region, AccountId), name: &str) -> Path {
    let home = paths::regional_name_home(region, account);
    let reader = cx.directory().reader();
    let hash = reader.name_hash(home.as_str(), KIND.as_str(), name);
    paths::scoped(region, account, [KIND, (&hash).into()])
}

impl Cx<'_> {
    /// A DB snapshot of the caller's account and Region, by its name in small letters.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn snapshot(&self, name: &str) -> Result<Option<Snapshot>, RdsFault> {
        let path = path(self, name);
        let directory = self.directory();
        let found = directory.rare::<DbSnapshotRecord>(&path, purpose::DB_SNAPSHOT);
        let Some((record, revision)) = found.await? else {
            return Ok(None);
        };
        let path = paths::volume(self.region, self.account(), &record.id);
        let volume = directory.rare::<VolumeRecord>(&path, purpose::VOLUME);
        // Between the two reads it may have been deleted.
        Ok(volume.await?.map(|(volume, volume_revision)| Snapshot {
            record,
            revision,
            volume,
            volume_revision,
        }))
    }

    /// A DB snapshot that a request names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn named_snapshot(&self, named: &str) -> Result<OneSnapshot, RdsFault> {
        let not_found = || RdsFault::DbSnapshotNotFound {
            name: named.to_owned(),
        };
        let name = own_name(named, "snapshot", self).ok_or_else(not_found)?;
        let found = self.snapshot(&name).await?;
        Ok(OneSnapshot {
            arn: arn(self.region, self.account(), &name),
            name,
            found: found.map(Box::new),
            traits: Traits::default(),
        })
    }

    /// Every DB snapshot of the caller's account and Region, by name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>, RdsFault> {
        let prefix = paths::below_scoped(self.region, self.account(), [KIND]);
        let directory = self.directory();
        let records =
            directory.every_with_revision::<DbSnapshotRecord>(&prefix, purpose::DB_SNAPSHOT);
        let records = records.await?;
        let prefix = paths::volumes(self.region, self.account());
        let volumes = directory.every_with_revision::<VolumeRecord>(&prefix, purpose::VOLUME);
        let mut volumes = volumes.await?;
        volumes.retain(|(volume, _)| volume.wanted == Wanted::Present && volume.copies.at_rest);
        let mut found = Vec::with_capacity(records.len());
        for (record, revision) in records {
            let at = volumes.iter().position(|(one, _)| one.id == record.id);
            if let Some(at) = at {
                let (volume, volume_revision) = volumes.swap_remove(at);
                found.push(Snapshot {
                    record,
                    revision,
                    volume,
                    volume_revision,
                });
            }
        }
        found.sort_by(|one, other| one.record.name.cmp(&other.record.name));
        Ok(found)
    }

    /// A batch after which a snapshot has this record.
    ///
    /// # Errors
    /// When the record is too large.
    pub fn put_snapshot(
        &self,
        batch: &mut SealedBatch,
        record: &DbSnapshotRecord,
        precondition: Precondition,
    ) -> Result<(), RdsFault> {
        let bytes = records::encode(record).map_err(Internal::new)?;
        let path = path(self, &record.name);
        batch.put(path, purpose::DB_SNAPSHOT, &bytes, precondition)?;
        Ok(())
    }
}

/// A DB snapshot that a request names, which may not be there.
#[derive(Clone, Debug)]
pub struct OneSnapshot {
    /// Its name.
    pub name: String,
    arn: String,
    found: Option<Box<Snapshot>>,
    traits: Traits,
}

impl OneSnapshot {
    /// One that is to be made, so that there is nothing to read.
    pub fn to_be_made(cx: &Context<'_>, name: &str, tags: &[Tag]) -> Self {
        Self {
            name: name.to_owned(),
            arn: arn(cx.region, cx.account(), name),
            found: None,
            traits: Traits::default(),
        }
        .with_request_tags(tags)
    }

    /// With the tags that a request gives it.
    #[must_use]
    pub fn with_request_tags(mut self, tags: &[Tag]) -> Self {
        self.traits.request_tags = tags.to_vec();
        self
    }

    /// The snapshot.
    ///
    /// # Errors
    /// If it is not there.
    pub fn get(&self) -> Result<&Snapshot, RdsFault> {
        let found = self.found.as_deref();
        found.ok_or_else(|| RdsFault::DbSnapshotNotFound {
            name: self.name.clone(),
        })
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}

impl Protected for OneSnapshot {
    fn resource(&self, caller: &Caller) -> Option<Resource<'_>> {
        let principal = caller.principal();
        let (partition, account) = (principal.partition(), principal.account()?);
        Some(Resource::identity_only(&self.arn, partition, account))
    }

    fn shown(&self) -> &str {
        &self.arn
    }

    fn tags(&self) -> &[Tag] {
        match &self.found {
            Some(found) => &found.record.tags,
            None => &[],
        }
    }

    fn value(&self, key: &str, _cx: &Context<'_>) -> Option<Values<'_>> {
        match key.strip_prefix("rds:snapshot-tag/") {
            Some(name) => Some(tagged(self.tags(), name)),
            None => self.traits.value(key),
        }
    }
}
