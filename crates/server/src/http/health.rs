//! `/healthz` and `/readyz`: two paths that belong to no API.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use keyward_engine::front::Front;

/// Whether a path is one of the two.
pub fn is_asked(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// The answer to a health question, if the path is one.
///
/// `/healthz` says that the process answers. `/readyz` says whether requests can succeed: the
/// store and the audit trail take writes and the disk has room; else 503 with a reason a line.
pub fn answer(path: &str, front: &Front) -> Option<Response<Bytes>> {
    let (status, text) = match path {
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => {
            let reasons = front.not_ready();
            if reasons.is_empty() {
                (StatusCode::OK, "ready\n".to_owned())
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
            }
        }
        _ => return None,
    };
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Some(response)
}
