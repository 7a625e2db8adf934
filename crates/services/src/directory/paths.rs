//! Where records stand. Every path begins partition/account/Region, but for access keys, whose
//! look-up is global; what users name stands in a path only as a keyed hash.

use arrayvec::ArrayString;
use keyward_store::path::{Path, PathError, Prefix};
use keyward_types::{
    account::AccountId,
    key_id::KeyArn,
    organization::CreateAccountRequestId,
    partition::Partition,
    region::Region,
    time::Timestamp,
    unique_id::{AccessKeyId, UniqueId},
};

/// The place of what belongs to an account in no Region.
const GLOBAL: &str = "global";

/// A path's text on the stack: what the caches are asked by, which hold nearly every unit that a
/// request needs.
#[derive(Debug)]
pub struct Spelled(ArrayString<LONGEST_SPELLED>);

/// More bytes than any path has that units of the hot path stand at: access key ids and unique ids
/// have at most 128, and what stands before them is shorter.
const LONGEST_SPELLED: usize = 256;

impl Spelled {
    fn new(segments: &[&str]) -> Self {
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
    Spelled::new(&[partition.as_str(), account.as_str(), GLOBAL])
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
    Spelled::new(&[partition, account, GLOBAL, "user", id.as_str()])
}

/// [`role`] as text.
pub fn role_text(partition: Partition, account: AccountId, id: &UniqueId) -> Spelled {
    let (partition, account) = (partition.as_str(), account.as_str());
    Spelled::new(&[partition, account, GLOBAL, "role", id.as_str()])
}

/// [`key`] as text.
pub fn key_text(arn: &KeyArn) -> Spelled {
    key_id_text(arn.region(), arn.account(), arn.id().as_str())
}

/// [`key`] as text, by the parts of the ARN.
pub fn key_id_text(region: Region, account: AccountId, id: &str) -> Spelled {
    let partition = region.partition();
    Spelled::new(&[
        partition.as_str(),
        account.as_str(),
        region.as_str(),
        "key",
        id,
    ])
}

/// The account's own record.
pub fn account(partition: Partition, account: AccountId) -> Result<Path, PathError> {
    Path::join(&[partition.as_str(), account.as_str(), GLOBAL, "account"])
}

/// The account's own key, from which material ids are made.
pub fn account_key(partition: Partition, account: AccountId) -> Result<Path, PathError> {
    Path::join(&[partition.as_str(), account.as_str(), GLOBAL, "account-key"])
}

/// An access key.
pub fn access_key(id: &AccessKeyId) -> Result<Path, PathError> {
    Path::join(&["access-key", id.as_str()])
}

/// When an access key was last used.
pub fn access_key_last_use(id: &AccessKeyId) -> Result<Path, PathError> {
    Path::join(&["access-key-last-use", id.as_str()])
}

/// A user, by its unique id.
pub fn user(partition: Partition, account: AccountId, id: &UniqueId) -> Result<Path, PathError> {
    Path::join(&[
        partition.as_str(),
        account.as_str(),
        GLOBAL,
        "user",
        id.as_str(),
    ])
}

/// Where a user's name leads.
pub fn user_name(partition: Partition, account: AccountId, hash: &str) -> Result<Path, PathError> {
    Path::join(&[
        partition.as_str(),
        account.as_str(),
        GLOBAL,
        "user-name",
        hash,
    ])
}

/// Every user of an account.
pub fn users(partition: Partition, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{partition}/{account}/{GLOBAL}/user/"))
}

/// Where a user or role lives, by its unique id alone.
pub fn principal_id(id: &UniqueId) -> Result<Path, PathError> {
    Path::join(&["principal-id", id.as_str()])
}

/// A role, by its unique id.
pub fn role(partition: Partition, account: AccountId, id: &UniqueId) -> Result<Path, PathError> {
    global(partition, account, &["role", id.as_str()])
}

/// Where a role's name leads.
pub fn role_name(partition: Partition, account: AccountId, hash: &str) -> Result<Path, PathError> {
    global(partition, account, &["role-name", hash])
}

/// Every role of an account.
pub fn roles(partition: Partition, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{partition}/{account}/{GLOBAL}/role/"))
}

/// When a role was last used.
pub fn role_last_use(
    partition: Partition,
    account: AccountId,
    id: &UniqueId,
) -> Result<Path, PathError> {
    global(partition, account, &["role-last-use", id.as_str()])
}

/// A group, by its unique id.
pub fn group(partition: Partition, account: AccountId, id: &UniqueId) -> Result<Path, PathError> {
    global(partition, account, &["group", id.as_str()])
}

/// Where a group's name leads.
pub fn group_name(partition: Partition, account: AccountId, hash: &str) -> Result<Path, PathError> {
    global(partition, account, &["group-name", hash])
}

/// Every group of an account.
pub fn groups(partition: Partition, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{partition}/{account}/{GLOBAL}/group/"))
}

/// That a user is in a group.
pub fn group_member(
    partition: Partition,
    account: AccountId,
    (group, user): (&UniqueId, &UniqueId),
) -> Result<Path, PathError> {
    let rest = ["group-member", group.as_str(), user.as_str()];
    global(partition, account, &rest)
}

/// Every member of a group.
pub fn group_members(
    partition: Partition,
    account: AccountId,
    group: &UniqueId,
) -> Result<Prefix, PathError> {
    Prefix::parse(&format!(
        "{partition}/{account}/{GLOBAL}/group-member/{group}/"
    ))
}

/// A customer managed policy, by its unique id.
pub fn policy(partition: Partition, account: AccountId, id: &UniqueId) -> Result<Path, PathError> {
    global(partition, account, &["policy", id.as_str()])
}

/// Where a managed policy's name leads.
pub fn policy_name(
    partition: Partition,
    account: AccountId,
    hash: &str,
) -> Result<Path, PathError> {
    global(partition, account, &["policy-name", hash])
}

/// Every customer managed policy of an account.
pub fn policies(partition: Partition, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{partition}/{account}/{GLOBAL}/policy/"))
}

/// An instance profile, by its unique id.
pub fn instance_profile(
    partition: Partition,
    account: AccountId,
    id: &UniqueId,
) -> Result<Path, PathError> {
    global(partition, account, &["instance-profile", id.as_str()])
}

/// Where an instance profile's name leads.
pub fn instance_profile_name(
    partition: Partition,
    account: AccountId,
    hash: &str,
) -> Result<Path, PathError> {
    global(partition, account, &["instance-profile-name", hash])
}

/// Every instance profile of an account.
pub fn instance_profiles(partition: Partition, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{partition}/{account}/{GLOBAL}/instance-profile/"))
}

/// That a role is in an instance profile.
pub fn role_instance_profile(
    partition: Partition,
    account: AccountId,
    (role, profile): (&UniqueId, &UniqueId),
) -> Result<Path, PathError> {
    let rest = ["role-instance-profile", role.as_str(), profile.as_str()];
    global(partition, account, &rest)
}

/// Every instance profile that a role is in.
pub fn role_instance_profiles(
    partition: Partition,
    account: AccountId,
    role: &UniqueId,
) -> Result<Prefix, PathError> {
    Prefix::parse(&format!(
        "{partition}/{account}/{GLOBAL}/role-instance-profile/{role}/"
    ))
}

/// That a credential report of an account was asked for.
pub fn credential_report(partition: Partition, account: AccountId) -> Result<Path, PathError> {
    global(partition, account, &["credential-report"])
}

/// That a managed policy is attached to a user, group or role. AWS's own policies have such
/// entries too, in each account that uses them.
pub fn policy_attachment(
    partition: Partition,
    account: AccountId,
    (policy, to): (&UniqueId, &UniqueId),
) -> Result<Path, PathError> {
    let rest = ["policy-attachment", policy.as_str(), to.as_str()];
    global(partition, account, &rest)
}

/// Everything that a managed policy is attached to.
pub fn policy_attachments(
    partition: Partition,
    account: AccountId,
    policy: &UniqueId,
) -> Result<Prefix, PathError> {
    Prefix::parse(&format!(
        "{partition}/{account}/{GLOBAL}/policy-attachment/{policy}/"
    ))
}

/// That a managed policy is the boundary of a user or role.
pub fn policy_boundary(
    partition: Partition,
    account: AccountId,
    (policy, of): (&UniqueId, &UniqueId),
) -> Result<Path, PathError> {
    let rest = ["policy-boundary", policy.as_str(), of.as_str()];
    global(partition, account, &rest)
}

/// Everything that a managed policy is the boundary of.
pub fn policy_boundaries(
    partition: Partition,
    account: AccountId,
    policy: &UniqueId,
) -> Result<Prefix, PathError> {
    Prefix::parse(&format!(
        "{partition}/{account}/{GLOBAL}/policy-boundary/{policy}/"
    ))
}

/// Which account of a partition an alias names, by the alias's hash.
pub fn account_alias(partition: Partition, hash: &str) -> Result<Path, PathError> {
    Path::join(&["account-alias", partition.as_str(), hash])
}

/// What an account is called besides its number.
pub fn alias_of_account(partition: Partition, account: AccountId) -> Result<Path, PathError> {
    global(partition, account, &["account-alias"])
}

/// An OpenID Connect provider, by the hash of its issuer.
pub fn oidc_provider(
    partition: Partition,
    account: AccountId,
    hash: &str,
) -> Result<Path, PathError> {
    global(partition, account, &["oidc-provider", hash])
}

/// A service that was given credentials, in the account that they stand in.
pub fn service(partition: Partition, account: AccountId, name: &str) -> Result<Path, PathError> {
    global(partition, account, &["service", name])
}

/// Every service that was given credentials in an account.
pub fn services(partition: Partition, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{partition}/{account}/{GLOBAL}/service/"))
}

/// Every OpenID Connect provider of an account.
pub fn oidc_providers(partition: Partition, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{partition}/{account}/{GLOBAL}/oidc-provider/"))
}

/// [`membership`] as text.
pub fn membership_text(partition: Partition, account: AccountId) -> Spelled {
    let (partition, account) = (partition.as_str(), account.as_str());
    Spelled::new(&[partition, account, GLOBAL, "organization-membership"])
}

/// That an account is in an organization.
pub fn membership(partition: Partition, account: AccountId) -> Result<Path, PathError> {
    global(partition, account, &["organization-membership"])
}

/// An organization, in its management account: everything below is one unit.
pub fn organization(partition: Partition, management: AccountId) -> Result<Path, PathError> {
    global(partition, management, &["organization"])
}

/// Who has an e-mail address, by its hash alone: it is unique among all accounts.
pub fn account_email(partition: Partition, hash: &str) -> Result<Path, PathError> {
    Path::join(&["account-email", partition.as_str(), hash])
}

/// A request to create an account.
pub fn create_account(
    partition: Partition,
    management: AccountId,
    id: &CreateAccountRequestId,
) -> Result<Path, PathError> {
    global(partition, management, &["create-account", id.as_str()])
}

/// Every request of an organization to create an account.
pub fn create_accounts(partition: Partition, management: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!(
        "{partition}/{management}/{GLOBAL}/create-account/"
    ))
}

