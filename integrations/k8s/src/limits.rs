//! What is taken from others, and how much of it.

use std::time::Duration;

/// The longest plaintext, in bytes: KMS encrypts no more at once. An API server sends 32.
pub const MAX_PLAINTEXT: usize = 4096;
/// The longest ciphertext that an API server takes, in bytes.
pub const MAX_CIPHERTEXT: usize = 1024;
/// The longest ciphertext that is decrypted, in bytes: KMS takes 6,144, and a prefix stands before it.
pub const MAX_OLD_CIPHERTEXT: usize = 6145;
/// The longest key id, in bytes, as an API server has it.
pub const MAX_KEY_ID: usize = 1024;
/// The most bytes of all annotations, names and values, as an API server has it.
pub const MAX_ANNOTATIONS: usize = 32 << 10;
/// The longest id of a request, in bytes.
pub const MAX_UID: usize = 1024;
/// The longest message, in bytes: everything above together, and a little more.
pub const MAX_MESSAGE: usize = 64 << 10;
/// The most connections to one socket. An API server has one for each provider.
pub const MAX_CONNECTIONS: usize = 16;
/// The most calls of one connection at the same time. Those beyond [`MAX_AT_ONCE`] wait.
pub const MAX_CALLS: u32 = 16;
/// The most calls of Encrypt and Decrypt at the same time, of all sockets together. Each has a connection to KMS. Status
/// does not count: all who ask share one test of the key.
pub const MAX_AT_ONCE: usize = 64;
/// The most connections at once for health checks and metrics.
pub const MAX_CHECKS: usize = 32;
/// The most keys of one plugin.
pub const MAX_KEYS: usize = 16;
/// The most encryption contexts, or other keys, that objects may have.
pub const MAX_OTHERS: usize = 16;
/// How long a call may take, unless the API server gives it less time.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a test of the key may take. An API server asks again 10 seconds after a bad answer, by when the last test has
/// ended, and its result does not count any more.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a health check may take: shorter than an API server waits, which may ask about the key meanwhile.
pub const CHECK_TIMEOUT: Duration = Duration::from_millis(2500);
