//! What a decision is asked about: who, what, on which resource, under which policies.

use keyward_types::{
    account::AccountId, key_id::KeyArn, partition::Partition, principal::Principal,
};

use crate::{
    attributes::Attributes,
    decision::{Named, PolicyName},
    policy::Policy,
    principal::Class,
};

/// One question to the policies.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks to act.
    pub caller: &'a Principal,
    /// The action with its prefix, such as `kms:Encrypt`.
    pub action: &'a str,
    /// What the action is done to.
    pub resource: Resource<'a>,
    /// The values of condition keys and policy variables.
    pub context: &'a dyn Attributes,
    /// The policies that take part, except for the resource's own, which is in `resource`.
    pub policies: Policies<'a>,
}

/// The policies that take part, except for the resource's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// The caller's identity policies: for a user its own and its groups', for a session its
    /// role's, for a federated user those of the user who created it.
    pub identity: &'a [Attached<'a>],
    /// The permissions boundary of the user or role.
    pub boundary: Option<Attached<'a>>,
    /// The session policies, which form one set; `None` if the session was made without any.
    pub session: Option<&'a [Attached<'a>]>,
    /// Service control policies by level (root, each organizational unit, account). Empty if the
    /// caller's account is in no organization or is the organization's management account.
    pub scps: &'a [&'a [Attached<'a>]],
    /// Resource control policies over the resource. Empty for resources of a management account
    /// and for AWS managed keys.
    pub rcps: &'a [Attached<'a>],
    /// The policy of the VPC endpoint that the request came through.
    pub endpoint: Option<Attached<'a>>,
}

/// A policy with its name, for evidence and denials.
#[derive(Clone, Copy, Debug)]
pub struct Attached<'a> {
    /// The compiled policy.
    pub policy: &'a Policy,
    /// Its name.
    pub name: Name<'a>,
}

/// What a policy is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// A managed policy's ARN, which denials show to callers of the same account.
    Arn(&'a str),
    /// The name of an inline policy, which denials do not show.
    Inline(&'a str),
}

impl From<Name<'_>> for PolicyName {
    fn from(name: Name<'_>) -> Self {
        match name {
            Name::Arn(arn) => Self::Arn(arn.into()),
            Name::Inline(name) => Self::Inline(name.into()),
        }
    }
}

/// What an action is done to.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    pub(crate) arn: &'a str,
    pub(crate) shown: &'a str,
    pub(crate) account: AccountId,
    pub(crate) partition: Partition,
    pub(crate) guard: Guard<'a>,
    pub(crate) named: Named,
}

/// What guards a resource on its own side.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guard<'a> {
    /// Nothing: identity policies of the same account decide alone.
    Identity,
    /// A resource policy in addition to identity policies: within the account, either of them can
    /// allow, and both can deny.
    Either { policy: &'a Policy },
    /// A resource policy and grants. Without a policy only grants let anybody in.
    Policy {
        policy: Option<&'a Policy>,
        grants: &'a [GrantMatch<'a>],
    },
}

/// A grant that names the caller, lists the operation and whose constraints hold.
#[derive(Clone, Copy, Debug)]
pub struct GrantMatch<'a> {
    /// The grant's id.
    pub id: &'a str,
    /// How its grantee reaches the caller ([`crate::principal::Grantee::reaches`]).
    pub class: Class,
}

impl<'a> Resource<'a> {
    /// A KMS key with its key policy.
    pub fn key(arn: &'a KeyArn, policy: &'a Policy) -> Self {
        Self::guarded(arn.as_str(), arn.partition(), arn.account(), Some(policy))
    }

    /// The stand-in for a key of another account that does not exist: nothing allows it, and the
    /// answer is the one for a key that exists and allows nothing.
    pub fn absent_key(arn: &'a str, partition: Partition, account: AccountId) -> Self {
        Self::guarded(arn, partition, account, None)
    }

