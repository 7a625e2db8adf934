//! The answer to a browser or `curl`, which send no signature: what this server is.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use keyward_engine::service::Services;
use keyward_services::apis;

/// What the server is, and how to use it.
static ABOUT: LazyLock<String> = LazyLock::new(|| {
    let titles = apis::titles();
    let (last, others) = titles.split_last().unwrap_or((&"", &[]));
    format!(
        "This is Keyward: key management with the APIs of AWS {} and {last}.\n\n{USE}",
        others.join(", ")
    )
});

const USE: &str = "\
It answers AWS clients, not browsers. Point the AWS CLI or an AWS SDK at this server:

    export AWS_ENDPOINT_URL=<this URL>
    aws sts get-caller-identity

On the server's machine, `keyward env --data-dir DIR` prints the URL and credentials.
/healthz and /readyz tell whether the server works.
";

/// Whether this is a visit by a browser: a GET or HEAD without parameters and without a signature,
/// which no AWS client sends, and of a path that belongs to no API.
pub fn is_asked<B>(request: &Request<B>, services: &Services) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && request.uri().query().is_none()
        && !request.headers().contains_key(header::AUTHORIZATION)
        && !request.headers().contains_key("x-amz-target")
        && services.rest(None, request.uri().path()).is_none()
}

/// The answer: 200 for `/`, and 404 for every other path.
pub fn answer(path: &str) -> Response<Bytes> {
    let (status, text) = if path == "/" {
        (StatusCode::OK, Bytes::from_static(ABOUT.as_bytes()))
    } else {
        let text = format!("There is nothing at this path.\n\n{}", *ABOUT);
        (StatusCode::NOT_FOUND, text.into())
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