/// The domain key of an account and Region.
pub fn domain_key(region: Region, account: AccountId) -> Result<Path, PathError> {
    scoped(region, account, &["domain-key"])
}

/// A KMS key.
pub fn key(arn: &KeyArn) -> Result<Path, PathError> {
    scoped(arn.region(), arn.account(), &["key", arn.id().as_str()])
}

/// Every KMS key of an account and Region.
pub fn keys(region: Region, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{}/{account}/{region}/key/", region.partition()))
}

/// An alias, by the hash of its name.
pub fn alias(region: Region, account: AccountId, hash: &str) -> Result<Path, PathError> {
    scoped(region, account, &["alias", hash])
}

/// Every alias of an account and Region.
pub fn aliases(region: Region, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{}/{account}/{region}/alias/", region.partition()))
}

/// When a key was last used.
pub fn last_use(arn: &KeyArn) -> Result<Path, PathError> {
    scoped(
        arn.region(),
        arn.account(),
        &["last-use", arn.id().as_str()],
    )
}

/// What a worker owes a key, in the order of time.
pub fn due(arn: &KeyArn, at: Timestamp) -> Result<Path, PathError> {
    let at = format!("{:016}", at.millis().max(0));
    scoped(
        arn.region(),
        arn.account(),
        &["due", &at, arn.id().as_str()],
    )
}

