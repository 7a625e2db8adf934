//! The faults of Organizations: AWS's own list, each with its code and message.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/CommonErrors.html>

use keyward_engine::{
    directory::{ReadError, records::RecordError},
    fault::{Fault, Internal},
    gate::Denied,
    policy::document::PolicyError,
};
use keyward_store::{error::LimitError, path::PathError, sealed::SealedError};
use keyward_types::organization::ControlPolicyType;
use keyward_wire::json::Rejected;

/// Why a parameter is refused: AWS's `Reason` in addition to its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Because(pub &'static str, pub &'static str);

/// A value does not match the model's pattern.
pub const PATTERN: Because = Because(
    "INVALID_PATTERN",
    "You provided a value that does not match the required pattern.",
);
/// A page token that this operation did not issue.
pub const NEXT_TOKEN: Because = Because(
    "INVALID_NEXT_TOKEN",
    "You provided a NextToken that isn't valid.",
);
/// One of AWS's own policies was to be changed.
pub const IMMUTABLE: Because = Because(
    "IMMUTABLE_POLICY",
    "You specified a policy that is managed by AWS and can't be modified.",
);
/// AWS's own resource control policy was to be detached.
pub const NON_DETACHABLE: Because = Because(
    "NON_DETACHABLE_POLICY",
    "You can't detach the RCPFullAWSAccess policy.",
);
/// Not a valid service.
pub const UNRECOGNIZED_SERVICE: Because = Because(
    "UNRECOGNIZED_SERVICE_PRINCIPAL",
    "You specified an unrecognized service principal.",
);
/// Two tags with the same key.
pub const DUPLICATE_TAG: Because = Because(
    "DUPLICATE_TAG_KEY",
    "Tag keys must be unique among the tags attached to the same entity.",
);
/// A tag under AWS's own prefix.
pub const SYSTEM_TAG: Because = Because(
    "INVALID_SYSTEM_TAGS_PARAMETER",
    "Tag keys that begin with aws: are reserved.",
);

/// A fault as Organizations names it; the variants drop AWS's `Exception`.
#[derive(Debug)]
pub enum OrganizationsFault {
    /// The policies deny.
    AccessDenied(Denied),
    /// The caller's account cannot do this, whatever its policies say.
    NotYours,
    /// No such account in the organization.
    AccountNotFound,
    /// The account is no delegated administrator.
    AccountNotRegistered,
    /// The account is in an organization already.
    AlreadyInOrganization,
    /// The caller's account is in none.
    NotInUse,
    /// No such account or organizational unit.
    ChildNotFound,
    /// A quota or a rule of the service.
    Constraint(Because),
    /// No such request.
    CreateAccountStatusNotFound,
    /// No such place to move to.
    DestinationParentNotFound,
    /// The account is there already.
    DuplicateAccount,
    /// The name is taken below the same parent.
    DuplicateOrganizationalUnit,
    /// The name is taken among policies of the type.
    DuplicatePolicy,
    /// It is attached already.
    DuplicatePolicyAttachment,
    /// Something failed on our side.
    Internal(Internal),
    /// A parameter is not valid.
    InvalidInput {
        /// AWS's word.
        reason: &'static str,
        /// The text.
        message: String,
    },
    /// The policy's text is wrong.
    MalformedPolicyDocument {
        /// What is wrong with it.
        message: String,
    },
    /// Something is still in the organization.
    OrganizationNotEmpty {
        /// AWS's text, or ours.
        message: &'static str,
    },
    /// Something is below the organizational unit.
    OrganizationalUnitNotEmpty,
    /// No such organizational unit.
    OrganizationalUnitNotFound,
    /// No such root or organizational unit.
    ParentNotFound,
    /// The policy is attached somewhere.
    PolicyInUse,
    /// The policy is not attached there.
    PolicyNotAttached,
    /// No such policy.
    PolicyNotFound,
    /// The type is enabled already.
    PolicyTypeAlreadyEnabled,
    /// The type cannot be had.
    PolicyTypeNotAvailable {
        /// AWS's word for the type.
        kind: &'static str,
    },
    /// The type is not enabled.
    PolicyTypeNotEnabled,
    /// The organization has no resource policy.
    ResourcePolicyNotFound,
    /// No such root.
    RootNotFound,
    /// The body is not JSON of its type.
    Serialization {
        /// What is wrong with it.
        message: String,
    },
    /// The account is not there.
    SourceParentNotFound,
    /// No such root, organizational unit, account or policy.
    TargetNotFound,
    /// Keyward does not support this.
    Unsupported {
        /// The text.
        message: String,
    },
}

