//! The client of the command line: it sends requests to a running server, signed like all others.
#![forbid(unsafe_code)]

mod address;
pub mod answer;
pub mod aws;
pub mod bucket;
pub mod certificate;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod exports;
pub mod hosts;
mod instance;
pub mod reach;
pub mod remembered;
pub mod remote;
mod session;
pub mod trust;
pub mod web_identity;
pub mod words;

use std::{
    ffi::OsString,
    fmt, io,
    path::{PathBuf, absolute},
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::{Request, header};
use http_body_util::Full;
use keyward_types::time::Clock as _;
use keyward_wire::sigv4::Signer;
use zeroize::Zeroizing;

use self::address::Address;
use crate::{
    aws::{Credentials, Settings},
    clock::SystemClock,
    config::RawConfig,
    exports::Exports,
    hosts::Plaintext,
};

/// How long an answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// The prefix of the targets of Keyward's own service.
const TARGET: &str = "Keyward_20261101";

/// The end of the help of commands that ask a server.
pub const ENVIRONMENT: &str = "\
Environment:
  Without --data-dir or --config, the server, Region and credentials are found as the AWS CLI finds
  them, in AWS_ENDPOINT_URL, AWS_REGION or AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID,
  AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or in the profile that AWS_PROFILE names in
  ~/.aws/config (AWS_CONFIG_FILE) and ~/.aws/credentials (AWS_SHARED_CREDENTIALS_FILE).
  AWS_CA_BUNDLE: the same as --ca-file.";

// Where the server is and who asks.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would show it as the help of a command")]
pub struct Connect {
    /// A data directory on this machine: its server is asked, as the account's root user
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The configuration file of a server on this machine, instead of --data-dir: the `data_dir` in it
    /// is used
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    config: Option<PathBuf>,
    /// The server's URL [default: AWS_ENDPOINT_URL, or the data directory's server]
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The Region to ask about [default: AWS_REGION, or the server's default Region]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// A profile of the AWS CLI, whose access key is used [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// A file of certificates to trust in addition to the system's (PEM): of authorities, or the
    /// server's own [default: AWS_CA_BUNDLE]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Ask a server on another machine by a URL that begins with http://: requests and answers,
    /// plaintexts among them, are not encrypted on the network
    #[arg(long)]
    danger_plaintext: bool,
}

/// A client of a running server.
pub struct Client {
    address: Address,
    region: String,
    credentials: Credentials,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("region", &self.region)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

impl Connect {
    /// The client of Keyward's own service.
    ///
    /// # Errors
    /// If nothing says where the server is or who asks.
    pub fn client(&self) -> anyhow::Result<Client> {
        self.client_at(|settings| settings.endpoint())
    }

    /// The client of KMS, be it Keyward's or that of AWS.
    ///
    /// # Errors
    /// As for [`client`](Self::client).
    pub fn kms(&self) -> anyhow::Result<Client> {
        self.client_at(|settings| settings.kms_endpoint())
    }

    /// The same for a process with another working directory.
    ///
    /// # Errors
    /// When there is no working directory.
    pub fn absolute(mut self) -> io::Result<Self> {
        let paths = [&mut self.data_dir, &mut self.config, &mut self.ca_file];
        for path in paths.into_iter().flatten() {
            *path = absolute(&*path)?;
        }
        Ok(self)
    }

    /// The flags that say the same. None of them is a secret.
    pub fn arguments(&self) -> Vec<OsString> {
        let paths = [
            ("--data-dir", &self.data_dir),
            ("--config", &self.config),
            ("--ca-file", &self.ca_file),
        ];
        let texts = [
            ("--endpoint-url", &self.endpoint_url),
            ("--region", &self.region),
            ("--profile", &self.profile),
        ];
        let paths = paths.map(|(flag, value)| (flag, value.as_ref().map(OsString::from)));
        let texts = texts.map(|(flag, value)| (flag, value.as_ref().map(OsString::from)));
        let given = paths.into_iter().chain(texts);
        let given = given.filter_map(|(flag, value)| Some([flag.into(), value?]));
        let accepted = self.danger_plaintext.then(|| "--danger-plaintext".into());
        given.flatten().chain(accepted).collect()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "configuration is where the environment is read"
    )]
    fn client_at(
        &self,
        usual: fn(&Settings<'_>) -> anyhow::Result<String>,
    ) -> anyhow::Result<Client> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = std::env::home_dir();
        let settings = || Settings::read(&variable, self.profile.as_deref(), home.as_deref());
        let (endpoint, region, credentials, bundle) = match self.data_dir()?.as_deref() {
            Some(data_dir) => {
                let exports = Exports::read(data_dir)?;
                let credentials = match self.profile {
                    Some(_) => settings()?.credentials()?,
                    None => exports.credentials,
                };
                let bundle = variable("AWS_CA_BUNDLE").map(|path| ("AWS_CA_BUNDLE", path.into()));
                (
                    self.endpoint_url.clone().unwrap_or(exports.endpoint),
                    self.region.clone().unwrap_or(exports.region),
                    credentials,
                    bundle,
                )
            }
            None => {
                let settings = settings()?;
                (
                    self.endpoint_url
                        .clone()
                        .map_or_else(|| usual(&settings), Ok)?,
                    self.region.clone().map_or_else(|| settings.region(), Ok)?,
                    settings.credentials()?,
                    settings.ca_bundle(),
                )
            }
        };
        let given = self.ca_file.clone().map(|path| ("--ca-file", path));
        // The server of a data directory is on this machine, even if it has another address.
        let is_here =
            self.endpoint_url.is_none() && (self.data_dir.is_some() || self.config.is_some());
        let plaintext = Plaintext::everywhere_if(self.danger_plaintext || is_here);
        Ok(Client {
            address: Address::new(&endpoint, given, bundle, plaintext)?,
            region,
            credentials,
        })
    }

    /// The data directory, given directly or by the configuration file.
    fn data_dir(&self) -> anyhow::Result<Option<PathBuf>> {
        let Some(config) = &self.config else {
            return Ok(self.data_dir.clone());
        };
        match RawConfig::read(config)?.data_dir {
            Some(data_dir) => Ok(Some(data_dir)),
            None => bail!(
                "the configuration file {} has no `data_dir`: use --data-dir DIR, or leave --config out to find the server as the AWS CLI does",
                config.display()
            ),
        }
    }
}

impl Client {
    /// One call of Keyward's own service.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses; the message contains the server's own words.
    pub async fn call(
        &self,
        operation: &str,
        input: &serde_json::Value,
    ) -> anyhow::Result<serde_json::Value> {
        let target = format!("{TARGET}.{operation}");
        let body = serde_json::to_vec(input)?;
        let (status, body) = self.post("keyward", &target, body, TIMEOUT).await?;
        let value: serde_json::Value = serde_json::from_slice(&body).with_context(|| {
            format!(
                "{} did not answer as a Keyward server does",
                self.address.shown()
            )
        })?;
        if status.is_success() {
            return Ok(value);
        }
        let member = |name: &str| value.get(name).and_then(serde_json::Value::as_str);
        let code = member("__type").unwrap_or("an error without a type");
        match member("message").or_else(|| member("Message")) {
            Some(message) => bail!("{}: {}", words::shown(code), words::message(message)),
            None => bail!("{}", words::shown(code)),
        }
    }

    /// One request of Keyward's own service, and the answer to it, whatever that is. The answer is wiped after use.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub async fn post_own(
        &self,
        operation: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)> {
        let target = format!("{TARGET}.{operation}");
        self.post("keyward", &target, body, timeout).await
    }

    /// One request in JSON 1.1, and the answer to it, whatever that is. The answer is wiped after use.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub async fn post(
        &self,
        service: &str,
        target: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)> {
        let asked = self.ask(service, target, body);
        self.address.in_time(asked, timeout).await
    }

    /// One request of an API that is spoken to by paths, and the answer to it, whatever that is. The answer is wiped after
    /// use.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub async fn post_to(
        &self,
        service: &str,
        path: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)> {
        let fields = [("content-type", "application/json")];
        let asked = self.signed(service, path, &fields, body);
        self.address.in_time(asked, timeout).await
    }

    async fn ask(
        &self,
        service: &str,
        target: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)> {
        let fields = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target),
        ];
        self.signed(service, "/", &fields, body).await
    }

    async fn signed(
        &self,
        service: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: Vec<u8>,
    ) -> anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)> {
        let host = self.address.shown();
        let signer = Signer {
            access_key_id: &self.credentials.access_key_id,
            secret: &self.credentials.secret,
            session_token: self.credentials.session_token.as_deref(),
            region: &self.region,
            service,
        };
        let mut fields = fields.to_vec();
        fields.push(("host", host.as_str()));
        fields.sort_unstable();
        let signed = signer.sign_post(path, &fields, &body, SystemClock::new().now());
        let mut request = Request::post(path).header(header::USER_AGENT, "keyward");
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        self.address.send(request).await
    }
}
