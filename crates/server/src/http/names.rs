//! Header names as AWS writes them. HTTP/1.1 compares them without case, and some clients do not.
//!
//! Hyper writes `Content-Type` where it is told to begin words with capitals, and so it would write
//! `X-Amzn-Requestid`. The names of a message that it passes on it writes as it read them: they stand
//! in an extension that others can clone, and not make. So hyper reads one message that has the name.

use std::{convert::Infallible, sync::Mutex};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, duplex};

/// A message with the names that do not follow the rule.
const MESSAGE: &[u8] = b"GET / HTTP/1.1\r\nx-amzn-RequestId: 0\r\n\r\n";

/// What an answer must carry for its names to be written as AWS writes them.
pub async fn as_aws_writes_them() -> Extensions {
    let (mut near, far) = duplex(1024);
    if near.write_all(MESSAGE).await.is_err() {
        return Extensions::new();
    }
    let read = Mutex::new(Extensions::new());
    let service = service_fn(|request: Request<Incoming>| {
        if let Ok(mut read) = read.lock() {
            read.clone_from(request.extensions());
        }
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let connection = http1::Builder::new()
        .preserve_header_case(true)
        .keep_alive(false)
        .serve_connection(TokioIo::new(far), service);
    if let Err(error) = connection.await {
        tracing::warn!(%error, "the names of headers are not written as AWS writes them");
    }
    drop(near);
    read.into_inner().unwrap_or_default()
}
