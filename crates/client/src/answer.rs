//! What a server that speaks JSON 1.1 answered, or why it did not.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::words;

/// Why KMS did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Nothing that KMS would say came back, or it could not be asked.
    NoAnswer(String),
    /// It refused.
    Refused {
        /// The status of the answer.
        status: u16,
        /// The error's code, such as `DisabledException`.
        code: String,
        /// Its own words.
        message: Option<String>,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(why) => f.write_str(why),
            Self::Refused {
                code,
                message: Some(message),
                ..
            } => write!(f, "{code}: {message}"),
            Self::Refused { code, .. } => f.write_str(code),
        }
    }
}

impl std::error::Error for Failure {}

/// What came of a call: the answer's body if the call was done.
///
/// # Errors
/// When it was refused, or there is no answer.
pub fn of_answer(
    answer: anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let (status, body) = answer.map_err(no_answer)?;
    if status.is_success() {
        return Ok(body);
    }
    Err(refused(status.as_u16(), &body))
}

/// The failure of what could not be asked or was not answered.
pub fn no_answer(error: anyhow::Error) -> Failure {
    Failure::NoAnswer(format!("{error:#}"))
}

/// What an answer that is no success says. One without a code is not from KMS, but perhaps from a proxy.
fn refused(status: u16, body: &[u8]) -> Failure {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |name: &str| value.get(name).and_then(Value::as_str);
    let Some(code) = member("__type") else {
        return Failure::NoAnswer(format!(
            "the server answered with status {status}, and not as KMS does"
        ));
    };
    let code = code.rsplit('#').next().unwrap_or_default();
    let message = member("message").or_else(|| member("Message"));
    Failure::Refused {
        status,
        code: words::shown(code),
        message: message.map(words::message),
    }
}

/// An answer's body as what it should be.
///
/// # Errors
/// When it is something else.
pub fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    // The error could quote the answer.
    serde_json::from_slice(body)
        .map_err(|_| Failure::NoAnswer("the server did not answer as KMS does".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_an_answer_of_something_else() {
        let of_kms = refused(
            400,
            br#"{"__type":"a.b#NotFoundException","message":"no key"}"#,
        );
        assert_eq!(of_kms.to_string(), "NotFoundException: no key");
        let capital = refused(400, br#"{"__type":"AccessDeniedException","Message":"no"}"#);
        assert_eq!(capital.to_string(), "AccessDeniedException: no");
        let long = format!(r#"{{"__type":"{0}","message":"{0}"}}"#, "x".repeat(5000));
        let long = refused(400, long.as_bytes()).to_string();
        assert_eq!(long.len(), words::MAX + ": ".len() + words::MAX_MESSAGE);
        let forged = refused(400, br#"{"__type":"A\u001b","message":"b\nERROR c"}"#);
        assert_eq!(forged.to_string(), r"A\u{1b}: b\nERROR c");
        for other in [&b"<html>"[..], b"{}", b""] {
            assert_eq!(
                refused(403, other).to_string(),
                "the server answered with status 403, and not as KMS does"
            );
        }
    }
}
