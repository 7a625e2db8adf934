//! Workers: what they owe, and that a duty found on an old record does nothing to a newer one.

use keyward_keys::{
    deletion::{DestructionGuard, LEAP_MILLIS, Reading},
    duty::{Destroy, Duty, Rotate},
    key::Key,
    record::Lifecycle,
    ring::RingError,
    state::StateFault,
};
use keyward_types::time::{Monotonic, Timestamp};

use crate::world::{START, World, context, permit, ready};

fn at(wall: Timestamp, minutes: u64) -> Reading {
    Reading {
        wall,
        monotonic: Monotonic::from_millis(minutes * 60_000),
    }
}

/// The duty to destroy, after the guard has watched for an hour from `from` on.
fn watched(key: &Key, from: Timestamp) -> Option<Duty<Destroy>> {
    let Lifecycle::PendingDeletion { delete_at } = key.record().lifecycle else {
        return None;
    };
    let mut guard = DestructionGuard::new(from);
    for minute in 0..=60 {
        let now = at(
            from.plus_millis(i64::try_from(minute).unwrap() * 60_000),
            minute,
        );
        assert_eq!(guard.observe(now), None);
        if let Some(cleared) = guard.clear(key.arn(), delete_at, now) {
            assert_eq!(minute, 60, "not before the hour is over");
            return Duty::to_destroy(key.record(), now.wall, &cleared);
        }
    }
    None
}

fn doomed(world: &World) -> Key {
    let key = world.create();
    world.reopen(
        world
            .ring
            .schedule_deletion(&permit(key.arn()), &key, 7, START)
            .unwrap(),
    )
}

#[test]
fn a_due_key_is_destroyed_and_leaves_a_tombstone_without_material() {
    let world = World::new();
    let blob = {
        let key = world.create();
        world.encrypt(&key, b"p", &context(&[]))
    };
    let key = doomed(&world);
    assert!(watched(&key, START.plus_days(6)).is_none(), "not due yet");
    let due = START.plus_days(7);
    let duty = watched(&key, due).unwrap();
    let record = ready(world.ring.destroy(&duty, &key)).unwrap();
    assert_eq!(
        record.lifecycle,
        Lifecycle::Destroyed {
            at: due.plus_millis(3_600_000)
        }
    );
    assert!(record.materials.is_empty() && record.rotation.is_none() && record.due().is_none());
    assert_eq!(record.state(), None);
    let gone = world.reopen(record);
    assert!(world.decrypt(&gone, &blob, &context(&[])).is_err());
}

#[test]
fn a_deletion_cancelled_after_the_duty_was_found_is_not_carried_out() {
    let world = World::new();
    let key = doomed(&world);
    let duty = watched(&key, START.plus_days(7)).unwrap();
    let saved = world.reopen(
        world
            .ring
            .cancel_deletion(&permit(key.arn()), &key)
            .unwrap(),
    );
    match ready(world.ring.destroy(&duty, &saved)) {
        Err(RingError::State {
            fault: StateFault::NotPendingDeletion,
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
    // Nor is one that was cancelled and scheduled anew.
    let later = START.plus_days(7);
    let again = world.reopen(
        world
            .ring
            .schedule_deletion(&permit(key.arn()), &saved, 7, later)
            .unwrap(),
    );
    assert!(matches!(
        ready(world.ring.destroy(&duty, &again)),
        Err(RingError::WrongPermit)
    ));
}

#[test]
fn a_destroyed_key_is_not_destroyed_twice() {
    let world = World::new();
    let key = doomed(&world);
    let duty = watched(&key, START.plus_days(7)).unwrap();
    let gone = world.reopen(ready(world.ring.destroy(&duty, &key)).unwrap());
    assert!(matches!(
        ready(world.ring.destroy(&duty, &gone)),
        Err(RingError::Destroyed { .. })
    ));
}

#[test]
fn a_duty_is_for_one_key() {
    let world = World::new();
    let (key, other) = (doomed(&world), doomed(&world));
    let duty = watched(&key, START.plus_days(7)).unwrap();
    assert!(matches!(
        ready(world.ring.destroy(&duty, &other)),
        Err(RingError::WrongPermit)
    ));
    let mut guard = DestructionGuard::new(START);
    let due = START.plus_days(7);
    assert!(guard.clear(key.arn(), due, at(due, 0)).is_none());
    let now = at(due.plus_millis(3_600_000), 60);
    let cleared = guard.clear(key.arn(), due, now).unwrap();
    assert!(Duty::to_destroy(other.record(), now.wall, &cleared).is_none());
}

#[test]
fn a_rotation_already_done_elsewhere_is_not_done_again() {
    let world = World::new();
    let key = world.create();
    let ring = &world.ring;
    let key = world.reopen(
        ring.enable_rotation(&permit(key.arn()), &key, 90, START)
            .unwrap(),
    );
    let duty = Duty::<Rotate>::to_rotate(key.record(), START.plus_days(90)).unwrap();
    let rotated = world.reopen(ready(ring.rotate_due(&duty, &key)).unwrap());
    assert!(matches!(
        ready(ring.rotate_due(&duty, &rotated)),
        Err(RingError::WrongPermit)
    ));
    let disabled = world.reopen(ring.disable(&permit(key.arn()), &key).unwrap());
    match ready(ring.rotate_due(&duty, &disabled)) {
        Err(RingError::State {
            fault: StateFault::Disabled,
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_held_clock_waits_for_an_operator_and_then_an_hour() {
    let world = World::new();
    let key = doomed(&world);
    let due = START.plus_days(7);
    let mut guard = DestructionGuard::new(START);
    let ahead = START.plus_millis(LEAP_MILLIS + 3_600_000);
    assert!(guard.observe(at(ahead, 0)).is_some());
    assert!(guard.clear(key.arn(), due, at(ahead, 0)).is_none());
    assert_eq!(guard.recorded(), START, "a wrong clock is not recorded");

    guard.accept(ahead);
    assert_eq!(guard.observe(at(ahead.plus_millis(60_000), 1)), None);
    let minute = |n: u64| at(ahead.plus_millis(i64::try_from(n).unwrap() * 60_000), n);
    assert!(
        guard.clear(key.arn(), due, minute(1)).is_none(),
        "seen due anew"
    );
    assert!(guard.clear(key.arn(), due, minute(60)).is_none());
    assert!(guard.clear(key.arn(), due, minute(61)).is_some());
}
