//! DB instances as requests see them: their records with the volumes that hold them, and how they are protected.

use keyward_engine::{
    caller::Caller,
    context::Context,
    directory::{
        paths, purpose,
        records::{
            self,
            database::{DatabaseRecord, DatabaseState},
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
use keyward_types::{account::AccountId, arn::ArnParts, region::Region, tag::Tag, time::Timestamp};

use crate::{
    Cx,
    fault::RdsFault,
    protected::{Traits, tagged},
    records::DbInstanceRecord,
};

/// What stands in paths for DB instances.
pub(crate) const KIND: Segment<'static> = Segment::word("db-instance");
/// How long the data of an instance can come back whose key cannot be used, in milliseconds: seven days.
pub const RECOVERABLE: i64 = 7 * 24 * 3600 * 1000;
/// The status from which an instance can come back.
pub const RECOVERABLE_STATUS: &str = "inaccessible-encryption-credentials-recoverable";

/// A DB instance with its volume.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its record.
    pub record: DbInstanceRecord,
    /// When that was last written.
    pub revision: Revision,
    /// Its volume.
    pub volume: VolumeRecord,
    /// When that was last written.
    pub volume_revision: Revision,
}

impl Instance {
    /// The database on its volume.
    ///
    /// # Errors
    /// When there is none, which never is.
    pub fn database(&self) -> Result<&DatabaseRecord, Internal> {
        let database = self.volume.database.as_deref();
        database.ok_or_else(|| Internal::new("the volume of a DB instance has no database"))
    }

    /// `DBInstanceStatus`: what is wanted of the volume and its database, and what the agent says.
    pub fn status(&self, now: Timestamp) -> &'static str {
        let volume = &self.volume;
        if volume.wanted == Wanted::Absent || volume.copies.last.is_some() {
            return "deleting";
        }
        let Ok(database) = self.database() else {
            return "failed";
        };
        if let Some(since) = database.locked {
            return match now < since.plus_millis(RECOVERABLE) {
                true => RECOVERABLE_STATUS,
                false => "inaccessible-encryption-credentials",
            };
        }
        let not_yet = match (database.ran, database.running) {
            (false, _) => "creating",
            (true, true) => "starting",
            (true, false) => "stopping",
        };
        let on_agent = volume.reported.as_ref().map(|reported| reported.state);
        let reported = database.reported.as_ref();
        match (on_agent, reported.map(|reported| reported.state)) {
            (Some(VolumeState::Failed | VolumeState::Gone), _) => "failed",
            (None, _) | (Some(VolumeState::Ready), None) => not_yet,
            (Some(VolumeState::Ready), Some(DatabaseState::Failed | DatabaseState::Running))
                if database.running && reported.is_some_and(|reported| reported.is_full) =>
            {
                "storage-full"
            }
            (Some(VolumeState::Ready), Some(DatabaseState::Failed)) if database.running => "failed",
            (Some(VolumeState::Ready), Some(DatabaseState::Stopped)) if !database.running => {
                "stopped"
            }
            (Some(VolumeState::Ready), Some(state)) => {
                let is_behind = reported
                    .is_some_and(|reported| reported.restart_epoch < database.restart_epoch);
                let has_old_password = reported
                    .is_some_and(|reported| reported.password_epoch < database.password_epoch);
                match state {
                    _ if !database.running => "stopping",
                    _ if is_behind && database.ran => "rebooting",
                    DatabaseState::Running if has_old_password => "resetting-master-credentials",
                    DatabaseState::Running => "available",
                    DatabaseState::Starting | DatabaseState::Stopped | DatabaseState::Failed => {
                        not_yet
                    }
                }
            }
        }
    }

    /// The instance, if its status is `available`.
    ///
    /// # Errors
    /// If it is not.
    pub fn available(&self, now: Timestamp) -> Result<&Self, RdsFault> {
        match self.status(now) {
            "available" => Ok(self),
            _ => Err(RdsFault::InvalidDbInstanceState(format!(
                "Instance {} is not in available state.",
                self.record.name
            ))),
        }
    }
}

/// The ARN of a DB instance.
pub fn arn(region: Region, account: AccountId, name: &str) -> String {
    let partition = region.partition();
    format!("arn:{partition}:rds:{region}:{account}:db:{name}")
}

/// Where the instance's record stands that has a name in small letters.
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

/// The name of a resource of a kind, such as `db`, in small letters, that a request names so or by its ARN in the
/// caller's account and Region; none if the ARN is of another one.
pub fn own_name(named: &str, kind: &str, cx: &Context<'_>) -> Option<String> {
    let Some(parts) = ArnParts::parse(named) else {
        return Some(named.to_ascii_lowercase());
    };
    let is_own = parts.service == "rds"
        && parts.region == cx.region.as_str()
        && parts.account == cx.account().as_str();
    let (of, name) = parts.resource.split_once(':')?;
    (is_own && of == kind).then(|| name.to_ascii_lowercase())
}

impl Cx<'_> {
    /// A DB instance of the caller's account and Region, by its name in small letters.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn instance(&self, name: &str) -> Result<Option<Instance>, RdsFault> {
        let path = path(self, name);
        let directory = self.directory();
        let found = directory.rare::<DbInstanceRecord>(&path, purpose::DB_INSTANCE);
        let Some((record, revision)) = found.await? else {
            return Ok(None);
        };
        let path = paths::volume(self.region, self.account(), &record.id);
        let volume = directory.rare::<VolumeRecord>(&path, purpose::VOLUME);
        // They are made and end in one batch each; between the two reads it may have ended.
        Ok(volume.await?.map(|(volume, volume_revision)| Instance {
            record,
            revision,
            volume,
            volume_revision,
        }))
    }

    /// A DB instance that a request names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn named_instance(&self, named: &str) -> Result<OneInstance, RdsFault> {
        let name = own_name(named, "db", self).ok_or_else(|| RdsFault::DbInstanceNotFound {
            name: named.to_owned(),
        })?;
        let found = self.instance(&name).await?;
        let traits = found
            .as_ref()
            .map(|found| found.record.traits())
            .unwrap_or_default();
        Ok(OneInstance {
            arn: arn(self.region, self.account(), &name),
            name,
            found: found.map(Box::new),
            traits,
        })
    }

    /// Every DB instance of the caller's account and Region, by name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn instances(&self) -> Result<Vec<Instance>, RdsFault> {
        let prefix = paths::below_scoped(self.region, self.account(), [KIND]);
        let directory = self.directory();
        let records =
            directory.every_with_revision::<DbInstanceRecord>(&prefix, purpose::DB_INSTANCE);
        let records = records.await?;
        let prefix = paths::volumes(self.region, self.account());
        let volumes = directory.every_with_revision::<VolumeRecord>(&prefix, purpose::VOLUME);
        let mut volumes = volumes.await?;
        let mut found = Vec::with_capacity(records.len());
        for (record, revision) in records {
            let at = volumes.iter().position(|(one, _)| one.id == record.id);
            if let Some(at) = at {
                let (volume, volume_revision) = volumes.swap_remove(at);
                found.push(Instance {
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

    /// A batch after which an instance has this record.
    ///
    /// # Errors
    /// When the record is too large.
    pub fn put_instance(
        &self,
        batch: &mut SealedBatch,
        record: &DbInstanceRecord,
        precondition: Precondition,
    ) -> Result<(), RdsFault> {
        let bytes = records::encode(record).map_err(Internal::new)?;
        let path = path(self, &record.name);
        batch.put(path, purpose::DB_INSTANCE, &bytes, precondition)?;
        Ok(())
    }

    /// A batch after which a volume has this record.
    ///
    /// # Errors
    /// When the record is too large.
    pub fn put_volume(
        &self,
        batch: &mut SealedBatch,
        volume: &VolumeRecord,
        precondition: Precondition,
    ) -> Result<(), RdsFault> {
        let bytes = records::encode(volume).map_err(Internal::new)?;
        let path = paths::volume(self.region, self.account(), &volume.id);
        batch.put(path, purpose::VOLUME, &bytes, precondition)?;
        Ok(())
    }
}

/// A DB instance that a request names, which may not be there.
#[derive(Clone, Debug)]
pub struct OneInstance {
    /// Its name.
    pub name: String,
    arn: String,
    found: Option<Box<Instance>>,
    traits: Traits,
}

impl OneInstance {
    /// One that is to be made, so that there is nothing to read.
    pub fn to_be_made(cx: &Context<'_>, name: &str, traits: Traits) -> Self {
        Self {
            name: name.to_owned(),
            arn: arn(cx.region, cx.account(), name),
            found: None,
            traits,
        }
    }

    /// With the tags that a request gives it.
    #[must_use]
    pub fn with_request_tags(mut self, tags: &[Tag]) -> Self {
        self.traits.request_tags = tags.to_vec();
        self
    }

    /// The instance.
    ///
    /// # Errors
    /// If it is not there.
    pub fn get(&self) -> Result<&Instance, RdsFault> {
        let found = self.found.as_deref();
        found.ok_or_else(|| RdsFault::DbInstanceNotFound {
            name: self.name.clone(),
        })
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}

impl Protected for OneInstance {
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
        match key.strip_prefix("rds:db-tag/") {
            Some(name) => Some(tagged(self.tags(), name)),
            None => self.traits.value(key),
        }
    }
}
