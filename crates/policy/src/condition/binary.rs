//! `BinaryEquals`: bytes written in base64, in the policy as in the request.

use base64::{Engine, engine::general_purpose::STANDARD};

pub(super) fn decode(text: &str) -> Option<Box<[u8]>> {
    STANDARD.decode(text).ok().map(Vec::into_boxed_slice)
}
