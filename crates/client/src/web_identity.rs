//! Credentials for the token of an OpenID Connect issuer, such as a Kubernetes cluster gives its pods: a file of
//! tokens and a role are turned into a session by STS, which is asked again before the session ends.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use std::{fmt, fs::File, io::Read as _, path::Path, str::from_utf8};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use keyward_types::time::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use roxmltree::{Document, Node, ParsingOptions};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use crate::{
    address::Address,
    aws::{Credentials, WebIdentity},
    words,
};

/// The longest token, in bytes; STS takes 20,000 characters.
const MAX_TOKEN: u64 = 20_000;
/// The most elements of an answer.
const MAX_NODES: u32 = 1000;
/// How long before its end a session is replaced by the next one.
const EARLY_MILLIS: i64 = 5 * 60 * 1000;

/// Credentials that end.
pub struct Session {
    /// The credentials.
    pub credentials: Credentials,
    expires: Timestamp,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("credentials", &self.credentials)
            .field("expires", &self.expires)
            .finish()
    }
}

impl Session {
    /// Credentials that end then.
    pub fn new(credentials: Credentials, expires: Timestamp) -> Self {
        Self {
            credentials,
            expires,
        }
    }

    /// Whether it can be used at all.
    pub fn lasts(&self, now: Timestamp) -> bool {
        now < self.expires
    }

    /// Whether the next one is due.
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        self.expires.millis_since(now) < EARLY_MILLIS
    }
}

/// A new session, for the token that the file has now.
///
/// # Errors
/// When the token cannot be read, or STS refuses or does not answer.
pub(crate) async fn assume(identity: &WebIdentity, sts: &Address) -> anyhow::Result<Session> {
    let token = read_token(&identity.token_file)?;
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", &identity.role_arn),
        ("RoleSessionName", &identity.session_name),
        ("WebIdentityToken", token.trim()),
    ];
    let form = form.map(|(name, value)| {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        format!("{name}={value}")
    });
    let request = Request::post("/")
        .header(header::USER_AGENT, "keyward")
        .header(header::HOST, sts.authority())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(form.join("&"))))?;
    let (status, body) = sts.send(request).await?;
    read(status, &body).with_context(|| {
        format!(
            "{} gives none for the token in {}",
            sts.shown(),
            identity.token_file.display()
        )
    })
}

fn read(status: StatusCode, body: &[u8]) -> anyhow::Result<Session> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let document = from_utf8(body).ok();
    let document = document.and_then(|text| Document::parse_with_options(text, options).ok());
    let Some(document) = document else {
        bail!(
            "it answered with status {}, and not as STS does",
            status.as_u16()
        );
    };
    let value = |name: &str| {
        let mut found = document.descendants().filter(|node| is(*node, name));
        found.next().and_then(|node| node.text())
    };
    if !status.is_success() {
        let code = value("Code").map(words::shown);
        return Err(match (code, value("Message").map(words::message)) {
            (Some(code), Some(message)) => anyhow!("{code}: {message}"),
            (Some(code), None) => anyhow!("{code}"),
            (None, _) => anyhow!(
                "it answered with status {}, and not as STS does",
                status.as_u16()
            ),
        });
    }
    let expires = value("Expiration").and_then(timestamp);
    match (
        value("AccessKeyId"),
        value("SecretAccessKey"),
        value("SessionToken"),
        expires,
    ) {
        (Some(id), Some(secret), Some(token), Some(expires)) => {
            let credentials = Credentials {
                access_key_id: id.to_owned(),
                secret: Zeroizing::new(secret.to_owned()),
                session_token: Some(token.to_owned()),
            };
            Ok(Session::new(credentials, expires))
        }
        _ => bail!("its answer has no credentials"),
    }
}

fn read_token(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let read = || {
        let mut text = Zeroizing::new(String::new());
        File::open(path)?
            .take(MAX_TOKEN + 2)
            .read_to_string(&mut text)?;
        std::io::Result::Ok(text)
    };
    let token =
        read().with_context(|| format!("the token in {} cannot be read", path.display()))?;
    let length = token.trim().len();
    if length == 0 || length as u64 > MAX_TOKEN {
        bail!(
            "{} holds no token, which has 1 to {MAX_TOKEN} bytes",
            path.display()
        );
    }
    Ok(token)
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// A time as AWS writes it.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(Timestamp::from_seconds(instant.unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Result<Session, String> {
        let status = StatusCode::from_u16(status).unwrap();
        read(status, body.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_session_is_read_and_ends() {
        let session = answered(
            200,
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>\
             <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>2026-12-01T00:10:00Z</Expiration></Credentials>\
             </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        )
        .unwrap();
        assert_eq!(session.credentials.access_key_id, "ASIA1");
        assert_eq!(*session.credentials.secret, "s");
        assert_eq!(session.credentials.session_token.as_deref(), Some("t"));
        let end = timestamp("2026-12-01T00:10:00Z").unwrap();
        let before = |seconds: i64| end.plus_millis(-1000 * seconds);
        assert!(!session.ends_soon(before(300)) && session.lasts(before(300)));
        assert!(session.ends_soon(before(299)) && session.lasts(before(1)));
        assert!(!session.lasts(end));
        let debug = format!("{session:?}");
        assert!(
            debug.contains("ASIA1") && !debug.contains("secret"),
            "{debug}"
        );
    }

    #[test]
    fn a_refusal_is_shown_in_its_own_words() {
        let refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code>\
                       <Message>Token expired</Message></Error></ErrorResponse>";
        let said = answered(400, refusal).unwrap_err();
        assert_eq!(said, "ExpiredTokenException: Token expired");
        for (status, body) in [(400, "<a/>"), (502, "<html>bad"), (200, "")] {
            let said = answered(status, body).unwrap_err();
            let expected = format!("it answered with status {status}, and not as STS does");
            assert_eq!(said, expected);
        }
        assert_eq!(
            answered(200, "<a><AccessKeyId>x</AccessKeyId></a>").unwrap_err(),
            "its answer has no credentials"
        );
    }

    #[test]
    fn a_file_without_a_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let said = |content: Option<&str>| {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let read = read_token(&path).map(|token| token.trim().to_owned());
            read.map_err(|error| error.to_string().replace(path.to_str().unwrap(), "FILE"))
        };
        assert_eq!(said(None).unwrap_err(), "the token in FILE cannot be read");
        assert_eq!(said(Some("a.b.c\n")).unwrap(), "a.b.c");
        for none in ["", "\n", &"a".repeat(20_001)] {
            let none = said(Some(none)).unwrap_err();
            assert_eq!(none, "FILE holds no token, which has 1 to 20000 bytes");
        }
    }
}
