//! File systems as requests see them: their records with the volumes that hold them, and how they are
//! protected.

use std::collections::BTreeSet;

use keyward_engine::{
    caller::Caller,
    context::Context,
    directory::{
        paths, purpose,
        records::{
            self,
            storage::{AgentRecord, VolumeRecord, VolumeState, Wanted},
        },
    },
    fault::Internal,
    gate::protected::Protected,
    policy::request::Resource,
};
use keyward_store::{
    batch::Precondition,
    path::{Path, Segment},
    revision::Revision,
    sealed::{Generation, SealedBatch},
};
use keyward_types::{
    account::AccountId,
    arn::ArnParts,
    region::Region,
    storage::{AgentId, VolumeId},
    tag::Tag,
};

use crate::{
    Cx,
    fault::EfsFault,
    records::{CreationTokenRecord, FileSystemRecord},
    resource_policy::FileSystemPolicy,
};

/// The path segment for file systems.
pub(crate) const KIND: Segment<'static> = Segment::word("file-system");
/// The path segment for creation tokens.
const TOKEN_KIND: Segment<'static> = Segment::word("file-system-token");

/// A file system with its volume.
#[derive(Clone, Debug)]
pub struct FileSystem {
    /// Its record.
    pub record: FileSystemRecord,
    /// When that was last written.
    pub revision: Revision,
    /// Its volume.
    pub volume: VolumeRecord,
    /// When that was last written.
    pub volume_revision: Revision,
    /// Whether the agent that stores it is registered.
    pub has_agent: bool,
}

impl FileSystem {
    /// `LifeCycleState`: what is wanted of the volume, and what its agent says. What is to be there and has no agent
    /// is an `error`: nobody can open it until it is assigned to another agent.
    pub fn state(&self) -> &'static str {
        let reported = self.volume.reported.as_ref();
        match (self.volume.wanted, reported.map(|reported| reported.state)) {
            (Wanted::Absent, _) => "deleting",
            (Wanted::Present, _) if !self.has_agent => "error",
            // It was assigned to another agent, which has not reported yet.
            (Wanted::Present, None) if self.volume.made => "updating",
            (Wanted::Present, None) => "creating",
            (Wanted::Present, Some(VolumeState::Ready)) => "available",
            (Wanted::Present, Some(VolumeState::Failed | VolumeState::Gone)) => "error",
        }
    }

    /// The file system, if its state is `available`.
    ///
    /// # Errors
    /// If it is not.
    pub fn available(&self) -> Result<&Self, EfsFault> {
        match self.state() {
            "available" => Ok(self),
            state => Err(EfsFault::IncorrectFileSystemLifeCycleState {
                id: self.record.id.clone(),
                state,
            }),
        }
    }
}

/// The ARN of a file system.
pub fn arn(region: Region, account: AccountId, id: &str) -> String {
    let partition = region.partition();
    format!("arn:{partition}:elasticfilesystem:{region}:{account}:file-system/{id}")
}

/// The path of a file system's record.
///
/// # Errors
/// When the id is not a segment of a path.
pub fn path(cx: &Context<'_>, id: &str) -> Result<Path, EfsFault> {
    path_in((cx.region, cx.account()), id)
}

/// As [`path`], in whatever account.
///
/// # Errors
/// When the id is not a segment of a path.
pub fn path_in((region, account): (Region, AccountId), id: &str) -> Result<Path, EfsFault> {
    Ok(paths::of_kind(region, account, KIND, id)?)
}

/// Where it is recorded which file system was created with a token.
pub fn token_path(cx: &Context<'_>, token: &str) -> Path {
    let home = paths::regional_name_home(cx.region, cx.account());
    let reader = cx.directory().reader();
    let hash = reader.name_hash(home.as_str(), TOKEN_KIND.as_str(), token);
    paths::scoped(cx.region, cx.account(), [TOKEN_KIND, (&hash).into()])
}

