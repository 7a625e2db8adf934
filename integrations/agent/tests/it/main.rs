//! What an agent does, on a simulated machine that fails anywhere.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may fail loudly")]

mod histories;
mod machine;
