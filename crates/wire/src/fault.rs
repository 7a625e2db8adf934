//! An error on its way to the wire: code, HTTP status and message, and its body in each protocol.

use std::borrow::Cow;

use crate::json::Writer;
use crate::xml;

/// An error as AWS names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The bare shape name (`NotFoundException`) or Query code (`NoSuchEntity`).
    pub code: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// The text; many KMS errors have none.
    pub message: Option<Cow<'static, str>>,
}

impl Fault {
    /// A fault without message.
    pub fn new(code: impl Into<Cow<'static, str>>, status: u16) -> Self {
        Self {
            code: code.into(),
            status,
            message: None,
        }
    }

    /// The same fault with a message.
    #[must_use]
    pub fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: Some(message.into()),
            ..self
        }
    }

    /// The body of the AWS JSON protocol: `{"__type":…,"message":…}`, no message when there is
    /// none.
    pub fn json(&self) -> Vec<u8> {
        // The authorization layer of AWS, which speaks for every service, writes it so.
        let name = if self.code == "AccessDeniedException" {
            "Message"
        } else {
            "message"
        };
        Writer::render(64, |body| {
            body.string("__type", &self.code);
            if let Some(message) = &self.message {
                body.string(name, message);
            }
        })
    }

    /// The body of the AWS Query protocol.
    pub fn query(&self, about: &xml::About<'_>) -> Vec<u8> {
        let message = self.message.as_deref().unwrap_or_default();
        xml::error(about, &self.code, self.status, message)
    }
}
