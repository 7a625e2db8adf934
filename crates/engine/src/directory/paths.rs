//! Where records are stored that the engine reads or writes itself, or that several APIs do; what
//! belongs to one API alone has its paths there, which are made of [`global`] and [`scoped`]. Every path
//! begins partition/account/Region, but for access keys, whose look-up is global; what users name is in
//! a path only as a keyed hash.

use arrayvec::ArrayString;
use keyward_altus::KeyId;
use keyward_store::{
    path::{Path, PathError, Prefix, Segment},
    sealed::NameHash,
};
use keyward_types::{
    account::AccountId,
    key_id::KeyArn,
    partition::Partition,
    region::Region,
    storage::{AgentId, AgentTokenId, VolumeId},
    time::Timestamp,
    unique_id::{AccessKeyId, UniqueId},
};

/// The place of what belongs to an account in no Region.
const GLOBAL: Segment<'static> = Segment::word("global");
/// The path segment for users.
pub const USER: Segment<'static> = Segment::word("user");
/// The path segment for roles.
pub const ROLE: Segment<'static> = Segment::word("role");
/// The path segment for groups.
pub const GROUP: Segment<'static> = Segment::word("group");
/// The path segment for customer managed policies.
pub const POLICY: Segment<'static> = Segment::word("policy");
/// The path segment for OpenID Connect providers.
pub const OIDC_PROVIDER: Segment<'static> = Segment::word("oidc-provider");
/// The path segment for what a managed policy is attached to.
pub const POLICY_ATTACHMENT: Segment<'static> = Segment::word("policy-attachment");
/// The path segment for organizations.
pub const ORGANIZATION: Segment<'static> = Segment::word("organization");
/// What comes before the places of events on their way to the trail.
const OUTBOX: Segment<'static> = Segment::word("outbox");

/// A word as a segment, checked when it is compiled.
macro_rules! word {
    ($text:literal) => {
        const { Segment::word($text) }
    };
}

/// A path's text on the stack: the key of the caches, which have nearly every unit that a request
/// needs.
#[derive(Debug)]
pub struct Spelled(ArrayString<LONGEST_SPELLED>);

/// More bytes than any path of a unit on the hot path has: access key ids and unique ids have at
/// most 128, and what comes before them is shorter.
const LONGEST_SPELLED: usize = 256;

impl Spelled {
    /// The path of these segments, as text.
    pub fn new(segments: &[&str]) -> Self {
        Self::whole(segments).unwrap_or(Self(ArrayString::new()))
    }

    fn whole(segments: &[&str]) -> Option<Self> {
        let mut text = ArrayString::new();
        for (at, segment) in segments.iter().enumerate() {
            if at > 0 {
                text.try_push('/').ok()?;
            }
            text.try_push_str(segment).ok()?;
        }
        Some(Self(text))
    }

