//! AWS on the wire: bytes to types and back, without meaning.
#![forbid(unsafe_code)]
