//! `GetKeyRotationStatus`: whether and when a key rotates by itself.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_keys::record::RotationSchedule;
use keyward_types::{key_id::KeyArn, key_state::KeyState};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey};

/// The input.
#[derive(Debug)]
pub struct GetKeyRotationStatus {
    key_id: String,
}

/// The output.
#[derive(Debug)]
pub struct RotationStatus {
    key: KeyArn,
    schedule: Option<RotationSchedule>,
}

keyward_types::action!("kms": GetKeyRotationStatus = "kms:GetKeyRotationStatus");

impl Operation for GetKeyRotationStatus {
    const NAME: &'static str = "GetKeyRotationStatus";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Api = Kms;
    type Output = RotationStatus;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        m.finish()?;
        Ok(Self { key_id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        key: &ResolvedKey,
        _cx: &Cx<'_>,
    ) -> Result<Done<RotationStatus>, KmsFault> {
        let key = key.unit()?;
        // A key that waits for its end does not rotate, and says so.
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
