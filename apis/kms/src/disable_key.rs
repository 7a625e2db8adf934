//! `DisableKey`: the key cannot be used until it is enabled again. Idempotent.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html>
//!
//! Once this is answered, no later request uses the key.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate},
    operation::{Done, KeyChanged, Operation},
    policy::permit::Permit,
};
use keyward_types::action;
use keyward_wire::json::{Members, Object};

use crate::{Cx, Kms, condition_keys, fault::KmsFault, last_usage::KeyWithUse, members};

/// The input.
#[derive(Debug)]
pub struct DisableKey {
    key_id: String,
}

impl Operation for DisableKey {
    const NAME: &'static str = "DisableKey";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Api = Kms;
    type Output = KeyChanged;
    type Fault = KmsFault;
    type Resolved = KeyWithUse;
    type Permits = Permit<action::DisableKey>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        m.finish()?;
        Ok(Self { key_id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<KeyWithUse, KmsFault> {
        KeyWithUse::resolve(&self.key_id, cx).await
    }

    fn authorize(&self, key: &KeyWithUse, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&key.key, |supply| {
            supply.number(condition_keys::TRAILING_DAYS, key.trailing_days);
        })
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        key: &KeyWithUse,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let key = key.key.unit()?;
        let record = cx.state().ring().disable(permit, key.key())?;
        cx.key_changed(key, &record)
    }
}
