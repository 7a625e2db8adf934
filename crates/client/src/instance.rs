//! Credentials of the role of an EC2 instance, which its metadata service gives to every process that it lets ask
//! (version 2 of that service: with a token).
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>

use std::str::from_utf8;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    address::Address,
    aws::{Credentials, Settings},
    hosts::Plaintext,
    session::Issue,
    web_identity::{Session, timestamp},
    words,
};

/// Where the service is, by the version of the Internet Protocol.
const IPV4: &str = "http://169.254.169.254";
const IPV6: &str = "http://[fd00:ec2::254]";
/// How long a token is valid, in seconds. It is used once.
const TTL_SECONDS: &str = "60";
/// The longest token, in bytes.
const MAX_TOKEN: usize = 1024;
/// The longest name of a role, in bytes.
const MAX_ROLE: usize = 64;
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// The metadata service of the instance that this process runs on.
pub struct Metadata(Address);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

impl Metadata {
    /// The service where the environment says, or else where it usually is.
    ///
    /// # Errors
    /// If the environment names no URL, or one on another machine.
    pub fn new(settings: &Settings<'_>) -> anyhow::Result<Self> {
        // The usual addresses lead to the machine that the instance runs on, and no further.
        let (endpoint, plaintext) = match settings.metadata_endpoint() {
            Some(endpoint) => (endpoint, Plaintext::Here),
            None if settings.metadata_is_ipv6() => (IPV6.to_owned(), Plaintext::Everywhere),
            None => (IPV4.to_owned(), Plaintext::Everywhere),
        };
        Ok(Self(Address::new(&endpoint, None, None, plaintext)?))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        field: (&str, &str),
    ) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::USER_AGENT, "keyward")
            .header(header::HOST, self.0.authority())
            .header(field.0, field.1)
            .body(Full::new(Bytes::new()))?;
        let (status, body) = self.0.send(request).await?;
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::NOT_FOUND if path == ROLES => bail!("the instance has no role"),
            _ => bail!("it answered {path} with status {}", status.as_u16()),
        }
    }
}

impl Issue for Metadata {
    type Identity = ();

    const NAME: &str = "the instance metadata service";

    async fn session(&self, (): &()) -> anyhow::Result<Session> {
        let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", TTL_SECONDS);
        let token = self.ask(Method::PUT, "/latest/api/token", ttl).await?;
        let token = from_utf8(&token).ok().filter(|token| {
            let printed = token.bytes().all(|byte| byte.is_ascii_graphic());
            printed && (1..=MAX_TOKEN).contains(&token.len())
        });
        let token = token.context("it gave no token")?;
        let field = ("x-aws-ec2-metadata-token", token);
        let roles = self.ask(Method::GET, ROLES, field).await?;
        let role = role(&roles).context("the instance has no role")?;
        let path = format!("{ROLES}{role}");
        let given = self.ask(Method::GET, &path, field).await?;
        read(&given).with_context(|| format!("it gave no credentials of the role {role}"))
    }

    fn who((): &()) -> String {
        "the EC2 instance".to_owned()
    }

    fn shown(&self) -> String {
        self.0.shown()
    }
}

/// The role: an instance has one, in the first line.
fn role(roles: &[u8]) -> Option<&str> {
    let role = from_utf8(roles).ok()?.lines().next()?.trim();
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    ((1..=MAX_ROLE).contains(&role.len()) && role.bytes().all(legal)).then_some(role)
}

fn read(given: &[u8]) -> anyhow::Result<Session> {
    // The error could quote the answer.
    let Ok(given) = serde_json::from_slice::<Given>(given) else {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Refused {
            code: String,
        }
        match serde_json::from_slice::<Refused>(given) {
            Ok(refused) => bail!("{}", words::shown(&refused.code)),
            Err(_) => bail!("its answer is none"),
        }
    };
    let expires = timestamp(&given.expiration).context("they have no end")?;
    let credentials = Credentials {
        access_key_id: given.access_key_id,
        secret: Zeroizing::new(given.secret_access_key),
        session_token: Some(given.token),
    };
    Ok(Session::new(credentials, expires))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::TcpListener,
    };

    use super::*;

    const GIVEN: &str = r#"{"Code":"Success","LastUpdated":"2026-12-01T00:00:00Z","Type":"AWS-HMAC",
        "AccessKeyId":"ASIA1","SecretAccessKey":"s","Token":"t","Expiration":"2026-12-01T06:00:00Z"}"#;

    /// What comes of asking a service that answers each request with the next of these.
    async fn asked(answers: &[(u16, &str)]) -> (Result<String, String>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = async {
            let mut requests = Vec::new();
            for (status, body) in answers {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(stream);
                let mut request = String::new();
                while !request.ends_with("\r\n\r\n") {
                    stream.read_line(&mut request).await.unwrap();
                }
                let kept = request.lines().filter(|line| {
                    line.ends_with("HTTP/1.1") || line.starts_with("x-aws-ec2-metadata")
                });
                requests.push(kept.collect::<Vec<_>>().join(" "));
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        };
        let metadata = Metadata(Address::new(&url, None, None, Plaintext::Here).unwrap());
        let (session, requests) = tokio::join!(metadata.session(&()), service);
        let session = session.map(|session| session.credentials.access_key_id);
        (session.map_err(|error| format!("{error:#}")), requests)
    }

    #[tokio::test]
    async fn a_token_is_asked_for_before_the_role_and_its_credentials() {
        let (session, requests) = asked(&[(200, "to=ken"), (200, "node\n"), (200, GIVEN)]).await;
        assert_eq!(session, Ok("ASIA1".to_owned()));
        assert_eq!(
            requests,
            [
                "PUT /latest/api/token HTTP/1.1 x-aws-ec2-metadata-token-ttl-seconds: 60",
                "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1 x-aws-ec2-metadata-token: to=ken",
                "GET /latest/meta-data/iam/security-credentials/node HTTP/1.1 x-aws-ec2-metadata-token: to=ken",
            ]
        );
    }

    #[tokio::test]
    async fn what_is_wrong_is_said() {
        for (answers, said) in [
            (
                &[(403, "")][..],
                "it answered /latest/api/token with status 403",
            ),
            (&[(200, "a\nb")], "it gave no token"),
            (&[(200, "t"), (404, "")], "the instance has no role"),
            (&[(200, "t"), (200, "")], "the instance has no role"),
            (&[(200, "t"), (200, "../x")], "the instance has no role"),
            (
                &[
                    (200, "t"),
                    (200, "r"),
                    (200, r#"{"Code":"AssumeRoleUnauthorizedAccess"}"#),
                ],
                "it gave no credentials of the role r: AssumeRoleUnauthorizedAccess",
            ),
            (
                &[(200, "t"), (200, "r"), (200, "<html>")],
                "it gave no credentials of the role r: its answer is none",
            ),
        ] {
            assert_eq!(asked(answers).await.0.unwrap_err(), said);
        }
    }
}
