//! Fixtures for tests: a server in the process, callers, a clock.
#![forbid(unsafe_code)]
