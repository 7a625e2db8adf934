//! The actions of the services that are served here, whether Keyward serves them or not. It decides
//! nothing: who asks about an action that is not here has probably mistyped it.

/// The actions of each service without their prefix, in the alphabet's order: AWS's operations, with
/// the actions that are no operations.
const ACTIONS: &[(&str, &[&str])] = &[
    (
        "iam",
        &[
            "AcceptDelegationRequest",
            "AcquireRole",
            "AddClientIDToOpenIDConnectProvider",
            "AddRoleToInstanceProfile",
            "AddUserToGroup",
            "AssociateDelegationRequest",
            "AttachGroupPolicy",
            "AttachRolePolicy",
            "AttachUserPolicy",
            "ChangePassword",
            "CreateAccessKey",
            "CreateAccountAlias",
            "CreateDelegationRequest",
            "CreateGroup",
            "CreateInstanceProfile",
            "CreateLoginProfile",
            "CreateOpenIDConnectProvider",
            "CreatePolicy",
            "CreatePolicyVersion",
            "CreateRole",
            "CreateSAMLProvider",
            "CreateServiceLinkedRole",
            "CreateServiceSpecificCredential",
            "CreateUser",
            "CreateVirtualMFADevice",
            "DeactivateMFADevice",
            "DeleteAccessKey",
            "DeleteAccountAlias",
            "DeleteAccountPasswordPolicy",
            "DeleteGroup",
            "DeleteGroupPolicy",
            "DeleteInstanceProfile",
            "DeleteLoginProfile",
            "DeleteOpenIDConnectProvider",
            "DeletePolicy",
            "DeletePolicyVersion",
            "DeleteRole",
            "DeleteRolePermissionsBoundary",
            "DeleteRolePolicy",
            "DeleteSAMLProvider",
            "DeleteSSHPublicKey",
            "DeleteServerCertificate",
            "DeleteServiceLinkedRole",
            "DeleteServiceSpecificCredential",
            "DeleteSigningCertificate",
            "DeleteUser",
            "DeleteUserPermissionsBoundary",
            "DeleteUserPolicy",
            "DeleteVirtualMFADevice",
            "DetachGroupPolicy",
            "DetachRolePolicy",
            "DetachUserPolicy",
            "DisableOrganizationsRootCredentialsManagement",
            "DisableOrganizationsRootSessions",
            "DisableOutboundWebIdentityFederation",
            "EnableMFADevice",
            "EnableOrganizationsRootCredentialsManagement",
            "EnableOrganizationsRootSessions",
            "EnableOutboundWebIdentityFederation",
            "GenerateCredentialReport",
            "GenerateOrganizationsAccessReport",
            "GenerateServiceLastAccessedDetails",
            "GetAccessKeyLastUsed",
            "GetAccountAuthorizationDetails",
            "GetAccountPasswordPolicy",
            "GetAccountProperties",
            "GetAccountSummary",
            "GetContextKeysForCustomPolicy",
            "GetContextKeysForPrincipalPolicy",
            "GetCredentialReport",
            "GetDelegationRequest",
            "GetGroup",
            "GetGroupPolicy",
            "GetHumanReadableSummary",
            "GetInstanceProfile",
            "GetLoginProfile",
            "GetMFADevice",
            "GetOpenIDConnectProvider",
            "GetOrganizationsAccessReport",
            "GetOutboundWebIdentityFederationInfo",
            "GetPolicy",
            "GetPolicyVersion",
            "GetRole",
            "GetRolePolicy",
            "GetRoleTemplateVersion",
            "GetSAMLProvider",
            "GetSSHPublicKey",
            "GetServerCertificate",
            "GetServiceLastAccessedDetails",
            "GetServiceLastAccessedDetailsWithEntities",
            "GetServiceLinkedRoleDeletionStatus",
            "GetUser",
            "GetUserPolicy",
            "ListAccessKeys",
            "ListAccountAliases",
            "ListAttachedGroupPolicies",
            "ListAttachedRolePolicies",
            "ListAttachedUserPolicies",
            "ListDelegationRequests",
            "ListEntitiesForPolicy",
            "ListGroupPolicies",
            "ListGroups",
            "ListGroupsForUser",
            "ListInstanceProfileTags",
            "ListInstanceProfiles",
            "ListInstanceProfilesForRole",
            "ListMFADeviceTags",
            "ListMFADevices",
            "ListOpenIDConnectProviderTags",
            "ListOpenIDConnectProviders",
            "ListOrganizationsFeatures",
            "ListPolicies",
            "ListPoliciesGrantingServiceAccess",
            "ListPolicyTags",
            "ListPolicyVersions",
            "ListRolePolicies",
            "ListRoleTags",
            "ListRoles",
            "ListSAMLProviderTags",
            "ListSAMLProviders",
            "ListSSHPublicKeys",
            "ListServerCertificateTags",
            "ListServerCertificates",
            "ListServiceSpecificCredentials",
            "ListSigningCertificates",
            "ListUserPolicies",
            "ListUserTags",
            "ListUsers",
            "ListVirtualMFADevices",
            "PassRole",
            "PutAccountProperties",
            "PutGroupPolicy",
            "PutRolePermissionsBoundary",
            "PutRolePolicy",
            "PutUserPermissionsBoundary",
            "PutUserPolicy",
            "RejectDelegationRequest",
            "RemoveClientIDFromOpenIDConnectProvider",
            "RemoveRoleFromInstanceProfile",
            "RemoveUserFromGroup",
            "ResetServiceSpecificCredential",
            "ResyncMFADevice",
            "SendDelegationToken",
            "SetDefaultPolicyVersion",
            "SetSecurityTokenServicePreferences",
            "SimulateCustomPolicy",
            "SimulatePrincipalPolicy",
            "TagInstanceProfile",
            "TagMFADevice",
            "TagOpenIDConnectProvider",
            "TagPolicy",
            "TagRole",
            "TagSAMLProvider",
            "TagServerCertificate",
            "TagUser",
            "UntagInstanceProfile",
            "UntagMFADevice",
            "UntagOpenIDConnectProvider",
            "UntagPolicy",
            "UntagRole",
            "UntagSAMLProvider",
            "UntagServerCertificate",
            "UntagUser",
            "UpdateAccessKey",
            "UpdateAccountPasswordPolicy",
            "UpdateAssumeRolePolicy",
            "UpdateDelegationRequest",
            "UpdateGroup",
            "UpdateLoginProfile",
            "UpdateOpenIDConnectProviderThumbprint",
            "UpdateRole",
            "UpdateRoleDescription",
            "UpdateSAMLProvider",
            "UpdateSSHPublicKey",
            "UpdateServerCertificate",
            "UpdateServiceSpecificCredential",
            "UpdateSigningCertificate",
            "UpdateUser",
            "UploadSSHPublicKey",
            "UploadServerCertificate",
            "UploadSigningCertificate",
        ],
    ),
    (
        "keyward",
        &["ExplainDecision", "ExplainRecordedDecision", "WhoCan"],
    ),
    (
        "kms",
        &[
            "CancelKeyDeletion",
            "ConnectCustomKeyStore",
            "CreateAlias",
            "CreateCustomKeyStore",
            "CreateGrant",
            "CreateKey",
            "Decapsulate",
            "Decrypt",
            "DeleteAlias",
            "DeleteCustomKeyStore",
            "DeleteImportedKeyMaterial",
            "DeriveSharedSecret",
            "DescribeCustomKeyStores",
            "DescribeKey",
            "DisableKey",
            "DisableKeyRotation",
            "DisconnectCustomKeyStore",
            "EnableKey",
            "EnableKeyRotation",
            "Encapsulate",
            "Encrypt",
            "GenerateDataKey",
            "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext",
            "GenerateDataKeyWithoutPlaintext",
            "GenerateMac",
            "GenerateRandom",
            "GetKeyLastUsage",
            "GetKeyPolicy",
            "GetKeyRotationStatus",
            "GetParametersForImport",
            "GetPublicKey",
            "ImportKeyMaterial",
            "ListAliases",
            "ListGrants",
            "ListKeyPolicies",
            "ListKeyRotations",
            "ListKeys",
            "ListResourceTags",
            "ListRetirableGrants",
            "PutKeyPolicy",
            "ReEncryptFrom",
            "ReEncryptTo",
            "ReplicateKey",
            "RetireGrant",
            "RevokeGrant",
            "RotateKeyOnDemand",
            "ScheduleKeyDeletion",
            "Sign",
            "SynchronizeMultiRegionKey",
            "TagResource",
            "UntagResource",
            "UpdateAlias",
            "UpdateCustomKeyStore",
            "UpdateKeyDescription",
            "UpdatePrimaryRegion",
            "Verify",
            "VerifyMac",
        ],
    ),
    (
        "organizations",
        &[
            "AcceptHandshake",
            "AttachPolicy",
            "CancelHandshake",
            "CloseAccount",
            "CreateAccount",
            "CreateGovCloudAccount",
            "CreateOrganization",
            "CreateOrganizationalUnit",
            "CreatePolicy",
            "DeclineHandshake",
            "DeleteOrganization",
            "DeleteOrganizationalUnit",
            "DeletePolicy",
            "DeleteResourcePolicy",
            "DeregisterDelegatedAdministrator",
            "DescribeAccount",
            "DescribeCreateAccountStatus",
            "DescribeEffectivePolicy",
            "DescribeHandshake",
            "DescribeOrganization",
            "DescribeOrganizationalUnit",
            "DescribePolicy",
            "DescribeResourcePolicy",
            "DescribeResponsibilityTransfer",
            "DetachPolicy",
            "DisableAWSServiceAccess",
            "DisablePolicyType",
            "EnableAWSServiceAccess",
            "EnableAllFeatures",
            "EnablePolicyType",
            "InviteAccountToOrganization",
            "InviteOrganizationToTransferResponsibility",
            "LeaveOrganization",
            "ListAWSServiceAccessForOrganization",
            "ListAccounts",
            "ListAccountsForParent",
            "ListAccountsWithInvalidEffectivePolicy",
            "ListChildren",
            "ListCreateAccountStatus",
            "ListDelegatedAdministrators",
            "ListDelegatedServicesForAccount",
            "ListEffectivePolicyValidationErrors",
            "ListHandshakesForAccount",
            "ListHandshakesForOrganization",
            "ListInboundResponsibilityTransfers",
            "ListOrganizationalUnitsForParent",
            "ListOutboundResponsibilityTransfers",
            "ListParents",
            "ListPolicies",
            "ListPoliciesForTarget",
            "ListRoots",
            "ListTagsForResource",
            "ListTargetsForPolicy",
            "MoveAccount",
            "PutResourcePolicy",
            "RegisterDelegatedAdministrator",
            "RemoveAccountFromOrganization",
            "TagResource",
            "TerminateResponsibilityTransfer",
            "UntagResource",
            "UpdateOrganizationalUnit",
            "UpdatePolicy",
            "UpdateResponsibilityTransfer",
        ],
    ),
    (
        "sts",
        &[
            "AssumeRole",
            "AssumeRoleWithSAML",
            "AssumeRoleWithWebIdentity",
            "AssumeRoot",
            "DecodeAuthorizationMessage",
            "GetAccessKeyInfo",
            "GetCallerIdentity",
            "GetDelegatedAccessToken",
            "GetFederationToken",
            "GetServiceBearerToken",
            "GetSessionToken",
            "GetWebIdentityToken",
            "SetContext",
            "SetSourceIdentity",
            "TagSession",
        ],
    ),
];
/// How alike two names are, from 0 to 1, of which one may be the other mistyped.
const ALIKE: f64 = 0.85;
/// The most names that are proposed.
const MOST: usize = 3;

