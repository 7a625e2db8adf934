//! Encrypted volumes on this machine, for `keyward volume`: where the block engine, the kernel and KMS meet.
//!
//! Each attached volume has a process of its own ([`keeper`]), which has the data key unwrapped itself ([`source`]). Commands
//! speak with it through a socket that only its user can open ([`control`]).
#![forbid(unsafe_code)]

pub mod backup;
pub mod blocks;
pub mod control;
pub mod identity;
pub mod image;
pub mod keeper;
pub mod key;
mod kill;
pub mod kms;
pub mod nameless;
pub mod report;
pub mod source;
pub mod state;
pub mod units;
pub mod verdict;
pub mod whereabouts;