/// Everything due in an account and Region.
pub fn all_due(region: Region, account: AccountId) -> Result<Prefix, PathError> {
    Prefix::parse(&format!("{}/{account}/{region}/due/", region.partition()))
}

/// A place of a process for events of changes on their way to the trail.
pub fn outbox_place(process: &str, number: u64) -> Result<Path, PathError> {
    Path::parse(&format!("outbox/{process}-{number}"))
}

/// Whether it is such a place of that process.
pub fn is_outbox_place(path: &Path, process: &str) -> bool {
    let place = path.as_str().strip_prefix("outbox/");
    let number = place.and_then(|place| place.strip_prefix(process));
    number.is_some_and(|number| number.starts_with('-'))
}

/// An event on its way to the trail that has its place for itself: what the system itself changed.
/// By its time first, so that those which are written and removed together stand together.
pub fn outbox(at: Timestamp, event_id: &str) -> Result<Path, PathError> {
    let place = format!("{:013}-{event_id}", at.millis().max(0));
    Path::join(&["outbox", &place])
}

/// Every event on its way to the trail.
pub fn all_outbox() -> Result<Prefix, PathError> {
    Prefix::parse("outbox/")
}

/// What the store knows of the audit trail.
pub fn trail_head() -> Result<Path, PathError> {
    Path::parse("trail-head")
}

