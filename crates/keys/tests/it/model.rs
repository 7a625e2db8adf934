//! The life of a key against a small model written on its own: a state, a due date, two counters.

use keyward_keys::{
    key::Key,
    record::{KeyRecord, Lifecycle},
    ring::RingError,
};
use keyward_types::{key_state::KeyState, time::Timestamp};
use proptest::prelude::*;

use crate::world::{START, World, context, permit, ready};

#[derive(Clone, Copy, Debug)]
enum Step {
    Enable,
    Disable,
    Schedule(u32),
    Cancel,
    RotateOnDemand,
    EnableRotation(u32),
    DisableRotation,
    Tag,
    Encrypt,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Enable),
        Just(Step::Disable),
        (7..=30u32).prop_map(Step::Schedule),
        Just(Step::Cancel),
        Just(Step::RotateOnDemand),
        (90..=2560u32).prop_map(Step::EnableRotation),
        Just(Step::DisableRotation),
        Just(Step::Tag),
        Just(Step::Encrypt),
    ]
}

/// What is expected, in words as few as possible.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    state: &'static str,
    delete_at: Option<i64>,
    period: Option<u32>,
    materials: usize,
}

impl Model {
    /// Takes the step if it may; says whether it did.
    fn take(&mut self, step: Step, now: i64) -> bool {
        let pending = self.state == "PendingDeletion";
        let may = match step {
            Step::Cancel => pending,
            Step::Enable | Step::Disable | Step::Schedule(_) | Step::Tag => !pending,
            Step::RotateOnDemand | Step::EnableRotation(_) => self.state == "Enabled",
            Step::DisableRotation | Step::Encrypt => self.state == "Enabled",
        };
        if may {
            match step {
                Step::Enable => self.state = "Enabled",
                Step::Disable => self.state = "Disabled",
                Step::Schedule(days) => {
                    self.state = "PendingDeletion";
                    self.delete_at = Some(now + i64::from(days) * 86_400_000);
                }
                Step::Cancel => (self.state, self.delete_at) = ("Disabled", None),
                Step::RotateOnDemand => self.materials += 1,
                Step::EnableRotation(days) => self.period = Some(days),
                Step::DisableRotation => self.period = None,
                Step::Tag | Step::Encrypt => {}
            }
        }
        may
    }

    fn of(record: &KeyRecord) -> Self {
        Self {
            state: record.state().map_or("", KeyState::as_str),
            delete_at: match record.lifecycle {
                Lifecycle::PendingDeletion { delete_at } => Some(delete_at.millis()),
                _ => None,
            },
            period: record.rotation.map(|schedule| schedule.period_days),
            materials: record.materials.len(),
        }
    }
}

fn take(world: &World, key: &Key, step: Step, now: Timestamp) -> Result<KeyRecord, RingError> {
    let (ring, arn) = (&world.ring, key.arn());
    match step {
        Step::Enable => ring.enable(&permit(arn), key),
        Step::Disable => ring.disable(&permit(arn), key),
        Step::Schedule(days) => ring.schedule_deletion(&permit(arn), key, days, now),
        Step::Cancel => ring.cancel_deletion(&permit(arn), key),
        Step::RotateOnDemand => ready(ring.rotate_on_demand(&permit(arn), key, now)),
        Step::EnableRotation(days) => ring.enable_rotation(&permit(arn), key, days, now),
        Step::DisableRotation => ring.disable_rotation(&permit(arn), key),
        Step::Tag => ring.tag(&permit(arn), key, &[]),
        Step::Encrypt => ready(ring.generate_data_key(&permit(arn), key, 32, &context(&[])))
            .map(|_| key.record().clone()),
    }
}

proptest! {
    #[test]
    fn the_life_of_a_key_follows_the_model(steps in proptest::collection::vec(step(), 0..24)) {
        let world = World::new();
        let mut key = world.create();
        let mut model = Model { state: "Enabled", delete_at: None, period: None, materials: 1 };
        for (index, step) in steps.into_iter().enumerate() {
            let now = START.plus_millis(i64::try_from(index).unwrap() * 1000);
            let before = key.record().clone();
            match take(&world, &key, step, now) {
                Ok(record) => {
                    prop_assert!(model.take(step, now.millis()), "{step:?} on {:?}", before);
                    key = world.reopen(record);
                }
                Err(RingError::State { .. }) => {
                    prop_assert!(!model.take(step, now.millis()), "{step:?} on {:?}", before);
                }
                Err(other) => prop_assert!(false, "{step:?}: {other:?}"),
            }
            prop_assert_eq!(Model::of(key.record()), model.clone());
        }
    }
}
