//! Grants: delegations on one KMS key, each with a grantee, operations and constraints.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/grants.html>
//!
//! A grant is found by index, never by a scan, however many grants a key has; see
//! `docs/decisions/0005-grants-are-found-by-index.md` for how.

pub mod counts;
pub mod index;
pub mod lookup;
pub mod named;
pub mod party;
pub mod record;
pub mod terms;
pub mod token;
pub mod write;
