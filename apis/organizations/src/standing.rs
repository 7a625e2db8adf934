//! The place of the caller's account: in which organization it is, and whether it manages it.

use std::sync::Arc;

use keyward_engine::{
    directory::units::organization::{Membership, OrganizationUnit},
    gate::{Denied, Gate, protected::IdentityOnly, supply::Supply},
    policy::permit::Permit,
};
use keyward_types::{
    action::Action,
    organization::{ControlPolicyId, PolicyTarget},
    tag::Tag,
};

use crate::{Cx, condition_keys::POLICY_TYPE, fault::OrganizationsFault};

/// Something that a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A root, organizational unit or account.
    PolicyTarget(PolicyTarget),
    /// A policy.
    Policy(ControlPolicyId),
}

/// The place of the caller's account now: read again for each attempt.
#[derive(Debug)]
pub struct Standing {
    membership: Option<Membership>,
}

impl Standing {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of(cx: &Cx<'_>) -> Result<Self, OrganizationsFault> {
        let membership = cx.directory().membership(cx.caller.home()).await?;
        Ok(Self { membership })
    }

    /// The membership.
    ///
    /// # Errors
    /// When the account is in no organization.
    pub fn member(&self) -> Result<&Membership, OrganizationsFault> {
        self.membership.as_ref().ok_or(OrganizationsFault::NotInUse)
    }

    /// The organization that the caller's account manages.
    ///
    /// # Errors
    /// When it is in none, or does not manage it.
    pub fn managed(&self) -> Result<&Arc<OrganizationUnit>, OrganizationsFault> {
        let membership = self.member()?;
        if membership.is_management() {
            Ok(membership.organization())
        } else {
            Err(OrganizationsFault::NotYours)
        }
    }

    /// Whether the account is in an organization.
    pub fn is_member(&self) -> bool {
        self.membership.is_some()
    }

    /// The permits for an action on all these things; on the account as a whole if there are none.
    ///
    /// # Errors
    /// The first denial.
    pub fn permits<A: Action>(
        &self,
        gate: &Gate<'_>,
        things: &[Thing],
        supply: impl Fn(&mut Supply),
    ) -> Result<Vec<Permit<A>>, Denied> {
        match &self.membership {
            Some(membership) if !things.is_empty() => {
                let organization = membership.organization();
                let kind = things.iter().find_map(|thing| match thing {
                    Thing::Policy(id) => Some(organization.policy(id)?.record().kind),
                    Thing::PolicyTarget(_) => None,
                });
                let supply = |supplied: &mut Supply| {
                    supply(supplied);
                    if let Some(kind) = kind {
                        supplied.one(POLICY_TYPE, kind.as_str());
                    }
                };
                let ask = |thing: &Thing| {
                    let (arn, tags) = (arn_of(organization, thing), tags_of(organization, thing));
                    gate.permit(&IdentityOnly::new(&arn).tagged(tags), supply)
                };
                things.iter().map(ask).collect()
            }
            Some(_) | None => Ok(vec![gate.account(supply)?]),
        }
    }
}

/// The ARN of something, whether it is there or not.
pub fn arn_of(organization: &OrganizationUnit, thing: &Thing) -> String {
    let (record, partition) = (organization.record(), organization.partition());
    match thing {
        Thing::PolicyTarget(PolicyTarget::Root(root)) => {
            record.arn_of(partition, "root", root.as_str())
        }
        Thing::PolicyTarget(PolicyTarget::Unit(unit)) => {
            record.arn_of(partition, "ou", unit.as_str())
        }
        Thing::PolicyTarget(PolicyTarget::Account(account)) => {
            record.arn_of(partition, "account", account.as_str())
        }
        Thing::Policy(id) => match organization.policy(id) {
            Some(policy) => policy.arn().to_owned(),
            // Of what type it would be is not known.
            None => record.arn_of(partition, "policy", &format!("*/{id}")),
        },
    }
}

/// The tags of something; `None` if it is not there.
pub fn tags_of<'o>(organization: &'o OrganizationUnit, thing: &Thing) -> &'o [Tag] {
    match thing {
        Thing::PolicyTarget(PolicyTarget::Root(_)) => &organization.record().root_tags,
        Thing::PolicyTarget(PolicyTarget::Unit(unit)) => {
            let unit = organization.units().get(unit);
            unit.map(|unit| unit.tags.as_slice()).unwrap_or_default()
        }
        Thing::PolicyTarget(PolicyTarget::Account(account)) => {
            let member = organization.accounts().get(account);
            member
                .map(|member| member.record().tags.as_slice())
                .unwrap_or_default()
        }
        Thing::Policy(id) => {
            let policy = organization.policies().get(id);
            policy
                .map(|policy| policy.record().tags.as_slice())
                .unwrap_or_default()
        }
    }
}
