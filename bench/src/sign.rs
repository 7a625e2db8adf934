//! SigV4, the client's side: whole requests as bytes, signed ahead of the run.

use keyward_crypto::{digest, mac};
use keyward_types::time::Timestamp;
use keyward_wire::sigv4::SigningKey;

/// An access key and where it is used.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret: String,
    /// The Region of the scope.
    pub region: String,
    /// `host:port` of the server.
    pub host: String,
}

impl Signer {
    /// A KMS request, ready to be written to a connection.
    pub fn kms(&self, operation: &str, body: &[u8], now: Timestamp) -> Vec<u8> {
        let target = format!("TrentService.{operation}");
        let extra = [("x-amz-target", target.as_str())];
        self.request("kms", "application/x-amz-json-1.1", &extra, body, now)
    }

    /// A request of the AWS Query protocol.
    pub fn query(&self, service: &str, body: &[u8], now: Timestamp) -> Vec<u8> {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        self.request(service, kind, &[], body, now)
    }

    fn request(
        &self,
        service: &str,
        content_type: &str,
        extra: &[(&str, &str)],
        body: &[u8],
        now: Timestamp,
    ) -> Vec<u8> {
        let stamp = now.iso8601_basic();
        let date = stamp.get(..8).unwrap_or_default();
        let mut fields = vec![
            ("content-type", content_type),
            ("host", self.host.as_str()),
            ("x-amz-date", stamp.as_str()),
        ];
        fields.extend_from_slice(extra);
        fields.sort_unstable();
        let mut canonical = String::from("POST\n/\n\n");
        for (name, value) in &fields {
            canonical.push_str(&format!("{name}:{value}\n"));
        }
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        let signed = names.join(";");
        let hash = hex::encode(digest::sha256(body));
        canonical.push_str(&format!("\n{signed}\n{hash}"));
        let region = &self.region;
        let scope = format!("{date}/{region}/{service}/aws4_request");
        let canonical = hex::encode(digest::sha256(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{canonical}");
        let key = SigningKey::derive(self.secret.as_bytes(), date, region, service).into_secret();
        let signature = hex::encode(mac::hmac_sha256(key.expose(), &[text.as_bytes()]));

        // Written with the fields that an SDK sends beside those that it signs.
        let mut out = String::from("POST / HTTP/1.1\r\n");
        for (name, value) in &fields {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        let id = &self.access_key_id;
        out.push_str(&format!(
            "authorization: AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed}, \
             Signature={signature}\r\nuser-agent: keyward-bench\r\ncontent-length: {}\r\n\r\n",
            body.len(),
        ));
        let mut out = out.into_bytes();
        out.extend_from_slice(body);
        out
    }
}

#[cfg(test)]
mod tests {
    use keyward_wire::sigv4::{Claim, Presigned, Request};

    use super::*;

    #[test]
    fn the_servers_side_accepts_what_is_signed_here() {
        let signer = Signer {
            access_key_id: "AKIABENCH".to_owned(),
            secret: "secret".to_owned(),
            region: "us-east-1".to_owned(),
            host: "127.0.0.1:1".to_owned(),
        };
        let now = Timestamp::from_seconds(1_800_000_000);
        let bytes = signer.kms("ListKeys", b"{}", now);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let fields = head.lines().skip(1).map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name, value.as_bytes())
        });
        let request = Request::new("POST", "/", None, None, fields, body.as_bytes()).unwrap();
        let claim = Claim::parse(&request, Presigned::Refused).unwrap();
        let date = claim.credential().date();
        let key = SigningKey::derive(b"secret", date, "us-east-1", "kms");
        assert!(claim.verify(key.borrow()).is_ok());
        let other = SigningKey::derive(b"other", date, "us-east-1", "kms");
        assert!(claim.verify(other.borrow()).is_err());
    }
}
