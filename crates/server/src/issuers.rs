//! Issuers of web identities: their documents are fetched over `https` from permitted addresses, or
//! their key sets are read from files.
//!
//! A name is resolved once, the address is checked, and the connection goes to exactly that
//! address. A name that resolves differently later gains nothing.

pub mod address;

use std::{
    collections::HashMap,
    fs, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use keyward_client::trust;
use keyward_oidc::{
    fetch::{Fetch, FetchError, Fetching, MAX_DOCUMENT_BYTES},
    issuers::Issuers,
    jwks::KeySet,
    url::HttpsUrl,
};
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, sync::Semaphore, task::JoinSet};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::config::{OidcOptions, PrivateHost};

/// How many addresses of one name are tried.
const MAX_ADDRESSES: usize = 4;
/// How many documents are fetched at once. Others wait, and their time limit includes the wait.
const MAX_FETCHES: usize = 16;
/// The port of issuers that are not in the configuration.
const HTTPS: u16 = 443;
/// The most header bytes of an answer.
const MAX_HEADER_BYTES: usize = 16 << 10;

/// Creates the verifier of web identities from the configuration.
///
/// # Errors
/// When a file that the configuration names cannot be read.
pub fn issuers(options: &OidcOptions) -> anyhow::Result<Issuers> {
    let mut configured = HashMap::new();
    for (issuer, path) in &options.jwks_files {
        configured.insert(issuer.clone(), key_set(path)?);
    }
    let ca_file = options.ca_file.as_deref();
    let ca_file = ca_file.map(|path| ("`oidc.ca_file`", path));
    let fetch = HttpsFetch {
        tls: TlsConnector::from(Arc::new(trust::client_config(ca_file)?)),
        private: options.private.clone(),
        timeout: options.timeout,
        places: Semaphore::new(MAX_FETCHES),
    };
    Ok(Issuers::new(Arc::new(fetch), configured))
}

fn key_set(path: &Path) -> anyhow::Result<KeySet> {
    let shown = path.display();
    let document = fs::read(path).with_context(|| format!("{shown} cannot be read"))?;
    let keys =
        KeySet::parse(&document).with_context(|| format!("{shown} is not a key set (JWKS)"))?;
    if keys.is_empty() {
        bail!("{shown} has no key that can verify a token: RS256 to RS512 and ES256 to ES512 can");
    }
    Ok(keys)
}

/// Fetches over `https`.
struct HttpsFetch {
    tls: TlsConnector,
    private: Vec<PrivateHost>,
    timeout: Duration,
    places: Semaphore,
}

impl Fetch for HttpsFetch {
    fn fetch<'a>(&'a self, url: &'a HttpsUrl) -> Fetching<'a> {
        Box::pin(async move {
            tokio::time::timeout(self.timeout, self.exchange(url))
                .await
                .unwrap_or(Err(FetchError::TimedOut))
        })
    }
}

impl HttpsFetch {
    async fn exchange(&self, url: &HttpsUrl) -> Result<Vec<u8>, FetchError> {
        let _place = self.places.acquire().await;
        let stream = self.connect(url).await?;
        let mut client = hyper::client::conn::http1::Builder::new();
        client.max_buf_size(MAX_HEADER_BYTES);
        let (mut sender, connection) = client
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| FetchError::Connection)?;
        // Dropped when this function returns, whatever the other side does.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::get(url.target())
            .header(header::HOST, url.authority())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "keyward")
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|_| FetchError::Connection)?;
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|_| FetchError::Connection)?;
        match answer.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(FetchError::Redirect),
            status => return Err(FetchError::Status(status.as_u16())),
        }
        let body = Limited::new(answer.into_body(), MAX_DOCUMENT_BYTES);
        let body = body.collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                FetchError::TooLarge
            } else {
                FetchError::Connection
            }
        })?;
        Ok(body.to_bytes().to_vec())
    }

    async fn connect(&self, url: &HttpsUrl) -> Result<TlsStream<TcpStream>, FetchError> {
        let name = ServerName::try_from(url.host().to_owned()).map_err(|_| FetchError::Name)?;
        let stream = self.connect_tcp(url).await?;
        self.tls.connect(name, stream).await.map_err(|error| {
            let tls = error
                .get_ref()
                .is_some_and(|cause| cause.is::<rustls::Error>());
            if tls {
                FetchError::Tls
            } else {
                FetchError::Connection
            }
        })
    }

    async fn connect_tcp(&self, url: &HttpsUrl) -> Result<TcpStream, FetchError> {
        let private = self.private.iter().find(|private| {
            private.host.eq_ignore_ascii_case(url.host()) && private.port == url.port()
        });
        if private.is_none() && url.port() != HTTPS {
            return Err(FetchError::NotAllowed);
        }
        let may_reach = |address: IpAddr| {
            let allowed =
                |private: &PrivateHost| private.addresses.iter().any(|net| net.contains(address));
            address::is_public(address) || private.is_some_and(allowed)
        };
        let found = resolve(url).await.map_err(|_| FetchError::Name)?;
        if found.is_empty() {
            return Err(FetchError::Name);
        }
        let mut failure = FetchError::NotAllowed;
        let reachable = found.into_iter().filter(|address| may_reach(address.ip()));
        for address in reachable.take(MAX_ADDRESSES) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(_) => failure = FetchError::Connection,
            }
        }
        Err(failure)
    }
}

async fn resolve(url: &HttpsUrl) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = url.host().parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, url.port())]);
    }
    Ok(tokio::net::lookup_host((url.host(), url.port()))
        .await?
        .collect())
}

impl std::fmt::Debug for HttpsFetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpsFetch")
            .field("private", &self.private)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
