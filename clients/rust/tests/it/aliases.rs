//! CreateAlias, UpdateAlias, DeleteAlias, ListAliases.

use aws_sdk_kms::primitives::Blob;

use crate::{
    errors::refused,
    world::{World, alias_arn, key, key_arn},
};

#[tokio::test]
async fn an_alias_leads_to_its_key_and_can_be_moved() {
    let world = World::new("alias");
    let kms = world.kms();
    let (first, second) = (key(&kms).await, key(&kms).await);
    let create = kms.create_alias().alias_name("alias/app");
    let create = create.target_key_id(&first);
    create.clone().send().await.unwrap();
    refused(
        create.send().await,
        "AlreadyExistsException",
        &format!(
            "An alias with the name {} already exists",
            alias_arn("alias/app")
        ),
    );
    for target in [&first, &second] {
        let update = kms.update_alias().alias_name("alias/app");
        update.target_key_id(target).send().await.unwrap();
        let encrypt = kms.encrypt().key_id("alias/app").plaintext(Blob::new("x"));
        let made = encrypt.send().await.unwrap();
        assert_eq!(made.key_id(), Some(&*key_arn(target)));
    }
    let listed = kms.list_aliases().key_id(&second).send().await.unwrap();
    let [alias] = listed.aliases() else {
        panic!("{listed:?}");
    };
    assert_eq!(alias.alias_name(), Some("alias/app"));
    assert_eq!(alias.alias_arn(), Some(&*alias_arn("alias/app")));
    assert_eq!(alias.target_key_id(), Some(&*second));
    assert!(alias.last_updated_date() > alias.creation_date());
}

#[tokio::test]
async fn list_aliases_pages_through_them_all() {
    let world = World::new("list_aliases");
    let kms = world.kms();
    let key = key(&kms).await;
    let names: Vec<_> = (0..5).map(|n| format!("alias/n{n}")).collect();
    for name in &names {
        let create = kms.create_alias().alias_name(name);
        create.target_key_id(&key).send().await.unwrap();
    }
    let pages = kms.list_aliases().into_paginator().page_size(2).items();
    let listed = pages.send().try_collect().await.unwrap();
    let mut found: Vec<_> = listed.into_iter().filter_map(|a| a.alias_name).collect();
    found.retain(|name| !name.starts_with("alias/aws/"));
    found.sort();
    assert_eq!(found, names);
    let marker = kms.list_aliases().marker("x").send().await;
    use aws_sdk_kms::error::ProvideErrorMetadata as _;
    assert_eq!(marker.unwrap_err().code(), Some("InvalidMarkerException"));
}

#[tokio::test]
async fn a_deleted_alias_is_not_found() {
    let world = World::new("delete_alias");
    let kms = world.kms();
    let key = key(&kms).await;
    let create = kms.create_alias().alias_name("alias/app");
    create.target_key_id(&key).send().await.unwrap();
    let delete = kms.delete_alias().alias_name("alias/app");
    delete.clone().send().await.unwrap();
    let gone = format!("Alias {} is not found.", alias_arn("alias/app"));
    refused(delete.send().await, "NotFoundException", &gone);
    let update = kms.update_alias().alias_name("alias/app");
    let update = update.target_key_id(&key);
    refused(update.send().await, "NotFoundException", &gone);
    let describe = kms.describe_key().key_id("alias/app");
    refused(describe.send().await, "NotFoundException", &gone);
}

#[tokio::test]
async fn alias_names_have_their_rules() {
    let world = World::new("alias_names");
    let kms = world.kms();
    let key = key(&kms).await;
    let named = |name: &str| kms.create_alias().alias_name(name).target_key_id(&key);
    refused(
        named("payroll").send().await,
        "ValidationException",
        "Alias must start with the prefix \"alias/\". Please see \
         https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
    );
    refused(
        named("alias/aws/s3").send().await,
        "NotAuthorizedException",
        "",
    );
}
