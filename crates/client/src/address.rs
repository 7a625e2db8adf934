//! One request to a server over HTTP, encrypted or not.

use std::{
    io,
    path::PathBuf,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use zeroize::Zeroizing;

use crate::{
    hosts::{Plaintext, is_of_aws, is_this_machine},
    trust, words,
};

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// An address of a server.
pub struct Address {
    tls: Option<TlsConnector>,
    host: String,
    port: u16,
}

impl Address {
    /// The address in a URL. With TLS, the certificates of the file that was given are trusted, or else of the
    /// environment's.
    ///
    /// # Errors
    /// If it is no URL, has more than scheme, host and port, may not be asked without encryption, or the certificates
    /// cannot be read.
    pub fn new(
        endpoint: &str,
        given: Option<(&str, PathBuf)>,
        bundle: Option<(&str, PathBuf)>,
        plaintext: Plaintext,
    ) -> anyhow::Result<Self> {
        let shown = shown(endpoint);
        let uri: http::Uri = endpoint
            .parse()
            .with_context(|| format!("`{shown}` is not a URL"))?;
        let Some(host) = uri.host() else {
            bail!("`{shown}` is not a URL: it names no host");
        };
        if endpoint.contains('@') {
            bail!(
                "the URL `{shown}` has a user name or a password, which no server is told: leave it out"
            );
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            bail!("the URL `{shown}` has a path, which would not be asked for: leave it out");
        }
        let (tls, port) = match uri.scheme_str() {
            Some("https") => {
                let file = given.or(bundle);
                let file = file.as_ref().map(|(named, path)| (*named, path.as_path()));
                let config = trust::client_config(file)?;
                (Some(TlsConnector::from(Arc::new(config))), 443)
            }
            Some("http") => {
                if is_of_aws(host) {
                    bail!(
                        "`{shown}` is not encrypted: AWS is asked only by URLs that begin with https://"
                    );
                }
                if plaintext == Plaintext::Here && !is_this_machine(host) {
                    bail!(
                        "`{shown}` is not encrypted, and is on another machine: use a URL that begins with https://, or accept the danger with --danger-plaintext"
                    );
                }
                // AWS_CA_BUNDLE is for every server, so it is ignored; the flag is for this one.
                if given.is_some() {
                    bail!(
                        "--ca-file is given, but `{shown}` is not encrypted: use the server's URL that begins with https://, or leave --ca-file out"
                    );
                }
                (None, 80)
            }
            Some(_) | None => {
                bail!("`{shown}` is not a URL that begins with http:// or https://")
            }
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(port),
        })
    }

    /// Host and port.
    pub fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The host as requests name it: with the port, unless that is the usual one.
    pub fn authority(&self) -> String {
        let usual = if self.tls.is_some() { 443 } else { 80 };
        if self.port == usual {
            self.host.clone()
        } else {
            self.shown()
        }
    }

    /// What comes of asking, unless it takes too long.
    ///
    /// # Errors
    /// When it does, or fails.
    pub async fn in_time<T>(
        &self,
        asked: impl Future<Output = anyhow::Result<T>>,
        timeout: Duration,
    ) -> anyhow::Result<T> {
        tokio::time::timeout(timeout, asked)
            .await
            .with_context(|| format!("{} did not answer in time", self.shown()))?
    }

    /// One request over a connection of its own, and the answer, whatever that is. It is wiped after use.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)> {
        let host = self.shown();
        match self.connect().await? {
            Stream::Plain(stream) => exchange(stream, request).await.with_context(|| {
                format!("{host} does not answer in HTTP: if it has a certificate, use a URL that begins with https://")
            }),
            Stream::Tls(stream) => exchange(stream, request).await,
        }
    }

    /// A connection for more than one request. Whoever has it drives it beside them.
    ///
    /// # Errors
    /// When there is none.
    pub async fn open(&self) -> anyhow::Result<(SendRequest<Full<Bytes>>, Driver)> {
        let (sender, driver): (_, Driver) = match self.connect().await? {
            Stream::Plain(stream) => {
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                (sender, Box::pin(connection))
            }
            Stream::Tls(stream) => {
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                (sender, Box::pin(connection))
            }
        };
        Ok((sender, driver))
    }

    async fn connect(&self) -> anyhow::Result<Stream> {
        let host = self.shown();
        let stream = TcpStream::connect((bare(&self.host), self.port))
            .await
            .map_err(|error| {
                let advice = match error.kind() {
                    io::ErrorKind::ConnectionRefused => "is the server running?",
                    _ => "check the server's URL",
                };
                anyhow!("cannot connect to {host}: {error}: {advice}")
            })?;
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some(tls) => {
                let name = ServerName::try_from(bare(&self.host).to_owned())?;
                let stream = tls.connect(name, stream).await;
                let stream = stream.map_err(|error| anyhow!(trust::failure(&host, &error)))?;
                Ok(Stream::Tls(Box::new(stream)))
            }
        }
    }
}

