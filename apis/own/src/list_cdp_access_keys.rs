//! `ListCdpAccessKeys`: the access keys of a user for the services of CDP.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::records::cdp::CdpAccessKey,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Keyward,
    cdp_keys::{self, OneUser, UserName},
    fault::KeywardFault,
};

/// The input.
#[derive(Debug)]
pub struct ListCdpAccessKeys {
    user: UserName,
}

/// The output.
#[derive(Debug)]
pub struct Keys {
    user: String,
    keys: Vec<CdpAccessKey>,
}

keyward_types::action!("keyward": ListCdpAccessKeys = "keyward:ListCdpAccessKeys");

impl Operation for ListCdpAccessKeys {
    const NAME: &'static str = "ListCdpAccessKeys";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("UserName")];
    type Api = Keyward;
    type Output = Keys;
    type Fault = KeywardFault;
    type Resolved = OneUser;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let user = UserName::read(&mut m);
        m.finish()?;
        Ok(Self { user })
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
    ) -> Result<Done<Keys>, KeywardFault> {
        let keys = cx.cdp_keys(user.get()?).await?;
        Ok(Done::unchanged(Keys {
            user: user.name().to_owned(),
            keys: keys.map(|(keys, _)| keys.keys).unwrap_or_default(),
        }))
    }
}

impl Output<Keyward> for Keys {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("UserName", &self.user);
        out.array("AccessKeys", |keys| {
            for key in &self.keys {
                keys.object(|out| cdp_keys::write(out, key));
            }
        });
    }
}
