//! The vectors of the specification, and what must not open.

use super::*;
use crate::aead::Purpose;

const NONCE: &[u8; 24] = b"ABCDEFGHIJKLMNOPQRSTUVWX";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn both_vectors_of_the_specification_are_met() {
    for (key, aad, subkey, expect) in [
        (
            [1; 32],
            &b""[..],
            "e531954aca063d5b8d9c47a47d4cc6f0",
            "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
        ),
        (
            [3; 32],
            &b"c2sp.org/XAES-256-GCM"[..],
            "23810ec50edb99f374409466ed1f4b7b",
            "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
        ),
    ] {
        let prepared = prepare(&key);
        assert_eq!(hex(&prepared[32..]), subkey);
        let mut text = *b"XAES-256-GCM";
        let tag = seal_raw(&prepared, NONCE, aad, &mut text);
        assert_eq!(hex(&text) + &hex(&tag), expect);
        let mut opened = [0; 12];
        open_raw(&prepared, NONCE, aad, &text, &tag, &mut opened).unwrap();
        assert_eq!(&opened, b"XAES-256-GCM");
    }
}

/// The specification's accumulated test, 10,000 rounds: everything comes out of one SHAKE-128 and
/// goes into another.
#[test]
fn the_accumulated_vector_of_the_specification_is_met() {
    let mut source = Shake::default();
    let mut sink = Shake::default();
    for _ in 0..10_000 {
        let key: [u8; 32] = source.squeeze(32).try_into().unwrap();
        let nonce: [u8; 24] = source.squeeze(24).try_into().unwrap();
        let length = usize::from(source.squeeze(1)[0]);
        let plaintext = source.squeeze(length);
        let length = usize::from(source.squeeze(1)[0]);
        let aad = source.squeeze(length);
        let prepared = prepare(&key);
        let mut text = plaintext.clone();
        let tag = seal_raw(&prepared, &nonce, &aad, &mut text);
        sink.absorb(&text);
        sink.absorb(&tag);
        let mut opened = vec![0; text.len()];
        open_raw(&prepared, &nonce, &aad, &text, &tag, &mut opened).unwrap();
        assert_eq!(opened, plaintext);
    }
    assert_eq!(
        hex(&sink.squeeze(32)),
        "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
    );
}

#[test]
fn what_is_altered_does_not_open_and_leaves_no_bytes() {
    let key = prepare(&[7; 32]);
    let aad = Aad::new(Purpose::VolumeBlock, 1).part(b"here");
    let other = Aad::new(Purpose::VolumeBlock, 1).part(b"there");
    let mut text = *b"some plain bytes";
    let tag = seal(&key, NONCE, &aad, &mut text);
    let fails = |key: &PreparedKey, nonce: &[u8; 24], aad: &Aad, text: &[u8], tag: &[u8; 16]| {
        let mut opened = vec![9; 16];
        open(key, nonce, aad, text, tag, &mut opened) == Err(OpenError) && opened == [0; 16]
    };
    assert!(!fails(&key, NONCE, &aad, &text, &tag));
    assert!(fails(&key, NONCE, &other, &text, &tag));
    assert!(fails(&prepare(&[8; 32]), NONCE, &aad, &text, &tag));
    assert!(fails(&key, NONCE, &aad, &text[..15], &tag));
    for bit in 0..192 {
        let mut nonce = *NONCE;
        nonce[bit / 8] ^= 1 << (bit % 8);
        assert!(fails(&key, &nonce, &aad, &text, &tag), "nonce bit {bit}");
    }
    for bit in 0..128 {
        let (mut bad_text, mut bad_tag) = (text, tag);
        bad_text[bit / 8] ^= 1 << (bit % 8);
        bad_tag[bit / 8] ^= 1 << (bit % 8);
        assert!(fails(&key, NONCE, &aad, &bad_text, &tag), "bit {bit}");
        assert!(fails(&key, NONCE, &aad, &text, &bad_tag), "tag bit {bit}");
    }
}

/// SHAKE-128 (FIPS 202), which AWS-LC does not export to Rust; only for the vector above.
#[derive(Default)]
struct Shake {
    lanes: [u64; 25],
    at: usize,
    squeezing: bool,
}

impl Shake {
    const RATE: usize = 168;

    fn absorb(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.lanes[self.at / 8] ^= u64::from(*byte) << (8 * (self.at % 8));
            self.at += 1;
            if self.at == Self::RATE {
                self.permute();
            }
        }
    }

    fn squeeze(&mut self, length: usize) -> Vec<u8> {
        if !self.squeezing {
            self.lanes[self.at / 8] ^= 0x1F << (8 * (self.at % 8));
            self.lanes[Self::RATE / 8 - 1] ^= 0x80 << 56;
            self.permute();
            self.squeezing = true;
        }
        let mut out = Vec::new();
        for _ in 0..length {
            if self.at == Self::RATE {
                self.permute();
            }
            out.push(self.lanes[self.at / 8].to_le_bytes()[self.at % 8]);
            self.at += 1;
        }
        out
    }

    fn permute(&mut self) {
        let mut lfsr = 1u8;
        let a = &mut self.lanes;
        for _ in 0..24 {
            let c: [u64; 5] = std::array::from_fn(|x| (0..5).fold(0, |c, y| c ^ a[x + 5 * y]));
            for (i, lane) in a.iter_mut().enumerate() {
                *lane ^= c[(i + 4) % 5] ^ c[(i + 1) % 5].rotate_left(1);
            }
            let (mut x, mut y, mut lane) = (1, 0, a[1]);
            for t in 0..24u32 {
                (x, y) = (y, (2 * x + 3 * y) % 5);
                let next = a[x + 5 * y];
                a[x + 5 * y] = lane.rotate_left(((t + 1) * (t + 2) / 2) % 64);
                lane = next;
            }
            for y in 0..5 {
                let row: [u64; 5] = std::array::from_fn(|x| a[x + 5 * y]);
                for x in 0..5 {
                    a[x + 5 * y] = row[x] ^ (!row[(x + 1) % 5] & row[(x + 2) % 5]);
                }
            }
            for j in 0..7 {
                if lfsr & 1 == 1 {
                    a[0] ^= 1 << ((1u32 << j) - 1);
                }
                lfsr = (lfsr << 1) ^ (if lfsr & 0x80 == 0 { 0 } else { 0x71 });
            }
        }
        self.at = 0;
    }
}

#[test]
fn the_tests_shake_128_begins_as_the_specification_says() {
    assert_eq!(
        hex(&Shake::default().squeeze(16)),
        "7f9c2ba4e88f827d616045507605853e"
    );
}
