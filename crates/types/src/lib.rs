//! The vocabulary of Keyward: newtypes that parse, and nothing else.
//!
//! Nothing here does I/O, reads a clock or knows policies. Every type that comes from outside has a
//! `parse` that bounds its length and its characters, so that inside there is no `&str` for a key,
//! an account or a Region.
#![forbid(unsafe_code)]

pub mod account;
pub mod action;
pub mod alias;
pub mod arn;
pub mod encryption_context;
pub mod grant;
pub mod key_id;
pub mod key_spec;
pub mod key_state;
pub mod material_id;
pub mod network;
pub mod organization;
pub mod partition;
pub mod principal;
pub mod region;
pub mod session;
pub mod shown;
pub mod storage;
pub mod store_id;
pub mod tag;
mod text_id;
pub mod time;
pub mod unique_id;
pub mod via_service;
pub mod vpc;
