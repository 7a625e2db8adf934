//! Properties of seals and wrapped keys.

use keyward_crypto::{
    aead::{self, Aad, OpenError, Purpose},
    wrap::{Wrapped, WrappingKeyName},
};
use proptest::{collection::vec, prelude::*};

fn aad(parts: &[Vec<u8>]) -> Aad {
    let empty = Aad::new(Purpose::StoreValue, 1);
    parts.iter().fold(empty, |aad, part| aad.part(part))
}

proptest! {
    #[test]
    fn different_parts_never_give_the_same_additional_data(
        a in vec(vec(any::<u8>(), 0..6), 0..5),
        b in vec(vec(any::<u8>(), 0..6), 0..5),
    ) {
        prop_assert_eq!(a == b, aad(&a) == aad(&b));
        prop_assert!(!aad(&a).as_bytes().is_empty());
    }

    #[test]
    fn any_flipped_bit_of_a_seal_is_found(
        plaintext in vec(any::<u8>(), 0..80),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut sealed = aead::seal(&[3; 32], [5; 12], &aad(&[]), &plaintext);
        let opened = aead::open(&[3; 32], [5; 12], &aad(&[]), &sealed).unwrap();
        prop_assert_eq!(opened.expose(), plaintext);
        let bit = bit.index(sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        let opened = aead::open(&[3; 32], [5; 12], &aad(&[]), &sealed);
        prop_assert_eq!(opened.unwrap_err(), OpenError);
    }

    #[test]
    fn wrapped_keys_of_any_length_come_back_and_no_bytes_panic(
        key in vec(any::<u8>(), 1..200),
        bytes in vec(any::<u8>(), 0..200),
    ) {
        let name = WrappingKeyName { id: [1; 16], version: 7 };
        let wrapped = Wrapped::wrap(&[2; 32], name, b"subject", &key);
        let read = Wrapped::parse(&wrapped.to_bytes()).unwrap();
        prop_assert_eq!(&read, &wrapped);
        let unwrapped = read.unwrap_key(&[2; 32], b"subject").unwrap();
        prop_assert_eq!(unwrapped.expose(), key);
        if let Ok(read) = Wrapped::parse(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
            prop_assert!(read.unwrap_key(&[2; 32], b"subject").is_err());
        }
    }
}

#[test]
fn a_wrapped_key_has_the_bytes_of_version_1() {
    // Version, wrapping key's id and version, nonce, then what AES-256-GCM makes of the key.
    let name = WrappingKeyName {
        id: *b"0123456789abcdef",
        version: 3,
    };
    let key = [5; 32];
    let bytes = Wrapped::wrap(&[7; 32], name, b"subject", &key).to_bytes();
    assert_eq!(bytes.len(), 1 + 16 + 4 + 12 + 32 + 16);
    assert_eq!(&bytes[..21], b"\x010123456789abcdef\0\0\0\x03");
    // The additional data spelled out: purpose 1, version 1, then each part with its length.
    let by_hand = [
        b"\x01\x01\0\0\0\x100123456789abcdef".as_slice(),
        b"\0\0\0\x04\0\0\0\x03\0\0\0\x07subject",
    ]
    .concat();
    let by_parts = Aad::new(Purpose::KeyWrap, 1)
        .part(&name.id)
        .part(&[0, 0, 0, 3])
        .part(b"subject");
    assert_eq!(by_parts.as_bytes(), by_hand);
    let nonce = bytes[21..33].try_into().unwrap();
    assert_eq!(aead::seal(&[7; 32], nonce, &by_parts, &key), bytes[33..]);
}
