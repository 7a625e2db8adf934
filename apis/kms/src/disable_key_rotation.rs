//! `DisableKeyRotation`: turns automatic rotation off.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKeyRotation.html>

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
pub struct DisableKeyRotation;

impl OnKey for DisableKeyRotation {
    const NAME: &'static str = "DisableKeyRotation";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Action = action::DisableKeyRotation;
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
        let record = cx.state().ring().disable_rotation(permit, key.key())?;
        cx.key_changed(key, &record)
    }
}
