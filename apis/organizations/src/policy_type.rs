//! Which types of policy are enabled in the root.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_EnablePolicyType.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        records::organization::{Attachments, OrganizationRecord},
        units::organization::OrganizationUnit,
    },
    gate::supply::Supply,
    operation::{Done, Output},
};
use keyward_types::organization::{PolicyTarget, RootId};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Organizations,
    change::OrganizationChange,
    condition_keys::POLICY_TYPE,
    fault::OrganizationsFault,
    managed::Ask,
    members::{self, PolicyType},
    standing::{Thing, arn_of},
};

/// The root with the types that are enabled after the change.
#[derive(Debug)]
pub struct RootShown {
    organization: Arc<OrganizationUnit>,
    record: OrganizationRecord,
}

impl Output<Organizations> for RootShown {
    fn render(&self, out: &mut Writer<'_>) {
        let root = Thing::PolicyTarget(PolicyTarget::Root(self.record.root.clone()));
        out.object("Root", |entry| {
            entry.string("Id", self.record.root.as_str());
            entry.string("Arn", &arn_of(&self.organization, &root));
            entry.string("Name", "Root");
            crate::render::policy_types(&self.record, entry);
        });
    }
}

/// The change of a type's attachments.
fn change(
    organization: &Arc<OrganizationUnit>,
    record: OrganizationRecord,
    cx: &Cx<'_>,
) -> Result<Done<RootShown>, OrganizationsFault> {
    let change = OrganizationChange::with_head(organization, &record, cx)?;
    let output = RootShown {
        organization: Arc::clone(organization),
        record,
    };
    Ok(Done::changed(output, change.into_batch()))
}

/// What both operations are asked with.
#[derive(Debug)]
struct PolicyTypeInput {
    root: RootId,
    kind: PolicyType,
}

impl PolicyTypeInput {
    fn read(m: &mut Members<'_>) -> Option<Self> {
        let root = members::root(m, "RootId");
        let kind = members::policy_type(m, "PolicyType");
        Some(Self { root: root?, kind })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(PolicyTarget::Root(self.root.clone()))]
    }

    fn check_root(&self, organization: &OrganizationUnit) -> Result<(), OrganizationsFault> {
        if self.root == organization.record().root {
            Ok(())
        } else {
            Err(OrganizationsFault::RootNotFound)
        }
    }
}

/// `EnablePolicyType`: everything has AWS's own policy of the type from then on.
#[derive(Debug)]
pub struct EnablePolicyType(PolicyTypeInput);

keyward_types::action!("organizations": EnablePolicyType = "organizations:EnablePolicyType");

impl Ask for EnablePolicyType {
    const NAME: &'static str = "EnablePolicyType";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("RootId"), text("PolicyType")];
    type Action = Self;
    type Output = RootShown;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        PolicyTypeInput::read(m).map(Self)
    }

    fn things(&self) -> Vec<Thing> {
        self.0.things()
    }

    fn supply(&self, supply: &mut Supply) {
        supply.one(POLICY_TYPE, self.0.kind.0);
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<RootShown>, OrganizationsFault> {
        self.0.check_root(organization)?;
        let kind = self.0.kind.available()?;
        let mut record = organization.record().clone();
        let attachments = record.attachments_mut(kind);
        if attachments.is_some() {
            return Err(OrganizationsFault::PolicyTypeAlreadyEnabled);
        }
        *attachments = Some(Attachments::new());
        change(organization, record, cx)
    }
}

/// `DisablePolicyType`: every policy of the type is detached from everything.
#[derive(Debug)]
pub struct DisablePolicyType(PolicyTypeInput);

keyward_types::action!("organizations": DisablePolicyType = "organizations:DisablePolicyType");

impl Ask for DisablePolicyType {
    const NAME: &'static str = "DisablePolicyType";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("RootId"), text("PolicyType")];
    type Action = Self;
    type Output = RootShown;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        PolicyTypeInput::read(m).map(Self)
    }

    fn things(&self) -> Vec<Thing> {
        self.0.things()
    }

    fn supply(&self, supply: &mut Supply) {
        supply.one(POLICY_TYPE, self.0.kind.0);
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<RootShown>, OrganizationsFault> {
        self.0.check_root(organization)?;
        let kind = self.0.kind.served();
        let kind = kind.ok_or(OrganizationsFault::PolicyTypeNotEnabled)?;
        let mut record = organization.record().clone();
        let attachments = record.attachments_mut(kind).take();
        attachments.ok_or(OrganizationsFault::PolicyTypeNotEnabled)?;
        change(organization, record, cx)
    }
}