    /// A resource with a policy of its own that must allow the caller, such as a role with its
    /// trust policy; without the policy, only grants can allow it (`kms:RetireGrant`, for which a
    /// key policy has no effect).
    pub fn guarded(
        arn: &'a str,
        partition: Partition,
        account: AccountId,
        policy: Option<&'a Policy>,
    ) -> Self {
        let guard = Guard::Policy {
            policy,
            grants: &[],
        };
        Self {
            arn,
            shown: arn,
            account,
            partition,
            guard,
            named: Named::Directly,
        }
    }

    /// A resource with a policy that can allow callers in addition to those whom identity policies of
    /// its account allow, such as a file system.
    ///
    /// <https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html>
    pub fn shared(
        arn: &'a str,
        partition: Partition,
        account: AccountId,
        policy: &'a Policy,
    ) -> Self {
        let mut resource = Self::guarded(arn, partition, account, None);
        resource.guard = Guard::Either { policy };
        resource
    }

    /// A resource without a policy of its own, such as an alias or an IAM user: identity
    /// policies of its account decide.
    pub fn identity_only(arn: &'a str, partition: Partition, account: AccountId) -> Self {
        let mut resource = Self::guarded(arn, partition, account, None);
        resource.guard = Guard::Identity;
        resource
    }

    /// No single resource, which denials show as `*`. Resource elements are compared with `arn`,
    /// which is `arn:<partition>:<service>:<region>:<account>:*`.
    pub fn account_wide(arn: &'a str, partition: Partition, account: AccountId) -> Self {
        let mut resource = Self::identity_only(arn, partition, account);
        resource.shown = "*";
        resource
    }

    /// Under another text in denials, such as `policy path /`.
    #[must_use]
    pub fn shown_as(mut self, shown: &'a str) -> Self {
        self.shown = shown;
        self
    }

    /// With the grants that apply to this caller, operation and request.
    #[must_use]
    pub fn with_grants(mut self, matching: &'a [GrantMatch<'a>]) -> Self {
        if let Guard::Policy { grants, .. } = &mut self.guard {
            *grants = matching;
        }
        self
    }

    /// As found in a ciphertext instead of being named by the caller.
    #[must_use]
    pub fn found_in_ciphertext(mut self) -> Self {
        self.named = Named::ByCiphertext;
        self
    }

    /// The ARN that Resource elements are compared with.
    pub fn arn(&self) -> &'a str {
        self.arn
    }

    /// The account that owns the resource.
    pub fn account(&self) -> AccountId {
        self.account
    }
}

/// The actions that may reach a resource of another account; every other is refused there even
/// if both sides allow it.
///
/// <https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html>
/// <https://docs.aws.amazon.com/efs/latest/ug/manage-fs-access-vpc-peering.html>
const CROSS_ACCOUNT: &[&str] = &[
    "elasticfilesystem:ClientMount",
    "elasticfilesystem:ClientRootAccess",
    "elasticfilesystem:ClientWrite",
    "kms:CreateGrant",
    "kms:Decapsulate",
    "kms:Decrypt",
    "kms:DeriveSharedSecret",
    "kms:DescribeKey",
    "kms:Encapsulate",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GenerateMac",
    "kms:GetKeyRotationStatus",
    "kms:GetPublicKey",
    "kms:ListGrants",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RetireGrant",
    "kms:RevokeGrant",
    "kms:Sign",
    "kms:Verify",
    "kms:VerifyMac",
    "sts:AssumeRole",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

/// The services served here that resource control policies apply to.
///
/// <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html>
const WITH_RCPS: &[&str] = &["kms", "sts"];

/// Whether resource control policies apply to the actions of a service.
pub fn has_rcps(service: &str) -> bool {
    WITH_RCPS.contains(&service)
}

/// Whether AWS lets the action reach resources of other accounts at all.
pub fn reaches_other_accounts(action: &str) -> bool {
    CROSS_ACCOUNT
        .iter()
        .any(|name| name.eq_ignore_ascii_case(action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn management_of_a_key_stays_in_its_account() {
        assert!(reaches_other_accounts("kms:Encrypt"));
        assert!(!reaches_other_accounts("kms:PutKeyPolicy"));
        assert!(!reaches_other_accounts("kms:GetKeyPolicy"));
    }
}
