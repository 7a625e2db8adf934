//! Encrypted volumes on this machine, for `keyward volume`: where the block engine, the kernel and KMS meet.
//!
//! Each attached volume has a process of its own ([`keeper`]), which has the data key unwrapped itself ([`source`]). Commands
//! speak with it through a socket that only its user can open ([`control`]).
//!
//! For the agent of a machine there is besides what needs no server to be decided: volumes without encryption ([`plain`]), the
//! socket through which commands reach the agent ([`door`]), and its calls to the server ([`talk`]).
#![forbid(unsafe_code)]

pub mod backup;
pub mod blocks;
pub mod control;
pub mod door;
pub mod identity;
pub mod image;
pub mod keeper;
pub mod key;
mod kill;
pub mod kms;
pub mod nameless;
pub mod plain;
pub mod report;
pub mod source;
pub mod state;
pub mod talk;
pub mod units;
pub mod verdict;
