//! KMS below the wire, with clocks that move.

mod counts;
mod due;
mod grants;
mod world;
