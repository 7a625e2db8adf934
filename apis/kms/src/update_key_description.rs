//! `UpdateKeyDescription`: gives a key another description.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdateKeyDescription.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate},
    operation::{Done, KeyChanged, Operation},
    policy::permit::Permit,
};
use keyward_types::action;
use keyward_wire::json::{Members, Object};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey};

/// The input.
#[derive(Debug)]
pub struct UpdateKeyDescription {
    key_id: String,
    description: String,
}

impl Operation for UpdateKeyDescription {
    const NAME: &'static str = "UpdateKeyDescription";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), text("Description")];
    type Api = Kms;
    type Output = KeyChanged;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::UpdateKeyDescription>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let description = m
            .string("Description")
            .length(0, 8192)
            .required()
            .to_owned();
        m.finish()?;
        Ok(Self {
            key_id,
            description,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |_| ())
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let key = key.unit()?;
        let record = cx
            .state()
            .ring()
            .describe(permit, key.key(), &self.description)?;
        Ok(Done::changed(
            KeyChanged(key.arn().clone()),
            cx.change_key(key, &record)?,
        ))
    }
}
