//! The client's side: the header fields that sign a request. For Keyward's own command line and
//! tools; every field given is signed.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt;

use keyward_crypto::{digest, mac};
use keyward_types::time::Timestamp;

use super::{ALGORITHM, SigningKey, TERMINATOR};

/// An access key, and what requests are signed for.
#[derive(Clone, Copy)]
pub struct Signer<'s> {
    /// The access key's id.
    pub access_key_id: &'s str,
    /// The secret access key.
    pub secret: &'s str,
    /// The token of temporary credentials.
    pub session_token: Option<&'s str>,
    /// The Region of the scope.
    pub region: &'s str,
    /// The service of the scope.
    pub service: &'s str,
}

impl fmt::Debug for Signer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// What a request is about, as it is sent.
#[derive(Clone, Copy, Debug)]
pub struct UnsignedRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, which needs no percent-encoding.
    pub path: &'a str,
    /// The query string: percent-encoded, and sorted by name.
    pub query: &'a str,
    /// The SHA-256 of the body, in hexadecimal digits.
    pub body_hash: &'a str,
}

impl Signer<'_> {
    /// Signs a `POST /` with these fields, their names in lower case, `host` among them. Answers
    /// them with those that signing adds.
    pub fn sign(
        &self,
        fields: &[(&str, &str)],
        body: &[u8],
        now: Timestamp,
    ) -> Vec<(String, String)> {
        self.sign_post("/", fields, body, now)
    }

    /// The same for a `POST` of a path, which needs no percent-encoding.
    pub fn sign_post(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        body: &[u8],
        now: Timestamp,
    ) -> Vec<(String, String)> {
        let asked = UnsignedRequest {
            method: "POST",
            path,
            query: "",
            body_hash: &hex::encode(digest::sha256(body)),
        };
        self.sign_request(&asked, fields, now)
    }

    /// The same for any request.
    pub fn sign_request(
        &self,
        asked: &UnsignedRequest<'_>,
        fields: &[(&str, &str)],
        now: Timestamp,
    ) -> Vec<(String, String)> {
        let stamp = now.iso8601_basic();
        let date = stamp.get(..8).unwrap_or_default();
        let mut all: Vec<(String, String)> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        all.push(("x-amz-date".to_owned(), stamp.to_string()));
        if let Some(token) = self.session_token {
            all.push(("x-amz-security-token".to_owned(), token.to_owned()));
        }
        all.sort_unstable();
        let UnsignedRequest {
            method,
            path,
            query,
            body_hash,
        } = asked;
        let mut canonical = format!("{method}\n{path}\n{query}\n");
        for (name, value) in &all {
            canonical.push_str(&format!("{name}:{value}\n"));
        }
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        let signed = names.join(";");
        canonical.push_str(&format!("\n{signed}\n{body_hash}"));
        let (region, service) = (self.region, self.service);
        let scope = format!("{date}/{region}/{service}/{TERMINATOR}");
        let canonical = hex::encode(digest::sha256(canonical.as_bytes()));
        let text = format!("{ALGORITHM}\n{stamp}\n{scope}\n{canonical}");
        let key = SigningKey::derive(self.secret.as_bytes(), date, region, service).into_secret();
        let signature = hex::encode(mac::hmac_sha256(key.expose(), &[text.as_bytes()]));
        let id = self.access_key_id;
        all.push((
            "authorization".to_owned(),
            format!(
                "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}"
            ),
        ));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigv4::{Claim, Presigned, Request};

    #[test]
    fn the_servers_side_accepts_what_is_signed_here() {
        let signer = Signer {
            access_key_id: "AKIAEXAMPLE",
            secret: "secret",
            session_token: Some("token"),
            region: "us-east-1",
            service: "keyward",
        };
        let now = Timestamp::from_seconds(1_800_000_000);
        let fields = [
            ("host", "127.0.0.1:1"),
            ("x-amz-target", "Keyward_20261101.X"),
        ];
        let signed = signer.sign(&fields, b"{}", now);
        let headers = signed
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let request = Request::new("POST", "/", None, None, headers, b"{}").unwrap();
        let claim = Claim::parse(&request, Presigned::Refused).unwrap();
        assert_eq!(claim.session_token(), Some("token"));
        let date = claim.credential().date();
        let key = SigningKey::derive(b"secret", date, "us-east-1", "keyward");
        assert!(claim.verify(key.borrow()).is_ok());
        let other = SigningKey::derive(b"other", date, "us-east-1", "keyward");
        assert!(claim.verify(other.borrow()).is_err());
    }

    /// The last example of
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>: a list of a bucket.
    #[test]
    fn a_request_with_a_query_is_signed_as_in_the_example_of_aws() {
        let signer = Signer {
            access_key_id: "AKIAIOSFODNN7EXAMPLE",
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            session_token: None,
            region: "us-east-1",
            service: "s3",
        };
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let asked = UnsignedRequest {
            method: "GET",
            path: "/",
            query: "max-keys=2&prefix=J",
            body_hash: empty,
        };
        let fields = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", empty),
        ];
        // 2013-05-24.
        let now = Timestamp::from_seconds(1_369_353_600);
        let signed = signer.sign_request(&asked, &fields, now);
        let (_, authorization) = signed.last().unwrap();
        assert_eq!(
            authorization,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
             Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }
}