/// The id of the file system that a request names by its id, or by its ARN in the caller's account and
/// Region.
///
/// # Errors
/// If it is named by the ARN of another account or Region.
pub fn id_of(named: &str, cx: &Context<'_>) -> Result<String, EfsFault> {
    own_id(named, cx).ok_or_else(|| EfsFault::FileSystemNotFound {
        id: named.to_owned(),
    })
}

/// The id of a resource that is named by its id, or by its ARN in the caller's account and Region;
/// `None` if the ARN is of another one.
pub fn own_id(named: &str, cx: &Context<'_>) -> Option<String> {
    let Some(parts) = ArnParts::parse(named) else {
        return Some(named.to_owned());
    };
    let own = parts.region == cx.region.as_str() && parts.account == cx.account().as_str();
    let id = parts.resource.split_once('/').map(|(_, id)| id);
    Some(id.filter(|_| own)?.to_owned())
}

impl Cx<'_> {
    /// A file system of the caller's account and Region.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn file_system(&self, id: &str) -> Result<Option<FileSystem>, EfsFault> {
        let path = path(self, id)?;
        let found = self
            .directory()
            .rare::<FileSystemRecord>(&path, purpose::FILE_SYSTEM);
        let Some((record, revision)) = found.await? else {
            return Ok(None);
        };
        let volume_id = VolumeId::parse(id).map_err(Internal::new)?;
        let path = paths::volume(self.region, self.account(), &volume_id);
        let volume = self
            .directory()
            .rare::<VolumeRecord>(&path, purpose::VOLUME);
        // They are created and deleted together; it may have been deleted between the two reads.
        let Some((volume, volume_revision)) = volume.await? else {
            return Ok(None);
        };
        // Read after the volume: its agent was there when it was assigned to it.
        let path = paths::agent(self.region, self.account(), &volume.agent);
        let agent = self.directory().rare::<AgentRecord>(&path, purpose::AGENT);
        Ok(Some(FileSystem {
            record,
            revision,
            volume,
            volume_revision,
            has_agent: agent.await?.is_some(),
        }))
    }

    /// A file system that a request names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn named_file_system(&self, named: &str) -> Result<OneFileSystem, EfsFault> {
        let id = id_of(named, self)?;
        let found = self.file_system(&id).await?.map(Box::new);
        let arn = arn(self.region, self.account(), &id);
        let policy = match &found {
            Some(found) => {
                let home = (self.region, self.account());
                FileSystemPolicy::of(self, home, &found.volume.id).await?
            }
            None => None,
        };
        Ok(OneFileSystem {
            id,
            arn,
            found,
            policy,
        })
    }

    /// Every file system of the caller's account and Region, by id.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn file_systems(&self) -> Result<Vec<FileSystem>, EfsFault> {
        let prefix = paths::below_scoped(self.region, self.account(), [KIND]);
        let directory = self.directory();
        let records =
            directory.every_with_revision::<FileSystemRecord>(&prefix, purpose::FILE_SYSTEM);
        let records = records.await?;
        let prefix = paths::volumes(self.region, self.account());
        let volumes = directory.every_with_revision::<VolumeRecord>(&prefix, purpose::VOLUME);
        let mut volumes = volumes.await?;
        let prefix = paths::agents(self.region, self.account());
        let agents = directory.every::<AgentRecord>(&prefix, purpose::AGENT);
        let agents: BTreeSet<AgentId> = agents.await?.into_iter().map(|agent| agent.id).collect();
        let mut found = Vec::with_capacity(records.len());
        for (record, revision) in records {
            let at = volumes
                .iter()
                .position(|(volume, _)| volume.id.as_str() == record.id);
            if let Some(at) = at {
                let (volume, volume_revision) = volumes.swap_remove(at);
                found.push(FileSystem {
                    record,
                    revision,
                    has_agent: agents.contains(&volume.agent),
                    volume,
                    volume_revision,
                });
            }
        }
        found.sort_by(|one, other| one.record.id.cmp(&other.record.id));
        Ok(found)
    }

    /// The file system that was created with a token.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn created_with(&self, token: &str) -> Result<Option<String>, EfsFault> {
        let path = token_path(self, token);
        let found = self
            .directory()
            .rare::<CreationTokenRecord>(&path, purpose::CREATION_TOKEN);
        Ok(found.await?.map(|(record, _)| record.id))
    }

    /// A batch after which a file system has this record.
    ///
    /// # Errors
    /// When the record is too large.
    pub fn put(
        &self,
        file_system: &FileSystem,
        record: &FileSystemRecord,
    ) -> Result<SealedBatch, EfsFault> {
        let mut batch = self.batch();
        let bytes = records::encode(record).map_err(Internal::new)?;
        let at = Precondition::At(file_system.revision);
        let path = path(self, &record.id)?;
        batch.put(path, purpose::FILE_SYSTEM, &bytes, at)?;
        Ok(batch)
    }
}

