//! Key records: sizes, versions, and what a stranger's edit does to them.

use keyward_keys::{
    hierarchy::WrappedText,
    record::{KeyRecord, KeyRecordError, Lifecycle, MAX_MATERIALS},
};
use keyward_types::{
    alias::AliasName,
    tag::Tag,
    time::Timestamp,
    unique_id::{UniqueId, UniqueIdKind},
};

use crate::world::{START, World, context, permit};

/// The store's limit of a value.
const MAX_VALUE: usize = 256 * 1024;
/// What sealing may add to a record.
const SEAL: usize = 1024;

#[test]
fn the_longest_record_fits_into_a_value_of_the_store() {
    let world = World::new();
    let key = world.create();
    let mut record = key.record().clone();
    // Each field at its limit, in the characters that take most room in JSON.
    record.description = "\u{1}".repeat(8192);
    record.tags = (0..50u32)
        .map(|n| Tag {
            key: format!("{n:02}{}", "\u{10330}".repeat(126)),
            value: "\u{10330}".repeat(256),
        })
        .collect();
    let aliases = (0..50).map(|n| AliasName::parse(&format!("alias/{n:02}{}", "a".repeat(248))));
    record.aliases = aliases.map(Result::unwrap).collect();
    // A policy of 32 KiB that is nothing but principals, as short as they can be.
    let mut text = String::from("[");
    for n in 0..936u32 {
        let name = char::from_u32(0x61 + n % 26).unwrap();
        let arn = format!("arn:aws:iam::{:012}:user/{name}", n);
        text.push('"');
        text.push_str(&arn);
        text.push_str("\",");
        let id = UniqueId::from_random(UniqueIdKind::User, [7; 17]);
        record.policy.principals.bind(&arn, id);
    }
    text.push_str(&"\n".repeat(32_768 - text.len()));
    record.policy.text = text;
    let material = record.materials[0].clone();
    record.materials = vec![material; MAX_MATERIALS];
    for material in &mut record.materials {
        material.rotation = Some(keyward_types::key_spec::RotationType::Automatic);
    }
    record.lifecycle = Lifecycle::PendingDeletion {
        delete_at: Timestamp::from_millis(i64::MAX),
    };
    let length = record.to_bytes().unwrap().len();
    assert!(length + SEAL <= MAX_VALUE, "{length} bytes");
}

#[test]
fn unknown_fields_and_later_versions_are_refused() {
    let world = World::new();
    let bytes = world.create().record().to_bytes().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let parse = |text: &str| KeyRecord::parse(text.as_bytes());
    assert!(parse(&text).is_ok());
    let extra = text.replacen('{', "{\"more\":1,", 1);
    assert!(matches!(parse(&extra), Err(KeyRecordError::Malformed(_))));
    let newer = text.replacen("\"version\":2", "\"version\":3", 1);
    assert!(matches!(parse(&newer), Err(KeyRecordError::Version(3))));
    let newer = extra.replacen("\"version\":2", "\"version\":3", 1);
    assert!(
        matches!(parse(&newer), Err(KeyRecordError::Version(3))),
        "whatever it holds"
    );
    assert!(matches!(parse("{}"), Err(KeyRecordError::Malformed(_))));
}

#[test]
fn material_of_another_key_does_not_open() {
    let world = World::new();
    let (key, other) = (world.create(), world.create());
    let blob = world.encrypt(&key, b"p", &context(&[]));
    let mut record = key.record().clone();
    let WrappedText(foreign) = other.record().materials[0].wrapped.clone();
    record.materials[0].wrapped = WrappedText(foreign);
    let edited = world.reopen(record);
    assert!(world.decrypt(&edited, &blob, &context(&[])).is_err());
}

#[test]
fn a_key_is_printed_without_its_material() {
    let world = World::new();
    let key = world.create();
    world.encrypt(&key, b"p", &context(&[]));
    let text = format!("{key:?}");
    assert!(
        text.contains("ArenaSecret") && text.contains("created"),
        "{text}"
    );
    assert!(!text.contains("SecretBytes"), "{text}");
    assert_eq!(key.record().created, START);
}

#[test]
fn an_alias_moved_onto_its_own_key_stays_where_it_is() {
    let world = World::new();
    let (first, second) = ("alias/first", "alias/second");
    let alias = |name: &str| AliasName::parse(name).unwrap();
    let mut record = world.create().record().clone();
    record.aliases = vec![alias(first), alias(second)];
    let key = world.reopen(record.clone());
    let mine = (&permit(key.arn()), &key);
    let (_, after) = world.ring.move_alias(mine, mine, &alias(first)).unwrap();
    assert_eq!(after, record);
}

#[test]
fn a_moved_alias_leaves_the_one_key_for_the_other() {
    let world = World::new();
    let alias = AliasName::parse("alias/a").unwrap();
    let mut record = world.create().record().clone();
    record.aliases = vec![alias.clone()];
    let (from, to) = (world.reopen(record), world.create());
    let (of_from, of_to) = (permit(from.arn()), permit(to.arn()));
    let moved = world
        .ring
        .move_alias((&of_from, &from), (&of_to, &to), &alias);
    let (from, to) = moved.unwrap();
    assert_eq!((from.aliases, to.aliases), (vec![], vec![alias]));
}
