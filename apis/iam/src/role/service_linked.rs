//! Service-linked roles: only the service can assume them, operations of their own create and
//! delete them, and nobody can change them.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html>

use std::collections::BTreeMap;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        aws_policies,
        records::{V1, identity::RoleRecord},
        reserved,
        units::identity::RoleUnit,
    },
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::unique_id::{UniqueId, UniqueIdKind};
use keyward_wire::{
    json::{self, Members},
    query::Params,
    xml,
};
use uuid::Uuid;

use crate::{
    Cx, Iam, attachment, condition_keys,
    entity::{Entity, EntityName, Record, entity_action},
    fault::IamFault,
    names,
    newborn::enroll,
    on_one::{On, OnOne},
    paths,
    role::{DEFAULT_SESSION_SECONDS, RoleCreated, delete, linked_services},
    shape::ShownRole,
};

/// The path of such roles and their policies.
pub const PATH: &str = reserved::SERVICE_LINKED_PATH;

/// The most characters of a role's name.
const LONGEST_NAME: usize = 64;

/// `CreateServiceLinkedRole`
#[derive(Debug)]
pub struct CreateServiceLinkedRole {
    service: String,
    description: Option<String>,
    suffix: Option<String>,
}

/// Name and ARN that the new role will have, and whether there is one already.
#[derive(Debug)]
pub struct NewRole {
    name: String,
    arn: String,
    taken: bool,
}

keyward_types::action!("iam": CreateServiceLinkedRole = "iam:CreateServiceLinkedRole");

impl Operation for CreateServiceLinkedRole {
    const NAME: &'static str = "CreateServiceLinkedRole";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("AWSServiceName"),
        text("Description"),
        text("CustomSuffix"),
    ];
    type Api = Iam;
    type Output = RoleCreated;
    type Fault = IamFault;
    type Resolved = NewRole;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let service = names::name(&mut m, "AWSServiceName", 128);
        let description = names::description(&mut m);
        let suffix = names::optional_name(&mut m, "CustomSuffix", 64);
        m.finish()?;
        Ok(Self {
            service,
            description,
            suffix,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<NewRole, IamFault> {
        let (partition, account) = cx.caller.home();
        let linked = linked_services::find(&self.service);
        let name = match linked {
            Some(linked) => linked.role_name(self.suffix.as_deref()),
            None => "*".to_owned(),
        };
        let taken = linked.is_some() && RoleUnit::find(cx, &name).await?.is_some();
        let arn = format!(
            "arn:{partition}:iam::{account}:role{PATH}{}/{name}",
            self.service
        );
        Ok(NewRole { name, arn, taken })
    }

    fn authorize(&self, new: &NewRole, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&IdentityOnly::new(&new.arn), |supply| {
            supply.text(condition_keys::AWS_SERVICE_NAME, &*self.service);
        })
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        new: &NewRole,
        cx: &Cx<'_>,
    ) -> Result<Done<RoleCreated>, IamFault> {
        let service = &self.service;
        let linked = linked_services::find(service).ok_or_else(|| IamFault::Protected {
            message: format!("Cannot find Service Linked Role template for {service}"),
        })?;
        if self.suffix.is_some() && !linked.takes_suffix {
            let message = format!("Custom suffix is not allowed for {service}");
            return Err(IamFault::invalid(message));
        }
        if new.taken {
            let message = format!(
                "Service role name {} has been taken in this account, please try a different suffix.",
                new.name
            );
            return Err(IamFault::invalid(message));
        }
        if new.name.len() > LONGEST_NAME {
            let message = format!(
                "1 validation error detected: Value '{}' at 'roleName' failed to satisfy \
                 constraint: Member must have length less than or equal to {LONGEST_NAME}",
                new.name
            );
            return Err(IamFault::Validation { message });
        }
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"sts:AssumeRole"}}]}}"#
        );
        let policy_arn = format!(
            "arn:{}:iam::aws:policy{PATH}{}",
            cx.partition(),
            linked.policy
        );
        let policy = aws_policies::find(&policy_arn).ok_or_else(|| {
            IamFault::missing(format!(
                "Policy {policy_arn} does not exist or is not attachable."
            ))
        })?;
        let record = RoleRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::Role, random::array()),
            name: new.name.clone(),
            path: format!("{PATH}{service}/"),
            description: match &self.description {
                Some(text) => Some(text.clone()),
                None => linked.description.map(str::to_owned),
            },
            created: cx.now,
            max_session_seconds: DEFAULT_SESSION_SECONDS,
            trust: cx.check_trust(&trust).await?,
            tags: Vec::new(),
            inline_policies: BTreeMap::new(),
            attached_policies: vec![policy.reference()],
            boundary: None,
            linked_service: Some(service.clone()),
        };
        let mut batch = cx.batch();
        attachment::put_entry(cx, &mut batch, (policy.id(), &record.id))?;
        let counted = enroll(cx, &mut batch, &record)?;
        record.put(cx, &mut batch, None)?;
        let shown = ShownRole {
            arn: new.arn.clone(),
            record,
            trust,
            last_used: None,
        };
        Ok(Done::changed(RoleCreated(shown), batch).counting(counted))
    }
}

