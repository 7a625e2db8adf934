//! `DeleteCdpAccessKey`: an access key of a user for the services of CDP stops working at once.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::paths,
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_wire::json::{Members, Object};

use crate::{
    Cx, Keyward,
    cdp_keys::{self, OneUser, UserName},
    fault::{KeywardFault, cdp::CdpFault},
};

/// The input.
#[derive(Debug)]
pub struct DeleteCdpAccessKey {
    user: UserName,
    key: String,
}

keyward_types::action!("keyward": DeleteCdpAccessKey = "keyward:DeleteCdpAccessKey");

impl Operation for DeleteCdpAccessKey {
    const NAME: &'static str = "DeleteCdpAccessKey";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("UserName"), text("AccessKeyId")];
    type Api = Keyward;
    type Output = Empty;
    type Fault = KeywardFault;
    type Resolved = OneUser;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let user = UserName::read(&mut m);
        let key = cdp_keys::key_id(&mut m);
        m.finish()?;
        Ok(Self { user, key })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneUser, KeywardFault> {
        self.user.find(cx).await
    }

    fn authorize(&self, user: &OneUser, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        user.permit(gate)
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        user: &OneUser,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, KeywardFault> {
        let user = user.get()?;
        let found = cx.cdp_keys(user).await?;
        let (mut keys, revision) = found.ok_or_else(|| CdpFault::NoSuchKey {
            key: self.key.clone(),
        })?;
        let id = cdp_keys::of_user(&self.key, &keys)?;
        keys.keys.retain(|key| key.id != id.as_str());
        let mut batch = cx.batch();
        cx.put_cdp_keys(&mut batch, user, &keys, Precondition::At(revision))?;
        batch
            .delete(paths::cdp_access_key(&id)?, Precondition::Any)
            .map_err(Internal::new)?;
        Ok(Done::changed(Empty, batch))
    }
}
