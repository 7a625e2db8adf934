//! Baseline (a): hyper answers a fixed body and does nothing else.

use std::{convert::Infallible, future::Future, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Arguments of the bare baseline.
#[derive(Debug, clap::Args)]
pub struct Bare {
    /// Bytes of the answer's body.
    #[arg(long)]
    body_bytes: usize,
}

/// Serves until killed.
pub fn serve(bare: &Bare) -> anyhow::Result<()> {
    let body = Bytes::from("x".repeat(bare.body_bytes));
    listen(move |request: Request<Incoming>| {
        let body = body.clone();
        async move {
            // Keyward reads the body too.
            let _ = request.into_body().collect().await;
            answer(body)
        }
    })
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// An answer with the headers that Keyward sends: the same bytes go to the client.
pub fn answer(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.reserve(8);
    for (name, value) in [
        (REQUEST_ID, "1234abcd-12ab-34cd-56ef-1234567890ab"),
        (header::CONTENT_TYPE, "application/x-amz-json-1.1"),
        (header::SERVER, "Server"),
        (
            header::CACHE_CONTROL,
            "no-cache, no-store, must-revalidate, private",
        ),
        (header::EXPIRES, "0"),
        (header::PRAGMA, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Serves HTTP/1.1 on a free port with tokio's usual runtime, as Keyward does, and prints the
/// address.
pub fn listen<F, R>(respond: F) -> anyhow::Result<()>
where
    F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let respond = Arc::new(respond);
    runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let respond = Arc::clone(&respond);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = respond(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                let _ = connection.await;
            });
        }
    })
}
