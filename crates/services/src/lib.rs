//! What each API does: operations, the pipeline, audit.
#![forbid(unsafe_code)]
