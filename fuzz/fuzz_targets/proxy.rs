//! Any bytes are a PROXY header or are refused, and a header does not depend on what follows it.
#![no_main]

use keyward_wire::proxy::{MAX_HEADER, ProxyError, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let outcome = parse(bytes);
    match outcome {
        Ok(proxied) => {
            assert!((1..=bytes.len().min(MAX_HEADER)).contains(&proxied.length));
            let (header, _) = bytes.split_at(proxied.length);
            assert_eq!(parse(header), outcome);
            let (part, _) = header.split_at(header.len() - 1);
            assert_eq!(parse(part), Err(ProxyError::Incomplete));
        }
        // Otherwise a stranger could have more kept than a header.
        Err(ProxyError::Incomplete) => assert!(bytes.len() < MAX_HEADER),
        Err(ProxyError::Malformed) => {}
    }
});
