//! Saying what a request must be refused with.

use std::{error::Error, fmt::Debug};

use aws_sdk_kms::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

/// The request was refused with exactly this code, this message and HTTP status 400.
#[track_caller]
pub fn refused<T: Debug, E: Error + ProvideErrorMetadata>(
    result: Result<T, SdkError<E, HttpResponse>>,
    code: &str,
    message: &str,
) {
    refused_with(400, result, code, message);
}

/// The request was refused with exactly this HTTP status, code and message.
#[track_caller]
pub fn refused_with<T: Debug, E: Error + ProvideErrorMetadata>(
    status: u16,
    result: Result<T, SdkError<E, HttpResponse>>,
    code: &str,
    message: &str,
) {
    let error = match result {
        Ok(answer) => panic!("it was answered, not refused with {code}: {answer:?}"),
        Err(error) => error,
    };
    let found = (
        error.raw_response().map(|raw| raw.status().as_u16()),
        error.code(),
        error.message().unwrap_or_default(),
    );
    assert_eq!(found, (Some(status), Some(code), message), "{error:?}");
}

/// The message of a `ValidationException` about one member that breaks the model.
pub fn invalid(value: &str, member: &str, constraint: &str) -> String {
    let space = if value.is_empty() { "" } else { " " };
    format!(
        "1 validation error detected: Value{space}{value} at '{member}' failed to satisfy constraint: {constraint}"
    )
}
