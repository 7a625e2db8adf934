//! Members that several operations have, with AWS's constraints for them.

use keyward_engine::audit::parameters::{Parameter, text};
use keyward_types::{
    account::AccountId,
    organization::{
        ControlPolicyId, ControlPolicyType, OrganizationalUnitId, Parent, PolicyTarget, RootId,
    },
    tag::Tag,
};
use keyward_wire::json::{Members, Text};

use crate::{
    fault::{Because, DUPLICATE_TAG, OrganizationsFault, SYSTEM_TAG},
    standing::Thing,
};

/// What the audit trail shows of a tag.
pub const SHOWN_TAG: &[Parameter] = &[text("Key"), text("Value")];

const ROOT: &str = "^r-[0-9a-z]{4,32}$";
const UNIT: &str = "^ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}$";
const PARENT: &str = "^(r-[0-9a-z]{4,32})|(ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})$";
const CHILD: &str = "^(\\d{12})|(ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})$";
const TARGET: &str = "^(r-[0-9a-z]{4,32})|(\\d{12})|(ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})$";
const POLICY: &str = "^p-[0-9a-zA-Z_]{8,128}$";
const TAGGED: &str = "^(r-[0-9a-z]{4,32})|(\\d{12})|(ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})|(^p-[0-9a-zA-Z_]{8,128})|(^rp-[0-9a-zA-Z_]{4,128})|(^rt-[0-9a-zA-Z_]{8,32})$";
const TAG: &str = "^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$";

/// The words of `PolicyType`.
const POLICY_TYPES: &[&str] = &[
    "SERVICE_CONTROL_POLICY",
    "RESOURCE_CONTROL_POLICY",
    "TAG_POLICY",
    "BACKUP_POLICY",
    "AISERVICES_OPT_OUT_POLICY",
    "CHATBOT_POLICY",
    "DECLARATIVE_POLICY_EC2",
    "SECURITYHUB_POLICY",
    "SECURITYHUB_CSPM_POLICY",
    "INSPECTOR_POLICY",
    "UPGRADE_ROLLOUT_POLICY",
    "BEDROCK_POLICY",
    "S3_POLICY",
    "NETWORK_SECURITY_DIRECTOR_POLICY",
    "GUARDDUTY_POLICY",
];

/// The most tags of anything.
const MAX_TAGS: usize = 50;

fn id<T>(
    m: &mut Members<'_>,
    name: &'static str,
    (most, pattern): (usize, &'static str),
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let text = m
        .string(name)
        .length(0, most)
        .pattern(pattern, |text| parse(text).is_some())
        .required();
    parse(text)
}

/// A root's id.
pub fn root(m: &mut Members<'_>, name: &'static str) -> Option<RootId> {
    id(m, name, (34, ROOT), |text| RootId::parse(text).ok())
}

/// An organizational unit's id.
pub fn unit(m: &mut Members<'_>, name: &'static str) -> Option<OrganizationalUnitId> {
    id(m, name, (68, UNIT), |text| {
        OrganizationalUnitId::parse(text).ok()
    })
}

/// A root's or organizational unit's id.
pub fn parent(m: &mut Members<'_>, name: &'static str) -> Option<Parent> {
    id(m, name, (100, PARENT), |text| Parent::parse(text).ok())
}

/// An account's or organizational unit's id.
pub fn child(m: &mut Members<'_>, name: &'static str) -> Option<PolicyTarget> {
    id(m, name, (100, CHILD), |text| {
        match PolicyTarget::parse(text) {
            Ok(PolicyTarget::Root(_)) | Err(_) => None,
            Ok(child @ (PolicyTarget::Unit(_) | PolicyTarget::Account(_))) => Some(child),
        }
    })
}

/// The id of what policies are attached to.
pub fn target(m: &mut Members<'_>, name: &'static str) -> Option<PolicyTarget> {
    id(m, name, (100, TARGET), |text| {
        PolicyTarget::parse(text).ok()
    })
}

/// An account's id.
pub fn account(m: &mut Members<'_>, name: &'static str) -> Option<AccountId> {
    id(m, name, (12, "^\\d{12}$"), |text| {
        AccountId::parse(text).ok()
    })
}

/// The words of `ActionType`.
pub const HANDSHAKES: &[&str] = &[
    "INVITE",
    "ENABLE_ALL_FEATURES",
    "APPROVE_ALL_FEATURES",
    "ADD_ORGANIZATIONS_SERVICE_LINKED_ROLE",
    "TRANSFER_RESPONSIBILITY",
];

/// `ParentHandshakeId`, if it is given.
pub fn optional_handshake(m: &mut Members<'_>) -> Option<String> {
    let legal = |text: &str| {
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let own = text.strip_prefix("h-");
        own.is_some_and(|own| (8..=32).contains(&own.len()) && own.bytes().all(lower))
    };
    let id = m.string("ParentHandshakeId").length(0, 34);
    let id = id.pattern("^h-[0-9a-z]{8,32}$", legal).optional();
    id.map(str::to_owned)
}

fn service_text<'m, 'o>(m: &'m mut Members<'o>) -> Text<'m, 'o> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    m.string("ServicePrincipal")
        .length(1, 128)
        .pattern("[\\w+=,.@-]*", |text| text.chars().all(legal))
}

