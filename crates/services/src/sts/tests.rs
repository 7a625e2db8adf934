//! STS end to end below the wire, with clocks that move: who may assume what, what sessions may
//! do, and when they end.

pub(crate) mod answer;
mod chains;
pub(crate) mod issuer;
mod roles;
mod sessions;
mod signing;
mod watched;
mod web_identity;
pub(crate) mod world;
