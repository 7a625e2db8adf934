//! The ciphertext blob through the ring: what opens, and that all else fails alike.

use keyward_keys::{
    ciphertext_blob::{BlobError, CiphertextBlob, OVERHEAD},
    ring::RingError,
};
use keyward_types::{account::AccountId, region::Region};
use proptest::{collection::vec, prelude::*};

use crate::world::{self, SYMMETRIC, World, context, permit, ready};

fn assert_same_fault(result: Result<Vec<u8>, RingError>, what: &str) {
    match result {
        Err(RingError::Ciphertext(BlobError)) => {}
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn every_length_from_1_to_4096_costs_exactly_152_bytes_and_comes_back() {
    let world = World::new();
    let key = world.create();
    let context = context(&[("Department", "Finance")]);
    let plaintext: Vec<u8> = (0..4096u32).map(|n| n.to_le_bytes()[0]).collect();
    for length in 1..=4096 {
        let blob = world.encrypt(&key, &plaintext[..length], &context);
        assert_eq!(blob.len(), length + 152);
        assert_eq!(
            world.decrypt(&key, &blob, &context).unwrap(),
            plaintext[..length]
        );
    }
    assert_eq!(OVERHEAD, 152);
}

#[test]
fn any_flipped_bit_is_the_same_fault() {
    let world = World::new();
    let key = world.create();
    let context = context(&[("a", "b")]);
    let blob = world.encrypt(&key, b"thirty-two bytes of a data key..", &context);
    for bit in 0..blob.len() * 8 {
        let mut flipped = blob.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_same_fault(
            world.decrypt(&key, &flipped, &context),
            &format!("bit {bit}"),
        );
    }
}

#[test]
fn cut_or_lengthened_is_the_same_fault() {
    let world = World::new();
    let key = world.create();
    let blob = world.encrypt(&key, b"plaintext", &context(&[]));
    for end in 0..blob.len() {
        let cut = world.decrypt(&key, &blob[..end], &context(&[]));
        assert_same_fault(cut, &format!("cut at {end}"));
    }
    for more in 1..40 {
        let longer = [blob.as_slice(), &vec![0; more]].concat();
        assert_same_fault(
            world.decrypt(&key, &longer, &context(&[])),
            &format!("{more} more"),
        );
    }
}

#[test]
fn another_context_is_the_same_fault() {
    let world = World::new();
    let key = world.create();
    let blob = world.encrypt(&key, b"plaintext", &context(&[("a", "1"), ("b", "2")]));
    let same = context(&[("b", "2"), ("a", "1")]);
    assert_eq!(world.decrypt(&key, &blob, &same).unwrap(), b"plaintext");
    for other in [
        &[][..],
        &[("a", "1")],
        &[("a", "1"), ("b", "3")],
        &[("a", "1"), ("B", "2")],
        &[("a", "2"), ("b", "1")],
        &[("a", "1"), ("b", "2"), ("c", "")],
        &[("a", "1b"), ("", "2")],
    ] {
        assert_same_fault(
            world.decrypt(&key, &blob, &context(other)),
            &format!("{other:?}"),
        );
    }
}

#[test]
fn another_key_account_or_region_is_the_same_fault() {
    let world = World::new();
    let key = world.create();
    let blob = world.encrypt(&key, b"plaintext", &context(&[]));
    assert_same_fault(
        world.decrypt(&world.create(), &blob, &context(&[])),
        "another key",
    );

    let other_account = AccountId::parse("444455556666").unwrap();
    let other_region = Region::parse("eu-west-1").unwrap();
    for (account, region) in [
        (other_account, world::region()),
        (world::account(), other_region),
    ] {
        let root = world.root.in_store(world::STORE);
        let domain = world::domain(root, &world.arena, account, region);
        let other = world.create_in(&domain);
        assert_same_fault(
            world.decrypt(&other, &blob, &context(&[])),
            other.arn().as_str(),
        );
        // Even a record that claims the same id there has material that does not open here.
        let mut moved = key.record().clone();
        (moved.account, moved.region) = (account, region);
        let moved = world.ring.open(moved, domain);
        let parsed = CiphertextBlob::parse(&blob).unwrap();
        let opened = ready(world.ring.decrypt(
            &permit(moved.arn()),
            &moved,
            SYMMETRIC,
            &parsed,
            &context(&[]),
        ));
        assert!(opened.is_err());
    }
}

#[test]
fn two_blobs_of_one_plaintext_share_no_nonce() {
    let world = World::new();
    let key = world.create();
    let blobs: Vec<_> = (0..100)
        .map(|_| world.encrypt(&key, b"same", &context(&[])))
        .collect();
    let mut nonces: Vec<_> = blobs.iter().map(|blob| &blob[74..90]).collect();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), 100);
}

#[test]
fn a_full_arena_still_encrypts_with_one_free_slot() {
    // Five slots: root, account and domain key, and two for material.
    let world = World::with_arena(5 * 64);
    let keys: Vec<_> = (0..4).map(|_| world.create()).collect();
    for round in 0..3 {
        for key in &keys {
            let blob = world.encrypt(key, b"plaintext", &context(&[]));
            let opened = world.decrypt(key, &blob, &context(&[])).unwrap();
            assert_eq!(opened, b"plaintext", "round {round}");
        }
    }
    assert!(world.arena.used_slots() < world.arena.slots());
}

proptest! {
    #[test]
    fn what_is_encrypted_decrypts(
        plaintext in vec(any::<u8>(), 1..300),
        pairs in proptest::collection::btree_map(".{0,10}", ".{0,10}", 0..5),
    ) {
        let world = World::new();
        let key = world.create();
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let context = context(&pairs);
        let blob = world.encrypt(&key, &plaintext, &context);
        prop_assert_eq!(world.decrypt(&key, &blob, &context).unwrap(), plaintext);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = CiphertextBlob::parse(&bytes);
        // With a true head, so that the search gets past the first check.
        let mut bytes = bytes;
        if let Some(head) = bytes.first_chunk_mut::<4>() {
            *head = *b"KW\x01\x03";
        }
        if let Ok(blob) = CiphertextBlob::parse(&bytes) {
            prop_assert!(bytes.len() > OVERHEAD && !blob.key().as_str().is_empty());
        }
    }
}
