//! The golden certificate, and what is refused.

use rustls::crypto::aws_lc_rs::default_provider;

use super::*;

const GOLDEN: &[u8] = include_bytes!("../../../../testdata/efs-client-certificate/certificate.der");
/// 2026-11-30T04:00:00Z, when it is valid.
const NOW: Duration = Duration::from_secs(1_796_011_200);
const KEY_HASH: &str = "c8efd165e61b900df7c4ea4b63df818ecfc303e1";

fn check_at(der: &[u8], now: Duration) -> Result<Parsed, Unacceptable> {
    check(
        der,
        now,
        default_provider().signature_verification_algorithms.all,
    )
}

#[test]
fn the_certificate_of_efs_utils_is_read() {
    let parsed = check_at(GOLDEN, NOW).unwrap();
    let wanted = Parsed {
        file_system: "fs-0123456789abcdef8".to_owned(),
        certificate: ClientCertificate {
            access_point: Some("fsap-0123456789abcdef0".to_owned()),
            identity: Some(Identity {
                access_key_id: "ASIAIOSFODNN7EXAMPLE".to_owned(),
                date_time: "20261130T040000Z".to_owned(),
                signature: "1f58b9145b24d108d7ac38887338b3ea3229833b9c1e418250343f907bfd1047"
                    .to_owned(),
                session_token: Some("IQoJb3JpZ2luX2VjEXAMPLE//token+with/signs==".to_owned()),
            }),
            public_key_hash: KEY_HASH.to_owned(),
            client_info: vec!["Debian".to_owned(), "3.1.1".to_owned()],
        },
    };
    assert_eq!(parsed, wanted);
    assert_eq!(read(GOLDEN), Ok(wanted));
}

#[test]
fn neither_signature_nor_token_are_printed() {
    let printed = format!("{:?}", read(GOLDEN).unwrap());
    assert!(printed.contains("ASIAIOSFODNN7EXAMPLE"));
    assert!(
        !printed.contains("1f58b914") && !printed.contains("IQoJ"),
        "{printed}"
    );
}

#[test]
fn a_certificate_is_valid_in_its_time_only() {
    let hours = |number: i32| {
        Duration::from_secs(
            NOW.as_secs()
                .saturating_add_signed(i64::from(number) * 3600),
        )
    };
    assert_eq!(check_at(GOLDEN, hours(-1)), Err(Unacceptable::NotNow));
    assert_eq!(check_at(GOLDEN, hours(4)), Err(Unacceptable::NotNow));
    assert!(check_at(GOLDEN, hours(2)).is_ok());
}

#[test]
fn whatever_is_changed_the_signature_does_not_fit() {
    let find = |text: &[u8]| {
        GOLDEN
            .windows(text.len())
            .position(|part| part == text)
            .unwrap()
    };
    for at in [
        find(b"fsap-0123456789abcdef0") + 6,
        find(b"ASIAIOSFODNN7EXAMPLE") + 6,
        find(b"1f58b914"),
        // The end of the key's modulus, and of the signature.
        GOLDEN.len() - 1,
    ] {
        let mut changed = GOLDEN.to_vec();
        changed[at] ^= 1;
        assert_eq!(
            check_at(&changed, NOW),
            Err(Unacceptable::NotSelfSigned),
            "byte {at}"
        );
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    for der in [
        &b""[..],
        b"nonsense",
        &GOLDEN[..GOLDEN.len() - 1],
        &[GOLDEN, b"more"].concat(),
    ] {
        assert_eq!(check_at(der, NOW), Err(Unacceptable::NotCertificate));
    }
    let long = [GOLDEN, &[0; MAX_CERTIFICATE]].concat();
    assert_eq!(check_at(&long, NOW), Err(Unacceptable::NotCertificate));
}

/// The parts of the extension for the client's signature, of which each test changes one.
fn signed(access_key: &str, signature: &str, date: &str, token: Option<&str>) -> Vec<u8> {
    let tlv = |tag: u8, value: &[u8]| -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], value].concat()
    };
    // Lengths are in their shortest form in DER.
    let shortest = |tag: u8, value: &[u8]| match value.len() {
        length @ 0..128 => [&[tag, u8::try_from(length).unwrap()], value].concat(),
        length @ 128..256 => [&[tag, 0x81, u8::try_from(length).unwrap()], value].concat(),
        _ => tlv(tag, value),
    };
    let mut parts = shortest(0x0c, access_key.as_bytes());
    parts.extend(shortest(0x04, signature.as_bytes()));
    parts.extend(shortest(0x17, date.as_bytes()));
    if let Some(token) = token {
        parts.extend(shortest(0xa0, &shortest(0x0c, token.as_bytes())));
    }
    shortest(0x30, &parts)
}

