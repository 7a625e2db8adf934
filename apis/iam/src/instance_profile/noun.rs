//! Instance profiles as a noun of IAM.

use std::sync::Arc;

use keyward_engine::directory::{
    ReadError, records::identity::InstanceProfileRecord, units::identity::InstanceProfileUnit,
};
use keyward_store::revision::Revision;
use keyward_types::tag::Tag;

use crate::{Cx, entity::Entity, fault::IamFault};

impl Entity for InstanceProfileUnit {
    type Record = InstanceProfileRecord;
    const NOUN: &'static str = "instance-profile";
    const MEMBER: &'static str = "InstanceProfileName";

    async fn find(cx: &Cx<'_>, name: &str) -> Result<Option<Arc<Self>>, ReadError> {
        let home = cx.caller.home();
        cx.directory().instance_profile_by_name(home, name).await
    }

    fn arn(&self) -> &str {
        Self::arn(self)
    }

    fn tags(&self) -> &[Tag] {
        &self.record().tags
    }

    fn stored(&self) -> Result<&InstanceProfileRecord, IamFault> {
        Ok(self.record())
    }

    fn written(&self) -> Option<Revision> {
        Some(self.revision())
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
