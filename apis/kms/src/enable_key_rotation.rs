//! `EnableKeyRotation`: turns automatic rotation on, or changes its period.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate},
    operation::{Done, KeyChanged, Operation},
    policy::permit::Permit,
};
use keyward_types::action;
use keyward_wire::json::{Members, Object};

use crate::{Cx, Kms, condition_keys, fault::KmsFault, members, resolved::ResolvedKey};

/// The input.
#[derive(Debug)]
pub struct EnableKeyRotation {
    key_id: String,
    period_days: u32,
}

impl Operation for EnableKeyRotation {
    const NAME: &'static str = "EnableKeyRotation";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), integer("RotationPeriodInDays")];
    type Api = Kms;
    type Output = KeyChanged;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::EnableKeyRotation>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let period = m
            .integer("RotationPeriodInDays")
            .range(90, 2560)
            .optional()
            .unwrap_or(365);
        let period_days = u32::try_from(period).unwrap_or(365);
        m.finish()?;
        Ok(Self {
            key_id,
            period_days,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |supply| {
            supply.number(condition_keys::ROTATION_PERIOD, i64::from(self.period_days));
        })
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let key = key.unit()?;
        let record =
            cx.state()
                .ring()
                .enable_rotation(permit, key.key(), self.period_days, cx.now)?;
        Ok(Done::changed(
            KeyChanged(key.arn().clone()),
            cx.change_key(key, &record)?,
        ))
    }
}
