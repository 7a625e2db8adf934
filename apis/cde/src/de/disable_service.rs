//! `disableService`: everything that was created for a service is deleted, as the role of its environment, and with it
//! every grant is retired. It can be asked again until nothing is left; it does what is left to do.

use keyward_engine::{
    audit::parameters::{Parameter, boolean, text},
    fault::Internal,
    forward::{NotDone, role::AssumedRole},
    operation::{Done, Output},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::{Limits, Members, Object, Value, Writer};

use crate::{
    Cx, De,
    ask::Ask,
    de::{
        parts::{self, word},
        provision,
    },
    fault::CdeFault,
    members,
    records::{EnvironmentRecord, ServiceRecord},
    role::{parameters, told},
};

/// The input.
#[derive(Debug)]
pub struct DisableService {
    id: String,
}

/// The output.
#[derive(Debug)]
pub struct Disabled {
    status: &'static str,
}

keyward_types::action!("de": DisableService = "de:disableService");

impl Ask for DisableService {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("clusterId"), boolean("force")];
    const UNSERVED: &'static [&'static str] = &["force"];
    type Of = De;
    type Output = Disabled;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            id: members::named(m, "clusterId"),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("service/{}", self.id))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Disabled>, CdeFault> {
        let (mut service, revision) = cx.named::<ServiceRecord>(&self.id).await?;
        let now = parts::of(cx, &service).await?;
        let (status, _) = parts::status(&service, &now, cx.now);
        if service.outcome.is_none() && status == word::CREATING {
            return Err(CdeFault::Precondition(format!(
                "The service {} is being enabled. Disable it when that has ended.",
                self.id
            )));
        }
        if !service.disabling {
            let (environment, _) = cx.named::<EnvironmentRecord>(&service.environment).await?;
            let arn = cx.arn_of("de", &format!("service/{}", self.id));
            let role = cx.assume_for::<De>(&environment, &arn).await?;
            self.delete(cx, &role, &mut service).await?;
        }
        service.disabling = true;
        for arn in [
            parts::file_system_arn(cx, &service),
            Some(parts::database_arn(cx, &service)),
        ] {
            let arn = arn.unwrap_or_default();
            provision::wait(cx, &arn, Option::is_none).await?;
        }
        let mut batch = cx.batch();
        let status = match parts::of(cx, &service).await?.are_gone() {
            true => {
                let is_forgotten = parts::forget(cx, &mut batch, (&service, revision)).await?;
                if !is_forgotten {
                    return Err(Internal::new("a service has too many virtual clusters").into());
                }
                word::DELETED
            }
            false => {
                cx.put(&mut batch, &service, Precondition::At(revision))?;
                word::DELETING
            }
        };
        Ok(Done::changed(Disabled { status }, batch))
    }
}

impl DisableService {
    /// Deletes what there is, and finds what a request has created that was interrupted.
    async fn delete(
        &self,
        cx: &Cx<'_>,
        role: &AssumedRole,
        service: &mut ServiceRecord,
    ) -> Result<(), CdeFault> {
        let name = parts::name(service);
        let database = parameters(&[
            ("Action", "DeleteDBInstance"),
            ("Version", "2014-10-31"),
            ("DBInstanceIdentifier", &name),
            ("SkipFinalSnapshot", "true"),
        ]);
        let deleted = role.call(cx, ("rds", "DeleteDBInstance"), &database).await;
        let is_deleting = cx.state_of(&parts::database_arn(cx, service)).await?;
        let is_deleting = is_deleting.is_none_or(|state| state.state == "deleting");
        unless(deleted.map(|_| ()), is_deleting, word::DATABASE_DELETION)?;
        let body = Writer::render(128, |out| out.string("CreationToken", &name));
        let found = role
            .call(cx, ("elasticfilesystem", "DescribeFileSystems"), &body)
            .await;
        let found = found.map_err(|error| refused(error, word::FILE_SYSTEM_DELETION))?;
        let Some(id) = ids(&found, "FileSystems", "FileSystemId")?
            .into_iter()
            .next()
        else {
            return Ok(());
        };
        service.file_system = Some(id.clone());
        self.delete_mount_targets(cx, role, &id).await?;
        let arn = parts::file_system_arn(cx, service).unwrap_or_default();
        let is_unmounted = provision::wait(cx, &arn, |state| {
            state.as_ref().is_none_or(|state| state.parts.is_empty())
        });
        let left = is_unmounted.await?;
        if left.is_some_and(|state| !state.parts.is_empty()) {
            return Err(CdeFault::Precondition(format!(
                "{}: the agent that serves the mount targets of {id} does not answer. Start it, or remove it with `keyward agent remove`, and disable the service again.",
                word::MOUNT_TARGET_DELETION
            )));
        }
        let body = Writer::render(128, |out| out.string("FileSystemId", &id));
        let deleted = role
            .call(cx, ("elasticfilesystem", "DeleteFileSystem"), &body)
            .await;
        let is_deleting = cx.state_of(&arn).await?;
        let is_deleting = is_deleting.is_none_or(|state| state.state == "deleting");
        unless(deleted.map(|_| ()), is_deleting, word::FILE_SYSTEM_DELETION)
    }

    async fn delete_mount_targets(
        &self,
        cx: &Cx<'_>,
        role: &AssumedRole,
        file_system: &str,
    ) -> Result<(), CdeFault> {
        let failed = |error| refused(error, word::MOUNT_TARGET_DELETION);
        let body = Writer::render(128, |out| out.string("FileSystemId", file_system));
        let named = ("elasticfilesystem", "DescribeMountTargets");
        let found = role.call(cx, named, &body).await.map_err(failed)?;
        for id in ids(&found, "MountTargets", "MountTargetId")? {
            let body = Writer::render(128, |out| out.string("MountTargetId", &id));
            let named = ("elasticfilesystem", "DeleteMountTarget");
            match role.call(cx, named, &body).await {
                Ok(_) => {}
                // It was being deleted, and is gone.
                Err(NotDone::Refused(told)) if told.code == "MountTargetNotFound" => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }
}

/// A refusal of a deletion, unless what was to be deleted is gone or being deleted.
fn unless(
    deleted: Result<(), NotDone>,
    is_deleting: bool,
    word: &'static str,
) -> Result<(), CdeFault> {
    match deleted {
        Err(NotDone::Refused(_)) if is_deleting => Ok(()),
        deleted => deleted.map_err(|error| refused(error, word)),
    }
}

fn refused(error: NotDone, word: &'static str) -> CdeFault {
    match told(error) {
        Ok(message) => CdeFault::Precondition(format!("{word}: {message}")),
        Err(fault) => fault,
    }
}

/// A text of each element of a list in an answer.
fn ids(answer: &[u8], list: &str, name: &str) -> Result<Vec<String>, CdeFault> {
    let answer = Object::parse(answer, &Limits::KMS).map_err(Internal::new)?;
    let Some(Value::List(list)) = answer.get(list) else {
        return Err(Internal::new("an answer of EFS lacks a list").into());
    };
    let id = |one: &Value<'_>| match one {
        Value::Object(one) => match one.get(name) {
            Some(Value::Text(text)) => Some(text.to_string()),
            _ => None,
        },
        _ => None,
    };
    Ok(list.iter().filter_map(id).collect())
}

impl Output<De> for Disabled {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("status", self.status);
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("status", self.status);
    }
}
