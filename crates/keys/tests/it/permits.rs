//! The ring takes a permit for the very key only.

use std::sync::Arc;

use keyward_keys::{
    ciphertext_blob::CiphertextBlob,
    key::Key,
    ring::{KeyKind, NewKey, RingError},
};
use keyward_policy::{
    permit::{Permit, assertion_for_tests},
    record::PolicyRecord,
};
use keyward_types::{
    action::{self, Action},
    alias::AliasName,
    tag::Tag,
};

use crate::world::{CALLER, START, SYMMETRIC, World, account, context, permit, ready};

fn refused<T: std::fmt::Debug>(result: Result<T, RingError>, what: &str) {
    match result {
        Err(RingError::WrongPermit) => {}
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn a_permit_for_another_key_is_refused_by_every_function() {
    let world = World::new();
    let (key, other) = (world.create(), world.create());
    let ring = &world.ring;
    let empty = context(&[]);
    let blob = world.encrypt(&key, b"plaintext", &empty);
    let blob = CiphertextBlob::parse(&blob).unwrap();
    let alias = AliasName::parse("alias/a").unwrap();
    let policy = PolicyRecord::unbound("{}".to_owned());
    let tag = Tag {
        key: "k".to_owned(),
        value: "v".to_owned(),
    };

    fn wrong<A: Action>(other: &Key) -> Permit<A> {
        permit(other.arn())
    }
    fn right<A: Action>(key: &Key) -> Permit<A> {
        permit(key.arn())
    }
    let (k, o) = (&key, &other);
    refused(
        ready(ring.encrypt(&wrong(o), k, SYMMETRIC, b"p", &empty)),
        "encrypt",
    );
    refused(
        ready(ring.decrypt(&wrong(o), k, SYMMETRIC, &blob, &empty)),
        "decrypt",
    );
    refused(ring.check_decrypt(&wrong(o), k, SYMMETRIC), "check_decrypt");
    refused(
        ready(ring.generate_data_key(&wrong(o), k, 32, &empty)),
        "generate_data_key",
    );
    refused(
        ready(ring.generate_data_key_without_plaintext(&wrong(o), k, 32, &empty)),
        "generate_data_key_without_plaintext",
    );
    for (from, to, what) in [
        (wrong(o), right(k), "re_encrypt from"),
        (right(k), wrong(o), "re_encrypt to"),
    ] {
        let permits = (&from, &to);
        refused(
            ready(ring.re_encrypt(
                permits,
                (k, SYMMETRIC, &blob, &empty),
                (k, SYMMETRIC, &empty),
            )),
            what,
        );
        refused(
            ring.check_re_encrypt(permits, (k, SYMMETRIC), (k, SYMMETRIC)),
            what,
        );
    }
    refused(ring.enable(&wrong(o), k), "enable");
    refused(ring.disable(&wrong(o), k), "disable");
    refused(
        ring.schedule_deletion(&wrong(o), k, 7, START),
        "schedule_deletion",
    );
    refused(ring.cancel_deletion(&wrong(o), k), "cancel_deletion");
    refused(ring.describe(&wrong(o), k, "d"), "describe");
    refused(ring.tag(&wrong(o), k, &[tag]), "tag");
    refused(ring.untag(&wrong(o), k, &["k".to_owned()]), "untag");
    refused(ring.put_policy(&wrong(o), k, policy), "put_policy");
    refused(ring.add_alias(&wrong(o), k, &alias), "add_alias");
    refused(
        ring.move_alias((&wrong(o), k), (&right(k), k), &alias),
        "move_alias from",
    );
    refused(
        ring.move_alias((&right(k), k), (&wrong(o), k), &alias),
        "move_alias to",
    );
    refused(ring.remove_alias(&wrong(o), k, &alias), "remove_alias");
    refused(
        ring.enable_rotation(&wrong(o), k, 365, START),
        "enable_rotation",
    );
    refused(ring.disable_rotation(&wrong(o), k), "disable_rotation");
    refused(
        ready(ring.rotate_on_demand(&wrong(o), k, START)),
        "rotate_on_demand",
    );
}

#[test]
fn a_key_is_made_only_with_a_permit_for_its_account_and_region() {
    let world = World::new();
    for place in [
        "*",
        "arn:aws:kms:us-east-1:111122223333:key/*",
        "arn:aws:kms:us-east-2:111122223333:*",
        "arn:aws:kms:us-east-1:444455556666:*",
        "arn:aws-cn:kms:us-east-1:111122223333:*",
    ] {
        let permit = assertion_for_tests::<action::CreateKey>(CALLER, account(), place);
        let policy = PolicyRecord::unbound("{}".to_owned());
        let new = NewKey {
            kind: KeyKind::SYMMETRIC,
            description: String::new(),
            policy,
            tags: Vec::new(),
        };
        let domain = Arc::clone(&world.domain);
        refused(
            ready(world.ring.create(&permit, &domain, new, START)),
            place,
        );
    }
}
