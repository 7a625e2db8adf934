//! Any bytes are a manifest or are refused, and the same of a stream; what is taken has one form, and is within its
//! limits.
#![no_main]

use keyward_copies::stream::{Frame, Frames};
use keyward_copies::{Hash, MAX_IMAGE_BYTES, MAX_PIECES, Manifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // With the hash that it should have, which no fuzzer guesses.
    let whole = [bytes, Hash::of(bytes).as_bytes()].concat();
    for bytes in [bytes, &whole] {
        if let Ok(manifest) = Manifest::parse("it", bytes) {
            assert_eq!(manifest.render(), bytes);
            check(&manifest);
        }
    }
    let Ok(mut frames) = Frames::begin(bytes) else { return };
    let mut chunks = Vec::new();
    while let Ok(frame) = frames.next() {
        match frame {
            Frame::Piece(chunk, bytes) => {
                assert!(!bytes.is_empty());
                chunks.push(chunk);
            }
            Frame::End(manifest) => {
                assert_eq!(manifest.chunks(), chunks);
                check(&manifest);
                return;
            }
        }
    }
});

fn check(manifest: &Manifest) {
    assert!(manifest.image_bytes() <= MAX_IMAGE_BYTES);
    assert!(manifest.chunks().len() as u64 <= MAX_PIECES);
    assert!(manifest.stored_bytes() <= manifest.image_bytes());
}
