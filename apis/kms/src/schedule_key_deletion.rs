//! `ScheduleKeyDeletion`: the key cannot be used from now on, and is destroyed in 7 to 30 days.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{action, key_id::KeyArn, time::Timestamp};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, condition_keys, fault::KmsFault, last_usage::KeyWithUse, members};

/// The input.
#[derive(Debug)]
pub struct ScheduleKeyDeletion {
    key_id: String,
    window_days: u32,
}

/// The output.
#[derive(Debug)]
pub struct DeletionScheduled {
    key: KeyArn,
    deletion_date: Timestamp,
    window_days: u32,
}

impl Operation for ScheduleKeyDeletion {
    const NAME: &'static str = "ScheduleKeyDeletion";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), integer("PendingWindowInDays")];
    type Api = Kms;
    type Output = DeletionScheduled;
    type Fault = KmsFault;
    type Resolved = KeyWithUse;
    type Permits = Permit<action::ScheduleKeyDeletion>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let window = m
            .integer("PendingWindowInDays")
            .range(1, 365)
            .optional()
            .unwrap_or(30);
        m.finish()?;
        if !(7..=30).contains(&window) {
            let bound = if window < 7 {
                "greater than or equal to 7"
            } else {
                "less than or equal to 30"
            };
            return Err(KmsFault::Validation {
                message: format!(
                    "1 validation error detected: Value '{window}' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value {bound}"
                ),
            });
        }
        Ok(Self {
            key_id,
            window_days: u32::try_from(window).unwrap_or(30),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<KeyWithUse, KmsFault> {
        KeyWithUse::resolve(&self.key_id, cx).await
    }

    fn authorize(&self, key: &KeyWithUse, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&key.key, |supply| {
            supply.number(condition_keys::PENDING_WINDOW, i64::from(self.window_days));
            supply.number(condition_keys::TRAILING_DAYS, key.trailing_days);
        })
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        key: &KeyWithUse,
        cx: &Cx<'_>,
    ) -> Result<Done<DeletionScheduled>, KmsFault> {
        let key = key.key.unit()?;
        let record =
            cx.state()
                .ring()
                .schedule_deletion(permit, key.key(), self.window_days, cx.now)?;
        let output = DeletionScheduled {
            key: key.arn().clone(),
            deletion_date: cx.now.plus_days(i64::from(self.window_days)),
            window_days: self.window_days,
        };
        Ok(Done::changed(output, cx.change_key(key, &record)?))
    }
}

impl Output<Kms> for DeletionScheduled {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("KeyId", self.key.as_str());
        out.timestamp("DeletionDate", self.deletion_date);
        out.string("KeyState", "PendingDeletion");
        out.integer("PendingWindowInDays", i64::from(self.window_days));
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("keyId", self.key.as_str());
        elements.string("keyState", "PendingDeletion");
        elements.string("deletionDate", &self.deletion_date.in_words());
    }
}
