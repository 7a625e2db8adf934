//! Where the server of an agent is. The agent has credentials of its own, and finds none in the environment.

use std::{
    ffi::OsString,
    io,
    path::{PathBuf, absolute},
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http::{Request, header};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Client, TARGET, address::Address};
use crate::{
    aws::Credentials,
    exports::{self, Exports},
    hosts::Plaintext,
};

// Where the server is that an agent belongs to.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would show it as the help of a command")]
pub struct Reach {
    /// A data directory on this machine, whose server is asked
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The server's URL [default: where the agent registered, or AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    endpoint_url: Option<String>,
    /// A file of certificates to trust in addition to the system's (PEM): of authorities, or the
    /// server's own [default: the one that the agent registered with, or AWS_CA_BUNDLE]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Ask a server on another machine by a URL that begins with http://: requests and answers,
    /// keys of volumes among them, are not encrypted on the network [default: as the agent registered]
    #[arg(long)]
    danger_plaintext: bool,
}

/// Where a server is, and whom it is trusted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The server's URL.
    pub endpoint: String,
    /// A file of certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// Whether the server may be asked without encryption, although it is on another machine.
    #[serde(default, skip_serializing_if = "is_not")]
    pub plaintext: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_not(value: &bool) -> bool {
    !*value
}

impl Reach {
    /// Where the server is: as the flags say, or else as it was when the agent registered, or else as the
    /// environment says.
    ///
    /// # Errors
    /// If nothing says where it is.
    #[expect(
        clippy::disallowed_methods,
        reason = "configuration is where the environment is read"
    )]
    pub fn find(&self, before: Option<&Reached>) -> anyhow::Result<Reached> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = match (&self.endpoint_url, &self.data_dir, before) {
            (Some(endpoint), _, _) => Some(endpoint.clone()),
            (None, Some(data_dir), _) => Some(exports::endpoint(data_dir)?),
            (None, None, Some(before)) => Some(before.endpoint.clone()),
            (None, None, None) => variable("AWS_ENDPOINT_URL"),
        };
        let endpoint = endpoint.context(
            "nothing says where the server is: use --endpoint-url URL or --data-dir DIR, or set AWS_ENDPOINT_URL",
        )?;
        let ca_file = match (&self.ca_file, before) {
            (Some(path), _) => Some(absolute(path)?),
            (None, Some(before)) => before.ca_file.clone(),
            (None, None) => variable("AWS_CA_BUNDLE").map(absolute).transpose()?,
        };
        // The server of a data directory is on this machine, even if it has another address.
        let is_here = self.data_dir.is_some();
        let as_before =
            before.is_some_and(|before| before.plaintext && before.endpoint == endpoint);
        Ok(Reached {
            plaintext: self.danger_plaintext || is_here || as_before,
            ca_file: ca_file.filter(|_| endpoint.starts_with("https://")),
            endpoint,
        })
    }

    /// The same for a process with another working directory.
    ///
    /// # Errors
    /// When there is no working directory.
    pub fn absolute(mut self) -> io::Result<Self> {
        for path in [&mut self.data_dir, &mut self.ca_file]
            .into_iter()
            .flatten()
        {
            *path = absolute(&*path)?;
        }
        Ok(self)
    }

    /// The flags that say the same.
    pub fn arguments(&self) -> Vec<OsString> {
        let given = [
            ("--data-dir", self.data_dir.as_ref().map(OsString::from)),
            (
                "--endpoint-url",
                self.endpoint_url.as_ref().map(OsString::from),
            ),
            ("--ca-file", self.ca_file.as_ref().map(OsString::from)),
        ];
        let given = given.into_iter();
        let given = given.filter_map(|(flag, value)| Some([flag.into(), value?]));
        let accepted = self.danger_plaintext.then(|| "--danger-plaintext".into());
        given.flatten().chain(accepted).collect()
    }

    /// The client of the account's root user, if a data directory is given.
    ///
    /// # Errors
    /// If its server was never started.
    pub fn root(&self) -> anyhow::Result<Option<Client>> {
        let Some(data_dir) = &self.data_dir else {
            return Ok(None);
        };
        let exports = Exports::read(data_dir)?;
        let client = self.find(None)?.client(exports.region, exports.credentials);
        client.map(Some)
    }
}

impl Reached {
    /// A client with these credentials.
    ///
    /// # Errors
    /// If the URL is none, or the certificates cannot be read.
    pub fn client(&self, region: String, credentials: Credentials) -> anyhow::Result<Client> {
        Ok(Client {
            address: self.address()?,
            region,
            credentials,
        })
    }

    /// One request of Keyward's own service that nobody signs, and the answer to it, whatever that is. The answer is
    /// wiped after use.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub async fn post_unsigned(
        &self,
        operation: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)> {
        let address = self.address()?;
        let target = format!("{TARGET}.{operation}");
        let host = address.shown();
        let request = Request::post("/")
            .header(header::USER_AGENT, "keyward")
            .header(header::HOST, &host)
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body(Full::new(Bytes::from(body)))?;
        address.in_time(address.send(request), timeout).await
    }

    /// Checks that a server can be asked there at all: that it is a URL, and its certificates can be read.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self) -> anyhow::Result<()> {
        self.address().map(drop)
    }

    fn address(&self) -> anyhow::Result<Address> {
        let file = self.ca_file.clone().map(|path| ("--ca-file", path));
        let plaintext = Plaintext::everywhere_if(self.plaintext);
        Address::new(&self.endpoint, file, None, plaintext)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_server_may_be_asked_unencrypted_is_remembered_for_that_server_alone() {
        let flags = |endpoint: Option<&str>, danger_plaintext| Reach {
            data_dir: None,
            endpoint_url: endpoint.map(ToOwned::to_owned),
            ca_file: None,
            danger_plaintext,
        };
        let (one, other) = ("http://10.0.0.1:5670", "http://10.0.0.2:5670");
        // As it was stored before there was such a flag.
        let before: Reached =
            serde_json::from_str(&format!(r#"{{"endpoint":"{one}","ca_file":null}}"#)).unwrap();
        let refused = flags(None, false).find(Some(&before)).unwrap();
        assert!(refused.check().is_err());
        let accepted = flags(None, true).find(Some(&before)).unwrap();
        let accepted: Reached =
            serde_json::from_slice(&serde_json::to_vec(&accepted).unwrap()).unwrap();
        for (endpoint, is_ok) in [(None, true), (Some(one), true), (Some(other), false)] {
            let found = flags(endpoint, false).find(Some(&accepted)).unwrap();
            assert_eq!(found.check().is_ok(), is_ok, "{endpoint:?}");
        }
    }
}
