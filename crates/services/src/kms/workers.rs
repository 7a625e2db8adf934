//! What the system itself owes keys and grants, without a caller.

pub mod due;
pub mod sweep;