/// The last reading of the wall clock that a worker recorded.
pub fn clock() -> Result<Path, PathError> {
    Path::parse("clock")
}

fn global(partition: Partition, account: AccountId, rest: &[&str]) -> Result<Path, PathError> {
    let mut segments = vec![partition.as_str(), account.as_str(), GLOBAL];
    segments.extend_from_slice(rest);
    Path::join(&segments)
}

fn scoped(region: Region, account: AccountId, rest: &[&str]) -> Result<Path, PathError> {
    let mut segments = vec![
        region.partition().as_str(),
        account.as_str(),
        region.as_str(),
    ];
    segments.extend_from_slice(rest);
    Path::join(&segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caches_are_asked_by_is_the_path() {
        let region = Region::parse("us-gov-west-1").unwrap();
        let account = AccountId::parse("111122223333").unwrap();
        let partition = region.partition();
        let arn = KeyArn::new(
            region,
            account,
            keyward_types::key_id::KeyId::from_random([7; 16]),
        );
        assert_eq!(key_text(&arn).as_str(), key(&arn).unwrap().as_str());
        let user_id = UniqueId::from_random(keyward_types::unique_id::UniqueIdKind::User, [9; 17]);
        assert_eq!(
            user_text(partition, account, &user_id).as_str(),
            user(partition, account, &user_id).unwrap().as_str()
        );
        assert_eq!(
            role_text(partition, account, &user_id).as_str(),
            role(partition, account, &user_id).unwrap().as_str()
        );
        let id = AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap();
        assert_eq!(
            access_key_text(&id).as_str(),
            access_key(&id).unwrap().as_str()
        );
    }
}
