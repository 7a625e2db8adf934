//! What `keyward-crypto` promises, compared with published vectors and the compiler.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may fail loudly")]

mod arena;
mod seals;
mod secret_types;
mod vectors;
mod verify;
