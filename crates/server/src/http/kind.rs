//! How a request is treated, as its head tells.

use http::{HeaderMap, StatusCode, Version, header};

use crate::http::{about, health};

/// The most headers of a request, which is also what the HTTP library takes of HTTP/1.1.
const MAX_HEADERS: usize = 100;

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is AWS's.
    Request,
    /// It asks how the server is.
    Health,
    /// It asks what the server is.
    About,
    /// It is dropped, for this reason.
    Refused(Refusal),
}

/// Why a request is dropped at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has too many headers.
    TooManyHeaders,
    /// Its body is encoded as nobody here decodes.
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
    /// The kind of a request.
    pub fn of<B>(request: &http::Request<B>) -> Self {
        let headers = request.headers();
        if headers.len() > MAX_HEADERS {
            Self::Refused(Refusal::TooManyHeaders)
        } else if request.version() < Version::HTTP_2 && has_unknown_coding(headers) {
            Self::Refused(Refusal::UnknownCoding)
        } else if request.method() == http::Method::GET && health::is_asked(request.uri().path()) {
            Self::Health
        } else if about::is_asked(request) {
            Self::About
        } else {
            Self::Request
        }
    }
}

/// Whether a body has another transfer coding than `chunked`, or that and others. The HTTP library
/// looks at the last one only.
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
