//! Credentials and environments as Cloudera's model shows them.

use keyward_wire::json::Writer;

use crate::{
    Cx,
    records::{CredentialRecord, EnvironmentRecord},
};

/// A credential.
#[derive(Debug)]
pub struct ShownCredential {
    record: CredentialRecord,
    crn: String,
}

impl ShownCredential {
    /// One of the caller's account.
    pub fn new(record: CredentialRecord, cx: &Cx<'_>) -> Self {
        let crn = cx.crn("environments", "credential", &record.id);
        Self { record, crn }
    }

    /// Writes its members.
    pub fn write(&self, out: &mut Writer<'_>) {
        out.string("credentialName", &self.record.name);
        out.string("crn", &self.crn);
        out.string("cloudPlatform", "AWS");
        out.string("created", &self.record.created.iso8601());
        if let Some(description) = &self.record.description {
            out.string("description", description);
        }
        out.boolean("verifyPermissions", true);
        out.object("awsCredentialProperties", |aws| {
            aws.string("roleArn", &self.record.role);
            aws.boolean("govCloud", false);
        });
    }
}

/// An environment.
#[derive(Debug)]
pub struct ShownEnvironment {
    record: EnvironmentRecord,
    crn: String,
}

impl ShownEnvironment {
    /// One of the caller's account.
    pub fn new(record: EnvironmentRecord, cx: &Cx<'_>) -> Self {
        let crn = cx.crn_of_environment(&record);
        Self { record, crn }
    }

    /// Its key, if it has one. Cloudera's model has no place for it but the answer to the change of it; the CLI drops
    /// members that the model does not have.
    pub fn key(&self) -> Option<&str> {
        self.record.key.as_deref()
    }

    /// Writes what lists show.
    pub fn write_summary(&self, out: &mut Writer<'_>) {
        let record = &self.record;
        out.string("environmentName", &record.name);
        out.string("crn", &self.crn);
        out.string("status", "AVAILABLE");
        out.string("region", record.region.as_str());
        out.string("cloudPlatform", "AWS");
        out.string("credentialName", &record.credential);
        if let Some(description) = &record.description {
            out.string("description", description);
        }
        out.string("created", &record.created.iso8601());
        out.boolean("computeClusterEnabled", false);
    }

    /// Writes its members.
    pub fn write(&self, out: &mut Writer<'_>) {
        let record = &self.record;
        self.write_summary(out);
        out.object("network", |network| {
            network.string("networkName", &record.vpc);
            network.strings("subnetIds", &record.subnets);
            network.object("aws", |aws| aws.string("vpcId", &record.vpc));
        });
        out.object("logStorage", |logs| {
            logs.boolean("enabled", false);
            logs.object("awsDetails", |aws| {
                aws.string("storageLocationBase", &record.log_location);
                aws.string("instanceProfile", &record.log_profile);
            });
        });
        out.object("authentication", |authentication| {
            if let Some(key) = &record.login_key {
                authentication.string("publicKeyId", key);
            }
        });
        out.object("securityAccess", |access| {
            if let Some(cidr) = &record.cidr {
                access.string("cidr", cidr);
            }
        });
        out.string("creator", &record.creator);
        out.object("tags", |tags| {
            tags.object("userDefined", |own| {
                for tag in &record.tags {
                    own.named_string(&tag.key, &tag.value);
                }
            });
        });
        out.string("environmentType", "PUBLIC_CLOUD");
        if let Some(key) = self.key() {
            out.string("encryptionKeyArn", key);
        }
    }
}
