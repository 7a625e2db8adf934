//! The parts of a service, and its status, which follows from what EFS and RDS say of them. Only how provisioning ended is
//! stored.

use keyward_engine::{context::Context, dependents::ResourceState, directory::ReadError};
use keyward_store::{
    batch::{MAX_BATCH_CHANGES, Precondition},
    revision::Revision,
    sealed::SealedBatch,
};
use keyward_types::time::Timestamp;

use crate::{
    Cx,
    fault::CdeFault,
    kept,
    records::{ClusterRecord, Outcome, ServiceRecord},
};

/// After that many milliseconds, provisioning that has not ended was interrupted: the request that did it is gone.
const LIMIT: i64 = 5 * 60 * 1000;
/// The changes of a batch that forget services, at most. The others are for what the request is about, and its event. A
/// service with as many virtual clusters as it may have fits.
const ROOM: usize = MAX_BATCH_CHANGES - 20;

/// Cloudera's words for the status of a service.
pub mod word {
    /// It is being created.
    pub const CREATING: &str = "ClusterCreationInProgress";
    /// Everything is there.
    pub const CREATED: &str = "ClusterCreationCompleted";
    /// A part of it cannot be used for now.
    pub const UNAVAILABLE: &str = "ClusterUnavailable";
    /// It is being deleted.
    pub const DELETING: &str = "ClusterDeletionInProgress";
    /// It is gone.
    pub const DELETED: &str = "ClusterDeletionCompleted";
    /// The file system could not be created.
    pub const FILE_SYSTEM: &str = "FSProvisioningFailed";
    /// The mount target could not be created.
    pub const MOUNT_TARGET: &str = "FSMountTargetsCreationFailed";
    /// The database could not be created.
    pub const DATABASE: &str = "DBProvisioningFailed";
    /// Something else could not be created.
    pub const CLUSTER: &str = "ClusterProvisioningFailed";
    /// The file system could not be deleted.
    pub const FILE_SYSTEM_DELETION: &str = "FSDeletionFailed";
    /// The mount target could not be deleted.
    pub const MOUNT_TARGET_DELETION: &str = "FSMountTargetsDeletionFailed";
    /// The database could not be deleted.
    pub const DATABASE_DELETION: &str = "DBDeletionFailed";
}

/// What EFS and RDS say of the parts of a service; none of what is not there.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The file system.
    pub file_system: Option<ResourceState>,
    /// The database.
    pub database: Option<ResourceState>,
}

/// What the parts of a service are called: the creation token of its file system, and the name of its DB instance.
pub fn name(service: &ServiceRecord) -> String {
    format!("cde-{}", service.id)
}

/// The ARN of the DB instance.
pub fn database_arn(cx: &Context<'_>, service: &ServiceRecord) -> String {
    let (partition, region, account) = (cx.partition(), service.region, cx.account());
    format!(
        "arn:{partition}:rds:{region}:{account}:db:{}",
        name(service)
    )
}

/// The ARN of the file system, once its id is known.
pub fn file_system_arn(cx: &Context<'_>, service: &ServiceRecord) -> Option<String> {
    let (partition, region, account) = (cx.partition(), service.region, cx.account());
    let id = service.file_system.as_ref()?;
    Some(format!(
        "arn:{partition}:elasticfilesystem:{region}:{account}:file-system/{id}"
    ))
}

/// The parts of a service as they are now.
///
/// # Errors
/// When they cannot be read.
pub async fn of(cx: &Context<'_>, service: &ServiceRecord) -> Result<Parts, ReadError> {
    let file_system = match file_system_arn(cx, service) {
        Some(arn) => cx.state_of(&arn).await?,
        None => None,
    };
    let database = cx.state_of(&database_arn(cx, service)).await?;
    Ok(Parts {
        file_system,
        database,
    })
}

impl Parts {
    /// Whether there is nothing left.
    pub fn are_gone(&self) -> bool {
        self.file_system.is_none() && self.database.is_none()
    }

    /// Whether the mount targets are there and served.
    fn is_mounted(&self) -> bool {
        let targets = self.file_system.iter().flat_map(|one| &one.parts);
        let mut states = targets.map(|(_, state)| state.as_str()).peekable();
        states.peek().is_some() && states.all(|state| state == "available")
    }
}

/// The status of a service, and why it is not better.
pub fn status(service: &ServiceRecord, parts: &Parts, now: Timestamp) -> (String, Option<String>) {
    let plain = |word: &str| (word.to_owned(), None);
    let because = |word: &str, reason: String| (word.to_owned(), Some(reason));
    if service.disabling {
        return plain(match parts.are_gone() {
            true => word::DELETED,
            false => word::DELETING,
        });
    }
    match &service.outcome {
        Some(Outcome::Failed { word, message }) => return because(word, message.clone()),
        None if now < service.created.plus_millis(LIMIT) => return plain(word::CREATING),
        None => {
            let reason = "The server stopped while the service was being enabled. Disable it, and enable it again.";
            return because(word::CLUSTER, reason.to_owned());
        }
        Some(Outcome::Done) => {}
    }
    let (Some(file_system), Some(database)) = (&parts.file_system, &parts.database) else {
        let gone = match parts.file_system {
            None => "file system",
            Some(_) => "database",
        };
        let reason = format!("The {gone} of the service was deleted.");
        return because(word::UNAVAILABLE, reason);
    };
    match (file_system.state.as_str(), database.state.as_str()) {
        // It was available when the service was enabled.
        ("error", database) => because(
            word::UNAVAILABLE,
            format!(
                "The file system cannot be used: its key may be disabled, or its agent cannot open it. The database is {database}."
            ),
        ),
        (_, "failed") => because(
            word::DATABASE,
            "The agent cannot run the database.".to_owned(),
        ),
        ("creating", _) | (_, "creating") => plain(word::CREATING),
        ("available", "available") if parts.is_mounted() => plain(word::CREATED),
        ("available", "available") => {
            let failed = |(_, state): &(String, String)| state == "error";
            match file_system.parts.iter().any(failed) {
                true => because(
                    word::MOUNT_TARGET,
                    "The agent cannot serve the mount target.".to_owned(),
                ),
                false => plain(word::CREATING),
            }
        }
        (file_system, database) => because(
            word::UNAVAILABLE,
            format!("The file system is {file_system}, and the database is {database}."),
        ),
    }
}

