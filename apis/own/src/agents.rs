//! Agents: programs on other machines that store the volumes of an account in a Region, and what they
//! and their operators ask of the server.
//!
//! An agent proves itself once by a token, and is given an access key of its own. That key is valid
//! only for the operations for agents. It opens the volumes that are assigned to this agent: the
//! server unwraps their data keys in the name of the service that they belong to. So a stolen machine
//! opens its own volumes until it is removed, and no others.

use keyward_api_kms::{
    grants::index::GrantPaths,
    identifier::{Forms, KeyIdentifier},
};
use keyward_engine::{
    caller::Agent,
    context::Context,
    directory::{
        ReadError, paths, purpose,
        records::{
            self, RecordError,
            storage::{AgentRecord, AgentTokenRecord, VolumeKey, VolumeRecord, Wanted},
        },
    },
    fault::Internal,
};
use keyward_store::{
    batch::Precondition,
    error::LimitError,
    path::{Path, PathError},
    reader::Reader,
    revision::Revision,
    sealed::SealedBatch,
};
use keyward_types::{
    account::AccountId,
    grant::GrantId,
    key_id::KeyArn,
    region::Region,
    storage::{AgentId, VolumeId},
};
use keyward_wire::sigv4::AuthError;

use crate::fault::KeywardFault;

/// The agent that calls.
///
/// # Errors
/// When it is not a registered agent; the pipeline has refused everybody else.
pub fn caller<'c>(cx: &'c Context<'_>) -> Result<(&'c Agent, &'c AgentId), KeywardFault> {
    let agent = cx.caller.agent();
    agent.ok_or_else(|| Internal::new("an operation for agents was called by somebody else").into())
}

/// The record of the calling agent. The request may have waited, and the agent may have been removed since
/// it was authenticated.
///
/// # Errors
/// As for an access key that is unknown, if it was.
pub async fn record(cx: &Context<'_>) -> Result<(AgentRecord, Revision), KeywardFault> {
    let (agent, id) = caller(cx)?;
    let path = paths::agent(agent.region, agent.account, id);
    let found = cx.directory().rare::<AgentRecord>(&path, purpose::AGENT);
    let key = cx.caller.access_key_id();
    let is_caller = |agent: &AgentRecord| agent.access_keys.iter().any(|known| Some(known) == key);
    let found = found.await?.filter(|(agent, _)| is_caller(agent));
    found.ok_or_else(|| AuthError::UnknownAccessKey.into())
}

/// The Region and account of the agents and volumes of a request.
pub type AccountRegion = (Region, AccountId);

/// The most agents of an account in a Region.
pub const MOST_AGENTS: usize = 100;
/// The most tokens of an account in a Region that have not expired.
pub const MOST_TOKENS: usize = 20;

/// The tokens of an account in a Region that are kept, expired ones as well.
///
/// # Errors
/// When they cannot be read.
pub async fn tokens(
    cx: &Context<'_>,
    (region, account): AccountRegion,
) -> Result<Vec<(AgentTokenRecord, Revision)>, ReadError> {
    let prefix = paths::agent_tokens(region, account);
    cx.directory()
        .every_with_revision(&prefix, purpose::AGENT_TOKEN)
        .await
}

/// The agents of an account in a Region.
///
/// # Errors
/// When they cannot be read.
pub async fn all(
    cx: &Context<'_>,
    (region, account): AccountRegion,
) -> Result<Vec<(AgentRecord, Revision)>, ReadError> {
    let prefix = paths::agents(region, account);
    cx.directory()
        .every_with_revision(&prefix, purpose::AGENT)
        .await
}

/// The volumes that are assigned to an agent.
///
/// # Errors
/// When they cannot be read.
pub async fn volumes(
    cx: &Context<'_>,
    (region, account): AccountRegion,
    agent: &AgentId,
) -> Result<Vec<(VolumeRecord, Revision)>, ReadError> {
    let prefix = paths::volumes(region, account);
    let all = cx
        .directory()
        .every_with_revision::<VolumeRecord>(&prefix, purpose::VOLUME);
    let mut found = all.await?;
    found.retain(|(volume, _)| volume.agent == *agent && !volume.is_gone());
    Ok(found)
}

/// A volume, if it is assigned to that agent.
///
/// # Errors
/// [`KeywardFault::NoSuchVolume`] if it is not, or cannot be read.
pub async fn volume(
    cx: &Context<'_>,
    (region, account): AccountRegion,
    (agent, id): (&AgentId, &VolumeId),
) -> Result<(VolumeRecord, Revision), KeywardFault> {
    let path = paths::volume(region, account, id);
    let found = cx.directory().rare::<VolumeRecord>(&path, purpose::VOLUME);
    let is_its = |volume: &VolumeRecord| volume.agent == *agent && !volume.is_gone();
    let found = found.await?.filter(|(volume, _)| is_its(volume));
    found.ok_or_else(|| KeywardFault::NoSuchVolume {
        volume: id.to_string(),
    })
}

/// The KMS key of a volume.
///
/// # Errors
/// When it is not named by its ARN.
pub fn key_arn(key: &VolumeKey, region: Region) -> Result<KeyArn, KeywardFault> {
    match KeyIdentifier::parse(&key.key, Forms::KeyOnly, region, None)? {
        KeyIdentifier::Key(arn) => Ok(arn),
        KeyIdentifier::Alias { .. } => {
            Err(Internal::new("a volume's key is named by an alias").into())
        }
    }
}