    /// The text, empty if it would be longer than any path of a unit.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a name belongs that is unique in an account.
pub fn name_home(partition: Partition, account: AccountId) -> Spelled {
    Spelled::new(&[partition.as_str(), account.as_str(), GLOBAL.as_str()])
}

/// Where a name belongs that is unique in an account and Region.
pub fn regional_name_home(region: Region, account: AccountId) -> Spelled {
    let partition = region.partition();
    Spelled::new(&[partition.as_str(), account.as_str(), region.as_str()])
}

/// [`access_key`] as text.
pub fn access_key_text(id: &AccessKeyId) -> Spelled {
    Spelled::new(&["access-key", id.as_str()])
}

/// [`user`] as text.
pub fn user_text(partition: Partition, account: AccountId, id: &UniqueId) -> Spelled {
    let (partition, account) = (partition.as_str(), account.as_str());
    Spelled::new(&[partition, account, GLOBAL.as_str(), "user", id.as_str()])
}

/// [`role`] as text.
pub fn role_text(partition: Partition, account: AccountId, id: &UniqueId) -> Spelled {
    let (partition, account) = (partition.as_str(), account.as_str());
    Spelled::new(&[partition, account, GLOBAL.as_str(), "role", id.as_str()])
}

/// The account's own record.
pub fn account(partition: Partition, account: AccountId) -> Path {
    global(partition, account, [word!("account")])
}

/// An access key.
pub fn access_key(id: &AccessKeyId) -> Path {
    Path::of([word!("access-key"), id.into()])
}

/// When an access key was last used.
pub fn access_key_last_use(id: &AccessKeyId) -> Path {
    Path::of([word!("access-key-last-use"), id.into()])
}

/// An access key of Cloudera's protocol.
///
/// # Errors
/// Never for an id of one.
pub fn cdp_access_key(id: &KeyId) -> Result<Path, PathError> {
    Path::join(&["cdp-access-key", id.as_str()])
}

/// Which access keys of Cloudera's protocol a user has.
pub fn cdp_access_keys(partition: Partition, account: AccountId, user: &UniqueId) -> Path {
    global(partition, account, [word!("cdp-access-keys"), user.into()])
}

/// A user, by its unique id.
pub fn user(partition: Partition, account: AccountId, id: &UniqueId) -> Path {
    global(partition, account, [USER, id.into()])
}

/// Where a user's name leads.
pub fn user_name(partition: Partition, account: AccountId, hash: &NameHash) -> Path {
    global(partition, account, [word!("user-name"), hash.into()])
}

/// Every user of an account.
pub fn users(partition: Partition, account: AccountId) -> Prefix {
    below_global(partition, account, [USER])
}

/// Where a user or role lives, by its unique id alone.
pub fn principal_id(id: &UniqueId) -> Path {
    Path::of([word!("principal-id"), id.into()])
}

/// A role, by its unique id.
pub fn role(partition: Partition, account: AccountId, id: &UniqueId) -> Path {
    global(partition, account, [ROLE, id.into()])
}

/// Where a role's name leads.
pub fn role_name(partition: Partition, account: AccountId, hash: &NameHash) -> Path {
    global(partition, account, [word!("role-name"), hash.into()])
}

/// Every role of an account.
pub fn roles(partition: Partition, account: AccountId) -> Prefix {
    below_global(partition, account, [ROLE])
}

/// When a role was last used.
pub fn role_last_use(partition: Partition, account: AccountId, id: &UniqueId) -> Path {
    global(partition, account, [word!("role-last-use"), id.into()])
}

/// A group, by its unique id.
pub fn group(partition: Partition, account: AccountId, id: &UniqueId) -> Path {
    global(partition, account, [GROUP, id.into()])
}

/// Where a group's name leads.
pub fn group_name(partition: Partition, account: AccountId, hash: &NameHash) -> Path {
    global(partition, account, [word!("group-name"), hash.into()])
}

/// A customer managed policy, by its unique id.
pub fn policy(partition: Partition, account: AccountId, id: &UniqueId) -> Path {
    global(partition, account, [POLICY, id.into()])
}

/// Where a managed policy's name leads.
pub fn policy_name(partition: Partition, account: AccountId, hash: &NameHash) -> Path {
    global(partition, account, [word!("policy-name"), hash.into()])
}

/// Where an instance profile's name leads: the names of all kinds are in one cache of the engine.
pub fn instance_profile_name(partition: Partition, account: AccountId, hash: &NameHash) -> Path {
    global(
        partition,
        account,
        [word!("instance-profile-name"), hash.into()],
    )
}

/// That a managed policy is attached to a user, group or role. IAM writes them, and Organizations that of
/// the role in a new account. AWS's own policies have such
/// entries too, in each account that uses them.
pub fn policy_attachment(
    partition: Partition,
    account: AccountId,
    (policy, to): (&UniqueId, &UniqueId),
) -> Path {
    let rest = [POLICY_ATTACHMENT, policy.into(), to.into()];
    global(partition, account, rest)
}

/// An OpenID Connect provider, by the hash of its issuer.
pub fn oidc_provider(partition: Partition, account: AccountId, hash: &NameHash) -> Path {
    global(partition, account, [OIDC_PROVIDER, hash.into()])
}

/// A service that was given credentials, in the account that they are in.
pub fn service(partition: Partition, account: AccountId, name: &str) -> Result<Path, PathError> {
    let rest = [word!("service"), Segment::parse(name)?];
    Ok(global(partition, account, rest))
}

/// Every service that was given credentials in an account.
pub fn services(partition: Partition, account: AccountId) -> Prefix {
    below_global(partition, account, [word!("service")])
}

/// [`membership`] as text.
pub fn membership_text(partition: Partition, account: AccountId) -> Spelled {
    let (partition, account) = (partition.as_str(), account.as_str());
    Spelled::new(&[
        partition,
        account,
        GLOBAL.as_str(),
        "organization-membership",
    ])
}

/// That an account is in an organization.
pub fn membership(partition: Partition, account: AccountId) -> Path {
    global(partition, account, [word!("organization-membership")])
}

/// An organization, in its management account: everything below is one unit.
pub fn organization(partition: Partition, management: AccountId) -> Path {
    global(partition, management, [ORGANIZATION])
}

/// Which account has an e-mail address, by its hash only: it is unique among all accounts.
pub fn account_email(partition: Partition, hash: &NameHash) -> Path {
    Path::of([word!("account-email"), partition.into(), hash.into()])
}

/// When a KMS key was last used. The engine notes that, as it notes the uses of access keys and roles.
pub fn last_use(arn: &KeyArn) -> Path {
    scoped(
        arn.region(),
        arn.account(),
        [word!("last-use"), arn.id().into()],
    )
}

/// An agent.
pub fn agent(region: Region, account: AccountId, id: &AgentId) -> Path {
    scoped(region, account, [word!("agent"), id.into()])
}

/// Every agent of an account and Region.
pub fn agents(region: Region, account: AccountId) -> Prefix {
    below_scoped(region, account, [word!("agent")])
}

/// A token by which an agent may register.
pub fn agent_token(region: Region, account: AccountId, id: &AgentTokenId) -> Path {
    scoped(region, account, [word!("agent-token"), id.into()])
}

/// Every token of an account and Region.
pub fn agent_tokens(region: Region, account: AccountId) -> Prefix {
    below_scoped(region, account, [word!("agent-token")])
}

/// A volume.
pub fn volume(region: Region, account: AccountId, id: &VolumeId) -> Path {
    scoped(region, account, [word!("volume"), id.into()])
}

/// Every volume of an account and Region.
pub fn volumes(region: Region, account: AccountId) -> Prefix {
    below_scoped(region, account, [word!("volume")])
}

/// The policy of the resource that a volume holds.
pub fn resource_policy(region: Region, account: AccountId, id: &VolumeId) -> Path {
    scoped(region, account, [word!("resource-policy"), id.into()])
}

/// A record of an API's own in a Region, by an id that is only text yet.
///
/// # Errors
/// When the id is not a segment of a path.
pub fn of_kind(
    region: Region,
    account: AccountId,
    kind: Segment<'static>,
    id: &str,
) -> Result<Path, PathError> {
    Ok(scoped(region, account, [kind, Segment::parse(id)?]))
}

/// A place of a process for events of changes on their way to the trail.
pub fn outbox_place(process: &str, number: u64) -> Result<Path, PathError> {
    Path::parse(&format!("outbox/{process}-{number}"))
}

/// Whether an event is stored at a path.
pub fn is_outbox(path: &Path) -> bool {
    path.as_str().starts_with("outbox/")
}

/// Whether it is such a place of that process.
pub fn is_outbox_place(path: &Path, process: &str) -> bool {
    let place = path.as_str().strip_prefix("outbox/");
    let number = place.and_then(|place| place.strip_prefix(process));
    number.is_some_and(|number| number.starts_with('-'))
}

/// An event on its way to the trail with a path of its own: what the system itself changed. Its
/// time comes first, so that events that are written and removed together are next to each other.
pub fn outbox(at: Timestamp, event_id: &str) -> Result<Path, PathError> {
    let place = format!("{:013}-{event_id}", at.millis().max(0));
    Ok(Path::of([OUTBOX, Segment::parse(&place)?]))
}

/// Every event on its way to the trail.
pub fn all_outbox() -> Prefix {
    Prefix::below(&Path::of([OUTBOX]))
}

/// What the store knows of the audit trail.
pub fn trail_head() -> Path {
    Path::of([word!("trail-head")])
}

/// The last reading of the wall clock that a worker recorded.
pub fn clock() -> Path {
    Path::of([word!("clock")])
}

/// The path of a record that belongs to an account in no Region, by what comes after these two: the
/// kind of the record, and what tells it from others of the kind.
pub fn global<const N: usize>(
    partition: Partition,
    account: AccountId,
    rest: [Segment<'_>; N],
) -> Path {
    let home = [partition.into(), (&account).into(), GLOBAL];
    Path::of(home.into_iter().chain(rest))
}

/// Every record below such a path.
pub fn below_global<const N: usize>(
    partition: Partition,
    account: AccountId,
    rest: [Segment<'_>; N],
) -> Prefix {
    Prefix::below(&global(partition, account, rest))
}

/// The path of a record that belongs to an account in a Region, by what comes after these two.
pub fn scoped<const N: usize>(region: Region, account: AccountId, rest: [Segment<'_>; N]) -> Path {
    let home = [region.partition().into(), (&account).into(), region.into()];
    Path::of(home.into_iter().chain(rest))
}

/// Every record below such a path.
pub fn below_scoped<const N: usize>(
    region: Region,
    account: AccountId,
    rest: [Segment<'_>; N],
) -> Prefix {
    Prefix::below(&scoped(region, account, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caches_are_asked_by_is_the_path() {
        let region = Region::parse("us-gov-west-1").unwrap();
        let account = AccountId::parse("111122223333").unwrap();
        let partition = region.partition();
        let user_id = UniqueId::from_random(keyward_types::unique_id::UniqueIdKind::User, [9; 17]);
        assert_eq!(
            user_text(partition, account, &user_id).as_str(),
            user(partition, account, &user_id).as_str()
        );
        assert_eq!(
            role_text(partition, account, &user_id).as_str(),
            role(partition, account, &user_id).as_str()
        );
        let id = AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap();
        assert_eq!(access_key_text(&id).as_str(), access_key(&id).as_str());
    }
}
