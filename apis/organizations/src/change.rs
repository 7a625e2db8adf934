//! A change of an organization: a batch that rewrites the head of its unit, so that of two changes
//! at the same time, one starts again.

use keyward_engine::directory::{
    identities::Home,
    organizations::{MAX_RECORDS, part},
    purpose,
    records::{
        self,
        organization::{
            ControlPolicyRecord, MemberRecord, OrganizationRecord, OrganizationalUnitRecord,
        },
    },
    units::organization::OrganizationUnit,
};
use keyward_store::{
    batch::Precondition,
    sealed::{Purpose, SealedBatch},
};
use serde::Serialize;

use crate::{
    Cx,
    fault::{Because, OrganizationsFault},
    paths,
};

/// A batch that changes an organization.
#[derive(Debug)]
pub struct OrganizationChange {
    home: Home,
    batch: SealedBatch,
}

impl OrganizationChange {
    /// A change that leaves the head as it is.
    ///
    /// # Errors
    /// Never for what is parsed.
    pub fn of(organization: &OrganizationUnit, cx: &Cx<'_>) -> Result<Self, OrganizationsFault> {
        Self::with_head(organization, organization.record(), cx)
    }

    /// A change of the head, perhaps among others.
    ///
    /// # Errors
    /// Never for what is parsed.
    pub fn with_head(
        organization: &OrganizationUnit,
        record: &OrganizationRecord,
        cx: &Cx<'_>,
    ) -> Result<Self, OrganizationsFault> {
        let home = (organization.partition(), record.management);
        let mut batch = cx.batch();
        let bytes = records::encode(record)?;
        let at = Precondition::At(organization.revision());
        batch.put(
            paths::organization_head(home.0, home.1),
            purpose::ORGANIZATION,
            &bytes,
            at,
        )?;
        Ok(Self { home, batch })
    }

    /// Writes an organizational unit.
    ///
    /// # Errors
    /// Never for what is parsed.
    pub fn put_unit(&mut self, unit: &OrganizationalUnitRecord) -> Result<(), OrganizationsFault> {
        let id = unit.id.as_str();
        self.put("unit", id, purpose::ORGANIZATIONAL_UNIT, unit)
    }

    /// Writes an account.
    ///
    /// # Errors
    /// Never for what is parsed.
    pub fn put_account(&mut self, member: &MemberRecord) -> Result<(), OrganizationsFault> {
        let id = member.account;
        self.put(
            "account",
            id.as_str(),
            purpose::ORGANIZATION_ACCOUNT,
            member,
        )
    }

    /// Writes a policy.
    ///
    /// # Errors
    /// When its text is larger than any can be.
    pub fn put_policy(&mut self, policy: &ControlPolicyRecord) -> Result<(), OrganizationsFault> {
        let id = policy.id.as_str();
        self.put("policy", id, purpose::CONTROL_POLICY, policy)
    }

    /// Removes what has that id: `kind` is `unit` or `policy`.
    ///
    /// # Errors
    /// Never for what is parsed.
    pub fn delete(&mut self, kind: &str, id: &str) -> Result<(), OrganizationsFault> {
        // The head's precondition covers the whole unit.
        let path = part(self.home, kind, id)?;
        Ok(self.batch.delete(path, Precondition::Any)?)
    }

    /// The batch, for records outside of the unit.
    pub fn batch(&mut self) -> &mut SealedBatch {
        &mut self.batch
    }

    /// The batch.
    pub fn into_batch(self) -> SealedBatch {
        self.batch
    }

    fn put<R: Serialize>(
        &mut self,
        kind: &str,
        id: &str,
        purpose: Purpose,
        record: &R,
    ) -> Result<(), OrganizationsFault> {
        let path = part(self.home, kind, id)?;
        let bytes = records::encode(record)?;
        self.batch.put(path, purpose, &bytes, Precondition::Any)?;
        Ok(())
    }
}

/// Refuses another account, organizational unit or policy if the organization has reached the
/// limit.
///
/// # Errors
/// `ConstraintViolationException` for that reason.
pub fn check_room(
    organization: &OrganizationUnit,
    full: Because,
) -> Result<(), OrganizationsFault> {
    let held =
        organization.accounts().len() + organization.units().len() + organization.policies().len();
    if held < MAX_RECORDS {
        Ok(())
    } else {
        Err(OrganizationsFault::Constraint(full))
    }
}
