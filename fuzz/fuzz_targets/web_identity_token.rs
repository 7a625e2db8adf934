//! Any token and any key set are read in peace, and none holds under keys it was not signed with.
//!
//! The input is text: a token, then a key set.
#![no_main]

use keyward_oidc::{
    jwks::{KeySet, SignatureVerdict},
    token::UnverifiedToken,
};
use libfuzzer_sys::fuzz_target;

/// The key of RFC 7515, appendix A.3.
const KEYS: &[u8] = br#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (token, keys) = text.split_once('\n').unwrap_or((text, ""));
    let token = match UnverifiedToken::parse(token) {
        Ok(token) => token,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(!token.issuer().is_empty());
    let known = KeySet::parse(KEYS).expect("a key set");
    assert_ne!(known.verify(&token), SignatureVerdict::Holds);
    if let Ok(keys) = KeySet::parse(keys.as_bytes()) {
        let _ = keys.verify(&token);
    }
});
