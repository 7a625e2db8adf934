//! Signed requests as bytes, and the sockets that carry them.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_crypto::{digest::sha256, mac::hmac_sha256};
use keyward_types::time::Timestamp;
use serde_json::Value;

pub const REGION: &str = "us-east-1";

/// An access key.
#[derive(Clone)]
pub struct Signer {
    pub id: String,
    pub secret: String,
}

impl Signer {
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        let (id, secret) = (id.into(), secret.into());
        Self { id, secret }
    }

    /// A signed KMS request, ready to be sent.
    pub fn kms(&self, operation: &str, body: &Value) -> Vec<u8> {
        let target = format!("TrentService.{operation}");
        let fields = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", &target),
        ];
        self.signed("kms", &fields, body.to_string().as_bytes())
    }

    /// A signed IAM request, ready to be sent.
    pub fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> Vec<u8> {
        let mut body = format!("Version=2010-05-08&Action={action}");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", percent(value)));
        }
        let fields = [("content-type", "application/x-www-form-urlencoded")];
        self.signed("iam", &fields, body.as_bytes())
    }

    fn signed(&self, service: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let stamp = now().iso8601_basic();
        let date = &stamp[..8];
        let mut fields = fields.to_vec();
        fields.extend([("host", "keyward.test"), ("x-amz-date", &stamp)]);
        fields.sort_unstable();
        let lines: String = fields.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", hex::encode(sha256(body)));
        let scope = format!("{date}/{REGION}/{service}/aws4_request");
        let hash = hex::encode(sha256(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hash}");
        let key = self.signing_key(date, service);
        let signature = hex::encode(hmac_sha256(&key, &[text.as_bytes()]));
        let mut head = String::from("POST / HTTP/1.1\r\n");
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!(
            "authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, \
             Signature={signature}\r\ncontent-length: {}\r\n\r\n",
            self.id,
            body.len()
        ));
        [head.as_bytes(), body].concat()
    }

    /// The key that this day's requests to a service are signed with.
    pub fn signing_key(&self, date: &str, service: &str) -> [u8; 32] {
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [date, REGION, service, "aws4_request"] {
            key = hmac_sha256(&key, &[part.as_bytes()]).to_vec();
        }
        key.try_into().unwrap()
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body of an answer that must be a success.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of an error in JSON; nothing if there is none.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["__type"].as_str().unwrap_or_default().to_owned()
    }

    /// What stands in an XML element of that name.
    pub fn element(&self, name: &str) -> String {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{name}>")).expect(&text);
        rest.split('<').next().unwrap().to_owned()
    }
}

/// One connection that is kept alive.
pub struct Connection {
    pub stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        // Long enough for any machine: a test that hangs says where.
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).unwrap();
        let received = Vec::new();
        Self { stream, received }
    }

    /// Sends a whole request and waits for its answer.
    #[track_caller]
    pub fn send(&mut self, request: &[u8]) -> Answer {
        self.stream.write_all(request).unwrap();
        self.answer().expect("the server closed the connection")
    }

    /// The next answer; none if the server closes the connection first.
    pub fn answer(&mut self) -> Option<Answer> {
        self.try_answer().unwrap()
    }

    /// As [`answer`](Self::answer), where the connection may break.
    pub fn try_answer(&mut self) -> io::Result<Option<Answer>> {
        loop {
            if let Some((answer, length)) = parse(&self.received) {
                self.received.drain(..length);
                return Ok(Some(answer));
            }
            let mut part = [0; 16 << 10];
            match self.stream.read(&mut part)? {
                0 => return Ok(None),
                count => self.received.extend_from_slice(&part[..count]),
            }
        }
    }
}

/// The answer at the start of these bytes and its length, if it is whole.
fn parse(received: &[u8]) -> Option<(Answer, usize)> {
    let head = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&received[..head]).unwrap();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap())
    });
    let end = head + length.unwrap_or(0);
    let body = received.get(head..end)?.to_vec();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    Some((Answer { status, body }, end))
}

/// The wall clock.
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "a client has a clock of its own")]
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::from_seconds(i64::try_from(since.unwrap().as_secs()).unwrap())
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

pub fn from_base64(text: &Value) -> Vec<u8> {
    STANDARD.decode(text.as_str().unwrap()).unwrap()
}

fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
