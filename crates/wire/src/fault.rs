//! An error on its way to the wire: code, HTTP status and message, and its body in each protocol.

use std::borrow::Cow;

use crate::{
    echo,
    json::{DecodeError, Rejected, Writer},
    query::ParamsError,
    xml,
};

/// An error as AWS names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The bare shape name (`NotFoundException`) or Query code (`NoSuchEntity`).
    pub code: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// The message; many KMS errors have none.
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

    /// The same fault with a message, of which at most [`echo::MAX_MESSAGE`] bytes are sent.
    #[must_use]
    pub fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: Some(echo::message(message, echo::MAX_MESSAGE)),
            ..self
        }
    }

    /// The version for callers that are not authenticated.
    #[must_use]
    pub fn for_strangers(self) -> Self {
        let shorten = |message| echo::message::<'static>(message, echo::MAX_STRANGERS_MESSAGE);
        Self {
            message: self.message.map(shorten),
            ..self
        }
    }

    /// The body of the AWS JSON protocol: `{"__type":…,"message":…}`, no message when there is
    /// none.
    pub fn json(&self) -> Vec<u8> {
        let name = self.message_name();
        Writer::render(64, |body| {
            body.string("__type", &self.code);
            if let Some(message) = &self.message {
                body.string(name, message);
            }
        })
    }

    /// The body of REST-JSON, whose code stands in the field [`ERROR_TYPE`](crate::response::ERROR_TYPE).
    pub fn rest(&self) -> Vec<u8> {
        let name = self.message_name();
        Writer::render(64, |body| {
            if let Some(message) = &self.message {
                body.string(name, message);
            }
        })
    }

    /// The name of the message in JSON: AWS's authorization layer, which all services share, writes
    /// it with a capital letter.
    fn message_name(&self) -> &'static str {
        if self.code == "AccessDeniedException" {
            "Message"
        } else {
            "message"
        }
    }

    /// The body of the AWS Query protocol.
    pub fn query(&self, about: &xml::About<'_>) -> Vec<u8> {
        let message = self.message.as_deref().unwrap_or_default();
        xml::error(about, &self.code, self.status, message)
    }
}

/// `SerializationException`, or 413 for a body over the limit.
impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        let text = match error {
            DecodeError::TooLarge => {
                return Self::new("RequestEntityTooLargeException", 413)
                    .with_message("The request body is too large.");
            }
            DecodeError::Syntax => "Unexpected token",
            DecodeError::NotAnObject => "The request body must be a JSON object.",
            DecodeError::TooDeep => "The request body is nested too deeply.",
            DecodeError::TooMany => "The request body holds too many values.",
            DecodeError::DuplicateName => "A member name must not occur twice in one JSON object.",
        };
        Self::new("SerializationException", 400).with_message(text)
    }
}

/// `MalformedQueryString`, or 413 for a request over the limit.
impl From<ParamsError> for Fault {
    fn from(error: ParamsError) -> Self {
        let text = match error {
            ParamsError::TooLarge => {
                return Self::new("RequestEntityTooLarge", 413)
                    .with_message("The request is too large.");
            }
            ParamsError::TooMany => "The request has too many parameters.",
            ParamsError::NotUtf8 => "A parameter of the request is not UTF-8.",
            ParamsError::Duplicate => "A parameter name must not occur twice.",
            ParamsError::Contradiction => "Parameter names of the request contradict each other.",
        };
        Self::new("MalformedQueryString", 400).with_message(text)
    }
}

/// The name differs by protocol, and by whether a type or a constraint of the model is broken.
impl From<&Rejected> for Fault {
    fn from(rejected: &Rejected) -> Self {
        let code = match rejected {
            Rejected::Serialization(_) => "SerializationException",
            Rejected::MalformedInput(_) => "MalformedInput",
            Rejected::Validation(_) => "ValidationException",
            Rejected::QueryValidation(_) => "ValidationError",
        };
        Self::new(code, 400).with_message(rejected.to_string())
    }
}
