//! The command line's own client: questions to a running server, signed like any other request.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use keyward_types::time::Clock as _;
use keyward_wire::sigv4::Signer;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::{cli::env::Exports, clock::SystemClock, issuers};

/// The longest answer read.
const MAX_ANSWER: usize = 16 << 20;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The prefix of the targets of Keyward's own service.
const TARGET: &str = "Keyward_20261101";

/// Where the server is and who asks
#[derive(Debug, Args)]
pub struct Connect {
    /// A data directory of this machine: its server is asked, as the account's root user.
    /// Without it AWS's own variables say where and who (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The server [default: what AWS_ENDPOINT_URL or the data directory says]
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The Region asked about [default: what AWS_REGION or the data directory says]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// A file with certificates of authorities to trust besides the system's (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// A client of a running server.
pub struct Client {
    tls: Option<TlsConnector>,
    host: String,
    port: u16,
    region: String,
    access_key_id: String,
    secret: Zeroizing<String>,
    session_token: Option<String>,
}

impl Connect {
    /// The client.
    ///
    /// # Errors
    /// When it is not said where the server is or who asks.
    #[expect(
        clippy::disallowed_methods,
        reason = "configuration is where the environment is read"
    )]
    pub fn client(&self) -> anyhow::Result<Client> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let wanted = |name: &str| {
            variable(name).with_context(|| format!("{name} is not set: set it, or give --data-dir"))
        };
        let exports = self.data_dir.as_deref().map(Exports::read).transpose()?;
        let (endpoint, region, access_key_id, secret, session_token) = match exports {
            Some(exports) => (
                exports.endpoint,
                exports.region,
                exports.access_key_id,
                exports.secret,
                None,
            ),
            None => (
                match &self.endpoint_url {
                    Some(url) => url.clone(),
                    None => wanted("AWS_ENDPOINT_URL")?,
                },
                match (&self.region, variable("AWS_REGION")) {
                    (Some(region), _) => region.clone(),
                    (None, Some(region)) => region,
                    (None, None) => wanted("AWS_DEFAULT_REGION")?,
                },
                wanted("AWS_ACCESS_KEY_ID")?,
                Zeroizing::new(wanted("AWS_SECRET_ACCESS_KEY")?),
                variable("AWS_SESSION_TOKEN"),
            ),
        };
        let endpoint = self.endpoint_url.clone().unwrap_or(endpoint);
        let uri: http::Uri = endpoint
            .parse()
            .with_context(|| format!("`{endpoint}` is no URL"))?;
        let Some(host) = uri.host() else {
            bail!("`{endpoint}` names no host");
        };
        let (tls, port) = match uri.scheme_str() {
            Some("https") => {
                let config = issuers::tls(self.ca_file.as_deref())?;
                (Some(TlsConnector::from(Arc::new(config))), 443)
            }
            Some("http") => (None, 80),
            Some(_) | None => bail!("`{endpoint}` is no http or https URL"),
        };
        Ok(Client {
            tls,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(port),
            region: self.region.clone().unwrap_or(region),
            access_key_id,
            secret,
            session_token,
        })
    }
}

impl Client {
    /// One call of Keyward's own service.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses; the server's own words are in the message.
    pub async fn call(
        &self,
        operation: &str,
        input: &serde_json::Value,
    ) -> anyhow::Result<serde_json::Value> {
        let asked = self.ask(operation, serde_json::to_vec(input)?);
        let answer = tokio::time::timeout(TIMEOUT, asked).await;
        let (status, body) = answer
            .with_context(|| format!("{}:{} did not answer in time", self.host, self.port))??;
        let value: serde_json::Value = serde_json::from_slice(&body)
            .with_context(|| format!("{}:{} answered no JSON", self.host, self.port))?;
        if status.is_success() {
            return Ok(value);
        }
        let member = |name: &str| value.get(name).and_then(serde_json::Value::as_str);
        let code = member("__type").unwrap_or("an error without a type");
        match member("message").or_else(|| member("Message")) {
            Some(message) => bail!("{code}: {message}"),
            None => bail!("{code}"),
        }
    }

    async fn ask(
        &self,
        operation: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<(http::StatusCode, Bytes)> {
        let host = format!("{}:{}", self.host, self.port);
        let target = format!("{TARGET}.{operation}");
        let signer = Signer {
            access_key_id: &self.access_key_id,
            secret: &self.secret,
            session_token: self.session_token.as_deref(),
            region: &self.region,
            service: "keyward",
        };
        let fields = [
            ("content-type", "application/x-amz-json-1.1"),
            ("host", host.as_str()),
            ("x-amz-target", target.as_str()),
        ];
        let signed = signer.sign(&fields, &body, SystemClock::new().now());
        let mut request = Request::post("/").header(header::USER_AGENT, "keyward");
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .with_context(|| format!("{host} cannot be reached: is the server running?"))?;
        match &self.tls {
            None => exchange(stream, request).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone())?;
                let stream = tls
                    .connect(name, stream)
                    .await
                    .with_context(|| format!("{host} is not trusted: give --ca-file"))?;
                exchange(stream, request).await
            }
        }
    }
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(http::StatusCode, Bytes)>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the answer cannot be read: {error}"))?;
    connection.abort();
    Ok((status, body.to_bytes()))
}
