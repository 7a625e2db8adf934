//! A line in the log for each request, at the level `debug`.

use http::request::Parts;
use keyward_client::clock::SystemClock;
use keyward_engine::request::Answer;
use keyward_types::time::{Clock as _, Monotonic};

/// The most bytes that are logged of a text that the client sent.
const MAX_TEXT: usize = 200;

/// The time at which a request began, if it is to be logged.
#[derive(Debug)]
pub struct Begun(Option<(SystemClock, Monotonic)>);

impl Begun {
    /// Notes that a request begins.
    pub fn now() -> Self {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return Self(None);
        }
        let clock = SystemClock::new();
        let now = clock.monotonic();
        Self(Some((clock, now)))
    }

    /// Logs that the request was answered. An operation of the Query protocol is named in the body,
    /// so only the audit trail shows it.
    pub fn answered(self, head: &Parts, client: &str, answer: &Answer) {
        let Some((clock, begun)) = self.0 else {
            return;
        };
        let target = head.headers.get("x-amz-target");
        let target = target.and_then(|target| target.to_str().ok());
        tracing::debug!(
            request_id = %answer.request_id,
            client,
            method = %head.method,
            path = shortened(head.uri.path()),
            target = target.map(shortened),
            status = answer.status,
            bytes = answer.body.len(),
            millis = clock.monotonic().millis_since(begun),
            "request"
        );
    }
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT))
        .unwrap_or(text)
}
