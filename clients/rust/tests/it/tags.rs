//! TagResource, UntagResource, ListResourceTags.

use crate::{
    errors::refused,
    world::{World, key, tag},
};

#[tokio::test]
async fn tags_are_added_overwritten_and_taken_away() {
    let world = World::new("tags");
    let kms = world.kms();
    let key = key(&kms).await;
    let list = || async {
        let pages = kms.list_resource_tags().key_id(&key).into_paginator();
        let tags = pages.page_size(1).items().send().try_collect().await;
        let mut tags = tags.unwrap();
        tags.sort_by(|a, b| a.tag_key().cmp(b.tag_key()));
        tags
    };
    assert_eq!(list().await, []);
    let put = kms.tag_resource().key_id(&key).tags(tag("a", "1"));
    put.tags(tag("b", "2")).send().await.unwrap();
    let put = kms.tag_resource().key_id(&key).tags(tag("b", "3"));
    put.send().await.unwrap();
    assert_eq!(list().await, [tag("a", "1"), tag("b", "3")]);
    let untag = kms.untag_resource().key_id(&key);
    untag.tag_keys("a").tag_keys("never").send().await.unwrap();
    assert_eq!(list().await, [tag("b", "3")]);
}

#[tokio::test]
async fn tags_of_aws_are_reserved_and_none_is_named_twice() {
    let world = World::new("tag_rules");
    let kms = world.kms();
    let key = key(&kms).await;
    let put = kms.tag_resource().key_id(&key);
    refused(
        put.clone().tags(tag("aws:team", "red")).send().await,
        "TagException",
        "Tags beginning with aws: are reserved",
    );
    let twice = put.tags(tag("a", "1")).tags(tag("a", "2"));
    refused(twice.send().await, "TagException", "Duplicate tag keys");
    let untag = kms.untag_resource().key_id("foo").tag_keys("a");
    refused(
        untag.send().await,
        "NotFoundException",
        "Invalid keyId 'foo'",
    );
}
