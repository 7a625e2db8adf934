//! What a server of SCRAM-SHA-256 keeps instead of a password, in the form that PostgreSQL stores it.
//!
//! RFC 5802 says how it is made, RFC 7677 with which hash, and RFC 5803 how it is written.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use crate::{digest::sha256, mac::hmac_sha256};

/// How often the password is hashed: what PostgreSQL does, and the least that RFC 7677 allows.
pub const ITERATIONS: u32 = 4096;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;

/// What a server needs to check a password: nothing to sign in with, but a password can be guessed by it.
pub struct Keys {
    /// The hash of the client's key.
    pub stored: [u8; 32],
    /// With which the server proves that it has this.
    pub server: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// The keys of a password. It must be ASCII without control characters: nothing is prepared (RFC 4013).
pub fn keys(password: &[u8], salt: &[u8]) -> Keys {
    const COUNT: NonZeroU32 = match NonZeroU32::new(ITERATIONS) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    };
    let mut salted = Zeroizing::new([0; 32]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        COUNT,
        salt,
        password,
        salted.as_mut(),
    );
    let client = Zeroizing::new(hmac_sha256(salted.as_ref(), &[b"Client Key"]));
    Keys {
        stored: sha256(client.as_ref()),
        server: hmac_sha256(salted.as_ref(), &[b"Server Key"]),
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    /// The exchange of RFC 7677, section 3.
    #[test]
    fn the_example_of_rfc_7677_is_answered() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = keys(b"pencil", &salt);
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let exchange = format!(
            "n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}"
        );
        let signature = hmac_sha256(&keys.server, &[exchange.as_bytes()]);
        assert_eq!(
            STANDARD.encode(signature),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        // The client's proof, with the mask taken off, is its key, whose hash is stored.
        let proof = STANDARD
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let mask = hmac_sha256(&keys.stored, &[exchange.as_bytes()]);
        let client: Vec<u8> = proof.iter().zip(mask).map(|(a, b)| a ^ b).collect();
        assert_eq!(sha256(&client), keys.stored);
    }
}
