//! What `keyward-crypto` promises, held against published vectors and the compiler.

mod arena;
mod secret_types;
mod seals;
mod vectors;
