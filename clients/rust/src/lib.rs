//! The AWS SDK for Rust against a real server: the tests stand in `tests/it`, `./dev test` runs
//! them. A package of its own, outside the workspace, so that nobody who works on the server
//! compiles the SDK.
