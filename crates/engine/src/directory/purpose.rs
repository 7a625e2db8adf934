//! What kinds of record there are: numbers assigned once and for all, authenticated with every
//! sealed value.

use keyward_store::sealed::Purpose;

/// A KMS key.
pub const KEY: Purpose = Purpose::new(1);
/// An alias.
pub const ALIAS: Purpose = Purpose::new(2);
/// An account.
pub const ACCOUNT: Purpose = Purpose::new(3);
/// A user.
pub const USER: Purpose = Purpose::new(4);
/// Where a user's name leads.
pub const USER_NAME: Purpose = Purpose::new(5);
/// An access key with its secret.
pub const CREDENTIAL: Purpose = Purpose::new(6);
/// An account's own key, wrapped.
pub const ACCOUNT_KEY: Purpose = Purpose::new(7);
/// A domain key, wrapped.
pub const DOMAIN_KEY: Purpose = Purpose::new(8);
/// An audit event on its way to the trail.
pub const OUTBOX: Purpose = Purpose::new(9);
/// The last use of a key, an access key or a role.
pub const LAST_USE: Purpose = Purpose::new(10);
/// What a worker owes a key.
pub const DUE: Purpose = Purpose::new(11);
/// The last reading of the wall clock.
pub const CLOCK: Purpose = Purpose::new(12);
/// A role.
pub const ROLE: Purpose = Purpose::new(13);
/// Where a role's name leads.
pub const ROLE_NAME: Purpose = Purpose::new(14);
/// A group.
pub const GROUP: Purpose = Purpose::new(15);
/// Where a group's name leads.
pub const GROUP_NAME: Purpose = Purpose::new(16);
/// A customer managed policy.
pub const MANAGED_POLICY: Purpose = Purpose::new(17);
/// Where a managed policy's name leads.
pub const POLICY_NAME: Purpose = Purpose::new(18);
/// An OpenID Connect provider.
pub const OIDC_PROVIDER: Purpose = Purpose::new(19);
/// A grant.
pub const GRANT: Purpose = Purpose::new(20);
/// That a grant allows an operation.
pub const GRANT_INDEX: Purpose = Purpose::new(21);
/// A shape that constraints of a grantee's grants have.
pub const GRANT_SHAPE: Purpose = Purpose::new(22);
/// Where a grant's name leads.
pub const GRANT_NAME: Purpose = Purpose::new(23);
/// That a principal is a grant's grantee, or may retire it.
pub const GRANT_LIST: Purpose = Purpose::new(24);
/// Where a user or role lives, by its unique id.
pub const PRINCIPAL_ID: Purpose = Purpose::new(25);
/// That something belongs to something: a user to a group, a managed policy to an identity.
pub const MEMBERSHIP: Purpose = Purpose::new(26);
/// A service that was given credentials.
pub const SERVICE: Purpose = Purpose::new(27);
/// That an account is in an organization.
pub const ORGANIZATION_MEMBERSHIP: Purpose = Purpose::new(30);
/// An organization: the head of its unit.
pub const ORGANIZATION: Purpose = Purpose::new(31);
/// An organizational unit.
pub const ORGANIZATIONAL_UNIT: Purpose = Purpose::new(32);
/// An account in its organization.
pub const ORGANIZATION_ACCOUNT: Purpose = Purpose::new(33);
/// A service or resource control policy.
pub const CONTROL_POLICY: Purpose = Purpose::new(34);
/// Whose an e-mail address is.
pub const ACCOUNT_EMAIL: Purpose = Purpose::new(35);
/// A request to create an account.
pub const CREATE_ACCOUNT: Purpose = Purpose::new(36);
/// What the store knows of the audit trail.
pub const TRAIL_HEAD: Purpose = Purpose::new(37);
/// An agent, which stores volumes.
pub const AGENT: Purpose = Purpose::new(60);
/// A token by which an agent may register.
pub const AGENT_TOKEN: Purpose = Purpose::new(61);
/// A volume.
pub const VOLUME: Purpose = Purpose::new(62);
/// A file system.
pub const FILE_SYSTEM: Purpose = Purpose::new(70);
/// Which file system was created with a creation token.
pub const CREATION_TOKEN: Purpose = Purpose::new(71);
/// To which file system a mount target belongs.
pub const MOUNT_TARGET: Purpose = Purpose::new(74);
/// That an address of a subnet is in use.
pub const SUBNET_ADDRESS: Purpose = Purpose::new(75);
/// The policy of a resource that a volume holds.
pub const RESOURCE_POLICY: Purpose = Purpose::new(63);
/// An access point.
pub const ACCESS_POINT: Purpose = Purpose::new(73);
/// A database instance.
pub const DB_INSTANCE: Purpose = Purpose::new(80);
/// A group of subnets for databases.
pub const DB_SUBNET_GROUP: Purpose = Purpose::new(81);
/// A snapshot of a database instance.
pub const DB_SNAPSHOT: Purpose = Purpose::new(82);
/// An access key of Cloudera's protocol.
pub const CDP_ACCESS_KEY: Purpose = Purpose::new(90);
/// Which access keys of Cloudera's protocol a user has.
pub const CDP_ACCESS_KEYS: Purpose = Purpose::new(91);
/// A credential of CDP: a role that its services may assume.
pub const CDP_CREDENTIAL: Purpose = Purpose::new(92);
/// An environment of CDP.
pub const CDP_ENVIRONMENT: Purpose = Purpose::new(93);
/// A service of Cloudera Data Engineering.
pub const CDE_SERVICE: Purpose = Purpose::new(94);
/// A virtual cluster of such a service.
pub const CDE_CLUSTER: Purpose = Purpose::new(95);
/// An instance profile.
pub const INSTANCE_PROFILE: Purpose = Purpose::new(50);
/// Where an instance profile's name leads.
pub const INSTANCE_PROFILE_NAME: Purpose = Purpose::new(51);
/// That a credential report was requested.
pub const CREDENTIAL_REPORT: Purpose = Purpose::new(52);
/// The alias of an account.
pub const ACCOUNT_ALIAS: Purpose = Purpose::new(28);
