//! Requests for tests: parts that can be changed one by one, and a signer of our own.

use keyward_crypto::{digest::sha256, mac::hmac_sha256};
use keyward_types::time::Timestamp;
use keyward_wire::sigv4::{AuthError, Claim, Presigned, Request, SigningKey};

pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const NOW: Timestamp = Timestamp::from_seconds(1_440_938_160); // 2015-08-30T12:36:00Z

/// A request as it stands on the wire.
#[derive(Clone, Debug)]
pub struct Parts {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Parts {
    /// A KMS request, signed as `signed` says, by a signer that follows the documentation.
    pub fn kms(signed: &str) -> Self {
        let mut parts = Self {
            method: "POST".into(),
            path: "/".into(),
            query: String::new(),
            headers: vec![
                ("host".into(), b"127.0.0.1:5670".to_vec()),
                (
                    "content-type".into(),
                    b"application/x-amz-json-1.1".to_vec(),
                ),
                ("x-amz-date".into(), b"20150830T123600Z".to_vec()),
                ("x-amz-target".into(), b"TrentService.Encrypt".to_vec()),
            ],
            body: br#"{"KeyId":"alias/app","Plaintext":"aGVsbG8="}"#.to_vec(),
        };
        parts.sign(signed);
        parts
    }

    /// Replaces the `Authorization` field by a right one. For requests to `/` without query.
    pub fn sign(&mut self, signed: &str) {
        self.headers.retain(|(name, _)| name != "authorization");
        let mut canonical = format!("{}\n/\n\n", self.method);
        for name in signed.split(';') {
            let values: Vec<String> = self
                .headers
                .iter()
                .filter(|(field, _)| field == name)
                .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
                .collect();
            canonical += &format!("{name}:{}\n", values.join(","));
        }
        canonical += &format!("\n{signed}\n{}", hex::encode(sha256(&self.body)));
        let scope = "20150830/us-east-1/kms/aws4_request";
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n20150830T123600Z\n{scope}\n{}",
            hex::encode(sha256(canonical.as_bytes()))
        );
        let key = SigningKey::derive(SECRET.as_bytes(), "20150830", "us-east-1", "kms");
        let signature = hmac_sha256(key.into_secret().expose(), &[to_sign.as_bytes()]);
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={signed}, \
             Signature={}",
            hex::encode(signature)
        );
        self.headers
            .push(("authorization".into(), value.into_bytes()));
    }

    /// Reads the suite's format: request line, fields (folded ones too), an empty line, the body.
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let line = lines.next().unwrap();
        let (method, rest) = line.split_once(' ').unwrap();
        let (target, _) = rest.rsplit_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        for line in lines {
            if line.starts_with(' ') {
                let (_, value) = headers.last_mut().unwrap();
                value.push(b'\n');
                value.extend_from_slice(line.as_bytes());
            } else {
                let (name, value) = line.split_once(':').unwrap();
                headers.push((name.into(), value.into()));
            }
        }
        Self {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers,
            body: body.into(),
        }
    }

    /// Puts a field in place of what stands there.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.remove(name);
        self.headers.push((name.into(), value.as_ref().to_vec()));
    }

    pub fn remove(&mut self, name: &str) {
        self.headers
            .retain(|(field, _)| !field.eq_ignore_ascii_case(name));
    }

    pub fn get(&self, name: &str) -> &str {
        let (_, value) = self
            .headers
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .unwrap();
        std::str::from_utf8(value).unwrap()
    }

    /// Changes the `Authorization` field's text.
    pub fn edit(&mut self, from: &str, to: &str) {
        let value = self.get("authorization");
        assert!(value.contains(from), "{from} in {value}");
        let value = value.replacen(from, to, 1);
        self.set("authorization", value);
    }

    pub fn request(&self) -> Result<Request<'_>, AuthError> {
        Request::new(
            &self.method,
            &self.path,
            Some(&self.query),
            None,
            self.headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice())),
            &self.body,
        )
    }

    /// All steps but the clock, with the secret of the examples.
    pub fn verify(&self, service: &str, presigned: Presigned) -> Result<(), AuthError> {
        let request = self.request()?;
        let claim = Claim::parse(&request, presigned)?;
        claim.check_scope(service, |region| region == "us-east-1")?;
        // The signature does not cover the id: it only chooses the secret.
        if claim.access_key_id() != ACCESS_KEY {
            return Err(AuthError::UnknownAccessKey);
        }
        let scope = claim.credential();
        let key = SigningKey::derive(
            SECRET.as_bytes(),
            scope.date(),
            scope.region(),
            scope.service(),
        );
        let verified = claim.verify(key.borrow())?;
        assert_eq!(verified.access_key_id(), ACCESS_KEY);
        Ok(())
    }
}
