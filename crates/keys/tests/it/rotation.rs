//! Rotation by schedule and on demand: new data uses new material, old data still opens.

use keyward_keys::{
    ciphertext_blob::CiphertextBlob,
    duty::{Duty, Rotate},
    key::Key,
    record::{Due, MAX_MATERIALS},
    ring::{MAX_ON_DEMAND_ROTATIONS, RingError},
};
use keyward_types::{key_spec::RotationType, time::Timestamp};

use crate::world::{START, World, context, permit, ready};

fn rotate_due(world: &World, key: &Key, now: Timestamp) -> Option<Key> {
    let duty = Duty::<Rotate>::to_rotate(key.record(), now)?;
    Some(world.reopen(ready(world.ring.rotate_due(&duty, key)).unwrap()))
}

#[test]
fn after_a_rotation_old_data_opens_and_new_data_uses_new_material() {
    let world = World::new();
    let first = world.create();
    let old = world.encrypt(&first, b"old", &context(&[]));
    let record = ready(
        world
            .ring
            .rotate_on_demand(&permit(first.arn()), &first, START),
    )
    .unwrap();
    let second = world.reopen(record);
    assert_eq!(second.arn(), first.arn());
    assert_eq!(world.decrypt(&second, &old, &context(&[])).unwrap(), b"old");
    let new = world.encrypt(&second, b"new", &context(&[]));
    let id = |blob: &[u8]| CiphertextBlob::parse(blob).unwrap().material_id();
    let ids: Vec<_> = second
        .record()
        .materials
        .iter()
        .map(|material| material.id)
        .collect();
    assert_eq!([id(&old), id(&new)], ids[..]);
    assert_ne!(ids[0], ids[1]);
    let rotations: Vec<_> = second
        .record()
        .materials
        .iter()
        .map(|m| m.rotation)
        .collect();
    assert_eq!(rotations, [None, Some(RotationType::OnDemand)]);
    // A server that has not heard of the rotation yet does not know the new material.
    assert!(world.decrypt(&first, &new, &context(&[])).is_err());
}

#[test]
fn a_key_rotates_when_its_date_comes_and_not_before() {
    let world = World::new();
    let key = world.create();
    let record = world
        .ring
        .enable_rotation(&permit(key.arn()), &key, 90, START)
        .unwrap();
    let key = world.reopen(record);
    assert_eq!(key.record().due(), Some(Due::Rotation(START.plus_days(90))));
    assert!(rotate_due(&world, &key, START.plus_days(90).plus_millis(-1)).is_none());
    let key = rotate_due(&world, &key, START.plus_days(90).plus_millis(5)).unwrap();
    assert_eq!(
        key.record().due(),
        Some(Due::Rotation(START.plus_days(180)))
    );
    assert_eq!(
        key.record().materials[1].rotation,
        Some(RotationType::Automatic)
    );
    assert_eq!(key.record().on_demand_rotations, 0);
    // A server that slept through several periods rotates once and goes on from now.
    let late = START.plus_days(1000);
    let key = rotate_due(&world, &key, late).unwrap();
    assert_eq!(key.record().due(), Some(Due::Rotation(late.plus_days(90))));
    assert_eq!(key.record().materials.len(), 3);
}

#[test]
fn a_disabled_key_rotates_when_it_is_enabled_again() {
    let world = World::new();
    let key = world.create();
    let record = world
        .ring
        .enable_rotation(&permit(key.arn()), &key, 90, START)
        .unwrap();
    let key = world.reopen(record);
    let disabled = world.reopen(world.ring.disable(&permit(key.arn()), &key).unwrap());
    let late = START.plus_days(100);
    assert!(rotate_due(&world, &disabled, late).is_none());
    let enabled = world.reopen(world.ring.enable(&permit(key.arn()), &disabled).unwrap());
    assert!(rotate_due(&world, &enabled, late).is_some());
}

#[test]
fn a_key_pending_deletion_does_not_rotate_and_cancelling_restores_its_schedule() {
    let world = World::new();
    let key = world.create();
    let ring = &world.ring;
    let key = world.reopen(
        ring.enable_rotation(&permit(key.arn()), &key, 90, START)
            .unwrap(),
    );
    let doomed = world.reopen(
        ring.schedule_deletion(&permit(key.arn()), &key, 30, START)
            .unwrap(),
    );
    assert!(rotate_due(&world, &doomed, START.plus_days(100)).is_none());
    let saved = world.reopen(ring.cancel_deletion(&permit(key.arn()), &doomed).unwrap());
    assert_eq!(saved.record().rotation, key.record().rotation);
    assert_eq!(saved.record().due(), None, "it is Disabled");
}

#[test]
fn rotations_on_demand_are_25_for_life_and_leave_the_schedule_alone() {
    let world = World::new();
    let key = world.create();
    let record = world
        .ring
        .enable_rotation(&permit(key.arn()), &key, 365, START)
        .unwrap();
    let mut key = world.reopen(record);
    let schedule = key.record().rotation;
    for _ in 0..MAX_ON_DEMAND_ROTATIONS {
        let record = ready(world.ring.rotate_on_demand(&permit(key.arn()), &key, START)).unwrap();
        key = world.reopen(record);
    }
    assert_eq!(key.record().rotation, schedule);
    assert_eq!(key.record().materials.len(), 26);
    let refused = ready(world.ring.rotate_on_demand(&permit(key.arn()), &key, START)).unwrap_err();
    assert!(matches!(refused, RingError::OnDemandLimit { key: arn } if &arn == key.arn()));
    assert!(
        rotate_due(&world, &key, START.plus_days(365)).is_some(),
        "the schedule goes on"
    );
}

#[test]
fn within_20_minutes_of_an_automatic_rotation_there_is_none_on_demand() {
    let world = World::new();
    let key = world.create();
    let record = world
        .ring
        .enable_rotation(&permit(key.arn()), &key, 90, START)
        .unwrap();
    let key = world.reopen(record);
    let due = START.plus_days(90);
    let at = |millis| {
        ready(
            world
                .ring
                .rotate_on_demand(&permit(key.arn()), &key, due.plus_millis(millis)),
        )
    };
    assert!(at(-20 * 60 * 1000).is_ok());
    assert!(matches!(
        at(-20 * 60 * 1000 + 1),
        Err(RingError::RotationConflict { .. })
    ));
}

#[test]
fn a_key_has_at_most_the_materials_its_record_can_hold() {
    let world = World::new();
    let key = world.create();
    let mut record = world
        .ring
        .enable_rotation(&permit(key.arn()), &key, 90, START)
        .unwrap();
    let mut now = START;
    while record.materials.len() < MAX_MATERIALS {
        now = now.plus_days(90);
        let key = world.ring.open(record, world.domain.clone());
        let duty = Duty::to_rotate(key.record(), now).unwrap();
        record = ready(world.ring.rotate_due(&duty, &key)).unwrap();
    }
    let key = world.reopen(record);
    let duty = Duty::to_rotate(key.record(), now.plus_days(90)).unwrap();
    let full = ready(world.ring.rotate_due(&duty, &key)).unwrap_err();
    assert!(matches!(full, RingError::MaterialLimit { .. }), "{full:?}");
}
