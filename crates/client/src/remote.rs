//! KMS for a process that runs for long: it is asked again and again, at one place, and each time by whoever the
//! environment says at that moment.

use std::{fmt, path::PathBuf, time::Duration};

use anyhow::bail;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use keyward_types::time::Clock as _;
use keyward_wire::sigv4::Signer;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::{
    address::Address,
    answer::{Failure, no_answer, of_answer},
    aws::{Asker, Credentials, Settings},
    clock::SystemClock,
    hosts::{Plaintext, is_of_aws},
    instance::Metadata,
    session::Sessions,
};

/// What is said of a KMS apart from what the environment says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The URL of KMS.
    pub endpoint_url: Option<String>,
    /// The URL of STS, which is asked about web identities.
    pub sts_endpoint_url: Option<String>,
    /// The Region.
    pub region: Option<String>,
    /// The profile whose credentials are used.
    pub profile: Option<String>,
    /// A file of certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether requests may be sent without encryption.
    pub plaintext: Plaintext,
    /// Whether the role of the EC2 instance that this process runs on is used, instead of what the environment and the
    /// profile say.
    pub instance_role: bool,
    /// Header fields that every request has in addition, each signed. Their names are in lower case.
    pub fields: Vec<(&'static str, String)>,
}

/// A KMS.
pub struct Remote {
    profile: Option<String>,
    region: String,
    endpoint: String,
    fields: Vec<(&'static str, String)>,
    kms: Address,
    sessions: Sessions<Address>,
    /// Those of the instance, if they are used.
    of_instance: Option<Sessions<Metadata>>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl Remote {
    /// The KMS where the options or else the environment say, or else that of AWS. Nobody is asked yet.
    ///
    /// # Errors
    /// When nothing says who asks, or in which Region, or certificates cannot be read.
    pub fn new(options: Options) -> anyhow::Result<Self> {
        let profile = options.profile.clone();
        with_settings(profile.as_deref(), |settings| {
            let region = match options.region {
                Some(region) => region,
                None => settings.region()?,
            };
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if region.is_empty() || !region.bytes().all(plain) {
                bail!("`{}` is not a Region", region.escape_debug());
            }
            let of_instance = match options.instance_role {
                true => Some(Sessions::new(Metadata::new(settings)?)),
                false => {
                    // It is only looked for.
                    settings.asker()?;
                    None
                }
            };
            let given = options.endpoint_url.or_else(|| settings.endpoint_of("KMS"));
            let (endpoint, of_aws) = match given {
                Some(endpoint) => {
                    let host = endpoint.parse::<http::Uri>().ok();
                    let host = host.as_ref().and_then(http::Uri::host);
                    let of_aws = host.is_some_and(is_of_aws);
                    (endpoint, of_aws)
                }
                None => (url_of_aws("kms", &region)?, true),
            };
            let sts = options.sts_endpoint_url;
            let sts = match sts.or_else(|| settings.endpoint_of("STS")) {
                Some(sts) => sts,
                None if of_aws => url_of_aws("sts", &region)?,
                // A server of one's own serves both.
                None => endpoint.clone(),
            };
            let address = |url: &str| {
                let given = options.ca_file.clone();
                // The file is for both servers, of which one may not be encrypted.
                let given = given.filter(|_| url.starts_with("https://") || url == endpoint);
                Address::new(
                    url,
                    given.map(|path| ("--ca-file", path)),
                    settings.ca_bundle(),
                    options.plaintext,
                )
            };
            Ok(Self {
                kms: address(&endpoint)?,
                sessions: Sessions::new(address(&sts)?),
                of_instance,
                profile: options.profile,
                region,
                endpoint,
                fields: options.fields,
            })
        })
    }

    /// The URL of KMS.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The Region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// One call, and its answer. That is wiped after use.
    ///
    /// # Errors
    /// When KMS refuses, or there is no answer in time.
    pub async fn call(
        &self,
        operation: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let by = Instant::now() + timeout;
        let credentials = self.credentials(by).await.map_err(no_answer)?;
        let left = by.saturating_duration_since(Instant::now());
        let asked = self.send(operation, body, &credentials);
        let answer = of_answer(self.kms.in_time(asked, left).await);
        if let Err(Failure::Refused { code, .. }) = &answer
            && ["ExpiredTokenException", "UnrecognizedClientException"].contains(&code.as_str())
        {
            // The next call gets a new one.
            let refused = &credentials.access_key_id;
            match &self.of_instance {
                Some(of_instance) => of_instance.forget(refused),
                None => self.sessions.forget(refused),
            }
        }
        answer
    }

    /// What the next call is signed with. A session is waited for only until then.
    async fn credentials(&self, by: Instant) -> anyhow::Result<Credentials> {
        let now = SystemClock::new().now();
        if let Some(of_instance) = &self.of_instance {
            return of_instance.credentials(&(), now, by).await;
        }
        let asker = with_settings(self.profile.as_deref(), |settings| settings.asker())?;
        match asker {
            Asker::Key(credentials) => Ok(credentials),
            Asker::WebIdentity(identity) => self.sessions.credentials(&identity, now, by).await,
        }
    }

    async fn send(
        &self,
        operation: &str,
        body: Vec<u8>,
        credentials: &Credentials,
    ) -> anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)> {
        let host = self.kms.authority();
        let target = format!("TrentService.{operation}");
        let signer = Signer {
            access_key_id: &credentials.access_key_id,
            secret: &credentials.secret,
            session_token: credentials.session_token.as_deref(),
            region: &self.region,
            service: "kms",
        };
        let mut fields = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("host", host.as_str()),
            ("x-amz-target", target.as_str()),
        ];
        fields.extend(
            self.fields
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
        let signed = signer.sign(&fields, &body, SystemClock::new().now());
        let mut request = Request::post("/").header(header::USER_AGENT, "keyward");
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        self.kms.send(request).await
    }
}

/// What the environment and the profiles say at this moment.
#[expect(
    clippy::disallowed_methods,
    reason = "configuration is where the environment is read"
)]
fn with_settings<T>(
    profile: Option<&str>,
    read: impl FnOnce(&Settings<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let home = std::env::home_dir();
    read(&Settings::read(&variable, profile, home.as_deref())?)
}

/// Where AWS serves a service in a Region.
///
/// <https://docs.aws.amazon.com/general/latest/gr/kms.html>
fn url_of_aws(service: &str, region: &str) -> anyhow::Result<String> {
    if region.contains("-iso") || region.starts_with("eusc-") {
        bail!(
            "the URL of {service} in the Region {region} is not known: give it with --{service}-endpoint"
        );
    }
    let end = if region.starts_with("cn-") { ".cn" } else { "" };
    Ok(format!("https://{service}.{region}.amazonaws.com{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_has_a_place_for_each_region() {
        for (region, expected) in [
            ("eu-west-1", "https://kms.eu-west-1.amazonaws.com"),
            ("us-gov-west-1", "https://kms.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "https://kms.cn-north-1.amazonaws.com.cn"),
        ] {
            assert_eq!(url_of_aws("kms", region).unwrap(), expected);
        }
        assert_eq!(
            url_of_aws("sts", "us-iso-east-1").unwrap_err().to_string(),
            "the URL of sts in the Region us-iso-east-1 is not known: give it with --sts-endpoint"
        );
    }
}
