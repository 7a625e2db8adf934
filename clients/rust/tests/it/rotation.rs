//! Rotation by schedule and on demand.

use aws_sdk_kms::{
    primitives::Blob,
    types::{IncludeKeyMaterial, KeyMaterialState, RotationType},
};

use crate::{
    errors::{invalid, refused},
    world::{World, key, key_arn, metadata},
};

#[tokio::test]
async fn rotation_is_switched_on_and_off() {
    let world = World::new("rotation");
    let kms = world.kms();
    let key = key(&kms).await;
    let status = || async {
        let status = kms.get_key_rotation_status().key_id(&key).send().await;
        let status = status.unwrap();
        (
            status.key_rotation_enabled(),
            status.rotation_period_in_days(),
            status.next_rotation_date().is_some(),
        )
    };
    assert_eq!(status().await, (false, None, false));
    let enable = kms.enable_key_rotation().key_id(&key);
    let yearly = enable.clone().send().await;
    yearly.unwrap();
    assert_eq!(status().await, (true, Some(365), true));
    let often = enable.clone().rotation_period_in_days(90).send().await;
    often.unwrap();
    assert_eq!(status().await, (true, Some(90), true));
    let disable = kms.disable_key_rotation().key_id(&key);
    disable.clone().send().await.unwrap();
    assert_eq!(status().await, (false, None, false));
    let limit = "Member must have value greater than or equal to 90";
    refused(
        enable.rotation_period_in_days(89).send().await,
        "ValidationException",
        &invalid("'89'", "rotationPeriodInDays", limit),
    );
    kms.disable_key().key_id(&key).send().await.unwrap();
    refused(
        disable.send().await,
        "DisabledException",
        &format!("{} is disabled.", key_arn(&key)),
    );
}

#[tokio::test]
async fn old_blobs_open_after_a_rotation_on_demand() {
    let world = World::new("on_demand");
    let kms = world.kms();
    let key = key(&kms).await;
    let encrypt = kms.encrypt().key_id(&key).plaintext(Blob::new("old"));
    let old = encrypt.send().await.unwrap().ciphertext_blob.unwrap();
    let first = metadata(&kms, &key).await.current_key_material_id;
    let rotated = kms.rotate_key_on_demand().key_id(&key).send().await;
    assert_eq!(rotated.unwrap().key_id(), Some(&*key_arn(&key)));
    let second = metadata(&kms, &key).await.current_key_material_id;
    assert_ne!(first, second);
    let opened = kms.decrypt().ciphertext_blob(old).send().await.unwrap();
    assert_eq!(opened.plaintext().unwrap().as_ref(), b"old");
    assert_eq!(opened.key_material_id, first);

    let list = kms.list_key_rotations().key_id(&key);
    let all = list.clone();
    let all = all.include_key_material(IncludeKeyMaterial::AllKeyMaterial);
    let pages = all.into_paginator().page_size(1).items().send();
    let mut found = Vec::new();
    for entry in pages.try_collect().await.unwrap() {
        let kind = entry.rotation_type().cloned();
        let state = entry.key_material_state().cloned();
        found.push((entry.key_material_id, kind, state));
    }
    let current = (
        second,
        Some(RotationType::OnDemand),
        Some(KeyMaterialState::Current),
    );
    let initial = (first, None, Some(KeyMaterialState::NonCurrent));
    assert!(found.contains(&current) && found.contains(&initial));
    assert_eq!(found.len(), 2);
    assert_eq!(list.send().await.unwrap().rotations().len(), 1);
}

#[tokio::test]
async fn a_key_rotates_on_demand_25_times() {
    let world = World::new("on_demand_limit");
    let kms = world.kms();
    let key = key(&kms).await;
    let rotate = kms.rotate_key_on_demand().key_id(&key);
    for _ in 0..25 {
        rotate.clone().send().await.unwrap();
    }
    refused(
        rotate.send().await,
        "LimitExceededException",
        &format!(
            "The on-demand rotations limit has been reached for the given keyId. No more \
             on-demand rotations can be performed for this key: {}",
            key_arn(&key)
        ),
    );
    let list = kms.list_key_rotations().key_id("foo");
    refused(
        list.send().await,
        "NotFoundException",
        "Invalid keyId 'foo'",
    );
}