/// Where the grants are stored by which the service of a volume unwraps its data key.
///
/// # Errors
/// When an id is none.
pub fn grant_paths(
    reader: &Reader,
    arn: &KeyArn,
    key: &VolumeKey,
) -> Result<Vec<Path>, KeywardFault> {
    let places = GrantPaths::new(reader, arn);
    let path = |grant| Ok(places.grant(&GrantId::parse(grant).map_err(Internal::new)?));
    key.grants().map(path).collect()
}

/// Whether the service of a volume has a grant for it, so that the volume must not be forgotten.
///
/// # Errors
/// When it cannot be read.
pub async fn has_grant(
    reader: &Reader,
    region: Region,
    volume: &VolumeRecord,
) -> Result<bool, ReadError> {
    let Some(key) = &volume.key else {
        return Ok(false);
    };
    let found = key_arn(key, region).and_then(|arn| grant_paths(reader, &arn, key));
    // KMS has no grant that it cannot be asked for.
    let Ok(found) = found else { return Ok(false) };
    for path in found {
        if reader.get(&path).await?.value.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why a volume cannot end, or be written, in a batch.
#[derive(Debug, thiserror::Error)]
pub enum NotEnded {
    /// Its record contains an invalid path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The batch has no room for it.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// It cannot be encoded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<NotEnded> for KeywardFault {
    fn from(error: NotEnded) -> Self {
        Internal::new(error).into()
    }
}

/// Has a volume end in a batch, with all that ends with it.
///
/// # Errors
/// When one of its paths is not valid, or the batch is too large.
pub fn end(
    batch: &mut SealedBatch,
    (region, account): AccountRegion,
    (volume, revision): (&VolumeRecord, Revision),
) -> Result<(), NotEnded> {
    for path in &volume.belongings {
        batch.delete(Path::parse(path)?, Precondition::Any)?;
    }
    let path = paths::volume(region, account, &volume.id);
    Ok(batch.delete(path, Precondition::At(revision))?)
}

/// Writes an agent.
///
/// # Errors
/// When the batch is too large.
pub fn put_agent(
    batch: &mut SealedBatch,
    (region, account): AccountRegion,
    agent: &AgentRecord,
    precondition: Precondition,
) -> Result<(), KeywardFault> {
    let path = paths::agent(region, account, &agent.id);
    let bytes = records::encode(agent).map_err(Internal::new)?;
    batch
        .put(path, purpose::AGENT, &bytes, precondition)
        .map_err(too_large)?;
    Ok(())
}

/// Writes a token.
///
/// # Errors
/// When the batch is too large.
pub fn put_token(
    batch: &mut SealedBatch,
    (region, account): AccountRegion,
    token: &AgentTokenRecord,
    precondition: Precondition,
) -> Result<(), KeywardFault> {
    let path = paths::agent_token(region, account, &token.id);
    let bytes = records::encode(token).map_err(Internal::new)?;
    batch
        .put(path, purpose::AGENT_TOKEN, &bytes, precondition)
        .map_err(too_large)?;
    Ok(())
}

/// Removes an agent in a batch, with its access keys.
///
/// # Errors
/// When the batch is too large.
pub fn remove_agent(
    batch: &mut SealedBatch,
    (region, account): AccountRegion,
    (agent, revision): &(AgentRecord, Revision),
) -> Result<(), KeywardFault> {
    for key in &agent.access_keys {
        let path = paths::access_key(key);
        batch.delete(path, Precondition::Any).map_err(too_large)?;
    }
    let path = paths::agent(region, account, &agent.id);
    let at = Precondition::At(*revision);
    batch.delete(path, at).map_err(too_large)
}

/// Removes a token in a batch, with the agent that registered with it, unless that has called: whoever had the token may
/// have the agent's access key.
///
/// # Errors
/// When the batch is too large.
pub fn remove_token(
    batch: &mut SealedBatch,
    place: AccountRegion,
    (token, revision): &(AgentTokenRecord, Revision),
    agent: Option<&(AgentRecord, Revision)>,
) -> Result<(), KeywardFault> {
    let path = paths::agent_token(place.0, place.1, &token.id);
    let at = Precondition::At(*revision);
    batch.delete(path, at).map_err(too_large)?;
    match agent.filter(|(agent, _)| agent.called.is_none()) {
        Some(agent) => remove_agent(batch, place, agent),
        None => Ok(()),
    }
}

/// Has so many of the records that end with a volume end in a batch, the last first.
///
/// # Errors
/// When one of its paths is not valid, or the batch is too large.
pub fn end_some(
    batch: &mut SealedBatch,
    place: AccountRegion,
    (volume, revision): (&VolumeRecord, Revision),
    count: usize,
) -> Result<(), NotEnded> {
    let mut volume = volume.clone();
    let stay = volume.belongings.len().saturating_sub(count);
    for path in volume.belongings.split_off(stay) {
        batch.delete(Path::parse(&path)?, Precondition::Any)?;
    }
    put(batch, place, (&volume, revision))
}

/// Writes a volume that was read at that revision.
///
/// # Errors
/// When the batch is too large.
pub fn put(
    batch: &mut SealedBatch,
    (region, account): AccountRegion,
    (volume, revision): (&VolumeRecord, Revision),
) -> Result<(), NotEnded> {
    let path = paths::volume(region, account, &volume.id);
    let bytes = records::encode(volume)?;
    let at = Precondition::At(revision);
    batch.put(path, purpose::VOLUME, &bytes, at)?;
    Ok(())
}

/// What an agent is told about what is wanted.
pub fn word(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Present => "PRESENT",
        Wanted::Absent => "ABSENT",
    }
}

/// Something that cannot be kept.
pub fn too_large(error: LimitError) -> KeywardFault {
    Internal::new(error).into()
}
