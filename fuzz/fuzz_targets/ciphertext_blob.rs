//! Any bytes are a blob or are refused, and what a blob says of itself has the shape it must.
#![no_main]

use keyward_keys::ciphertext_blob::{CiphertextBlob, MAX_BLOB, OVERHEAD};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(blob) = CiphertextBlob::parse(bytes) else {
        return;
    };
    assert!(bytes.len() > OVERHEAD && bytes.len() <= MAX_BLOB);
    let arn = blob.key();
    assert_eq!(arn.partition(), arn.region().partition());
    assert_eq!(blob.material_id().to_string().len(), 64);
});