/// Whether a service was disabled, and nothing of it is left.
///
/// # Errors
/// When its parts cannot be read.
pub async fn are_gone(cx: &Context<'_>, service: &ServiceRecord) -> Result<bool, ReadError> {
    Ok(service.disabling && of(cx, service).await?.are_gone())
}

/// Deletes what is kept of a service, as it was at a revision, if there is room for it in the batch. Whether there was: if
/// not, a later request deletes it.
///
/// # Errors
/// When its virtual clusters cannot be read.
pub async fn forget(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    (service, at): (&ServiceRecord, Revision),
) -> Result<bool, CdeFault> {
    if batch.len() >= ROOM {
        return Ok(false);
    }
    let mut clusters = kept::every_with_revision::<ClusterRecord>(cx).await?;
    clusters.retain(|(one, _)| one.service == service.id);
    if batch.len() + clusters.len() + 1 > ROOM {
        return Ok(false);
    }
    for (one, at) in &clusters {
        let path = kept::path::<ClusterRecord>(cx, &kept::Kept::name(one));
        batch.delete(path, Precondition::At(*at))?;
    }
    // Whoever creates a virtual cluster writes the service too.
    let path = kept::path::<ServiceRecord>(cx, &service.id);
    batch.delete(path, Precondition::At(at))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use keyward_engine::directory::records::V1;
    use keyward_types::region::Region;

    use super::*;

    fn service(outcome: Option<Outcome>) -> ServiceRecord {
        ServiceRecord {
            version: V1,
            id: "cluster-abcdefgh".to_owned(),
            name: "etl".to_owned(),
            environment: "production".to_owned(),
            key: None,
            region: Region::parse("us-east-1").unwrap(),
            creator: "arn".to_owned(),
            created: Timestamp::from_seconds(1000),
            resources: Vec::new(),
            file_system: None,
            outcome,
            log: Vec::new(),
            disabling: false,
            tags: Vec::new(),
        }
    }

    fn state(state: &str, parts: &[&str]) -> Option<ResourceState> {
        Some(ResourceState {
            state: state.to_owned(),
            key: None,
            grants: Vec::new(),
            parts: parts
                .iter()
                .map(|state| ("fsmt-1".to_owned(), (*state).to_owned()))
                .collect(),
            addresses: Vec::new(),
        })
    }

    fn word_of(service: &ServiceRecord, parts: &Parts, seconds: i64) -> String {
        status(service, parts, Timestamp::from_seconds(1000 + seconds)).0
    }

    #[test]
    fn a_status_follows_from_what_efs_and_rds_say() {
        let done = service(Some(Outcome::Done));
        let of = |file_system: Option<ResourceState>, database: Option<ResourceState>| Parts {
            file_system,
            database,
        };
        for (parts, expected) in [
            (
                of(state("available", &["available"]), state("available", &[])),
                word::CREATED,
            ),
            (
                of(state("available", &["creating"]), state("available", &[])),
                word::CREATING,
            ),
            (
                of(state("available", &[]), state("available", &[])),
                word::CREATING,
            ),
            (
                of(state("available", &["error"]), state("available", &[])),
                word::MOUNT_TARGET,
            ),
            (
                of(state("available", &["available"]), state("creating", &[])),
                word::CREATING,
            ),
            (
                of(state("available", &["available"]), state("failed", &[])),
                word::DATABASE,
            ),
            (
                of(state("error", &[]), state("available", &[])),
                word::UNAVAILABLE,
            ),
            (
                of(
                    state("available", &["available"]),
                    state("inaccessible-encryption-credentials-recoverable", &[]),
                ),
                word::UNAVAILABLE,
            ),
            (of(None, state("available", &[])), word::UNAVAILABLE),
            (
                of(state("available", &["available"]), None),
                word::UNAVAILABLE,
            ),
        ] {
            assert_eq!(word_of(&done, &parts, 1), expected, "{parts:?}");
        }
    }

    #[test]
    fn what_was_interrupted_has_failed_after_a_while() {
        let begun = service(None);
        let nothing = Parts::default();
        assert_eq!(word_of(&begun, &nothing, 299), word::CREATING);
        assert_eq!(word_of(&begun, &nothing, 300), word::CLUSTER);
        let failed = service(Some(Outcome::Failed {
            word: word::DATABASE.to_owned(),
            message: "no agent".to_owned(),
        }));
        assert_eq!(word_of(&failed, &nothing, 0), word::DATABASE);
    }

    #[test]
    fn what_is_disabled_is_gone_when_its_parts_are() {
        let mut service = service(Some(Outcome::Done));
        service.disabling = true;
        let left = Parts {
            file_system: state("deleting", &[]),
            database: None,
        };
        assert_eq!(word_of(&service, &left, 1), word::DELETING);
        assert_eq!(word_of(&service, &Parts::default(), 1), word::DELETED);
    }
}
