//! IAM's nouns, and which of its actions is done to which.

pub mod instance_profile;

use std::{collections::BTreeMap, sync::Arc};

use keyward_engine::directory::{
    ReadError,
    identities::NameKind,
    purpose,
    records::{
        UserRecord,
        identity::{GroupRecord, ManagedPolicyRecord, ManagedPolicyRef, RoleRecord},
    },
    units::identity::{GroupUnit, ManagedPolicyUnit, RoleUnit, UserUnit},
};
use keyward_store::revision::Revision;
use keyward_types::{action::Action, arn::ArnParts, tag::Tag};
use keyward_wire::json::Members;

use crate::{
    Cx,
    entity::{Entity, Head, Noun, Record},
    facets::{Bounded, Holder, Renamed, Tagged},
    fault::IamFault,
    names, paths,
    records::InstanceProfileRecord,
    tag_keys::Keys,
};

impl Entity for UserUnit {
    type Record = UserRecord;

    async fn find(cx: &Cx<'_>, name: &str) -> Result<Option<Arc<Self>>, ReadError> {
        cx.directory()
            .user_by_name(cx.partition(), cx.account(), name)
            .await
    }

    fn arn(&self) -> &str {
        self.principal().arn()
    }

    fn tags(&self) -> &[Tag] {
        &self.record().tags
    }

    fn boundary(&self) -> Option<&str> {
        self.record()
            .boundary
            .as_ref()
            .map(|policy| policy.arn.as_str())
    }

    fn stored(&self) -> Result<&UserRecord, IamFault> {
        Ok(self.record())
    }

    fn written(&self) -> Option<Revision> {
        Some(self.revision())
    }

    fn missing(name: &str) -> IamFault {
        IamFault::missing(format!("The user with name {name} cannot be found."))
    }
}

impl Entity for GroupUnit {
    type Record = GroupRecord;

    async fn find(cx: &Cx<'_>, name: &str) -> Result<Option<Arc<Self>>, ReadError> {
        cx.directory().group_by_name(cx.caller.home(), name).await
    }

    fn arn(&self) -> &str {
        Self::arn(self)
    }

    fn stored(&self) -> Result<&GroupRecord, IamFault> {
        Ok(self.record())
    }

    fn written(&self) -> Option<Revision> {
        Some(self.revision())
    }

    fn missing(name: &str) -> IamFault {
        IamFault::missing(format!("The group with name {name} cannot be found."))
    }
}

impl Entity for RoleUnit {
    type Record = RoleRecord;

    async fn find(cx: &Cx<'_>, name: &str) -> Result<Option<Arc<Self>>, ReadError> {
        cx.directory().role_by_name(cx.caller.home(), name).await
    }

    fn arn(&self) -> &str {
        Self::arn(self)
    }

    fn tags(&self) -> &[Tag] {
        &self.record().tags
    }

    fn boundary(&self) -> Option<&str> {
        self.record()
            .boundary
            .as_ref()
            .map(|policy| policy.arn.as_str())
    }

    fn stored(&self) -> Result<&RoleRecord, IamFault> {
        Ok(self.record())
    }

    fn written(&self) -> Option<Revision> {
        Some(self.revision())
    }

    fn edit(&self, _cx: &Cx<'_>) -> Result<RoleRecord, IamFault> {
        let record = self.record();
        if record.linked_service.is_some() {
            let message = format!(
                "Cannot perform the operation on the protected role '{}' - this role is only \
                 modifiable by AWS",
                record.name
            );
            return Err(IamFault::UnmodifiableEntity { message });
        }
        Ok(record.clone())
    }

    fn missing(name: &str) -> IamFault {
        IamFault::missing(format!("The role with name {name} cannot be found."))
    }
}

impl Entity for ManagedPolicyUnit {
    type Record = ManagedPolicyRecord;

    fn read_name(m: &mut Members<'_>, _most: usize) -> String {
        names::policy_arn(m, Self::NOUN.member)
    }

    async fn find(cx: &Cx<'_>, name: &str) -> Result<Option<Arc<Self>>, ReadError> {
        let own = ArnParts::parse(name).is_some_and(|parts| {
            parts.partition == cx.partition().as_str()
                && (parts.account == cx.account().as_str() || parts.account == "aws")
        });
        if own {
            cx.directory().managed_policy(name).await
        } else {
            Ok(None)
        }
    }

    fn arn(&self) -> &str {
        Self::arn(self)
    }

    fn tags(&self) -> &[Tag] {
        self.record()
            .map(|record| record.tags.as_slice())
            .unwrap_or_default()
    }

    fn stored(&self) -> Result<&ManagedPolicyRecord, IamFault> {
        self.record().ok_or_else(|| IamFault::Protected {
            message: format!("Policy {} is AWS's own and cannot be changed.", self.arn()),
        })
    }

    fn written(&self) -> Option<Revision> {
        self.revision()
    }

    fn edit_by<A: Action>(&self, cx: &Cx<'_>) -> Result<ManagedPolicyRecord, IamFault> {
        // They belong to no customer's account, so no customer may do it, whatever is allowed.
        self.record().cloned().ok_or_else(|| IamFault::Protected {
            message: format!(
                "User: {} is not authorized to perform: {} on resource: policy {}",
                cx.caller.principal().arn(),
                A::NAME,
                self.arn()
            ),
        })
    }

    fn missing(name: &str) -> IamFault {
        match check_policy_arn(name) {
            Ok(()) => IamFault::missing(format!("Policy {name} was not found.")),
            Err(invalid) => invalid,
        }
    }