/// What is known of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// There is such an action; its name in AWS's own case.
    Action(String),
    /// Its service has no such action, but perhaps these.
    Mistyped(Vec<String>),
    /// A service of which nothing is known here.
    OtherService,
}

/// Looks an action up, such as `kms:Decrypt`, whatever its case.
pub fn look_up(action: &str) -> Known {
    let Some((service, name)) = action.split_once(':') else {
        return Known::OtherService;
    };
    let mut services = ACTIONS.iter();
    let Some((service, names)) = services.find(|(known, _)| known.eq_ignore_ascii_case(service))
    else {
        return Known::OtherService;
    };
    let full = |name: &str| format!("{service}:{name}");
    if let Some(known) = names.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        return Known::Action(full(known));
    }
    let lower = name.to_ascii_lowercase();
    let mut alike: Vec<(f64, &str)> = names
        .iter()
        .map(|known| {
            (
                strsim::jaro_winkler(&known.to_ascii_lowercase(), &lower),
                *known,
            )
        })
        .filter(|(alike, _)| *alike > ALIKE)
        .collect();
    alike.sort_by(|(one, a), (other, b)| other.total_cmp(one).then(a.cmp(b)));
    let alike = alike.into_iter().take(MOST);
    Known::Mistyped(alike.map(|(_, name)| full(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_name_nothing_twice() {
        assert!(ACTIONS.is_sorted_by_key(|(service, _)| *service));
        for (service, names) in ACTIONS {
            assert!(names.is_sorted_by(|a, b| a < b), "{service}");
        }
    }

    #[test]
    fn an_action_is_known_whatever_its_case() {
        assert_eq!(
            look_up("KMS:decrypt"),
            Known::Action("kms:Decrypt".to_owned())
        );
        assert_eq!(
            look_up("iam:PassRole"),
            Known::Action("iam:PassRole".to_owned())
        );
        assert_eq!(look_up("s3:GetObject"), Known::OtherService);
    }

    #[test]
    fn what_is_mistyped_has_the_likeliest_first() {
        for (mistyped, meant) in [
            ("kms:Decrpyt", "kms:Decrypt"),
            ("kms:GenerateDatakeys", "kms:GenerateDataKey"),
            ("iam:CreateUsr", "iam:CreateUser"),
        ] {
            match look_up(mistyped) {
                Known::Mistyped(alike) => assert_eq!(alike[0], meant, "{alike:?}"),
                Known::Action(_) | Known::OtherService => panic!("{mistyped}"),
            }
        }
        // The operation has two actions.
        let Known::Mistyped(alike) = look_up("kms:ReEncrypt") else {
            panic!("there is no action kms:ReEncrypt");
        };
        assert_eq!(alike, ["kms:ReEncryptTo", "kms:ReEncryptFrom"]);
        assert_eq!(look_up("kms:Frobnicate"), Known::Mistyped(Vec::new()));
    }
}
