//! The ids of AWS Organizations: `o-…`, `r-…`, `ou-…`, `p-…` and `car-…`, and what consists of
//! them.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/Welcome.html>

use serde::{Deserialize, Serialize};

use crate::{account::AccountId, text_id::text_id};

/// The letters and digits that minted ids consist of.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";

/// The text does not have the form of the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of AWS Organizations of that kind")]
pub struct OrganizationIdError;

fn minted(bytes: &[u8]) -> impl Iterator<Item = char> {
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte & 31)).copied();
    bytes.iter().filter_map(letter).map(char::from)
}

fn is_lower(text: &str, (least, most): (usize, usize)) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (least..=most).contains(&text.len()) && text.bytes().all(legal)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident: $legal:expr;)*) => {$(
        text_id!($(#[$doc])* $name, OrganizationIdError);

        impl $name {
            /// Reads an id of this kind.
            ///
            /// # Errors
            /// When the text does not have that form.
            pub fn parse(text: &str) -> Result<Self, OrganizationIdError> {
                let legal: fn(&str) -> bool = $legal;
                if legal(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(OrganizationIdError)
                }
            }
        }
    )*};
}

ids! {
    /// An organization: `o-` and 10 to 32 letters and digits.
    OrganizationId: |text| text.strip_prefix("o-").is_some_and(|rest| is_lower(rest, (10, 32)));
    /// The root of an organization's tree: `r-` and 4 to 32 letters and digits.
    RootId: |text| text.strip_prefix("r-").is_some_and(|rest| is_lower(rest, (4, 32)));
    /// An organizational unit: `ou-`, the root's letters, and 8 to 32 of its own.
    OrganizationalUnitId: |text| {
        let parts = text.strip_prefix("ou-").and_then(|rest| rest.split_once('-'));
        parts.is_some_and(|(root, own)| is_lower(root, (4, 32)) && is_lower(own, (8, 32)))
    };
    /// A policy: `p-` and 8 to 128 letters, digits and underscores.
    ControlPolicyId: |text| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let rest = text.strip_prefix("p-");
        rest.is_some_and(|rest| (8..=128).contains(&rest.len()) && rest.bytes().all(legal))
    };
    /// A request to create an account: `car-` and 8 to 32 letters and digits.
    CreateAccountRequestId: |text| {
        text.strip_prefix("car-").is_some_and(|rest| is_lower(rest, (8, 32)))
    };
}

impl OrganizationId {
    /// A new id.
    pub fn from_random(bytes: [u8; 10]) -> Self {
        Self(format!("o-{}", minted(&bytes).collect::<String>()).into())
    }
}

impl RootId {
    /// A new id.
    pub fn from_random(bytes: [u8; 4]) -> Self {
        Self(format!("r-{}", minted(&bytes).collect::<String>()).into())
    }
}

impl OrganizationalUnitId {
    /// A new id below a root.
    pub fn from_random(root: &RootId, bytes: [u8; 8]) -> Self {
        let root = root.as_str().trim_start_matches("r-");
        Self(format!("ou-{root}-{}", minted(&bytes).collect::<String>()).into())
    }
}

impl ControlPolicyId {
    /// A new id.
    pub fn from_random(bytes: [u8; 10]) -> Self {
        Self(format!("p-{}", minted(&bytes).collect::<String>()).into())
    }
}

impl CreateAccountRequestId {
    /// A new id.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(format!("car-{}", minted(&bytes).collect::<String>()).into())
    }
}

/// The parent of accounts and organizational units.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Parent {
    /// The root.
    Root(RootId),
    /// An organizational unit.
    Unit(OrganizationalUnitId),
}

impl Parent {
    /// Reads the id of a root or organizational unit.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, OrganizationIdError> {
        match RootId::parse(text) {
            Ok(root) => Ok(Self::Root(root)),
            Err(_) => OrganizationalUnitId::parse(text).map(Self::Unit),
        }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Root(root) => root.as_str(),
            Self::Unit(unit) => unit.as_str(),
        }
    }

    /// As AWS names its kind: `ROOT` or `ORGANIZATIONAL_UNIT`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Root(_) => "ROOT",
            Self::Unit(_) => "ORGANIZATIONAL_UNIT",
        }
    }
}

impl TryFrom<String> for Parent {
    type Error = OrganizationIdError;
    fn try_from(text: String) -> Result<Self, OrganizationIdError> {
        Self::parse(&text)
    }
}

