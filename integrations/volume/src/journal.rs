//! The journal: every change is appended to it before anything else, so that a block and its tag change
//! together. There are two regions. When one is full, the other takes over, and what is in the full one goes
//! home.

pub(crate) mod flusher;
pub(crate) mod index;
pub(crate) mod log;
pub mod record;
pub(crate) mod replay;
