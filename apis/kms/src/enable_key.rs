//! `EnableKey`: makes a disabled key usable again. Idempotent.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKey.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, KeyChanged},
    policy::permit::Permit,
};
use keyward_types::action;
use keyward_wire::json::Members;

use crate::{Cx, fault::KmsFault, on_key::OnKey, units::KeyUnit};

/// The input.
#[derive(Debug)]
pub struct EnableKey;

impl OnKey for EnableKey {
    const NAME: &'static str = "EnableKey";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Action = action::EnableKey;
    type Output = KeyChanged;

    fn read(_m: &mut Members<'_>) -> Result<Self, KmsFault> {
        Ok(Self)
    }

    async fn answer(
        &self,
        permit: &Permit<Self::Action>,
        key: &KeyUnit,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let record = cx.state().ring().enable(permit, key.key())?;
        cx.key_changed(key, &record)
    }
}
