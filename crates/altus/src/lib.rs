//! How clients of Cloudera's control plane prove who they are, and how it tells errors: the protocol of the `cdp` CLI.
//!
//! A request is `POST /api/v1/SERVICE/OPERATION` with a JSON body. The field `x-altus-auth` names an access key and has a
//! signature over the method, the content type, the time, the path and the name of the algorithm. **Neither the body nor
//! the host is signed**: whoever sees a request can send its head again with another body while its time is good. So
//! whoever serves this protocol must demand TLS of everybody who is not on the same machine.
//!
//! Cloudera describes the signature by its client, <https://github.com/cloudera/cdpcli> (`cdpcli/auth.py`).
#![forbid(unsafe_code)]

pub mod claim;
pub mod error;

pub use claim::{Claim, Head, KeyId, Method, Refusal, Verified};

/// What the path of every request of the protocol begins with.
pub const PREFIX: &str = "/api/v1/";
