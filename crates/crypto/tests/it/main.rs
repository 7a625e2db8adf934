//! What `keyward-crypto` promises, held against published vectors and the compiler.

mod arena;
mod seals;
mod secret_types;
mod vectors;
