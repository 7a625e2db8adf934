//! CreateKey, DescribeKey, ListKeys, descriptions, enabling, deletion, last use.

use aws_sdk_kms::types::{
    DataKeySpec, EncryptionAlgorithmSpec, KeyManagerType, KeySpec, KeyState, KeyUsageType,
    OriginType,
};

use crate::{
    errors::{invalid, refused},
    world::{ACCOUNT, World, key, key_arn, metadata, tag},
};

#[tokio::test]
async fn create_key_answers_the_metadata_of_a_symmetric_key() {
    let world = World::new("create_key");
    let kms = world.kms();
    let create = kms.create_key().description("payroll");
    let create = create
        .key_spec(KeySpec::SymmetricDefault)
        .tags(tag("team", "red"));
    let made = create.send().await.unwrap().key_metadata.unwrap();
    assert_eq!(made.aws_account_id(), Some(ACCOUNT));
    assert_eq!(made.arn(), Some(&*key_arn(made.key_id())));
    assert_eq!(made.description(), Some("payroll"));
    assert!(made.enabled());
    assert_eq!(made.key_state(), Some(&KeyState::Enabled));
    assert_eq!(made.key_usage(), Some(&KeyUsageType::EncryptDecrypt));
    assert_eq!(made.key_spec(), Some(&KeySpec::SymmetricDefault));
    assert_eq!(made.origin(), Some(&OriginType::AwsKms));
    assert_eq!(made.key_manager(), Some(&KeyManagerType::Customer));
    assert_eq!(made.multi_region(), Some(false));
    let algorithms = [EncryptionAlgorithmSpec::SymmetricDefault];
    assert_eq!(made.encryption_algorithms(), algorithms);
    assert_eq!(made.current_key_material_id().map(str::len), Some(64));
    assert_eq!(metadata(&kms, made.key_id()).await, made);
}

#[tokio::test]
async fn a_key_that_is_not_there_is_not_found() {
    let world = World::new("not_found");
    let kms = world.kms();
    let missing = "1234abcd-12ab-34cd-56ef-1234567890ab";
    refused(
        kms.describe_key().key_id(missing).send().await,
        "NotFoundException",
        &format!("Key '{}' does not exist", key_arn(missing)),
    );
    refused(
        kms.describe_key().key_id("foo").send().await,
        "NotFoundException",
        "Invalid keyId 'foo'",
    );
}

#[tokio::test]
async fn list_keys_pages_through_all_keys() {
    let world = World::new("list_keys");
    let kms = world.kms();
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(key(&kms).await);
    }
    let mut pages = kms.list_keys().into_paginator().page_size(2).send();
    let (mut sizes, mut listed) = (Vec::new(), Vec::new());
    while let Some(page) = pages.try_next().await.unwrap() {
        sizes.push(page.keys().len());
        for entry in page.keys() {
            let id = entry.key_id().unwrap();
            assert_eq!(entry.key_arn(), Some(&*key_arn(id)));
            listed.push(id.to_owned());
        }
    }
    made.sort();
    listed.sort();
    assert_eq!((sizes, listed), (vec![2, 2, 1], made));
    refused(
        kms.list_keys().limit(0).send().await,
        "ValidationException",
        &invalid(
            "'0'",
            "limit",
            "Member must have value greater than or equal to 1",
        ),
    );
}

#[tokio::test]
async fn a_description_is_replaced() {
    let world = World::new("description");
    let kms = world.kms();
    let key = key(&kms).await;
    let update = kms.update_key_description().key_id(&key);
    let update = update.description("neu: Ω");
    update.send().await.unwrap();
    assert_eq!(metadata(&kms, &key).await.description(), Some("neu: Ω"));
    let long = "d".repeat(8193);
    let update = kms.update_key_description().key_id(&key).description(&long);
    refused(
        update.send().await,
        "ValidationException",
        &invalid(
            &format!("'{long}'"),
            "description",
            "Member must have length less than or equal to 8192",
        ),
    );
}

#[tokio::test]
async fn a_disabled_key_does_nothing_until_it_is_enabled() {
    let world = World::new("disabled");
    let kms = world.kms();
    let key = key(&kms).await;
    kms.disable_key().key_id(&key).send().await.unwrap();
    let found = metadata(&kms, &key).await;
    assert_eq!(
        (found.enabled(), found.key_state()),
        (false, Some(&KeyState::Disabled))
    );
    let generate = kms.generate_data_key().key_id(&key);
    let generate = generate.key_spec(DataKeySpec::Aes256);
    refused(
        generate.clone().send().await,
        "DisabledException",
        &format!("{} is disabled.", key_arn(&key)),
    );
    kms.enable_key().key_id(&key).send().await.unwrap();
    generate.send().await.unwrap();
}

#[tokio::test]
async fn a_deletion_is_scheduled_and_cancelled() {
    let world = World::new("deletion");
    let kms = world.kms();
    let key = key(&kms).await;
    let arn = key_arn(&key);
    refused(
        kms.cancel_key_deletion().key_id(&key).send().await,
        "KMSInvalidStateException",
        &format!("{arn} is not pending deletion."),
    );
    let schedule = kms.schedule_key_deletion().key_id(&key);
    let answer = schedule.pending_window_in_days(7).send().await.unwrap();
    assert_eq!(answer.key_id(), Some(&*arn));
    assert_eq!(answer.key_state(), Some(&KeyState::PendingDeletion));
    assert_eq!(answer.pending_window_in_days(), Some(7));
    let due = answer.deletion_date().copied();
    assert_eq!(
        metadata(&kms, &key).await.deletion_date().copied(),
        due,
        "DescribeKey tells the same date"
    );
    let encrypt = kms.encrypt().key_id(&key).plaintext(b"x"[..].into());
    refused(
        encrypt.send().await,
        "KMSInvalidStateException",
        &format!("{arn} is pending deletion."),
    );
    let kept = kms.cancel_key_deletion().key_id(&key).send().await.unwrap();
    assert_eq!(kept.key_id(), Some(&*arn));
    let found = metadata(&kms, &key).await;
    assert_eq!(found.key_state(), Some(&KeyState::Disabled));
    assert_eq!(found.deletion_date(), None);
}

#[tokio::test]
async fn a_key_never_used_has_no_last_use() {
    let world = World::new("last_usage");
    let kms = world.kms();
    let key = key(&kms).await;
    let found = kms.get_key_last_usage().key_id(&key).send().await.unwrap();
    let usage = found.key_last_usage().unwrap();
    assert_eq!((usage.operation(), usage.timestamp()), (None, None));
    let created = metadata(&kms, &key).await.creation_date().copied();
    assert_eq!(found.key_creation_date().copied(), created);
    refused(
        kms.get_key_last_usage().key_id("foo").send().await,
        "NotFoundException",
        "Invalid keyId 'foo'",
    );
}

#[tokio::test]
async fn what_is_not_served_is_refused_clearly() {
    let world = World::new("unsupported");
    let kms = world.kms();
    let stores = kms.describe_custom_key_stores().send().await.unwrap();
    assert!(stores.custom_key_stores().is_empty());
    let made = (kms
        .create_custom_key_store()
        .custom_key_store_name("hardware"))
    .send()
    .await;
    let error = made.unwrap_err();
    use aws_sdk_kms::error::ProvideErrorMetadata as _;
    assert_eq!(error.code(), Some("UnsupportedOperationException"));
    assert!(error.message().is_some_and(|text| !text.is_empty()));
}
