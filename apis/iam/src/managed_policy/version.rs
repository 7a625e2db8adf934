//! The versions of managed policies. The one that is the default decides; numbers are never used
//! again.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicyVersion.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, boolean, text},
    directory::{records::identity::PolicyVersionRecord, units::identity::ManagedPolicyUnit},
    operation::{Done, Empty, Output},
    policy::document::{Document, PolicyKind},
};
use keyward_wire::{
    json::{self, Members},
    xml,
};

use crate::{
    Cx, Iam,
    entity::{Entity, EntityName, Lookup, entity_action, entity_actions},
    fault::IamFault,
    managed_policy::shown::show,
    names,
    nouns::check_policy_arn,
    on_one::{Listing, On, OnOne},
    page::Page,
    shape, stored,
};

/// The most versions of a policy.
const MAX_VERSIONS: usize = 5;

/// The policy of a requested version. One that does not exist has no such version, and AWS's error
/// says so.
fn with_version<'p>(
    policy: &'p Lookup<ManagedPolicyUnit>,
    (arn, version): (&str, &str),
) -> Result<&'p Arc<ManagedPolicyUnit>, IamFault> {
    match policy.found() {
        Some(found) => Ok(found),
        None => {
            check_policy_arn(arn)?;
            Err(shape::no_such_version(arn, version))
        }
    }
}

/// A version of a policy, with its document or without.
#[derive(Debug)]
pub struct VersionShown {
    version: PolicyVersionRecord,
    default: u32,
    with_document: bool,
}

impl Output<Iam> for VersionShown {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("PolicyVersion", |out| {
            shape::version(out, (&self.version, self.default, self.with_document));
        });
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        if !self.with_document {
            elements.object("policyVersion", |version| {
                version.string("versionId", &shape::version_id(self.version.number));
                version.boolean("isDefaultVersion", self.version.number == self.default);
                version.string("createDate", &self.version.created.iso8601());
            });
        }
    }
}

/// `CreatePolicyVersion`
#[derive(Debug)]
pub struct CreatePolicyVersion {
    of: EntityName<Self>,
    document: String,
    set_as_default: bool,
}

entity_action!(
    CreatePolicyVersion = "iam:CreatePolicyVersion",
    ManagedPolicyUnit,
    names::ARN
);

impl OnOne for CreatePolicyVersion {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("PolicyArn"),
        text("PolicyDocument"),
        boolean("SetAsDefault"),
    ];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = VersionShown;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let document = names::document(m, "PolicyDocument");
        let set_as_default = m.boolean("SetAsDefault").optional().unwrap_or(false);
        Self {
            of,
            document,
            set_as_default,
        }
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.of
    }

    async fn answer(&self, policy: &On<Self>, cx: &Cx<'_>) -> Result<Done<VersionShown>, IamFault> {
        let policy = policy.get()?;
        let mut record = policy.edit_by::<Self>(cx)?;
        let document = Document::parse(&self.document, PolicyKind::ManagedIdentity)?;
        if record.versions.len() >= MAX_VERSIONS {
            let message = format!(
                "A managed policy can have up to {MAX_VERSIONS} versions. Before you create a new \
                 version, you must delete an existing version."
            );
            return Err(IamFault::LimitExceeded { message });
        }
        record.last_version = record.last_version.saturating_add(1);
        record.updated = cx.now;
        let version = PolicyVersionRecord {
            number: record.last_version,
            text: stored::text(&document, &self.document, 0)?,
            created: cx.now,
        };
        record.versions.push(version.clone());
        if self.set_as_default {
            record.default_version = version.number;
        }
        let batch = policy.rewrite(cx, &record)?;
        let (default, with_document) = (record.default_version, false);
        let shown = VersionShown {
            version,
            default,
            with_document,
        };
        Ok(Done::changed(shown, batch))
    }
}

/// `GetPolicyVersion`
#[derive(Debug)]
pub struct GetPolicyVersion {
    of: EntityName<Self>,
    version: String,
}

entity_action!(
    GetPolicyVersion = "iam:GetPolicyVersion",
    ManagedPolicyUnit,
    names::ARN
);

