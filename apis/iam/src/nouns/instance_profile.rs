//! Instance profiles as a noun of IAM.

use std::sync::Arc;

use keyward_engine::directory::{
    Directory, ReadError,
    identities::{Home, NameKind},
    purpose,
};
use keyward_store::revision::Revision;
use keyward_types::{tag::Tag, unique_id::UniqueId};

use crate::{
    Cx,
    entity::{Entity, Record},
    fault::IamFault,
    paths,
    records::InstanceProfileRecord,
};

/// An instance profile. It is rarely requested, so it is not cached.
#[derive(Debug)]
pub struct InstanceProfileUnit {
    arn: String,
    record: InstanceProfileRecord,
    revision: Revision,
}

impl InstanceProfileUnit {
    /// The one of that unique id.
    async fn by_id(
        directory: &Directory,
        home: Home,
        id: &UniqueId,
    ) -> Result<Option<Arc<Self>>, ReadError> {
        let path = paths::of_kind(home, paths::INSTANCE_PROFILE, id);
        let found = directory.rare(&path, purpose::INSTANCE_PROFILE).await?;
        Ok(found.map(|(record, revision)| {
            let record: InstanceProfileRecord = record;
            Arc::new(Self {
                arn: record.arn_in(home),
                record,
                revision,
            })
        }))
    }

    /// Those that a role is in. An entry of the index counts only with the profile that names the role.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn of_role(cx: &Cx<'_>, role: &UniqueId) -> Result<Vec<Arc<Self>>, ReadError> {
        let home = cx.caller.home();
        let prefix = paths::role_instance_profiles(home.0, home.1, role);
        let mut found = Vec::new();
        for id in cx.directory().members(&prefix).await? {
            let profile = Self::by_id(cx.directory(), home, &id).await?;
            found.extend(profile.filter(|profile| profile.record.role.as_ref() == Some(role)));
        }
        Ok(found)
    }

    /// Its record.
    pub fn record(&self) -> &InstanceProfileRecord {
        &self.record
    }

    /// The revision at which its record was last written.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}

impl Entity for InstanceProfileUnit {
    type Record = InstanceProfileRecord;

    async fn find(cx: &Cx<'_>, name: &str) -> Result<Option<Arc<Self>>, ReadError> {
        let (directory, home) = (cx.directory(), cx.caller.home());
        let id = directory.id_of_name(NameKind::InstanceProfile, home, name);
        match id.await? {
            Some(id) => Self::by_id(directory, home, &id).await,
            None => Ok(None),
        }
    }

    fn arn(&self) -> &str {
        &self.arn
    }

    fn tags(&self) -> &[Tag] {
        &self.record.tags
    }

    fn stored(&self) -> Result<&InstanceProfileRecord, IamFault> {
        Ok(&self.record)
    }

    fn written(&self) -> Option<Revision> {
        Some(self.revision)
    }

    fn missing(name: &str) -> IamFault {
        IamFault::missing(format!("Instance Profile {name} cannot be found."))
    }

    fn stand_in(cx: &Cx<'_>, name: &str) -> (String, String) {
        let (partition, account) = cx.caller.home();
        let arn = format!("arn:{partition}:iam::{account}:instance-profile/{name}");
        (arn, format!("instance profile {name}"))
    }
}
