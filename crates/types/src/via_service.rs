//! The services that act for a caller: who they are, and what they are called in policies.
//!
//! A service has credentials of its own. With them it signs as the service principal, and turns a
//! request that a user signed for it into a forward access session, with which it calls KMS as
//! that user. `kms:ViaService`, `aws:CalledVia`, `kms:GrantIsForAWSResource` and `aws:SourceArn`
//! come from there and nowhere else, never from what an ordinary request claims.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html>

use crate::{alias::AliasName, region::Region};

/// A service that may act for a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActingService {
    name: &'static str,
    /// The alias of its AWS managed key, after `alias/aws/`; `None` if it has none.
    managed_key: Option<&'static str>,
    /// What it is called in the policy of that key.
    title: &'static str,
    called_via: bool,
    /// What its principal ends with.
    domain: &'static str,
}

const fn service(
    name: &'static str,
    managed_key: Option<&'static str>,
    title: &'static str,
) -> ActingService {
    ActingService {
        name,
        managed_key,
        title,
        called_via: false,
        domain: "amazonaws.com",
    }
}

/// Amazon Athena.
pub const ATHENA: &ActingService = &service("athena", None, "Athena").in_called_via();

/// AWS Backup.
pub const BACKUP: &ActingService = &service("backup", Some("backup"), "AWS Backup");

/// Cloudera's control plane, which assumes the roles of its credentials: `cdp.cloudera.com`. It is given no credentials,
/// so it is not among the [`SERVICES`].
pub const CDP: &ActingService = &ActingService {
    domain: "cloudera.com",
    ..service("cdp", None, "CDP")
};

/// AWS CloudFormation.
pub const CLOUD_FORMATION: &ActingService =
    &service("cloudformation", None, "CloudFormation").in_called_via();

/// AWS CloudTrail.
pub const CLOUD_TRAIL: &ActingService = &service("cloudtrail", None, "CloudTrail");

/// Amazon DynamoDB.
pub const DYNAMO_DB: &ActingService =
    &service("dynamodb", Some("dynamodb"), "DynamoDB").in_called_via();

/// Amazon EC2, for the volumes of EBS.
pub const EC2: &ActingService = &service("ec2", Some("ebs"), "EBS");

/// Amazon EKS.
pub const EKS: &ActingService = &service("eks", None, "EKS");

/// Amazon EFS.
pub const ELASTIC_FILE_SYSTEM: &ActingService =
    &service("elasticfilesystem", Some("elasticfilesystem"), "EFS");

/// AWS Lambda.
pub const LAMBDA: &ActingService = &service("lambda", Some("lambda"), "AWS Lambda");

/// Amazon RDS.
pub const RDS: &ActingService = &service("rds", Some("rds"), "RDS");

/// Amazon S3.
pub const S3: &ActingService = &service("s3", Some("s3"), "S3");

/// AWS Secrets Manager.
pub const SECRETS_MANAGER: &ActingService = &service(
    "secretsmanager",
    Some("secretsmanager"),
    "AWS Secrets Manager",
);

/// Amazon SNS.
pub const SNS: &ActingService = &service("sns", Some("sns"), "SNS");

/// Amazon SQS.
pub const SQS: &ActingService = &service("sqs", Some("sqs"), "SQS");

/// AWS Systems Manager.
pub const SYSTEMS_MANAGER: &ActingService = &service("ssm", Some("ssm"), "AWS Systems Manager");

/// The services that can be given credentials, in alphabetical order.
pub const SERVICES: &[ActingService] = &[
    *ATHENA,
    *BACKUP,
    *CLOUD_FORMATION,
    *CLOUD_TRAIL,
    *DYNAMO_DB,
    *EC2,
    *EKS,
    *ELASTIC_FILE_SYSTEM,
    *LAMBDA,
    *RDS,
    *S3,
    *SECRETS_MANAGER,
    *SNS,
    *SQS,
    *SYSTEMS_MANAGER,
];

impl ActingService {
    const fn in_called_via(mut self) -> Self {
        self.called_via = true;
        self
    }

    /// The name that requests to it are signed for, and that its principal begins with.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The alias of its AWS managed key, after `alias/aws/`; `None` if it has none.
    pub const fn managed_key(&self) -> Option<&'static str> {
        self.managed_key
    }

    /// What it is called in the policy of that key.
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// Whether it is in `aws:CalledVia`, which few services support.
    pub const fn is_in_called_via(&self) -> bool {
        self.called_via
    }

    /// The service of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        SERVICES.iter().find(|service| service.name == name)
    }

    /// Its principal in a Region, which is also `kms:ViaService`: AWS writes the same suffix in
    /// every partition.
    pub fn regional_name(&self, region: Region) -> String {
        format!("{}.{region}.{}", self.name, self.domain)
    }

    /// Its principal without a Region, which is also how CloudTrail and `aws:CalledVia` name it.
    pub fn global_name(&self) -> String {
        format!("{}.{}", self.name, self.domain)
    }

    /// The alias of its AWS managed key.
    pub fn alias(&self) -> Option<AliasName> {
        AliasName::parse(&format!("alias/aws/{}", self.managed_key?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_by_its_name_and_has_the_alias_of_its_managed_key() {
        for service in SERVICES {
            assert_eq!(service.alias().is_some(), service.managed_key.is_some());
            assert_eq!(ActingService::find(service.name), Some(service));
        }
        assert_eq!(
            SERVICES.iter().find(|s| s.name == "ec2").unwrap().alias(),
            AliasName::parse("alias/aws/ebs").ok()
        );
    }
}
