//! Access points as requests see them: entries into a file system, with a user and a root directory of
//! their own.

use keyward_engine::{
    caller::Caller,
    context::Context,
    directory::{
        paths, purpose,
        records::{self, storage::VolumeRecord},
    },
    fault::Internal,
    gate::protected::Protected,
    policy::request::Resource,
};
use keyward_store::{
    batch::Precondition,
    path::{Path, Segment},
    revision::Revision,
    sealed::SealedBatch,
};
use keyward_types::{account::AccountId, region::Region, tag::Tag};
use keyward_wire::json::Writer;

use crate::{
    Cx,
    fault::EfsFault,
    file_system::{FileSystem, denial, own_id},
    records::{AccessPointRecord, CreationTokenRecord, PosixUser},
};

/// The path segment for access points.
pub const KIND: Segment<'static> = Segment::word("access-point");
/// The path segment for their client tokens.
const TOKEN_KIND: Segment<'static> = Segment::word("access-point-token");

/// The ARN of an access point.
pub fn arn(region: Region, account: AccountId, id: &str) -> String {
    let partition = region.partition();
    format!("arn:{partition}:elasticfilesystem:{region}:{account}:access-point/{id}")
}

/// The path of an access point's record.
///
/// # Errors
/// When the id is not a segment of a path.
pub fn path(cx: &Context<'_>, id: &str) -> Result<Path, EfsFault> {
    Ok(paths::of_kind(cx.region, cx.account(), KIND, id)?)
}

/// Where it is recorded which access point was created with a token.
pub fn token_path(cx: &Context<'_>, token: &str) -> Path {
    let home = paths::regional_name_home(cx.region, cx.account());
    let reader = cx.directory().reader();
    let hash = reader.name_hash(home.as_str(), TOKEN_KIND.as_str(), token);
    paths::scoped(cx.region, cx.account(), [TOKEN_KIND, (&hash).into()])
}

/// An access point that a request names, which may not be there.
#[derive(Clone, Debug)]
pub struct OneAccessPoint {
    /// Its id.
    pub id: String,
    arn: String,
    found: Option<Box<(AccessPointRecord, Revision)>>,
}

impl OneAccessPoint {
    /// One that is to be made under a new id, so that there is nothing to read.
    pub fn to_be_made(cx: &Context<'_>, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            arn: arn(cx.region, cx.account(), id),
            found: None,
        }
    }

    /// The access point, and when it was last written.
    ///
    /// # Errors
    /// If it is not there.
    pub fn get(&self) -> Result<&(AccessPointRecord, Revision), EfsFault> {
        self.found
            .as_deref()
            .ok_or_else(|| EfsFault::AccessPointNotFound {
                id: self.id.clone(),
            })
    }
}

impl Cx<'_> {
    /// An access point that a request names by its id or ARN.
    ///
    /// # Errors
    /// When it cannot be read, or is named by the ARN of another account or Region.
    pub async fn named_access_point(&self, named: &str) -> Result<OneAccessPoint, EfsFault> {
        let id = own_id(named, self).ok_or_else(|| EfsFault::AccessPointNotFound {
            id: named.to_owned(),
        })?;
        let path = path(self, &id)?;
        let found = self
            .directory()
            .rare::<AccessPointRecord>(&path, purpose::ACCESS_POINT);
        Ok(OneAccessPoint {
            arn: arn(self.region, self.account(), &id),
            found: found.await?.map(Box::new),
            id,
        })
    }

    /// Every access point of the caller's account and Region, by id.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn access_points(&self) -> Result<Vec<AccessPointRecord>, EfsFault> {
        let prefix = paths::below_scoped(self.region, self.account(), [KIND]);
        let directory = self.directory();
        let found = directory.every::<AccessPointRecord>(&prefix, purpose::ACCESS_POINT);
        Ok(found.await?)
    }

    /// The access point that was created with a token.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn access_point_with(&self, token: &str) -> Result<Option<String>, EfsFault> {
        let path = token_path(self, token);
        let found = self
            .directory()
            .rare::<CreationTokenRecord>(&path, purpose::CREATION_TOKEN);
        Ok(found.await?.map(|(record, _)| record.id))
    }

    /// Writes an access point.
    ///
    /// # Errors
    /// When the record is too large.
    pub fn put_access_point(
        &self,
        batch: &mut SealedBatch,
        record: &AccessPointRecord,
        when: Precondition,
    ) -> Result<(), EfsFault> {
        let bytes = records::encode(record).map_err(Internal::new)?;
        batch.put(path(self, &record.id)?, purpose::ACCESS_POINT, &bytes, when)?;
        Ok(())
    }

    /// Changes what ends with a file system's volume, so that its clients may use another access point, or
    /// may not use one any more.
    ///
    /// # Errors
    /// When the record is too large.
    pub fn change_belongings(
        &self,
        batch: &mut SealedBatch,
        file_system: &FileSystem,
        belongings: Vec<String>,
    ) -> Result<(), EfsFault> {
        let volume = VolumeRecord {
            belongings,
            authorization: file_system.volume.authorization.saturating_add(1),
            ..file_system.volume.clone()
        };
        let bytes = records::encode(&volume).map_err(Internal::new)?;
        let path = paths::volume(self.region, self.account(), &volume.id);
        let at = Precondition::At(file_system.volume_revision);
        batch.put(path, purpose::VOLUME, &bytes, at)?;
        Ok(())
    }
}

