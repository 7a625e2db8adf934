//! IAM's nouns, and which of its actions is done to which.

use std::{collections::BTreeMap, sync::Arc};

use keyward_engine::directory::{
    ReadError,
    identities::{Home, NameKind},
    paths, purpose,
    records::{
        UserRecord,
        identity::{
            GroupRecord, InstanceProfileRecord, ManagedPolicyRecord, ManagedPolicyRef, RoleRecord,
        },
    },
    units::identity::{GroupUnit, ManagedPolicyUnit, RoleUnit, UserUnit},
};
use keyward_store::{
    path::{Path, Prefix},
    revision::Revision,
    sealed::Purpose,
};
use keyward_types::{action::Action, arn::ArnParts, tag::Tag, unique_id::UniqueId};
use keyward_wire::json::Members;

use crate::{
    Cx,
    entity::{Entity, Record},
    facets::{Bounded, Holder, Renamed, Tagged},
    fault::IamFault,
    names,
    tag_keys::Keys,
};

impl Entity for UserUnit {
    type Record = UserRecord;
    const NOUN: &'static str = "user";
    const MEMBER: &'static str = "UserName";

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
    const NOUN: &'static str = "group";
    const MEMBER: &'static str = "GroupName";

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
    const NOUN: &'static str = "role";
    const MEMBER: &'static str = "RoleName";

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
    const NOUN: &'static str = "policy";
    const MEMBER: &'static str = "PolicyArn";

    fn read_name(m: &mut Members<'_>, _most: usize) -> String {
        names::policy_arn(m, Self::MEMBER)
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

macro_rules! records {
    ($($record:ty: $purpose:expr, $named:expr, $place:path, $all:path;)*) => {$(
        impl Record for $record {
            const PURPOSE: Purpose = $purpose;
            const NAME_KIND: NameKind = $named;

            fn id(&self) -> &UniqueId {
                &self.id
            }

            fn name(&self) -> &str {
                &self.name
            }

            fn path(&self) -> &str {
                &self.path
            }

            fn arn(&self, (partition, account): Home) -> String {
                <$record>::arn(self, partition, account)
            }

            fn all((partition, account): Home) -> Prefix {
                $all(partition, account)
            }

            fn place(&self, cx: &Cx<'_>) -> Path {
                $place(cx.partition(), cx.account(), &self.id)
            }
        }
    )*};
}
records! {
    UserRecord: purpose::USER, NameKind::User, paths::user, paths::users;
    GroupRecord: purpose::GROUP, NameKind::Group, paths::group, paths::groups;
    RoleRecord: purpose::ROLE, NameKind::Role, paths::role, paths::roles;
    ManagedPolicyRecord: purpose::MANAGED_POLICY, NameKind::Policy, paths::policy, paths::policies;
    InstanceProfileRecord:
        purpose::INSTANCE_PROFILE, NameKind::InstanceProfile, paths::instance_profile, paths::instance_profiles;
}

macro_rules! facets {
    (tags: $($tagged:ty = $keys:expr),*; boundary: $($bounded:ty),*; policies: $($holder:ty = $most:expr, $quota:literal);* $(;)?) => {
        $(impl Tagged for $tagged {
            const KEYS: Keys = $keys;

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
    tags: UserRecord = Keys::IgnoringCase, RoleRecord = Keys::IgnoringCase,
        ManagedPolicyRecord = Keys::Exact, InstanceProfileRecord = Keys::Exact;
    boundary: UserRecord, RoleRecord;
    policies:
        UserRecord = keyward_engine::policy::document::validate::USER_INLINE, "PoliciesPerUser";
        GroupRecord = keyward_engine::policy::document::validate::GROUP_INLINE, "PoliciesPerGroup";
        RoleRecord = keyward_engine::policy::document::validate::ROLE_INLINE, "PoliciesPerRole";
}

macro_rules! renamed {
    ($($record:ty = $noun:literal, $new_name:literal, $longest:literal;)*) => {$(
        impl Renamed for $record {
            const NOUN: &'static str = $noun;
            const NEW_NAME: &'static str = $new_name;
            const LONGEST: usize = $longest;

            fn name_mut(&mut self) -> &mut String {
                &mut self.name
            }
            fn path_mut(&mut self) -> &mut String {
                &mut self.path
            }
        }
    )*};
}
renamed! {
    UserRecord = "User", "NewUserName", 64;
    GroupRecord = "Group", "NewGroupName", 128;
}
