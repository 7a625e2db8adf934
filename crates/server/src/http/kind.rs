//! How a request is treated, according to its head.

use http::{HeaderMap, StatusCode, Version, header};
use keyward_engine::service::Services;

use crate::http::{about, health};

/// The most headers of a request. The HTTP library has the same limit for HTTP/1.1.
const MAX_HEADERS: usize = 100;

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request to an API.
    Request,
    /// A health check.
    Health,
    /// A visit by a browser.
    About,
    /// A request that is dropped, with the reason.
    Refused(Refusal),
}

/// Why a request is dropped at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has too many headers.
    TooManyHeaders,
    /// Its body has a transfer coding that is not supported.
    UnknownCoding,
}

impl Refusal {
    /// What metrics call it.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooManyHeaders => "RequestHeaderFieldsTooLarge",
            Self::UnknownCoding => "NotImplemented",
        }
    }

    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UnknownCoding => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

impl Kind {
    /// The kind of a request to a server with these APIs.
    pub fn of<B>(request: &http::Request<B>, services: &Services) -> Self {
        let headers = request.headers();
        if headers.len() > MAX_HEADERS {
            Self::Refused(Refusal::TooManyHeaders)
        } else if request.version() < Version::HTTP_2 && has_unknown_coding(headers) {
            Self::Refused(Refusal::UnknownCoding)
        } else if request.method() == http::Method::GET && health::is_asked(request.uri().path()) {
            Self::Health
        } else if about::is_asked(request, services) {
            Self::About
        } else {
            Self::Request
        }
    }
}

/// Whether a body has any transfer coding besides `chunked`. The HTTP library looks only at the
/// last one.
///
/// <https://www.rfc-editor.org/rfc/rfc9112#section-6.1>
fn has_unknown_coding(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(header::TRANSFER_ENCODING).iter();
    fields.any(|field| !field.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chunked_is_known() {
        let unknown = |fields: &[&'static str]| {
            let values = fields
                .iter()
                .map(|value| http::HeaderValue::from_static(value));
            has_unknown_coding(
                &values
                    .map(|value| (header::TRANSFER_ENCODING, value))
                    .collect(),
            )
        };
        assert!(!unknown(&[]));
        assert!(!unknown(&["chunked"]) && !unknown(&["CHUNKED"]));
        for fields in [
            &["gzip, chunked"][..],
            &["gzip", "chunked"],
            &["chunked, chunked"],
            &[""],
        ] {
            assert!(unknown(fields), "{fields:?}");
        }
    }
}