impl From<Parent> for String {
    fn from(parent: Parent) -> String {
        parent.as_str().to_owned()
    }
}

/// What policies are attached to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PolicyTarget {
    /// The root.
    Root(RootId),
    /// An organizational unit.
    Unit(OrganizationalUnitId),
    /// An account.
    Account(AccountId),
}

impl PolicyTarget {
    /// Reads the id of a root, organizational unit or account.
    ///
    /// # Errors
    /// When it is not one of them.
    pub fn parse(text: &str) -> Result<Self, OrganizationIdError> {
        match AccountId::parse(text) {
            Ok(account) => Ok(Self::Account(account)),
            Err(_) => Parent::parse(text).map(Self::from),
        }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Root(root) => root.as_str(),
            Self::Unit(unit) => unit.as_str(),
            Self::Account(account) => account.as_str(),
        }
    }

    /// As AWS names its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Root(_) => "ROOT",
            Self::Unit(_) => "ORGANIZATIONAL_UNIT",
            Self::Account(_) => "ACCOUNT",
        }
    }
}

impl From<Parent> for PolicyTarget {
    fn from(parent: Parent) -> Self {
        match parent {
            Parent::Root(root) => Self::Root(root),
            Parent::Unit(unit) => Self::Unit(unit),
        }
    }
}

impl TryFrom<String> for PolicyTarget {
    type Error = OrganizationIdError;
    fn try_from(text: String) -> Result<Self, OrganizationIdError> {
        Self::parse(&text)
    }
}

impl From<PolicyTarget> for String {
    fn from(target: PolicyTarget) -> String {
        target.as_str().to_owned()
    }
}

/// What a policy of an organization limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ControlPolicyType {
    /// Principals of member accounts.
    #[serde(rename = "SERVICE_CONTROL_POLICY")]
    Service,
    /// Resources of member accounts.
    #[serde(rename = "RESOURCE_CONTROL_POLICY")]
    Resource,
}

impl ControlPolicyType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Service, Self::Resource];

    /// Reads AWS's word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "SERVICE_CONTROL_POLICY",
            Self::Resource => "RESOURCE_CONTROL_POLICY",
        }
    }

    /// The word in ARNs.
    pub fn in_arn(self) -> &'static str {
        match self {
            Self::Service => "service_control_policy",
            Self::Resource => "resource_control_policy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_ids_have_the_shape_of_their_kind() {
        let organization = OrganizationId::from_random([255; 10]);
        assert_eq!(organization.as_str(), "o-5555555555");
        assert!(OrganizationId::parse(organization.as_str()).is_ok());
        let root = RootId::from_random([0; 4]);
        assert!(RootId::parse(root.as_str()).is_ok());
        let unit = OrganizationalUnitId::from_random(&root, [1; 8]);
        assert_eq!(unit.as_str(), "ou-aaaa-bbbbbbbb");
        assert!(OrganizationalUnitId::parse(unit.as_str()).is_ok());
        let policy = ControlPolicyId::from_random([2; 10]);
        assert!(ControlPolicyId::parse(policy.as_str()).is_ok());
        let request = CreateAccountRequestId::from_random([3; 32]);
        assert!(CreateAccountRequestId::parse(request.as_str()).is_ok());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for bad in ["", "o-", "o-short", "O-0123456789", "o-0123456789x_"] {
            assert!(OrganizationId::parse(bad).is_err(), "{bad}");
        }
        for bad in [
            "ou-aaaa",
            "ou-aaa-bbbbbbbb",
            "ou-aaaa-bbbbbbb",
            "r-aaaa-bbbbbbbb",
        ] {
            assert!(OrganizationalUnitId::parse(bad).is_err(), "{bad}");
        }
        assert!(ControlPolicyId::parse("p-FullAWSAccess").is_ok());
        assert!(ControlPolicyId::parse("p-short").is_err());
    }

    #[test]
    fn a_target_knows_its_kind() {
        let kind = |text| PolicyTarget::parse(text).map(|target| target.kind());
        assert_eq!(kind("r-ab12"), Ok("ROOT"));
        assert_eq!(kind("ou-ab12-01234567"), Ok("ORGANIZATIONAL_UNIT"));
        assert_eq!(kind("111122223333"), Ok("ACCOUNT"));
        assert_eq!(kind("11112222333"), Err(OrganizationIdError));
        assert_eq!(Parent::parse("111122223333"), Err(OrganizationIdError));
    }
}
