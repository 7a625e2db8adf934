//! IAM's structures in answers, each written in one place.

use keyward_engine::directory::records::{
    UserRecord,
    identity::{
        CredentialUseRecord, GroupRecord, ManagedPolicyRef, PolicyVersionRecord, RoleRecord,
    },
};
use keyward_types::tag::Tag;
use keyward_wire::xml;

use crate::{fault::IamFault, records::InstanceProfileRecord};

/// The path in the ARN of something of IAM, `/` at both ends.
pub fn path_of(arn: &str) -> &str {
    let start = arn.find('/').unwrap_or(arn.len());
    let end = arn.rfind('/').map_or(start, |end| end + 1);
    arn.get(start..end).unwrap_or_default()
}

/// The name in the ARN of something of IAM.
pub fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// `Tags`, if there are any.
pub fn tags(out: &mut xml::Writer<'_>, tags: &[Tag]) {
    if !tags.is_empty() {
        out.list("Tags", tags, tag);
    }
}

/// A `Tag`.
pub fn tag(out: &mut xml::Writer<'_>, tag: &Tag) {
    out.text("Key", &tag.key);
    out.text("Value", &tag.value);
}

/// `PermissionsBoundary`, if there is one.
pub fn boundary(out: &mut xml::Writer<'_>, boundary: Option<&ManagedPolicyRef>) {
    if let Some(policy) = boundary {
        out.element("PermissionsBoundary", |out| {
            // The model has `PermissionsBoundaryPolicy`, but AWS answers this.
            out.text("PermissionsBoundaryType", "Policy");
            out.text("PermissionsBoundaryArn", &policy.arn);
        });
    }
}

/// The members of `AttachedPolicy`.
pub fn attached_policy(out: &mut xml::Writer<'_>, policy: &ManagedPolicyRef) {
    out.text("PolicyName", name_of(&policy.arn));
    out.text("PolicyArn", &policy.arn);
}

/// The members of `User` that lists have.
pub fn user_in_list(out: &mut xml::Writer<'_>, (arn, user): (&str, &UserRecord)) {
    out.text("Path", &user.path);
    out.text("UserName", &user.name);
    out.text("UserId", user.id.as_str());
    out.text("Arn", arn);
    out.timestamp("CreateDate", user.created);
}

/// The members of `User`.
pub fn user(out: &mut xml::Writer<'_>, (arn, record): (&str, &UserRecord)) {
    user_in_list(out, (arn, record));
    boundary(out, record.boundary.as_ref());
    tags(out, &record.tags);
}

/// The members of `Group`.
pub fn group(out: &mut xml::Writer<'_>, (arn, group): (&str, &GroupRecord)) {
    out.text("Path", &group.path);
    out.text("GroupName", &group.name);
    out.text("GroupId", group.id.as_str());
    out.text("Arn", arn);
    out.timestamp("CreateDate", group.created);
}

/// A role as it is shown.
#[derive(Debug)]
pub struct ShownRole {
    /// Its ARN.
    pub arn: String,
    /// Its record.
    pub record: RoleRecord,
    /// Its trust policy as it is shown.
    pub trust: String,
    /// Its last use, where that is shown.
    pub last_used: Option<CredentialUseRecord>,
}

/// The members of `Role` that every answer has.
fn role_head(out: &mut xml::Writer<'_>, role: &ShownRole) {
    let record = &role.record;
    out.text("Path", &record.path);
    out.text("RoleName", &record.name);
    out.text("RoleId", record.id.as_str());
    out.text("Arn", &role.arn);
    out.timestamp("CreateDate", record.created);
    out.url_encoded("AssumeRolePolicyDocument", &role.trust);
    if let Some(description) = &record.description {
        out.text("Description", description);
    }
}

/// The members of `Role` in the answers of operations that create or change one: AWS omits the
/// maximum duration of its sessions and its last use.
pub fn role_as_written(out: &mut xml::Writer<'_>, role: &ShownRole) {
    role_head(out, role);
    boundary(out, role.record.boundary.as_ref());
    tags(out, &role.record.tags);
}

/// The members of `Role` that lists have.
pub fn role_in_list(out: &mut xml::Writer<'_>, role: &ShownRole) {
    role_head(out, role);
    let seconds = role.record.max_session_seconds;
    out.integer("MaxSessionDuration", i64::from(seconds));
}

/// The members of `Role`.
pub fn role(out: &mut xml::Writer<'_>, role: &ShownRole) {
    role_in_list(out, role);
    boundary(out, role.record.boundary.as_ref());
    tags(out, &role.record.tags);
    role_last_used(out, role.last_used.as_ref());
}

/// An instance profile as it is shown.
#[derive(Debug)]
pub struct ShownProfile {
    /// Its ARN.
    pub arn: String,
    /// Its record.
    pub record: InstanceProfileRecord,
    /// The role that is in it.
    pub role: Option<ShownRole>,
}

/// The members of `InstanceProfile` that lists have.
pub fn profile_in_list(out: &mut xml::Writer<'_>, profile: &ShownProfile) {
    let record = &profile.record;
    out.text("Path", &record.path);
    out.text("InstanceProfileName", &record.name);
    out.text("InstanceProfileId", record.id.as_str());
    out.text("Arn", &profile.arn);
    out.timestamp("CreateDate", record.created);
    out.list("Roles", profile.role.iter(), |out, role| {
        out.text("Path", &role.record.path);
        out.text("RoleName", &role.record.name);
        out.text("RoleId", role.record.id.as_str());
        out.text("Arn", &role.arn);
        out.timestamp("CreateDate", role.record.created);
        out.url_encoded("AssumeRolePolicyDocument", &role.trust);
    });
}

/// The members of `InstanceProfile`.
pub fn profile(out: &mut xml::Writer<'_>, profile: &ShownProfile) {
    profile_in_list(out, profile);
    tags(out, &profile.record.tags);
}

/// `RoleLastUsed`.
pub fn role_last_used(out: &mut xml::Writer<'_>, used: Option<&CredentialUseRecord>) {
    out.element("RoleLastUsed", |out| {
        if let Some(used) = used {
            out.timestamp("LastUsedDate", used.at);
            out.text("Region", used.region.as_str());
        }
    });
}

/// `v1` and so on.
pub fn version_id(number: u32) -> String {
    format!("v{number}")
}

/// The number in `v1` and so on; `None` for what was never a version.
pub fn version_number(id: &str) -> Option<u32> {
    id.strip_prefix('v')?.parse().ok()
}

/// The members of `PolicyVersion`, with the document where that is shown.
pub fn version(
    out: &mut xml::Writer<'_>,
    (version, default, with_document): (&PolicyVersionRecord, u32, bool),
) {
    if with_document {
        out.url_encoded("Document", &version.text);
    }
    out.text("VersionId", &version_id(version.number));
    out.boolean("IsDefaultVersion", version.number == default);
    out.timestamp("CreateDate", version.created);
}

/// The fault for a version that is not there.
pub fn no_such_version(arn: &str, id: &str) -> IamFault {
    IamFault::missing(format!(
        "Policy {arn} version {id} does not exist or is not attachable."
    ))
}
