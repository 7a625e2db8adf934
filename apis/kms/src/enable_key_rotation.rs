//! `EnableKeyRotation`: turns automatic rotation on, or changes its period.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::supply::Supply,
    operation::{Done, KeyChanged},
    policy::permit::Permit,
};
use keyward_types::action;
use keyward_wire::json::Members;

use crate::{Cx, condition_keys, fault::KmsFault, on_key::OnKey, units::KeyUnit};

/// The input.
#[derive(Debug)]
pub struct EnableKeyRotation {
    period_days: u32,
}

impl OnKey for EnableKeyRotation {
    const NAME: &'static str = "EnableKeyRotation";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), integer("RotationPeriodInDays")];
    type Action = action::EnableKeyRotation;
    type Output = KeyChanged;

    fn read(m: &mut Members<'_>) -> Result<Self, KmsFault> {
        let period = m
            .integer("RotationPeriodInDays")
            .range(90, 2560)
            .optional()
            .unwrap_or(365);
        Ok(Self {
            period_days: u32::try_from(period).unwrap_or(365),
        })
    }

    fn supply(&self, supply: &mut Supply) {
        supply.number(condition_keys::ROTATION_PERIOD, i64::from(self.period_days));
    }

    async fn answer(
        &self,
        permit: &Permit<Self::Action>,
        key: &KeyUnit,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let record =
            cx.state()
                .ring()
                .enable_rotation(permit, key.key(), self.period_days, cx.now)?;
        cx.key_changed(key, &record)
    }
}
