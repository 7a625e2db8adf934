//! Health and metrics over HTTP, at the paths that aws-encryption-provider has.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, time::Instant};

use crate::{fault::Fault, kms::Kms, limits::CHECK_TIMEOUT, metrics::Metrics, provider::Provider};

/// The most connections at once.
const MAX_CONNECTIONS: usize = 32;
/// How long the head of a request, and the answer to it, may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked about, and where.
#[derive(Debug)]
pub struct Site<K> {
    /// All providers of the plugin.
    pub providers: Vec<Arc<Provider<K>>>,
    /// The calls of KMS.
    pub metrics: Arc<Metrics>,
    /// The path of the check that fails while a key cannot be used.
    pub healthz: String,
    /// The path of the check that fails if starting again may help.
    pub livez: String,
}

/// Serves for as long as it is polled.
pub async fn serve<K: Kms>(listener: TcpListener, site: Arc<Site<K>>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let site = Arc::clone(&site);
                async move {
                    Ok::<_, Infallible>(site.answer(request.method(), request.uri().path()).await)
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(PATIENCE * 2, connection).await {
                tracing::debug!(%error, "a connection for a health check ended");
            }
            drop(place);
        });
    }
}

impl<K: Kms> Site<K> {
    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            return text(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET is served here\n".to_owned(),
            );
        }
        if path == self.healthz {
            checked(self.check(false).await)
        } else if path == self.livez {
            checked(self.check(true).await)
        } else if path == "/metrics" {
            text(StatusCode::OK, self.metrics.render())
        } else {
            let served = format!(
                "only {}, {} and /metrics are served here\n",
                self.healthz, self.livez
            );
            text(StatusCode::NOT_FOUND, served)
        }
    }

    async fn check(&self, live: bool) -> Result<(), Fault> {
        for provider in &self.providers {
            let by = Instant::now() + CHECK_TIMEOUT;
            if live {
                provider.live(by).await?;
            } else {
                provider.healthy(by).await?;
            }
        }
        Ok(())
    }
}

fn checked(result: Result<(), Fault>) -> Response<Full<Bytes>> {
    match result {
        Ok(()) => text(StatusCode::OK, "OK".to_owned()),
        Err(fault) => text(StatusCode::INTERNAL_SERVER_ERROR, fault.to_string()),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
