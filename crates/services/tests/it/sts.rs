//! STS end to end below the wire, with clocks that move: who may assume what, what sessions may
//! do, and when they end.

mod chains;
mod roles;
mod sessions;
mod web_identity;
