//! The two operations of KMS that a provider needs.

use keyward_crypto::secret::SecretBytes;
use tokio::time::Instant;

use crate::{context::Context, fault::Fault};

/// What was encrypted.
#[derive(Debug)]
pub struct Encrypted {
    /// The ciphertext blob.
    pub blob: Vec<u8>,
    /// The key's ARN.
    pub key_arn: String,
}

/// What was decrypted.
#[derive(Debug)]
pub struct Decrypted {
    /// The plaintext.
    pub plaintext: SecretBytes,
    /// The key's ARN.
    pub key_arn: String,
    /// The id of the material that it was decrypted with, if the key has such ids.
    pub material: Option<String>,
}

/// A KMS. Each call ends by the time that it is given.
pub trait Kms: Send + Sync + 'static {
    /// Encrypts under a key.
    fn encrypt(
        &self,
        key: &str,
        plaintext: &SecretBytes,
        context: &Context,
        by: Instant,
    ) -> impl Future<Output = Result<Encrypted, Fault>> + Send;

    /// Decrypts what was encrypted under that key and no other.
    fn decrypt(
        &self,
        key: &str,
        blob: &[u8],
        context: &Context,
        by: Instant,
    ) -> impl Future<Output = Result<Decrypted, Fault>> + Send;
}
