//! Tests of the store as whoever uses it sees it.

mod conformance;
