//! Errors as Cloudera's control plane tells them: `{"code":…,"message":…}`, with the codes of gRPC.

use serde::Serialize;

/// Something in the request is not valid.
pub const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";
/// What is asked for cannot be done in the state that something is in.
pub const FAILED_PRECONDITION: &str = "FAILED_PRECONDITION";
/// The caller is not proven.
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
/// The caller may not do it.
pub const PERMISSION_DENIED: &str = "PERMISSION_DENIED";
/// What was named does not exist.
pub const NOT_FOUND: &str = "NOT_FOUND";
/// What is to be created exists.
pub const ALREADY_EXISTS: &str = "ALREADY_EXISTS";
/// A limit or a rate is exceeded.
pub const RESOURCE_EXHAUSTED: &str = "RESOURCE_EXHAUSTED";
/// The operation is known, and not served here.
pub const UNIMPLEMENTED: &str = "UNIMPLEMENTED";
/// The request did not come in time.
pub const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
/// The server cannot do it for now.
pub const UNAVAILABLE: &str = "UNAVAILABLE";
/// The failure is on the server's side.
pub const INTERNAL: &str = "INTERNAL";

#[derive(Serialize)]
struct Body<'b> {
    code: &'b str,
    message: &'b str,
}

/// The code for an error that the layers which all protocols share tell in the words of AWS. A code of this module stays
/// what it is.
pub fn code(told: &str, status: u16) -> &str {
    const OWN: [&str; 11] = [
        INVALID_ARGUMENT,
        FAILED_PRECONDITION,
        UNAUTHENTICATED,
        PERMISSION_DENIED,
        NOT_FOUND,
        ALREADY_EXISTS,
        RESOURCE_EXHAUSTED,
        UNIMPLEMENTED,
        DEADLINE_EXCEEDED,
        UNAVAILABLE,
        INTERNAL,
    ];
    if OWN.contains(&told) {
        return told;
    }
    match (told, status) {
        ("UnsupportedOperationException", _) => UNIMPLEMENTED,
        ("UnknownOperationException", _) | (_, 404) => NOT_FOUND,
        ("AccessDeniedException", _) | (_, 403) => PERMISSION_DENIED,
        (_, 401) => UNAUTHENTICATED,
        (_, 408) => DEADLINE_EXCEEDED,
        (_, 429) => RESOURCE_EXHAUSTED,
        (_, 503) => UNAVAILABLE,
        (_, 500..) => INTERNAL,
        _ => INVALID_ARGUMENT,
    }
}

/// The body of an error.
pub fn body(told: &str, status: u16, message: Option<&str>) -> Vec<u8> {
    let code = code(told, status);
    let message = message.unwrap_or(match code {
        NOT_FOUND => "There is no such operation.",
        RESOURCE_EXHAUSTED => "Too many requests. Try again later.",
        INTERNAL => "The server could not process the request.",
        _ => "The request is not valid.",
    });
    // Two texts can always be written.
    serde_json::to_vec(&Body { code, message }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(told: &str, status: u16, message: Option<&str>) -> String {
        String::from_utf8(body(told, status, message)).unwrap()
    }

    #[test]
    fn an_error_has_a_code_of_grpc_and_always_a_message() {
        assert_eq!(
            text("AccessDeniedException", 403, Some("no \"way\"")),
            r#"{"code":"PERMISSION_DENIED","message":"no \"way\""}"#
        );
        assert_eq!(
            text(ALREADY_EXISTS, 409, Some("there")),
            r#"{"code":"ALREADY_EXISTS","message":"there"}"#
        );
        for (told, status, code) in [
            ("UnsupportedOperationException", 400, UNIMPLEMENTED),
            ("UnknownOperationException", 404, NOT_FOUND),
            ("SerializationException", 400, INVALID_ARGUMENT),
            ("ValidationException", 400, INVALID_ARGUMENT),
            ("RequestEntityTooLargeException", 413, INVALID_ARGUMENT),
            ("RequestTimeoutException", 408, DEADLINE_EXCEEDED),
            ("ThrottlingException", 429, RESOURCE_EXHAUSTED),
            ("ServiceUnavailable", 503, UNAVAILABLE),
            ("InternalFailure", 500, INTERNAL),
        ] {
            let body = text(told, status, None);
            assert!(
                body.starts_with(&format!(r#"{{"code":"{code}","message":"#)),
                "{body}"
            );
            assert!(!body.ends_with(r#""message":""}"#), "{body}");
        }
    }
}
