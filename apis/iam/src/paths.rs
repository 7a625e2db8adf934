//! Where IAM's own records are stored. Those of users, groups, roles and managed policies, from which
//! the engine builds callers, are stored where [`keyward_engine::directory::paths`] says.

pub use keyward_engine::directory::paths::{
    GROUP, OIDC_PROVIDER, POLICY, ROLE, USER, access_key, access_key_last_use, account, name_home,
    oidc_provider, policy_attachment, principal_id, role_last_use,
};
use keyward_engine::directory::{
    identities::Home,
    paths::{POLICY_ATTACHMENT, below_global, global},
};
use keyward_store::{
    path::{Path, Prefix, Segment},
    sealed::NameHash,
};
use keyward_types::{account::AccountId, partition::Partition, unique_id::UniqueId};

/// The path segment for instance profiles.
pub const INSTANCE_PROFILE: Segment<'static> = Segment::word("instance-profile");
/// The path segment for members of groups.
const GROUP_MEMBER: Segment<'static> = Segment::word("group-member");
/// The path segment for the instance profiles of roles.
const ROLE_INSTANCE_PROFILE: Segment<'static> = Segment::word("role-instance-profile");
/// The path segment for the users and roles that a managed policy is the boundary of.
const POLICY_BOUNDARY: Segment<'static> = Segment::word("policy-boundary");
/// The path segment for aliases of accounts.
const ACCOUNT_ALIAS: Segment<'static> = Segment::word("account-alias");
/// The path segment for credential reports.
const CREDENTIAL_REPORT: Segment<'static> = Segment::word("credential-report");

/// A record of a kind, by its unique id.
pub fn of_kind((partition, account): Home, kind: Segment<'static>, id: &UniqueId) -> Path {
    global(partition, account, [kind, id.into()])
}

/// Every record of a kind that an account has.
pub fn all_of_kind((partition, account): Home, kind: Segment<'static>) -> Prefix {
    below_global(partition, account, [kind])
}

/// That a user is in a group.
pub fn group_member(
    partition: Partition,
    account: AccountId,
    (group, user): (&UniqueId, &UniqueId),
) -> Path {
    let rest = [GROUP_MEMBER, group.into(), user.into()];
    global(partition, account, rest)
}

/// Every member of a group.
pub fn group_members(partition: Partition, account: AccountId, group: &UniqueId) -> Prefix {
    below_global(partition, account, [GROUP_MEMBER, group.into()])
}

/// That a role is in an instance profile.
pub fn role_instance_profile(
    partition: Partition,
    account: AccountId,
    (role, profile): (&UniqueId, &UniqueId),
) -> Path {
    let rest = [ROLE_INSTANCE_PROFILE, role.into(), profile.into()];
    global(partition, account, rest)
}

/// Every instance profile that a role is in.
pub fn role_instance_profiles(partition: Partition, account: AccountId, role: &UniqueId) -> Prefix {
    below_global(partition, account, [ROLE_INSTANCE_PROFILE, role.into()])
}

/// Everything that a managed policy is attached to.
pub fn policy_attachments(partition: Partition, account: AccountId, policy: &UniqueId) -> Prefix {
    below_global(partition, account, [POLICY_ATTACHMENT, policy.into()])
}

/// That a managed policy is the boundary of a user or role.
pub fn policy_boundary(
    partition: Partition,
    account: AccountId,
    (policy, of): (&UniqueId, &UniqueId),
) -> Path {
    let rest = [POLICY_BOUNDARY, policy.into(), of.into()];
    global(partition, account, rest)
}

/// Everything that a managed policy is the boundary of.
pub fn policy_boundaries(partition: Partition, account: AccountId, policy: &UniqueId) -> Prefix {
    below_global(partition, account, [POLICY_BOUNDARY, policy.into()])
}

/// Which account of a partition an alias names, by the alias's hash.
pub fn account_alias(partition: Partition, hash: &NameHash) -> Path {
    Path::of([ACCOUNT_ALIAS, partition.into(), hash.into()])
}

/// The alias of an account.
pub fn alias_of_account(partition: Partition, account: AccountId) -> Path {
    global(partition, account, [ACCOUNT_ALIAS])
}

/// That a credential report of an account was requested.
pub fn credential_report(partition: Partition, account: AccountId) -> Path {
    global(partition, account, [CREDENTIAL_REPORT])
}
