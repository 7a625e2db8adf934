//! Any bytes are a certificate of amazon-efs-utils or are refused, and what is read from one is within its limits.
#![no_main]

use keyward_nfs::certificate::{MAX_CERTIFICATE, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|der: &[u8]| {
    let Ok(parsed) = read(der) else {
        return;
    };
    assert!(der.len() <= MAX_CERTIFICATE);
    assert!((1..=128).contains(&parsed.file_system.len()));
    assert_eq!(parsed.certificate.public_key_hash.len(), 40);
    if let Some(identity) = parsed.certificate.identity {
        assert_eq!(identity.date_time.len(), 16);
        assert_eq!(identity.signature.len(), 64);
        assert!(
            identity
                .session_token
                .is_none_or(|token| token.len() <= 8192)
        );
    }
});
