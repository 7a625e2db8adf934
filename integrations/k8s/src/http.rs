//! Health and metrics over HTTP, at the paths that aws-encryption-provider has.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    aws::Shared,
    kms::Kms,
    limits::{CHECK_TIMEOUT, MAX_CHECKS},
    provider::Provider,
    socket::Place,
};

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may take: the head, the answer, and sending it.
const PATIENCE: Duration = Duration::from_secs(15);
/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(500);

/// What is asked about, and where.
#[derive(Debug)]
pub struct Site<K> {
    /// All providers of the plugin.
    pub providers: Vec<Arc<Provider<K>>>,
    /// Where their sockets are.
    pub sockets: Vec<Place>,
    /// What has counted the calls of KMS.
    pub shared: Arc<Shared>,
    /// The path of the check that fails while a key cannot be used.
    pub healthz: String,
    /// The path of the check that fails when a restart of the plugin helps.
    pub livez: String,
}

/// Serves for as long as it is polled.
pub async fn serve<K: Kms>(listener: TcpListener, site: Arc<Site<K>>) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection for a health check cannot be accepted");
                sleep(PAUSE).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        // Whoever only holds connections open does not keep others from asking.
        if open.len() >= MAX_CHECKS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let connection = tokio::spawn(connection(stream, Arc::clone(&site)));
        open.push_back(connection.abort_handle());
    }
}

async fn connection<K: Kms>(stream: TcpStream, site: Arc<Site<K>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.answer(request.method(), request.uri().path()).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = timeout(PATIENCE, connection).await {
        tracing::debug!(%error, "a connection for a health check ended");
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
            checked(self.healthy().await)
        } else if path == self.livez {
            checked(self.live())
        } else if path == "/metrics" {
            text(StatusCode::OK, self.shared.metrics.render())
        } else {
            let served = format!(
                "only {}, {} and /metrics are served here\n",
                self.healthz, self.livez
            );
            text(StatusCode::NOT_FOUND, served)
        }
    }

    /// Whether all keys can be used.
    async fn healthy(&self) -> Result<(), String> {
        self.live()?;
        let by = Instant::now() + CHECK_TIMEOUT;
        for provider in &self.providers {
            provider
                .healthy(by)
                .await
                .map_err(|fault| fault.to_string())?;
        }
        Ok(())
    }

    /// Whether an API server can connect. It is all that a restart helps against: what is wrong with a key, KMS, the
    /// network or credentials is found to be right again without one.
    fn live(&self) -> Result<(), String> {
        match self.sockets.iter().find(|socket| !socket.has_it()) {
            None => Ok(()),
            Some(socket) => Err(format!(
                "the socket {} is gone or was replaced: restart the plugin",
                socket.path().display()
            )),
        }
    }
}

fn checked(result: Result<(), String>) -> Response<Full<Bytes>> {
    match result {
        Ok(()) => text(StatusCode::OK, "OK".to_owned()),
        Err(said) => text(StatusCode::INTERNAL_SERVER_ERROR, said),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use std::fs;

    use keyward_crypto::secret::SecretBytes;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        task::JoinHandle,
    };

    use super::*;
    use crate::{
        context::Context,
        fault::Fault,
        kms::{Decrypted, Encrypted},
        limiter::{Limiter, Retries},
        metrics::Metrics,
        provider::Settings,
        socket::Socket,
    };

    /// A KMS that refuses everything.
    struct Closed;

    impl Kms for Closed {
        async fn encrypt(
            &self,
            _: &str,
            _: &SecretBytes,
            _: &Context,
            _: Instant,
        ) -> Result<Encrypted, Fault> {
            Err(Fault::Useless)
        }

        async fn decrypt(
            &self,
            _: &str,
            _: &[u8],
            _: &Context,
            _: Instant,
        ) -> Result<Decrypted, Fault> {
            Err(Fault::Useless)
        }
    }

    async fn served(sockets: Vec<Place>) -> (String, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let provider = Provider::new(Closed, Settings::default());
        let site = Site {
            providers: vec![Arc::new(provider)],
            sockets,
            shared: Arc::new(Shared {
                limiter: Limiter::new(0, 0),
                retries: Retries::new(0),
                metrics: Metrics::default(),
            }),
            healthz: "/healthz".to_owned(),
            livez: "/livez".to_owned(),
        };
        (address, tokio::spawn(serve(listener, Arc::new(site))))
    }

    /// Status and body.
    async fn get(address: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap();
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        format!("{status} {body}")
    }

    #[tokio::test]
    async fn whoever_only_connects_does_not_keep_others_from_asking() {
        let (address, _serving) = served(Vec::new()).await;
        let mut idle = Vec::new();
        for _ in 0..MAX_CHECKS {
            idle.push(TcpStream::connect(&address).await.unwrap());
        }
        assert_eq!(get(&address, "/livez").await, "200 OK");
        // The oldest one has made room.
        let mut byte = [0];
        assert_eq!(idle[0].read(&mut byte).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn a_restart_is_asked_for_when_the_socket_is_gone_and_not_when_kms_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let (socket, _listener) = Socket::bind(&path).await.unwrap();
        let (address, _serving) = served(vec![socket.place()]).await;
        let useless = "500 KMS does not decrypt what it has just encrypted: check --kms-endpoint";
        assert_eq!(get(&address, "/healthz").await, useless);
        assert_eq!(get(&address, "/livez").await, "200 OK");
        fs::remove_file(&path).unwrap();
        let gone = format!(
            "500 the socket {} is gone or was replaced: restart the plugin",
            path.display()
        );
        for check in ["/livez", "/healthz"] {
            assert_eq!(get(&address, check).await, gone);
        }
    }
}
