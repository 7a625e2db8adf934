//! Tests of the store as whoever uses it sees it.

mod cache;
mod conformance;
mod crash;
mod faults;
mod fixtures;
mod model;
mod sealed;
mod secrets;
