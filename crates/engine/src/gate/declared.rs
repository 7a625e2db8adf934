//! Every condition key that Keyward supplies, with its type and who supplies it.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>

use self::{
    Kind::{Arn, Bool, Date, Ip, Numeric, String, Strings},
    Supplier::{Caller, Network, Operation, Request, Resource, Service, Session},
};

/// The type of a key's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// `true` or `false`.
    Bool,
    /// A number.
    Numeric,
    /// An instant.
    Date,
    /// An ARN.
    Arn,
    /// An IP address.
    Ip,
    /// Several texts: only set operators apply.
    Strings,
}

/// Who supplies a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supplier {
    /// The caller's identity.
    Caller,
    /// The caller's temporary credentials.
    Session,
    /// The connection.
    Network,
    /// The resource.
    Resource,
    /// The request at large.
    Request,
    /// The service that calls, by itself or for somebody.
    Service,
    /// The operation, from its parameters.
    Operation,
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name; `<…>` stands for what a user chose.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Who supplies it.
    pub from: Supplier,
}

const fn key(name: &'static str, kind: Kind, from: Supplier) -> Declared {
    Declared { name, kind, from }
}

/// The table.
pub const CONDITION_KEYS: &[Declared] = &[
    key("aws:CalledVia", Strings, Service),
    key("aws:CalledViaFirst", String, Service),
    key("aws:CalledViaLast", String, Service),
    key("aws:CurrentTime", Date, Request),
    key("aws:EpochTime", Date, Request),
    key("aws:FederatedProvider", String, Session),
    key("aws:MultiFactorAuthPresent", Bool, Session),
    key("aws:PrincipalAccount", String, Caller),
    key("aws:PrincipalArn", Arn, Caller),
    key("aws:PrincipalIsAWSService", Bool, Caller),
    key("aws:PrincipalOrgID", String, Caller),
    key("aws:PrincipalOrgPaths", Strings, Caller),
    key("aws:PrincipalServiceName", String, Service),
    key("aws:PrincipalServiceNamesList", Strings, Service),
    key("aws:PrincipalTag/<key>", String, Caller),
    key("aws:PrincipalType", String, Caller),
    key("aws:RequestTag/<key>", String, Operation),
    key("aws:RequestedRegion", String, Request),
    key("aws:ResourceAccount", String, Resource),
    key("aws:ResourceOrgID", String, Resource),
    key("aws:ResourceOrgPaths", Strings, Resource),
    key("aws:ResourceTag/<key>", String, Resource),
    key("aws:SecureTransport", Bool, Network),
    key("aws:SourceAccount", String, Service),
    key("aws:SourceArn", Arn, Service),
    key("aws:SourceIdentity", String, Session),
    key("aws:SourceIp", Ip, Network),
    key("aws:SourceOrgID", String, Service),
    key("aws:SourceOrgPaths", Strings, Service),
    key("aws:TagKeys", Strings, Operation),
    key("aws:TokenIssueTime", Date, Session),
    key("aws:UserAgent", String, Request),
    key("aws:ViaAWSService", Bool, Service),
    key("aws:referer", String, Request),
    key("aws:userid", String, Caller),
    key("aws:username", String, Caller),
    key("iam:AWSServiceName", String, Operation),
    key("iam:PassedToService", String, Operation),
    key("iam:PermissionsBoundary", String, Operation),
    key("iam:PolicyARN", Arn, Operation),
    key("iam:ResourceTag/<key>", String, Resource),
    key("kms:BypassPolicyLockoutSafetyCheck", Bool, Operation),
    key("kms:CallerAccount", String, Caller),
    key("kms:CustomerMasterKeySpec", String, Resource),
    key("kms:CustomerMasterKeyUsage", String, Resource),
    key("kms:EncryptionAlgorithm", String, Operation),
    key("kms:EncryptionContext:<key>", String, Operation),
    key("kms:EncryptionContextKeys", Strings, Operation),
    key("kms:GrantConstraintSourceArn", Arn, Operation),
    key("kms:GrantConstraintType", String, Operation),
    key("kms:GrantIsForAWSResource", Bool, Operation),
    key("kms:GrantOperations", Strings, Operation),
    key("kms:GranteePrincipal", String, Operation),
    key("kms:GranteeServicePrincipal", String, Operation),
    key("kms:KeyOrigin", String, Resource),
    key("kms:KeySpec", String, Resource),
    key("kms:KeyUsage", String, Resource),
    key("kms:MultiRegion", Bool, Resource),
    key("kms:PolicyName", String, Operation),
    key("kms:ReEncryptOnSameKey", Bool, Operation),
    key("kms:RequestAlias", String, Operation),
    key("kms:ResourceAliases", Strings, Resource),
    key("kms:RetiringPrincipal", String, Operation),
    key("kms:RetiringServicePrincipal", String, Operation),
    key("kms:RotationPeriodInDays", Numeric, Operation),
    key(
        "kms:ScheduleKeyDeletionPendingWindowInDays",
        Numeric,
        Operation,
    ),
    key("kms:TrailingDaysWithoutKeyUsage", Numeric, Operation),
    key("kms:ViaService", String, Service),
    key("sts:ExternalId", String, Operation),
    key("sts:RoleSessionName", String, Operation),
    key("sts:SourceIdentity", String, Operation),
    key("sts:TransitiveTagKeys", Strings, Operation),
    key("<provider>:aud", String, Session),
    key("<provider>:sub", String, Session),
];

/// The row of a name as an operation supplies it.
pub fn row(name: &str) -> Option<&'static Declared> {
    CONDITION_KEYS.iter().find(|declared| declared.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_declared_twice() {
        for (index, declared) in CONDITION_KEYS.iter().enumerate() {
            let rest = CONDITION_KEYS.iter().skip(index + 1);
            assert!(
                rest.clone().all(|other| other.name != declared.name),
                "{}",
                declared.name
            );
        }
    }
}