    fn stand_in(_cx: &Cx<'_>, name: &str) -> (String, String) {
        (name.to_owned(), format!("policy {name}"))
    }
}

/// Holds an ARN against the shape of a managed policy's.
///
/// # Errors
/// `InvalidInput`.
pub fn check_policy_arn(arn: &str) -> Result<(), IamFault> {
    let is_policy = ArnParts::parse(arn).is_some_and(|parts| {
        parts.service == "iam" && parts.region.is_empty() && parts.resource.starts_with("policy/")
    });
    if is_policy {
        Ok(())
    } else {
        Err(IamFault::invalid(format!("ARN {arn} is not valid.")))
    }
}

impl Record for UserRecord {
    const NOUN: Noun = Noun {
        word: "user",
        member: "UserName",
        kind: paths::USER,
        purpose: purpose::USER,
        names: NameKind::User,
        tag_keys: Keys::IgnoringCase,
        most: |quotas| quotas.users,
        quota: "UsersPerAccount",
        taken: |name| format!("User with name {name} already exists."),
    };

    fn head(&self) -> Head<'_> {
        let Self { id, name, path, .. } = self;
        Head { id, name, path }
    }
}

impl Record for GroupRecord {
    const NOUN: Noun = Noun {
        word: "group",
        member: "GroupName",
        kind: paths::GROUP,
        purpose: purpose::GROUP,
        names: NameKind::Group,
        tag_keys: Keys::Exact,
        most: |quotas| quotas.groups,
        quota: "GroupsPerAccount",
        taken: |name| format!("Group with name {name} already exists."),
    };

    fn head(&self) -> Head<'_> {
        let Self { id, name, path, .. } = self;
        Head { id, name, path }
    }
}

impl Record for RoleRecord {
    const NOUN: Noun = Noun {
        word: "role",
        member: "RoleName",
        kind: paths::ROLE,
        purpose: purpose::ROLE,
        names: NameKind::Role,
        tag_keys: Keys::IgnoringCase,
        most: |quotas| quotas.roles,
        quota: "RolesPerAccount",
        taken: |name| format!("Role with name {name} already exists."),
    };

    fn head(&self) -> Head<'_> {
        let Self { id, name, path, .. } = self;
        Head { id, name, path }
    }
}

impl Record for ManagedPolicyRecord {
    const NOUN: Noun = Noun {
        word: "policy",
        member: "PolicyArn",
        kind: paths::POLICY,
        purpose: purpose::MANAGED_POLICY,
        names: NameKind::Policy,
        tag_keys: Keys::Exact,
        most: |quotas| quotas.policies,
        quota: "PoliciesPerAccount",
        taken: |name| {
            format!("A policy called {name} already exists. Duplicate names are not allowed.")
        },
    };

    fn head(&self) -> Head<'_> {
        let Self { id, name, path, .. } = self;
        Head { id, name, path }
    }
}

impl Record for InstanceProfileRecord {
    const NOUN: Noun = Noun {
        word: "instance-profile",
        member: "InstanceProfileName",
        kind: paths::INSTANCE_PROFILE,
        purpose: purpose::INSTANCE_PROFILE,
        names: NameKind::InstanceProfile,
        tag_keys: Keys::Exact,
        most: |quotas| quotas.instance_profiles,
        quota: "InstanceProfilesPerAccount",
        taken: |name| format!("Instance Profile {name} already exists."),
    };

    fn head(&self) -> Head<'_> {
        let Self { id, name, path, .. } = self;
        Head { id, name, path }
    }
}

macro_rules! facets {
    (tags: $($tagged:ty),*; boundary: $($bounded:ty),*; policies: $($holder:ty = $most:expr, $quota:literal);* $(;)?) => {
        $(impl Tagged for $tagged {
            fn tags_mut(&mut self) -> &mut Vec<Tag> {
                &mut self.tags
            }
        })*
        $(impl Bounded for $bounded {
            fn boundary_mut(&mut self) -> &mut Option<ManagedPolicyRef> {
                &mut self.boundary
            }
        })*
        $(impl Holder for $holder {
            const MAX_INLINE: usize = $most;
            const QUOTA: &'static str = $quota;

            fn inline(&self) -> &BTreeMap<String, String> {
                &self.inline_policies
            }
            fn inline_mut(&mut self) -> &mut BTreeMap<String, String> {
                &mut self.inline_policies
            }
            fn attached(&self) -> &[ManagedPolicyRef] {
                &self.attached_policies
            }
            fn attached_mut(&mut self) -> &mut Vec<ManagedPolicyRef> {
                &mut self.attached_policies
            }
        })*
    };
}
facets! {
    tags: UserRecord, RoleRecord, ManagedPolicyRecord, InstanceProfileRecord;
    boundary: UserRecord, RoleRecord;
    policies:
        UserRecord = keyward_engine::policy::document::validate::USER_INLINE, "PoliciesPerUser";
        GroupRecord = keyward_engine::policy::document::validate::GROUP_INLINE, "PoliciesPerGroup";
        RoleRecord = keyward_engine::policy::document::validate::ROLE_INLINE, "PoliciesPerRole";
}

impl Renamed for UserRecord {
    const NEW_NAME: &'static str = "NewUserName";
    const LONGEST: usize = names::USER;

    fn names_mut(&mut self) -> (&mut String, &mut String) {
        (&mut self.path, &mut self.name)
    }
}

impl Renamed for GroupRecord {
    const NEW_NAME: &'static str = "NewGroupName";
    const LONGEST: usize = names::GROUP;

    fn names_mut(&mut self) -> (&mut String, &mut String) {
        (&mut self.path, &mut self.name)
    }
}