/// A file system that a request names, which may not be there.
#[derive(Clone, Debug)]
pub struct OneFileSystem {
    /// Its id.
    pub id: String,
    arn: String,
    found: Option<Box<FileSystem>>,
    policy: Option<FileSystemPolicy>,
}

impl OneFileSystem {
    /// One that is to be made under a new id, so that there is nothing to read.
    pub fn to_be_made(cx: &Context<'_>, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            arn: arn(cx.region, cx.account(), id),
            found: None,
            policy: None,
        }
    }

    /// The same file system under another policy.
    pub fn with_policy(&self, policy: FileSystemPolicy) -> Self {
        Self {
            policy: Some(policy),
            ..self.clone()
        }
    }

    /// Its policy, if it was given one.
    pub fn policy(&self) -> Option<&FileSystemPolicy> {
        self.policy.as_ref()
    }

    /// The file system.
    ///
    /// # Errors
    /// If it is not there.
    pub fn get(&self) -> Result<&FileSystem, EfsFault> {
        self.found
            .as_deref()
            .ok_or_else(|| EfsFault::FileSystemNotFound {
                id: self.id.clone(),
            })
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}

/// EFS's message for every denial.
pub fn denial(caller: &Caller, action: &str) -> String {
    let caller = caller.principal().arn();
    format!("User: {caller} is not authorized to perform: {action} on the specified resource")
}

impl Protected for OneFileSystem {
    fn resource(&self, caller: &Caller) -> Option<Resource<'_>> {
        let principal = caller.principal();
        let (partition, account) = (principal.partition(), principal.account()?);
        Some(match &self.policy {
            Some(own) => Resource::shared(&self.arn, partition, account, own.compiled()),
            None => Resource::identity_only(&self.arn, partition, account),
        })
    }

    fn policy_generation(&self) -> Option<Generation> {
        self.policy.as_ref().and_then(FileSystemPolicy::generation)
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

    fn denial(&self, caller: &Caller, action: &str) -> Option<String> {
        Some(denial(caller, action))
    }
}

/// The file systems of the caller's account and Region, none in particular.
#[derive(Clone, Debug)]
pub struct AnyFileSystem {
    arn: String,
}

impl AnyFileSystem {
    /// Those of the caller.
    pub fn of(cx: &Context<'_>) -> Self {
        let (partition, region, account) = (cx.region.partition(), cx.region, cx.account());
        Self {
            arn: format!("arn:{partition}:elasticfilesystem:{region}:{account}:*"),
        }
    }
}

impl Protected for AnyFileSystem {
    fn resource(&self, caller: &Caller) -> Option<Resource<'_>> {
        let principal = caller.principal();
        let account = principal.account()?;
        Some(Resource::account_wide(
            &self.arn,
            principal.partition(),
            account,
        ))
    }

    fn shown(&self) -> &str {
        "*"
    }

    fn denial(&self, caller: &Caller, action: &str) -> Option<String> {
        Some(denial(caller, action))
    }
}
