//! Any bytes are a manifest, a chunk or a stream, or are refused; what is taken has one form, and is within its limits.
#![no_main]

use keyward_copies::{
    Hash, MAX_IMAGE_BYTES, MAX_PIECES, Manifest, Packed,
    stream::{Frame, Frames},
};
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
    if let Ok(packed) = Packed::parse(bytes.to_vec()) {
        assert_eq!(packed.as_bytes(), bytes);
        check_chunk(&packed);
    }
    let Ok(mut frames) = Frames::begin(bytes) else {
        return;
    };
    let mut chunks = Vec::new();
    while let Ok(frame) = frames.next() {
        match frame {
            Frame::Piece(chunk, packed) => {
                assert_eq!(chunk.stored_bytes as usize, packed.as_bytes().len());
                assert_eq!(chunk.hash, packed.hash());
                check_chunk(&packed);
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
    // A header and a bitmap for each.
    let more = manifest.chunks().len() as u64 * (16 + 4096);
    assert!(manifest.stored_bytes() <= manifest.image_bytes() + more);
}

/// Packs the piece of a chunk again.
fn check_chunk(packed: &Packed) {
    assert!(packed.piece_bytes() <= 128 << 20);
    let mut piece = vec![0; packed.piece_bytes() as usize];
    for (start, run) in packed.runs() {
        piece[start..start + run.len()].copy_from_slice(run);
    }
    assert_eq!(packed.hash(), Hash::of(&piece));
    assert_eq!(Packed::pack(&piece).as_ref(), Some(packed));
}