/// `DeleteServiceLinkedRole`
#[derive(Debug)]
pub struct DeleteServiceLinkedRole(EntityName<Self>);

/// What GetServiceLinkedRoleDeletionStatus can return.
#[derive(Debug)]
pub struct DeletionTask(String);

entity_action!(
    DeleteServiceLinkedRole = "iam:DeleteServiceLinkedRole",
    RoleUnit,
    names::ROLE
);

impl OnOne for DeleteServiceLinkedRole {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("RoleName")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = DeletionTask;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, role: &On<Self>, cx: &Cx<'_>) -> Result<Done<DeletionTask>, IamFault> {
        let role = role.get()?;
        let record = role.record();
        let Some(service) = &record.linked_service else {
            let message = format!(
                "The role with name {} is not a service-linked role.",
                record.name
            );
            return Err(IamFault::invalid(message));
        };
        let mut batch = cx.batch();
        for policy in &record.attached_policies {
            let pair = (&policy.id, &record.id);
            let entry = paths::policy_attachment(cx.partition(), cx.account(), pair);
            batch.delete(entry, keyward_store::batch::Precondition::Any)?;
        }
        delete(cx, &mut batch, role).await?;
        let task = cx.deletion_task(service, &record.name, random::array());
        Ok(Done::changed(DeletionTask(task), batch))
    }
}

impl Output<Iam> for DeletionTask {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text("DeletionTaskId", &self.0);
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        elements.string("deletionTaskId", &self.0);
    }
}

impl Cx<'_> {
    /// The id of a deletion that was done in this account. It is not stored: half of its number is
    /// a keyed hash of the rest.
    fn deletion_task(&self, service: &str, role: &str, nonce: [u8; 8]) -> String {
        let account = self.account();
        let nonce = nonce.map(|byte| format!("{byte:02x}")).concat();
        let text = format!("{service} {role} {nonce}");
        let home = paths::name_home(self.partition(), account);
        let hash = self
            .directory()
            .reader()
            .name_hash(home.as_str(), "deletion task", &text);
        let number: String = nonce
            .chars()
            .chain(hash.as_str().chars().take(16))
            .collect();
        let id = Uuid::parse_str(&number).unwrap_or_default();
        format!("task{PATH}{service}/{role}/{id}")
    }
}

/// `GetServiceLinkedRoleDeletionStatus`
#[derive(Debug)]
pub struct GetServiceLinkedRoleDeletionStatus {
    task: String,
}

/// A deletion is done when it is answered.
#[derive(Debug)]
pub struct Succeeded;

impl GetServiceLinkedRoleDeletionStatus {
    /// Service, role and nonce of the task's id.
    fn parts(&self) -> Option<(&str, &str, [u8; 8])> {
        let rest = self.task.strip_prefix("task")?.strip_prefix(PATH)?;
        let mut parts = rest.split('/');
        let (service, role, id) = (parts.next()?, parts.next()?, parts.next()?);
        let id = Uuid::parse_str(id).ok()?;
        let (nonce, _) = id.as_bytes().split_first_chunk::<8>()?;
        parts.next().is_none().then_some((service, role, *nonce))
    }
}

keyward_types::action!("iam": GetServiceLinkedRoleDeletionStatus = "iam:GetServiceLinkedRoleDeletionStatus");

impl Operation for GetServiceLinkedRoleDeletionStatus {
    const NAME: &'static str = "GetServiceLinkedRoleDeletionStatus";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("DeletionTaskId")];
    type Api = Iam;
    type Output = Succeeded;
    type Fault = IamFault;
    /// The role's ARN.
    type Resolved = String;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let task = m
            .string("DeletionTaskId")
            .length(1, 1000)
            .required()
            .to_owned();
        m.finish()?;
        Ok(Self { task })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<String, IamFault> {
        let (partition, account) = cx.caller.home();
        let (service, role) = match self.parts() {
            Some((service, role, _)) => (service, role),
            None => ("*", "*"),
        };
        Ok(format!(
            "arn:{partition}:iam::{account}:role{PATH}{service}/{role}"
        ))
    }

    fn authorize(&self, arn: &String, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&IdentityOnly::new(arn), |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        _arn: &String,
        cx: &Cx<'_>,
    ) -> Result<Done<Succeeded>, IamFault> {
        let parts = self.parts();
        let given = parts
            .filter(|(service, role, nonce)| cx.deletion_task(service, role, *nonce) == self.task);
        match given {
            Some(_) => Ok(Done::unchanged(Succeeded)),
            None => {
                let message = format!("Deletion task {} cannot be found.", self.task);
                Err(IamFault::missing(message))
            }
        }
    }
}

impl Output<Iam> for Succeeded {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text("Status", "SUCCEEDED");
    }
}