impl Protected for OneAccessPoint {
    fn resource(&self, caller: &Caller) -> Option<Resource<'_>> {
        let principal = caller.principal();
        let account = principal.account()?;
        Some(Resource::identity_only(
            &self.arn,
            principal.partition(),
            account,
        ))
    }

    fn shown(&self) -> &str {
        &self.arn
    }

    fn tags(&self) -> &[Tag] {
        match self.found.as_deref() {
            Some((record, _)) => &record.tags,
            None => &[],
        }
    }

    fn denial(&self, caller: &Caller, action: &str) -> Option<String> {
        Some(denial(caller, action))
    }
}

fn write_user(user: &PosixUser, out: &mut Writer<'_>) {
    out.integer("Uid", i64::from(user.uid));
    out.integer("Gid", i64::from(user.gid));
    if !user.secondary_gids.is_empty() {
        out.array("SecondaryGids", |list| {
            for gid in &user.secondary_gids {
                list.integer(i64::from(*gid));
            }
        });
    }
}

fn write_root(record: &AccessPointRecord, out: &mut Writer<'_>) {
    out.string("Path", &record.path);
    if let Some(info) = &record.creation_info {
        out.object("CreationInfo", |out| {
            out.integer("OwnerUid", i64::from(info.uid));
            out.integer("OwnerGid", i64::from(info.gid));
            out.string("Permissions", &info.permissions);
        });
    }
}

/// Writes what clients of an access point get: the directory, and the user.
pub fn write_view(record: &AccessPointRecord, out: &mut Writer<'_>) {
    write_root(record, out);
    if let Some(user) = &record.posix_user {
        out.object("PosixUser", |out| write_user(user, out));
    }
}

/// An access point as answers show it.
#[derive(Clone, Debug)]
pub struct DescribedAccessPoint {
    /// Its record.
    pub record: AccessPointRecord,
    region: Region,
    account: AccountId,
}

impl DescribedAccessPoint {
    /// An access point of the caller's account and Region.
    pub fn new(record: AccessPointRecord, cx: &Context<'_>) -> Self {
        Self {
            record,
            region: cx.region,
            account: cx.account(),
        }
    }

    /// Writes it.
    pub fn write(&self, out: &mut Writer<'_>) {
        let record = &self.record;
        out.string("ClientToken", &record.token);
        let name = record.tags.iter().find(|tag| tag.key == "Name");
        if let Some(name) = name {
            out.string("Name", &name.value);
        }
        out.array("Tags", |list| {
            for tag in &record.tags {
                list.object(|out| {
                    out.string("Key", &tag.key);
                    out.string("Value", &tag.value);
                });
            }
        });
        out.string("AccessPointId", &record.id);
        let arn = arn(self.region, self.account, &record.id);
        out.string("AccessPointArn", &arn);
        out.string("FileSystemId", &record.file_system);
        if let Some(user) = &record.posix_user {
            out.object("PosixUser", |out| write_user(user, out));
        }
        out.object("RootDirectory", |out| write_root(record, out));
        out.string("OwnerId", self.account.as_str());
        out.string("LifeCycleState", "available");
    }
}
