//! Managed policies: made, shown, listed, deleted. Customers' have a record; AWS's own are in a
//! table and are the same in every account.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html>

pub mod entities;
pub mod list;
pub mod shown;
pub mod version;

use std::sync::Arc;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    directory::{
        records::{
            V1,
            identity::{ManagedPolicyRecord, PolicyVersionRecord},
        },
        units::identity::ManagedPolicyUnit,
    },
    operation::{Done, Empty, Output},
    policy::document::{Document, PolicyKind},
};
use keyward_types::unique_id::{UniqueId, UniqueIdKind};
use keyward_wire::{
    json::{self, Members},
    xml,
};

use crate::{
    Cx, Iam,
    entity::{Entity, EntityName, Record, entity_action},
    fault::IamFault,
    managed_policy::shown::{ShownPolicy, show},
    names,
    newborn::{Creates, New, Particulars, enroll, unmake},
    on_one::{On, OnOne},
    shape, stored, tags,
};

/// A managed policy alone.
#[derive(Debug)]
pub struct PolicyFound {
    policy: ShownPolicy,
    created: bool,
}

impl Output<Iam> for PolicyFound {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("Policy", |out| {
            self.policy.render_in_list(out);
            // CreatePolicy does not repeat it.
            if let Some(description) = self
                .policy
                .record
                .description
                .as_ref()
                .filter(|_| !self.created)
            {
                out.text("Description", description);
            }
            // GetPolicy shows the list even if it is empty.
            let tags = &self.policy.record.tags;
            if self.created {
                shape::tags(out, tags);
            } else {
                out.list("Tags", tags, shape::tag);
            }
        });
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        if self.created {
            let record = &self.policy.record;
            elements.object("policy", |policy| {
                policy.string("policyName", &record.name);
                policy.string("policyId", record.id.as_str());
                policy.string("arn", &self.policy.arn);
                policy.string("path", &record.path);
                policy.string("createDate", &record.created.iso8601());
            });
        }
    }
}

/// `CreatePolicy`
#[derive(Debug)]
pub struct CreatePolicy {
    wanted: Particulars,
    document: String,
    description: Option<String>,
}

keyward_types::action!("iam": CreatePolicy = "iam:CreatePolicy");

impl Creates for CreatePolicy {
    const PARAMETERS: &'static [Parameter] = &[
        text("PolicyName"),
        text("Path"),
        text("PolicyDocument"),
        text("Description"),
        structures("Tags", names::SHOWN_TAG),
    ];
    type Entity = ManagedPolicyUnit;
    type Tagging = tags::TagPolicy;
    type Output = PolicyFound;

    fn read(m: &mut Members<'_>) -> Self {
        let name = names::name(m, "PolicyName", 128);
        let path = names::policy_path(m);
        let document = names::document(m, "PolicyDocument");
        let description = m
            .string("Description")
            .length(0, 1000)
            .optional()
            .map(str::to_owned);
        let wanted = Particulars {
            name,
            path,
            boundary: None,
            tags: names::tags(m),
        };
        Self {
            wanted,
            document,
            description,
        }
    }

    fn wanted(&self) -> &Particulars {
        &self.wanted
    }

    fn shown(&self) -> Option<String> {
        Some(format!("policy {}", self.wanted.name))
    }

    async fn create(&self, new: &New, cx: &Cx<'_>) -> Result<Done<PolicyFound>, IamFault> {
        let document = Document::parse(&self.document, PolicyKind::ManagedIdentity)?;
        let text = stored::text(&document, &self.document, 0)?;
        new.check_free(ManagedPolicyUnit::NOUN)?;
        let record = ManagedPolicyRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::ManagedPolicy, random::array()),
            name: self.wanted.name.clone(),
            path: self.wanted.path.clone(),
            description: self.description.clone(),
            created: cx.now,
            updated: cx.now,
            tags: self.wanted.tags.clone(),
            versions: vec![PolicyVersionRecord {
                number: 1,
                text,
                created: cx.now,
            }],
            default_version: 1,
            last_version: 1,
            attachments: 0,
            boundaries: 0,
        };
        let mut batch = cx.batch();
        let counted = enroll(cx, &mut batch, &record)?;
        record.put(cx, &mut batch, None)?;
        let arn = new.arn().to_owned();
        let policy = ShownPolicy { arn, record };
        let created = true;
        Ok(Done::changed(PolicyFound { policy, created }, batch).counting(counted))
    }
}

/// `GetPolicy`
#[derive(Debug)]
pub struct GetPolicy(EntityName<Self>);

entity_action!(GetPolicy = "iam:GetPolicy", ManagedPolicyUnit, names::ARN);

impl OnOne for GetPolicy {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("PolicyArn")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = PolicyFound;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, policy: &On<Self>, cx: &Cx<'_>) -> Result<Done<PolicyFound>, IamFault> {
        let policy: &Arc<ManagedPolicyUnit> = policy.get()?;
        let policy = show(cx, policy).await?;
        let created = false;
        Ok(Done::unchanged(PolicyFound { policy, created }))
    }
}

/// `DeletePolicy`
#[derive(Debug)]
pub struct DeletePolicy(EntityName<Self>);

entity_action!(
    DeletePolicy = "iam:DeletePolicy",
    ManagedPolicyUnit,
    names::ARN
);

impl OnOne for DeletePolicy {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("PolicyArn")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, policy: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let policy = policy.get()?;
        let record = policy.edit_by::<Self>(cx)?;
        if record.attachments > 0 || record.boundaries > 0 {
            let message = "Cannot delete a policy attached to entities.".to_owned();
            return Err(IamFault::DeleteConflict { message });
        }
        if record.versions.len() > 1 {
            let message = "This policy has more than one version. Before you delete a policy, you \
                           must delete the policy's versions. The default version is deleted with \
                           the policy."
                .to_owned();
            return Err(IamFault::DeleteConflict { message });
        }
        let mut batch = cx.batch();
        unmake(cx, &mut batch, (&**policy, &record))?;
        Ok(Done::changed(Empty, batch))
    }
}
