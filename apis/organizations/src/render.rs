//! How accounts, organizational units, roots and policies are written in answers.

use keyward_engine::directory::{
    records::organization::{OrganizationRecord, OrganizationalUnitRecord},
    units::organization::{ControlPolicy, Member, OrganizationUnit},
};
use keyward_types::{
    organization::{ControlPolicyType, PolicyTarget},
    partition::Partition,
};
use keyward_wire::json::Writer;

use crate::standing::{Thing, arn_of};

/// `Organization`; `email` is the management account's.
pub fn organization(
    (partition, record): (Partition, &OrganizationRecord),
    email: Option<&str>,
    out: &mut Writer<'_>,
) {
    let management = record.management.as_str();
    out.string("Id", record.id.as_str());
    out.string("Arn", &record.arn(partition));
    out.string("FeatureSet", "ALL");
    let arn = record.arn_of(partition, "account", management);
    out.string("MasterAccountArn", &arn);
    out.string("MasterAccountId", management);
    if let Some(email) = email {
        out.string("MasterAccountEmail", email);
    }
    // What can be enabled; the root shows whether it is.
    out.array("AvailablePolicyTypes", |types| {
        types.object(|summary| {
            summary.string("Type", ControlPolicyType::Service.as_str());
            summary.string("Status", "ENABLED");
        });
    });
}

/// `Root`
pub fn root(organization: &OrganizationUnit, out: &mut Writer<'_>) {
    let record = organization.record();
    let root = Thing::PolicyTarget(PolicyTarget::Root(record.root.clone()));
    out.string("Id", record.root.as_str());
    out.string("Arn", &arn_of(organization, &root));
    out.string("Name", "Root");
    policy_types(record, out);
}

/// `PolicyTypes` of a root.
pub fn policy_types(record: &OrganizationRecord, out: &mut Writer<'_>) {
    out.array("PolicyTypes", |types| {
        for kind in ControlPolicyType::ALL {
            if record.attachments(kind).is_some() {
                types.object(|summary| {
                    summary.string("Type", kind.as_str());
                    summary.string("Status", "ENABLED");
                });
            }
        }
    });
}

/// `Account`
pub fn account(organization: &OrganizationUnit, member: &Member, out: &mut Writer<'_>) {
    let record = member.record();
    let account = record.account;
    out.string("Id", account.as_str());
    let thing = Thing::PolicyTarget(PolicyTarget::Account(account));
    out.string("Arn", &arn_of(organization, &thing));
    if let Some(email) = &record.email {
        out.string("Email", email);
    }
    out.string("Name", &record.name);
    out.string("Status", "ACTIVE");
    out.string("State", "ACTIVE");
    out.strings("Paths", [format!("{}{account}/", member.path())]);
    let joined = if record.created_here {
        "CREATED"
    } else {
        "INVITED"
    };
    out.string("JoinedMethod", joined);
    out.timestamp("JoinedTimestamp", record.joined);
}

/// `OrganizationalUnit`
pub fn unit(
    organization: &OrganizationUnit,
    unit: &OrganizationalUnitRecord,
    out: &mut Writer<'_>,
) {
    let thing = Thing::PolicyTarget(PolicyTarget::Unit(unit.id.clone()));
    out.string("Id", unit.id.as_str());
    out.string("Arn", &arn_of(organization, &thing));
    out.string("Name", &unit.name);
    if let Some(line) = organization.line(&unit.parent) {
        let path = format!("{}{}/", organization.path_of(&line), unit.id);
        out.string("Path", &path);
    }
}

/// `PolicySummary`
pub fn summary(policy: &ControlPolicy, out: &mut Writer<'_>) {
    let record = policy.record();
    out.string("Id", record.id.as_str());
    out.string("Arn", policy.arn());
    out.string("Name", &record.name);
    out.string("Description", &record.description);
    out.string("Type", record.kind.as_str());
    out.boolean("AwsManaged", policy.is_aws_managed());
}

/// `Policy`
pub fn policy(policy: &ControlPolicy, out: &mut Writer<'_>) {
    out.object("PolicySummary", |entry| summary(policy, entry));
    out.string("Content", &policy.record().text);
}