/// A URL without the user name and the password in it.
fn shown(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, rest)) => words::shown(&format!("…@{rest}")),
        None => words::shown(url),
    }
}

/// What drives a connection.
pub type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection, encrypted or not.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A host without the brackets that an IPv6 address has in a URL.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let asked = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let mut body = Limited::new(answer.into_body(), MAX_ANSWER);
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| anyhow!("the answer cannot be read: {error}"))?;
            pieces.extend(frame.into_data());
        }
        Ok((status, gathered(&pieces)))
    };
    // No task of its own: its buffers are gone when this function returns, or is given up after a time.
    let mut asked = pin!(asked);
    tokio::select! {
        biased;
        answered = &mut asked => answered,
        _ = connection => asked.await,
    }
}

/// The pieces in one.
fn gathered(pieces: &[Bytes]) -> Zeroizing<Vec<u8>> {
    let length = pieces.iter().map(Bytes::len).sum();
    let mut whole = Zeroizing::new(Vec::with_capacity(length));
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str, plaintext: Plaintext) -> Result<String, String> {
        let address = Address::new(url, None, None, plaintext);
        address
            .map(|address| address.shown())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_this_machine_is_asked_without_encryption() {
        for (url, shown) in [
            ("http://127.0.0.1:5670", "127.0.0.1:5670"),
            ("http://localhost", "localhost:80"),
            ("http://[::1]:1/", "[::1]:1"),
            ("https://keyward.example", "keyward.example:443"),
        ] {
            assert_eq!(said(url, Plaintext::Here), Ok(shown.to_owned()));
        }
        for url in ["http://10.0.0.1:5670", "http://keyward.example"] {
            assert_eq!(
                said(url, Plaintext::Here).unwrap_err(),
                format!(
                    "`{url}` is not encrypted, and is on another machine: use a URL that begins with https://, or accept the danger with --danger-plaintext"
                )
            );
            assert!(said(url, Plaintext::Everywhere).is_ok());
        }
        for plaintext in [Plaintext::Here, Plaintext::Everywhere] {
            let url = "http://KMS.eu-west-1.amazonaws.com.";
            assert_eq!(
                said(url, plaintext).unwrap_err(),
                format!(
                    "`{url}` is not encrypted: AWS is asked only by URLs that begin with https://"
                )
            );
        }
    }

    #[test]
    fn a_url_has_a_scheme_a_host_and_a_port() {
        let said = |url| said(url, Plaintext::Here).unwrap_err();
        for url in ["https://h/kms", "https://h/?a=b", "https://h//"] {
            assert_eq!(
                said(url),
                format!("the URL `{url}` has a path, which would not be asked for: leave it out")
            );
        }
        for url in [
            "https://user:secret@h",
            "https://secret@h",
            "https://user:sec ret@h",
            "user:secret@h",
        ] {
            let said = said(url);
            assert!(!said.contains("sec") && said.contains("`…@h`"), "{said}");
        }
        assert_eq!(
            said("https://user:secret@h"),
            "the URL `…@h` has a user name or a password, which no server is told: leave it out"
        );
        assert_eq!(
            said("nonsense"),
            "`nonsense` is not a URL that begins with http:// or https://"
        );
        assert_eq!(said("a\nb"), r"`a\nb` is not a URL");
    }
}
