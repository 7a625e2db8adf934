//! KMS below the wire, with clocks that move.

mod due;
mod grants;
mod world;
