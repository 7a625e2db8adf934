//! AWS's own managed policies, as far as they are about what Keyward serves. Every account has
//! them; nobody changes them.
//!
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use keyward_policy::{
    document::{Document, PolicyKind},
    policy::Policy,
    principal::Bindings,
};
use keyward_types::{partition::Partition, unique_id::UniqueId};

use crate::directory::units::identity::ManagedPolicyUnit;

/// One of AWS's own policies.
#[derive(Clone, Copy, Debug)]
pub struct AwsPolicy {
    /// Its name.
    pub name: &'static str,
    /// Its path, `/` at both ends.
    pub path: &'static str,
    /// Its unique id: AWS's, or one of Keyward's own where AWS's is not public.
    pub id: &'static str,
    /// What AWS says it is for.
    pub description: &'static str,
    /// The document of the version that decides.
    pub text: &'static str,
}

impl AwsPolicy {
    /// Its ARN in a partition.
    pub fn arn(&self, partition: Partition) -> String {
        format!("arn:{partition}:iam::aws:policy{}{}", self.path, self.name)
    }
}

/// The table, in the alphabet's order.
pub const AWS_POLICIES: &[AwsPolicy] = &[
    AwsPolicy {
        name: "AWSKeyManagementServiceCustomKeyStoresServiceRolePolicy",
        path: "/aws-service-role/",
        id: "ANPAKEYWARDCUSTOMKEYS",
        description: "Enables access to AWS services and resources required for AWS KMS custom key stores",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudhsm:Describe*","ec2:CreateNetworkInterface","ec2:AuthorizeSecurityGroupIngress","ec2:CreateSecurityGroup","ec2:DescribeSecurityGroups","ec2:RevokeSecurityGroupEgress","ec2:DeleteSecurityGroup","ec2:DescribeVpcs","ec2:DescribeNetworkAcls","ec2:DescribeNetworkInterfaces"],"Resource":"*"}]}"#,
    },
    AwsPolicy {
        name: "AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy",
        path: "/aws-service-role/",
        id: "ANPAKEYWARDMULTIREGIO",
        description: "Enables access to AWS services and resources required for AWS KMS Multi-Region Keys",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:SynchronizeMultiRegionKey"],"Resource":"*"}]}"#,
    },
    AwsPolicy {
        name: "AWSKeyManagementServicePowerUser",
        path: "/",
        id: "ANPAJNPP7PPPPMJRV2SA4",
        description: "Provides access to AWS Key Management Service (KMS).",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:CreateAlias","kms:CreateKey","kms:DeleteAlias","kms:Describe*","kms:GenerateRandom","kms:Get*","kms:List*","kms:TagResource","kms:UntagResource","iam:ListGroups","iam:ListRoles","iam:ListUsers"],"Resource":"*"}]}"#,
    },
    AwsPolicy {
        name: "AdministratorAccess",
        path: "/",
        id: "ANPAIWMBCKSKIEE64ZLYK",
        description: "Provides full access to AWS services and resources.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    },
    AwsPolicy {
        name: "IAMFullAccess",
        path: "/",
        id: "ANPAI7XKCFMBPM3QQRRVQ",
        description: "Provides full access to IAM via the AWS Management Console.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*","organizations:DescribeAccount","organizations:DescribeOrganization","organizations:DescribeOrganizationalUnit","organizations:DescribePolicy","organizations:ListChildren","organizations:ListParents","organizations:ListPoliciesForTarget","organizations:ListRoots","organizations:ListPolicies","organizations:ListTargetsForPolicy"],"Resource":"*"}]}"#,
    },
    AwsPolicy {
        name: "IAMReadOnlyAccess",
        path: "/",
        id: "ANPAJKSO7NDY4T57MWDSQ",
        description: "Provides read only access to IAM via the AWS Management Console.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}]}"#,
    },
    AwsPolicy {
        name: "PowerUserAccess",
        path: "/",
        id: "ANPAJYRXTHIB4FOVS3ZXS",
        description: "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["account:GetAccountInformation","account:GetPrimaryEmail","account:ListRegions","iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}]}"#,
    },
];

static COMPILED: LazyLock<BTreeMap<&'static str, (UniqueId, Policy)>> = LazyLock::new(|| {
    let compile = |known: &AwsPolicy| {
        let id = UniqueId::parse(known.id).ok()?;
        let document = Document::parse(known.text, PolicyKind::ManagedIdentity).ok()?;
        let policy = Policy::compile(&document, &Bindings::default());
        Some((known.name, (id, policy)))
    };
    AWS_POLICIES.iter().filter_map(compile).collect()
});

static UNITS: LazyLock<BTreeMap<String, Arc<ManagedPolicyUnit>>> = LazyLock::new(|| {
    let partitions = Partition::ALL.iter();
    let each =
        partitions.flat_map(|partition| AWS_POLICIES.iter().map(|known| (*partition, known)));
    each.filter_map(|(partition, known)| {
        let (id, policy) = COMPILED.get(known.name)?;
        let arn = known.arn(partition);
        let unit = ManagedPolicyUnit::aws(arn.clone(), id.clone(), policy.clone());
        Some((arn, Arc::new(unit)))
    })
    .collect()
});

/// The policy with that ARN.
pub fn find(arn: &str) -> Option<Arc<ManagedPolicyUnit>> {
    UNITS.get(arn).cloned()
}

/// The table's row of an ARN.
pub fn row(arn: &str) -> Option<&'static AwsPolicy> {
    let name = find(arn)?;
    let name = name.arn().rsplit('/').next()?;
    AWS_POLICIES.iter().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_valid_and_found_in_every_partition() {
        for known in AWS_POLICIES {
            for partition in Partition::ALL {
                let arn = known.arn(partition);
                assert!(find(&arn).is_some(), "{arn}");
                assert_eq!(row(&arn).map(|row| row.name), Some(known.name));
            }
        }
        assert!(find("arn:aws:iam::aws:policy/administratoraccess").is_none());
    }
}