/// `ServicePrincipal`.
pub fn service_principal(m: &mut Members<'_>) -> Option<String> {
    Some(service_text(m).required().to_owned())
}

/// `ServicePrincipal`, if it is given.
pub fn optional_service_principal(m: &mut Members<'_>) -> Option<String> {
    service_text(m).optional().map(str::to_owned)
}

/// A policy's id.
pub fn policy(m: &mut Members<'_>, name: &'static str) -> Option<ControlPolicyId> {
    id(m, name, (130, POLICY), |text| {
        ControlPolicyId::parse(text).ok()
    })
}

/// The id of something with tags.
pub fn tagged(m: &mut Members<'_>, name: &'static str) -> Option<Thing> {
    id(m, name, (130, TAGGED), |text| {
        match PolicyTarget::parse(text) {
            Ok(target) => Some(Thing::PolicyTarget(target)),
            Err(_) => ControlPolicyId::parse(text).ok().map(Thing::Policy),
        }
    })
}

/// AWS's word for a type of policy, and the type if it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyType(pub &'static str);

impl PolicyType {
    /// The type, if it is served.
    pub fn served(self) -> Option<ControlPolicyType> {
        ControlPolicyType::parse(self.0)
    }

    /// The type.
    ///
    /// # Errors
    /// `PolicyTypeNotAvailableForOrganizationException` for one that is not served.
    pub fn available(self) -> Result<ControlPolicyType, OrganizationsFault> {
        let not_available = || OrganizationsFault::PolicyTypeNotAvailable { kind: self.0 };
        self.served().ok_or_else(not_available)
    }
}

/// A type of policy.
pub fn policy_type(m: &mut Members<'_>, name: &'static str) -> PolicyType {
    PolicyType(m.enumeration(name, POLICY_TYPES).required())
}

fn is_tag(text: &str) -> bool {
    let space = |c: char| c.is_whitespace() && !c.is_control();
    let legal = |c: char| c.is_alphanumeric() || space(c) || "_.:/=+-@".contains(c);
    text.chars().all(legal)
}

/// Tags, if given.
pub fn tags(m: &mut Members<'_>) -> Vec<Tag> {
    let tags = m.structures("Tags", |tag| Tag {
        key: tag
            .string("Key")
            .length(1, 128)
            .pattern(TAG, is_tag)
            .required()
            .to_owned(),
        value: tag
            .string("Value")
            .length(0, 256)
            .pattern(TAG, is_tag)
            .required()
            .to_owned(),
    });
    tags.optional().unwrap_or_default()
}

/// Tags that must be given.
pub fn required_tags(m: &mut Members<'_>) -> Vec<Tag> {
    if !m.has("Tags") {
        m.strings("Tags").required();
    }
    tags(m)
}

/// Keys of tags.
pub fn tag_keys(m: &mut Members<'_>) -> Vec<String> {
    let keys = m
        .strings("TagKeys")
        .each_length(1, 128)
        .each_pattern(TAG, is_tag)
        .required();
    keys.into_iter().map(str::to_owned).collect()
}

/// Refuses tags that cannot be used together.
///
/// # Errors
/// `InvalidInputException` for keys that occur twice or are AWS's, `ConstraintViolationException`
/// for too many.
pub fn check_tags(tags: &[Tag]) -> Result<(), OrganizationsFault> {
    if tags
        .iter()
        .any(|tag| tag.key.to_lowercase().starts_with("aws:"))
    {
        return Err(OrganizationsFault::invalid(SYSTEM_TAG));
    }
    let twice = |(at, tag): (usize, &Tag)| tags.iter().take(at).any(|other| other.key == tag.key);
    if tags.iter().enumerate().any(twice) {
        return Err(OrganizationsFault::invalid(DUPLICATE_TAG));
    }
    if tags.len() > MAX_TAGS {
        return Err(OrganizationsFault::Constraint(Because(
            "MAX_TAG_LIMIT_EXCEEDED",
            "You have exceeded the number of tags allowed on this resource.",
        )));
    }
    Ok(())
}
