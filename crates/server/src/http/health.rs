//! `/healthz` and `/readyz`, the two paths that belong to no API.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use keyward_engine::front::Front;

/// Whether a path is one of these two.
pub fn is_asked(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// The answer, if the path is one of these two.
///
/// `/healthz` shows that the process answers. `/readyz` shows whether requests can succeed, that
/// is, whether the store and the audit trail accept writes and the disk has room. If not, it
/// answers 503 with one reason on each line.
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
