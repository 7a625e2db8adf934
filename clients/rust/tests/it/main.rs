//! Every operation that Keyward serves, called by the AWS SDK for Rust as everybody has it.

mod aliases;
mod cryptography;
mod errors;
mod grants;
mod identity;
mod key_policies;
mod keys;
mod rotation;
mod tags;
mod world;