impl OrganizationsFault {
    /// A parameter is refused for that reason.
    pub fn invalid(Because(reason, message): Because) -> Self {
        Self::InvalidInput {
            reason,
            message: message.to_owned(),
        }
    }

    /// A failure on our side.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Internal::new(cause))
    }

    /// AWS's message for a policy text that is wrong for its type.
    pub fn of_policy(error: &PolicyError, kind: ControlPolicyType) -> Self {
        match error {
            PolicyError::TooLong(_) => Self::Constraint(Because(
                "POLICY_CONTENT_LIMIT_EXCEEDED",
                "You have exceeded the maximum policy size.",
            )),
            PolicyError::Malformed(_) | PolicyError::Characters => Self::MalformedPolicyDocument {
                message: format!(
                    "The provided policy document does not meet the requirements of the specified policy type {}: {error}",
                    kind.as_str()
                ),
            },
        }
    }
}

impl From<Denied> for OrganizationsFault {
    fn from(denied: Denied) -> Self {
        Self::AccessDenied(denied)
    }
}

macro_rules! internal {
    ($($error:ty),*) => {$(
        impl From<$error> for OrganizationsFault {
            fn from(error: $error) -> Self {
                Self::internal(error)
            }
        }
    )*};
}
internal!(ReadError, RecordError, LimitError, PathError, SealedError);

impl From<Rejected> for OrganizationsFault {
    fn from(rejected: Rejected) -> Self {
        let message = rejected.to_string();
        match rejected {
            Rejected::Serialization(_) | Rejected::MalformedInput(_) => {
                Self::Serialization { message }
            }
            Rejected::Validation(_) | Rejected::QueryValidation(_) => {
                let (_, constraint) = message.split_once("constraint: ").unwrap_or_default();
                let Because(reason, text) = broken(constraint);
                let message = if text.is_empty() {
                    message
                } else {
                    text.into()
                };
                Self::InvalidInput { reason, message }
            }
        }
    }
}

/// AWS's word, and its text where it is known, for the first constraint that is broken.
fn broken(constraint: &str) -> Because {
    const WORDS: [Because; 7] = [
        Because("INPUT_REQUIRED", "Member must not be null"),
        Because("MAX_LENGTH_EXCEEDED", "Member must have length less"),
        Because("MIN_LENGTH_EXCEEDED", "Member must have length greater"),
        Because("MAX_VALUE_EXCEEDED", "Member must have value less"),
        Because("MIN_VALUE_EXCEEDED", "Member must have value greater"),
        Because("INVALID_ENUM", "Member must satisfy enum value set"),
        Because("INVALID_LIST_MEMBER", "Member must satisfy constraint"),
    ];
    let found = WORDS.iter().find(|word| constraint.starts_with(word.1));
    found.map_or(PATTERN, |word| Because(word.0, ""))
}

