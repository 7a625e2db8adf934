//! Rotation: new material for the same key; what was encrypted with older material can still be
//! decrypted.

use keyward_policy::permit::Permit;
use keyward_types::{action, key_spec::RotationType, time::Timestamp};

use crate::{
    backend::NewMaterial,
    duty::{Duty, Rotate},
    key::Key,
    record::{KeyRecord, Lifecycle, MAX_MATERIALS, RotationSchedule},
    ring::{MAX_ON_DEMAND_ROTATIONS, Ring, RingError, allowed, on_key},
    state::StatefulOperation,
};

/// How close an automatic rotation may be to one on demand, in milliseconds.
const CONFLICT_MILLIS: i64 = 20 * 60 * 1000;

impl Ring {
    /// Turns automatic rotation on, or changes its period (90 to 2560 days); the period counts
    /// from now.
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn enable_rotation(
        &self,
        permit: &Permit<action::EnableKeyRotation>,
        key: &Key,
        period_days: u32,
        now: Timestamp,
    ) -> Result<KeyRecord, RingError> {
        on_key(permit, key)?;
        allowed(key.record(), StatefulOperation::Rotate)?;
        let next = now.plus_days(i64::from(period_days));
        let rotation = Some(RotationSchedule { period_days, next });
        Ok(KeyRecord {
            rotation,
            ..key.record().clone()
        })
    }

    /// Turns automatic rotation off.
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn disable_rotation(
        &self,
        permit: &Permit<action::DisableKeyRotation>,
        key: &Key,
    ) -> Result<KeyRecord, RingError> {
        on_key(permit, key)?;
        allowed(key.record(), StatefulOperation::Rotate)?;
        Ok(KeyRecord {
            rotation: None,
            ..key.record().clone()
        })
    }

    /// Rotates now; the schedule of automatic rotation stays.
    ///
    /// # Errors
    /// When the state does not allow it, or the 25 rotations of a key are used up.
    pub async fn rotate_on_demand(
        &self,
        permit: &Permit<action::RotateKeyOnDemand>,
        key: &Key,
        now: Timestamp,
    ) -> Result<KeyRecord, RingError> {
        on_key(permit, key)?;
        allowed(key.record(), StatefulOperation::Rotate)?;
        if key.record().on_demand_rotations >= MAX_ON_DEMAND_ROTATIONS {
            return Err(RingError::OnDemandLimit {
                key: key.arn().clone(),
            });
        }
        let soon = key
            .record()
            .rotation
            .is_some_and(|s| s.next.millis_since(now) < CONFLICT_MILLIS);
        if soon {
            return Err(RingError::RotationConflict {
                key: key.arn().clone(),
            });
        }
        let mut record = self.rotated(key, RotationType::OnDemand, now).await?;
        record.on_demand_rotations += 1;
        Ok(record)
    }

    /// Rotates by schedule. The next rotation is a period after the one that was due, or after
    /// now if that has passed too.
    ///
    /// # Errors
    /// When the duty is another key's, the key as it is now does not owe it (another server may
    /// have rotated it, or somebody disabled it), or it has all the materials it can have.
    pub async fn rotate_due(&self, duty: &Duty<Rotate>, key: &Key) -> Result<KeyRecord, RingError> {
        if duty.key() != key.arn() {
            return Err(RingError::WrongPermit);
        }
        let now = duty.now();
        allowed(key.record(), StatefulOperation::Rotate)?;
        if key.record().due().is_none_or(|due| now < due.at()) {
            return Err(RingError::WrongPermit);
        }
        let mut record = self.rotated(key, RotationType::Automatic, now).await?;
        if let (Some(schedule), Lifecycle::Enabled {}) = (&mut record.rotation, &record.lifecycle) {
            let days = i64::from(schedule.period_days);
            let next = schedule.next.plus_days(days);
            schedule.next = if next > now {
                next
            } else {
                now.plus_days(days)
            };
        }
        Ok(record)
    }

    async fn rotated(
        &self,
        key: &Key,
        rotation: RotationType,
        now: Timestamp,
    ) -> Result<KeyRecord, RingError> {
        let mut record = key.record().clone();
        if record.materials.len() >= MAX_MATERIALS {
            return Err(RingError::MaterialLimit {
                key: key.arn().clone(),
            });
        }
        let new = NewMaterial {
            arn: key.arn(),
            spec: record.spec,
            domain: key.domain(),
            since: now,
            rotation: Some(rotation),
        };
        let material = self.backend_of(key)?.generate(new).await?;
        record.materials.push(material);
        Ok(record)
    }
}