impl OnOne for GetPolicyVersion {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("PolicyArn"), text("VersionId")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = VersionShown;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let version = names::version_id(m);
        Self { of, version }
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.of
    }

    async fn answer(&self, policy: &On<Self>, cx: &Cx<'_>) -> Result<Done<VersionShown>, IamFault> {
        let policy = with_version(policy, (&self.of.name, &self.version))?;
        let shown = show(cx, policy).await?;
        let number = shape::version_number(&self.version);
        let mut versions = shown.record.versions.into_iter();
        let version = versions.find(|version| Some(version.number) == number);
        let Some(version) = version else {
            return Err(shape::no_such_version(&self.of.name, &self.version));
        };
        let (default, with_document) = (shown.record.default_version, true);
        Ok(Done::unchanged(VersionShown {
            version,
            default,
            with_document,
        }))
    }
}

/// `DeletePolicyVersion`
#[derive(Debug)]
pub struct DeletePolicyVersion {
    of: EntityName<Self>,
    version: String,
}

entity_action!(
    DeletePolicyVersion = "iam:DeletePolicyVersion",
    ManagedPolicyUnit,
    names::ARN
);

impl OnOne for DeletePolicyVersion {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("PolicyArn"), text("VersionId")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let version = names::version_id(m);
        Self { of, version }
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.of
    }

    async fn answer(&self, policy: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let policy = with_version(policy, (&self.of.name, &self.version))?;
        let mut record = policy.edit_by::<Self>(cx)?;
        let number = shape::version_number(&self.version);
        let before = record.versions.len();
        record
            .versions
            .retain(|version| Some(version.number) != number);
        if record.versions.len() == before {
            return Err(shape::no_such_version(&self.of.name, &self.version));
        }
        if Some(record.default_version) == number {
            let message = "Cannot delete the default version of a policy.".to_owned();
            return Err(IamFault::DeleteConflict { message });
        }
        Ok(Done::changed(Empty, policy.rewrite(cx, &record)?))
    }
}

/// A page of versions.
#[derive(Debug)]
pub struct Versions(Page<(PolicyVersionRecord, u32)>);

entity_actions! {
    ManagedPolicyUnit, names::ARN => ListPolicyVersions = "iam:ListPolicyVersions",;
}

impl Listing for ListPolicyVersions {
    type Action = Self;
    type Operand = EntityName<Self>;
    type Item = (PolicyVersionRecord, u32);
    type Output = Versions;

    async fn items(
        policy: &Lookup<ManagedPolicyUnit>,
        cx: &Cx<'_>,
    ) -> Result<Vec<(PolicyVersionRecord, u32)>, IamFault> {
        let record = show(cx, policy.get()?).await?.record;
        let default = record.default_version;
        let versions = record.versions.into_iter();
        Ok(versions.map(|version| (version, default)).collect())
    }

    fn key((version, _): &(PolicyVersionRecord, u32)) -> String {
        format!("{:010}", u32::MAX - version.number)
    }

    async fn answer(
        _policy: &Lookup<ManagedPolicyUnit>,
        page: Page<(PolicyVersionRecord, u32)>,
        _cx: &Cx<'_>,
    ) -> Result<Versions, IamFault> {
        Ok(Versions(page))
    }
}

impl Output<Iam> for Versions {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Versions", |out, (version, default)| {
            shape::version(out, (version, *default, false));
        });
    }
}

/// `SetDefaultPolicyVersion`
#[derive(Debug)]
pub struct SetDefaultPolicyVersion {
    of: EntityName<Self>,
    version: String,
}

entity_action!(
    SetDefaultPolicyVersion = "iam:SetDefaultPolicyVersion",
    ManagedPolicyUnit,
    names::ARN
);

impl OnOne for SetDefaultPolicyVersion {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("PolicyArn"), text("VersionId")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let version = names::version_id(m);
        Self { of, version }
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.of
    }

    async fn answer(&self, policy: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let policy = with_version(policy, (&self.of.name, &self.version))?;
        let mut record = policy.edit_by::<Self>(cx)?;
        let number = shape::version_number(&self.version);
        let known = record.versions.iter().map(|version| version.number);
        let Some(number) = known.into_iter().find(|known| Some(*known) == number) else {
            return Err(shape::no_such_version(&self.of.name, &self.version));
        };
        record.default_version = number;
        Ok(Done::changed(Empty, policy.rewrite(cx, &record)?))
    }
}
