//! The names of users, roles, groups, policies and instance profiles, and what they lead to.

use keyward_store::{
    path::Path,
    sealed::{NameHash, Purpose, Record},
};
use keyward_types::unique_id::UniqueId;

use super::Home;
use crate::directory::{
    Directory, ReadError, paths, purpose,
    records::{self, identity::NameRecord},
};

/// A kind of thing with a name that is unique in its account without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// Users.
    User,
    /// Roles.
    Role,
    /// Groups.
    Group,
    /// Customer managed policies.
    Policy,
    /// Instance profiles, which IAM reads by itself.
    InstanceProfile,
}

impl NameKind {
    /// What the name hash is for.
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Group => "group",
            Self::Policy => "policy",
            Self::InstanceProfile => "instance profile",
        }
    }

    /// The purpose of its name records.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::User => purpose::USER_NAME,
            Self::Role => purpose::ROLE_NAME,
            Self::Group => purpose::GROUP_NAME,
            Self::Policy => purpose::POLICY_NAME,
            Self::InstanceProfile => purpose::INSTANCE_PROFILE_NAME,
        }
    }
}

impl Directory {
    /// The hash in paths for a name.
    pub fn name_hash(&self, kind: NameKind, (partition, account): Home, name: &str) -> NameHash {
        let home = paths::name_home(partition, account);
        let sealed = self.node().sealed();
        sealed.name_hash(home.as_str(), kind.word(), &name.to_lowercase())
    }

    /// The path of a name's record.
    pub fn name_path(&self, kind: NameKind, (partition, account): Home, name: &str) -> Path {
        let hash = self.name_hash(kind, (partition, account), name);
        match kind {
            NameKind::User => paths::user_name(partition, account, &hash),
            NameKind::Role => paths::role_name(partition, account, &hash),
            NameKind::Group => paths::group_name(partition, account, &hash),
            NameKind::Policy => paths::policy_name(partition, account, &hash),
            NameKind::InstanceProfile => paths::instance_profile_name(partition, account, &hash),
        }
    }

    /// The unique id that a name leads to.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn id_of_name(
        &self,
        kind: NameKind,
        home: Home,
        name: &str,
    ) -> Result<Option<UniqueId>, ReadError> {
        let path = self.name_path(kind, home, name);
        let purpose = kind.purpose();
        let found = self
            .identities
            .names
            .get(self.reader(), &path, |record: Record| async move {
                let leads: NameRecord = records::decode(record.bytes_of(purpose)?)?;
                Ok::<_, ReadError>(leads)
            })
            .await?;
        Ok(found.map(|found| found.id.clone()))
    }
}
