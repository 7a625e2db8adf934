//! `GetKeyRotationStatus`: whether and when a key is rotated automatically.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Output},
    policy::permit::Permit,
};
use keyward_keys::record::RotationSchedule;
use keyward_types::{key_id::KeyArn, key_state::KeyState};
use keyward_wire::json::{Members, Writer};

use crate::{Cx, Kms, fault::KmsFault, on_key::OnKey, units::KeyUnit};

/// The input.
#[derive(Debug)]
pub struct GetKeyRotationStatus;

/// The output.
#[derive(Debug)]
pub struct RotationStatus {
    key: KeyArn,
    schedule: Option<RotationSchedule>,
}

keyward_types::action!("kms": GetKeyRotationStatus = "kms:GetKeyRotationStatus");

impl OnKey for GetKeyRotationStatus {
    const NAME: &'static str = "GetKeyRotationStatus";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Action = Self;
    type Output = RotationStatus;

    fn read(_m: &mut Members<'_>) -> Result<Self, KmsFault> {
        Ok(Self)
    }

    async fn answer(
        &self,
        _permit: &Permit<Self::Action>,
        key: &KeyUnit,
        _cx: &Cx<'_>,
    ) -> Result<Done<RotationStatus>, KmsFault> {
        // A key that is pending deletion is not rotated, and the answer says so.
        let pending = key.record().state() == Some(KeyState::PendingDeletion);
        let schedule = key.record().rotation.filter(|_| !pending);
        Ok(Done::unchanged(RotationStatus {
            key: key.arn().clone(),
            schedule,
        }))
    }
}

impl Output<Kms> for RotationStatus {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("KeyId", self.key.as_str());
        out.boolean("KeyRotationEnabled", self.schedule.is_some());
        if let Some(schedule) = &self.schedule {
            out.integer("RotationPeriodInDays", i64::from(schedule.period_days));
            out.timestamp("NextRotationDate", schedule.next);
        }
    }
}