const SIGNATURE_TEXT: &str = "1f58b9145b24d108d7ac38887338b3ea3229833b9c1e418250343f907bfd1047";

#[test]
fn a_token_is_optional() {
    let parsed = client_auth(&signed("AKIA", SIGNATURE_TEXT, "261130040000Z", None)).unwrap();
    assert_eq!(parsed.session_token, None);
    let token = "t".repeat(MAX_TOKEN);
    let parsed = client_auth(&signed(
        "AKIA",
        SIGNATURE_TEXT,
        "261130040000Z",
        Some(&token),
    ))
    .unwrap();
    assert_eq!(parsed.session_token, Some(token));
}

#[test]
fn a_signature_that_is_malformed_or_too_long_is_refused() {
    let date = "261130040000Z";
    let upper = SIGNATURE_TEXT.to_uppercase();
    let long_token = "t".repeat(MAX_TOKEN + 1);
    let long_key = "K".repeat(MAX_ID + 1);
    for extension in [
        signed("", SIGNATURE_TEXT, date, None),
        signed("AKIA/x", SIGNATURE_TEXT, date, None),
        signed(&long_key, SIGNATURE_TEXT, date, None),
        signed("AKIA", &upper, date, None),
        signed("AKIA", SIGNATURE_TEXT.trim_start_matches('1'), date, None),
        signed("AKIA", SIGNATURE_TEXT, "261330040000Z", None),
        signed("AKIA", SIGNATURE_TEXT, date, Some("")),
        signed("AKIA", SIGNATURE_TEXT, date, Some("a b")),
        signed("AKIA", SIGNATURE_TEXT, date, Some(&long_token)),
        [signed("AKIA", SIGNATURE_TEXT, date, None), b"more".to_vec()].concat(),
        Vec::new(),
    ] {
        let refused = Unacceptable::Layout("the client's signature is malformed");
        assert_eq!(client_auth(&extension).unwrap_err(), refused);
    }
}

#[test]
fn an_id_is_short_and_plain() {
    assert_eq!(id(b"\x0c\x04fs-1"), Ok("fs-1".to_owned()));
    for value in [
        &b"\x0c\0"[..],
        b"\x0c\x04fs/1",
        b"\x13\x04fs-1",
        b"\x0c\x04fs-1x",
        b"\x0c\x05fs-1",
    ] {
        assert_eq!(id(value), Err(Unacceptable::Layout("an id is malformed")));
    }
}

proptest::proptest! {
    #[test]
    fn whatever_a_byte_is_changed_to_it_is_read_or_refused(
        changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 1..4),
    ) {
        let mut changed = GOLDEN.to_vec();
        for (at, byte) in changes {
            let at = at.index(changed.len());
            changed[at] = byte;
        }
        if let Ok(parsed) = read(&changed) {
            proptest::prop_assert_eq!(parsed.certificate.public_key_hash.len(), 40);
        }
        proptest::prop_assert!(changed == GOLDEN || check_at(&changed, NOW).is_err());
    }
}
