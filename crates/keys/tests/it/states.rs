//! The state of a key against the operations: AWS's table as a golden matrix.

use std::fmt::Write as _;

use keyward_keys::{
    ciphertext_blob::CiphertextBlob,
    record::{KeyRecord, Lifecycle},
    ring::{Ring, RingError},
    state::StatefulOperation,
};
use keyward_types::{alias::AliasName, key_state::KeyState, tag::Tag};

use crate::world::{START, SYMMETRIC, World, context, permit, ready};

#[test]
fn the_table_is_that_of_aws() {
    let mut table = format!("{:<20}", "");
    for state in KeyState::ALL {
        write!(table, " {:<23}", state.as_str()).unwrap();
    }
    for operation in StatefulOperation::ALL {
        write!(table, "\n{:<20}", format!("{operation:?}")).unwrap();
        for state in KeyState::ALL {
            let cell = match operation.check(state) {
                Ok(()) => "ok".to_owned(),
                Err(fault) => format!("{fault:?}"),
            };
            write!(table, " {cell:<23}").unwrap();
        }
    }
    let table: String = table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    expect_test::expect_file!["../golden/states.txt"].assert_eq(&table);
}

/// What every function of the ring says of a key in each state that a record can have.
#[test]
fn every_function_follows_the_table() {
    let world = World::new();
    let key = world.create();
    let empty = context(&[]);
    let bytes = world.encrypt(&key, b"plaintext", &empty);
    let blob = CiphertextBlob::parse(&bytes).unwrap();
    let alias = AliasName::parse("alias/a").unwrap();
    let tag = Tag {
        key: "k".to_owned(),
        value: "v".to_owned(),
    };
    let policy = key.record().policy.clone();
    let states = [
        ("Enabled", Lifecycle::Enabled {}),
        ("Disabled", Lifecycle::Disabled {}),
        (
            "PendingDeletion",
            Lifecycle::PendingDeletion {
                delete_at: START.plus_days(7),
            },
        ),
        ("Destroyed", Lifecycle::Destroyed { at: START }),
    ];
    let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
    for (_, lifecycle) in &states {
        let record = KeyRecord {
            lifecycle: lifecycle.clone(),
            ..key.record().clone()
        };
        let key = world.reopen(record);
        let (k, ring): (_, &Ring) = (&key, &world.ring);
        let p = key.arn();
        let cells = [
            (
                "encrypt",
                outcome(ready(ring.encrypt(&permit(p), k, SYMMETRIC, b"p", &empty))),
            ),
            (
                "decrypt",
                outcome(ready(ring.decrypt(&permit(p), k, SYMMETRIC, &blob, &empty))),
            ),
            (
                "check_decrypt",
                outcome(ring.check_decrypt(&permit(p), k, SYMMETRIC)),
            ),
            (
                "re_encrypt",
                outcome(ready(ring.re_encrypt(
                    (&permit(p), &permit(p)),
                    (k, SYMMETRIC, &blob, &empty),
                    (k, SYMMETRIC, &empty),
                ))),
            ),
            (
                "generate_data_key",
                outcome(ready(ring.generate_data_key(&permit(p), k, 32, &empty))),
            ),
            (
                "generate_data_key_without_plaintext",
                outcome(ready(ring.generate_data_key_without_plaintext(
                    &permit(p),
                    k,
                    32,
                    &empty,
                ))),
            ),
            ("enable", outcome(ring.enable(&permit(p), k))),
            ("disable", outcome(ring.disable(&permit(p), k))),
            (
                "schedule_deletion",
                outcome(ring.schedule_deletion(&permit(p), k, 7, START)),
            ),
            (
                "cancel_deletion",
                outcome(ring.cancel_deletion(&permit(p), k)),
            ),
            ("describe", outcome(ring.describe(&permit(p), k, "d"))),
            (
                "tag",
                outcome(ring.tag(&permit(p), k, std::slice::from_ref(&tag))),
            ),
            ("untag", outcome(ring.untag(&permit(p), k, &[]))),
            (
                "put_policy",
                outcome(ring.put_policy(&permit(p), k, policy.clone())),
            ),
            ("add_alias", outcome(ring.add_alias(&permit(p), k, &alias))),
            (
                "remove_alias",
                outcome(ring.remove_alias(&permit(p), k, &alias)),
            ),
            (
                "enable_rotation",
                outcome(ring.enable_rotation(&permit(p), k, 365, START)),
            ),
            (
                "disable_rotation",
                outcome(ring.disable_rotation(&permit(p), k)),
            ),
            (
                "rotate_on_demand",
                outcome(ready(ring.rotate_on_demand(&permit(p), k, START))),
            ),
        ];
        for (index, (name, cell)) in cells.into_iter().enumerate() {
            match rows.get_mut(index) {
                Some((_, row)) => row.push(cell),
                None => rows.push((name, vec![cell])),
            }
        }
    }
    let heads = states.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut table = String::new();
    for (name, row) in [("", heads)].into_iter().chain(rows) {
        let cells: String = row.iter().map(|cell| format!(" {cell:<19}")).collect();
        writeln!(table, "{}", format!("{name:<36}{cells}").trim_end()).unwrap();
    }
    expect_test::expect_file!["../golden/ring-states.txt"].assert_eq(&table);
}

fn outcome<T>(result: Result<T, RingError>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(RingError::State { fault, .. }) => format!("{fault:?}"),
        Err(RingError::Destroyed { .. }) => "absent".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn state_is_told_before_the_algorithm() {
    let world = World::new();
    let key = world.create();
    let rsa = keyward_types::key_spec::EncryptionAlgorithm::RsaesOaepSha256;
    let empty = context(&[]);
    let wrong = ready(
        world
            .ring
            .encrypt(&permit(key.arn()), &key, rsa, b"p", &empty),
    )
    .unwrap_err();
    assert!(matches!(wrong, RingError::Algorithm { algorithm, .. } if algorithm == rsa));
    let disabled = world.reopen(world.ring.disable(&permit(key.arn()), &key).unwrap());
    let wrong = ready(
        world
            .ring
            .encrypt(&permit(key.arn()), &disabled, rsa, b"p", &empty),
    )
    .unwrap_err();
    assert!(matches!(wrong, RingError::State { .. }), "{wrong:?}");
}