impl From<OrganizationsFault> for Fault {
    fn from(fault: OrganizationsFault) -> Self {
        use OrganizationsFault as F;
        let (code, message): (&'static str, &str) = match fault {
            F::AccessDenied(denied) => return denied.into_fault("AccessDeniedException", 400),
            F::Internal(internal) => return Self::internal("ServiceException", internal),
            F::Constraint(Because(reason, message)) => {
                return Self::new("ConstraintViolationException", Some(message.to_owned()))
                    .because(reason);
            }
            F::InvalidInput { reason, message } => {
                return Self::new("InvalidInputException", Some(message)).because(reason);
            }
            F::MalformedPolicyDocument { message } => {
                return Self::new("MalformedPolicyDocumentException", Some(message));
            }
            F::PolicyTypeNotAvailable { kind } => {
                let message = format!("{kind} is not supported by this version of Keyward.");
                let code = "PolicyTypeNotAvailableForOrganizationException";
                return Self::new(code, Some(message));
            }
            F::Serialization { message } => {
                return Self::new("SerializationException", Some(message));
            }
            F::Unsupported { message } => {
                return Self::new("UnsupportedOperationException", Some(message));
            }
            F::NotYours => {
                let message = "You don't have permissions to access this resource.";
                return Self::new("AccessDeniedException", Some(message.to_owned()))
                    .audited_as("AccessDenied");
            }
            F::AccountNotFound => (
                "AccountNotFoundException",
                "You specified an account that doesn't exist.",
            ),
            F::AccountNotRegistered => (
                "AccountNotRegisteredException",
                "The provided account is not a registered delegated administrator for your organization.",
            ),
            F::AlreadyInOrganization => (
                "AlreadyInOrganizationException",
                "The provided account is already a member of an organization.",
            ),
            F::NotInUse => (
                "AWSOrganizationsNotInUseException",
                "Your account is not a member of an organization.",
            ),
            F::ChildNotFound => (
                "ChildNotFoundException",
                "You specified a child that doesn't exist.",
            ),
            F::CreateAccountStatusNotFound => (
                "CreateAccountStatusNotFoundException",
                "You specified a create account request that doesn't exist.",
            ),
            F::DestinationParentNotFound => (
                "DestinationParentNotFoundException",
                "You specified a destination parent that doesn't exist.",
            ),
            F::DuplicateAccount => (
                "DuplicateAccountException",
                "That account is already present in the specified destination.",
            ),
            F::DuplicateOrganizationalUnit => (
                "DuplicateOrganizationalUnitException",
                "An OU with the same name already exists.",
            ),
            F::DuplicatePolicy => (
                "DuplicatePolicyException",
                "A policy with the specified name and type already exists.",
            ),
            F::DuplicatePolicyAttachment => (
                "DuplicatePolicyAttachmentException",
                "The selected policy is already attached to the specified target.",
            ),
            F::OrganizationNotEmpty { message } => ("OrganizationNotEmptyException", message),
            F::OrganizationalUnitNotEmpty => (
                "OrganizationalUnitNotEmptyException",
                "The specified OU is not empty. Move all accounts to another root or to other OUs, remove all child OUs, and try the operation again.",
            ),
            F::OrganizationalUnitNotFound => (
                "OrganizationalUnitNotFoundException",
                "You specified an organizational unit that doesn't exist.",
            ),
            F::ParentNotFound => (
                "ParentNotFoundException",
                "You specified a parent that doesn't exist.",
            ),
            F::PolicyInUse => (
                "PolicyInUseException",
                "The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts before performing this operation.",
            ),
            F::PolicyNotAttached => (
                "PolicyNotAttachedException",
                "The policy isn't attached to the specified target in the specified root.",
            ),
            F::PolicyNotFound => (
                "PolicyNotFoundException",
                "You specified a policy that doesn't exist.",
            ),
            F::PolicyTypeAlreadyEnabled => (
                "PolicyTypeAlreadyEnabledException",
                "The specified policy type is already enabled.",
            ),
            F::PolicyTypeNotEnabled => (
                "PolicyTypeNotEnabledException",
                "This operation can be performed only for enabled policy types.",
            ),
            F::ResourcePolicyNotFound => (
                "ResourcePolicyNotFoundException",
                "We can't find a resource policy request with the parameter that you specified.",
            ),
            F::RootNotFound => (
                "RootNotFoundException",
                "You specified a root that doesn't exist.",
            ),
            F::SourceParentNotFound => (
                "SourceParentNotFoundException",
                "You specified a source parent that doesn't exist.",
            ),
            F::TargetNotFound => (
                "TargetNotFoundException",
                "You specified a target that doesn't exist.",
            ),
        };
        Self::new(code, Some(message.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_constraint_has_the_reason_of_its_kind() {
        let reason = |constraint| broken(constraint).0;
        assert_eq!(reason("Member must not be null"), "INPUT_REQUIRED");
        let long = "Member must have length less than or equal to 12";
        assert_eq!(reason(long), "MAX_LENGTH_EXCEEDED");
        let pattern = "Member must satisfy regular expression pattern: x";
        assert_eq!(broken(pattern), PATTERN);
    }
}
