//! A bucket of Amazon S3, or of another service that understands its requests: the five of them that copies of
//! volumes need. Whoever owns the bucket may answer anything, so every answer has a limit.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

mod answer;

use std::{collections::HashSet, fmt, path::PathBuf, thread, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use keyward_crypto::digest;
use keyward_types::time::Clock as _;
use keyward_wire::sigv4::{Signer, UnsignedRequest};
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::runtime::{Builder, Runtime};

use crate::{
    TIMEOUT,
    address::Address,
    aws::{Credentials, Settings},
    bucket::answer::{Refusal, parse_page},
    clock::SystemClock,
    hosts::Plaintext,
};

/// How often a request is sent that may succeed the next time.
const ATTEMPTS: u32 = 5;
/// The pause before the second attempt; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);
/// The slowest connection that is waited for, in bytes in a second.
const SLOWEST: u64 = 64 << 10;
/// The longest list or refusal that is read, in bytes.
const MAX_TEXT: u64 = 4 << 20;
/// The most pages of a list, each of at most 1,000 names.
const MAX_PAGES: u32 = 20_000;
/// The most of them in a row that have no name.
const MAX_EMPTY_PAGES: u32 = 100;
/// The longest that reading a list may take; one of four million names takes a quarter of it.
const LONGEST_LIST: Duration = Duration::from_secs(60 * 60);
/// The longest name of an object, in bytes.
const MAX_KEY: usize = 1024;
/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is said of a bucket apart from what the environment says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The URL of the service.
    pub endpoint_url: Option<String>,
    /// The Region.
    pub region: Option<String>,
    /// The profile whose access key is used.
    pub profile: Option<String>,
    /// A file of certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether requests may be sent without encryption.
    pub plaintext: Plaintext,
}

/// Why a bucket cannot be used, in sentences that say what to do.
pub type Failure = anyhow::Error;

/// A bucket. Threads use it at once, each over a connection of its own.
pub struct Bucket {
    name: String,
    address: Address,
    host: String,
    /// The path before an object's name, without the `/` at its end.
    path: String,
    region: String,
    credentials: Credentials,
    idle: Mutex<Vec<Connection>>,
}

/// A connection that waits for the next request.
struct Connection {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
}

/// What came back.
struct Answer {
    status: StatusCode,
    /// The bucket's Region, where that is said.
    region: Option<String>,
    body: Vec<u8>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // A runtime waits for its threads when it is dropped, which must not be where nothing may wait.
        for connection in self.idle.get_mut().drain(..) {
            connection.runtime.shutdown_background();
        }
    }
}

impl Bucket {
    /// A bucket where the options or else the environment say. Nobody is asked yet.
    ///
    /// # Errors
    /// When the name is none, or nothing says who asks, or where.
    #[expect(
        clippy::disallowed_methods,
        reason = "configuration is where the environment is read"
    )]
    pub fn new(name: &str, options: &Options) -> anyhow::Result<Self> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let ends = [name.bytes().next(), name.bytes().last()];
        if !(3..=63).contains(&name.len())
            || !name
                .bytes()
                .all(|byte| plain(byte) || b".-".contains(&byte))
            || !ends.into_iter().flatten().all(plain)
            || name.contains("..")
        {
            bail!(
                "`{}` is not the name of a bucket, which has 3 to 63 lower-case letters, digits, `.` and `-`",
                name.escape_debug()
            );
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = std::env::home_dir();
        let settings = Settings::read(&variable, options.profile.as_deref(), home.as_deref())?;
        let region = match &options.region {
            Some(region) => region.clone(),
            None => settings.region()?,
        };
        if !region.bytes().all(|byte| plain(byte) || byte == b'-') || region.is_empty() {
            bail!("`{}` is not a Region", region.escape_debug());
        }
        let given = options
            .endpoint_url
            .clone()
            .or_else(|| settings.s3_endpoint());
        let (endpoint, path) = locate(name, &region, given);
        let ca_file = options.ca_file.clone().map(|path| ("--ca-file", path));
        let bundle = settings.ca_bundle();
        let address = Address::new(&endpoint, ca_file, bundle, options.plaintext)?;
        Ok(Self {
            name: name.to_owned(),
            host: address.authority(),
            address,
            path,
            region,
            credentials: settings.credentials_or("or choose a profile with AWS_PROFILE")?,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Stores an object, over one of that name.
    ///
    /// # Errors
    /// When the service cannot be reached, or refuses.
    pub fn put(&self, key: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
        let answer = self.ask(&Method::PUT, key, "", (bytes.into(), MAX_TEXT))?;
        match answer.status {
            StatusCode::OK => Ok(()),
            _ => Err(self.refused("s3:PutObject", &answer)),
        }
    }

    /// An object, but at most so many bytes of it and one more; `None` if there is none.
    ///
    /// # Errors
    /// When the service cannot be reached, or refuses.
    pub fn get(&self, key: &str, limit: u64) -> anyhow::Result<Option<Vec<u8>>> {
        let answer = self.ask(&Method::GET, key, "", (Bytes::new(), limit.max(MAX_TEXT)))?;
        match answer.status {
            StatusCode::OK => {
                let mut body = answer.body;
                body.truncate(usize::try_from(limit.saturating_add(1)).unwrap_or(usize::MAX));
                Ok(Some(body))
            }
            StatusCode::NOT_FOUND if Refusal::parse(&answer.body).is(&["NoSuchKey"]) => Ok(None),
            _ => Err(self.refused("s3:GetObject", &answer)),
        }
    }

    /// Removes an object. None is no error.
    ///
    /// # Errors
    /// When the service cannot be reached, or refuses.
    pub fn remove(&self, key: &str) -> anyhow::Result<()> {
        let answer = self.ask(&Method::DELETE, key, "", (Bytes::new(), MAX_TEXT))?;
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            StatusCode::NOT_FOUND if Refusal::parse(&answer.body).is(&["NoSuchKey"]) => Ok(()),
            _ => Err(self.refused("s3:DeleteObject", &answer)),
        }
    }

    /// Tells of each object whose name begins so: the name, and how many bytes the object has.
    ///
    /// # Errors
    /// When the service cannot be reached, refuses, or answers without an end, or when `each` fails.
    pub fn list<E: From<anyhow::Error>>(
        &self,
        prefix: &str,
        each: &mut dyn FnMut(&str, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut token: Option<String> = None;
        // Hashes, since a token may be as long as an answer.
        let mut seen = HashSet::new();
        let mut empty = 0;
        let clock = SystemClock::new();
        let begun = clock.monotonic();
        for _ in 0..MAX_PAGES {
            let taken = clock.monotonic().millis_since(begun);
            if Duration::from_millis(taken) > LONGEST_LIST {
                return Err(self.not_s3("its list takes more than an hour").into());
            }
            let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
            let from = token.as_deref().map(encoded);
            let from = from.map(|token| format!("continuation-token={token}&"));
            let query = format!(
                "{}encoding-type=url&list-type=2&prefix={}",
                from.unwrap_or_default(),
                encoded(prefix)
            );
            let answer = self.ask(&Method::GET, "", &query, (Bytes::new(), MAX_TEXT))?;
            if answer.status != StatusCode::OK {
                return Err(self.refused("s3:ListBucket", &answer).into());
            }
            let page = parse_page(&answer.body).map_err(|why| self.not_s3(why))?;
            for (key, bytes) in &page.objects {
                if key.starts_with(prefix) {
                    each(key, *bytes)?;
                }
            }
            empty = if page.objects.is_empty() {
                empty + 1
            } else {
                0
            };
            match page.next {
                None => return Ok(()),
                Some(next)
                    if empty < MAX_EMPTY_PAGES && seen.insert(digest::sha256(next.as_bytes())) =>
                {
                    token = Some(next);
                }
                Some(_) => break,
            }
        }
        Err(self.not_s3("its list has no end").into())
    }

    /// One request, sent again if that may help. Doing any of them twice is the same as doing it once.
    fn ask(
        &self,
        method: &Method,
        key: &str,
        query: &str,
        (body, limit): (Bytes, u64),
    ) -> anyhow::Result<Answer> {
        if key.len() > MAX_KEY {
            bail!("the name of an object has at most {MAX_KEY} bytes: use a shorter prefix");
        }
        let mut pause = PAUSE;
        for attempt in 1.. {
            let asked = self.once(method, key, query, (body.clone(), limit));
            let may_help = match &asked {
                Ok(answer) => matches!(answer.status.as_u16(), 408 | 429 | 500 | 502..=504),
                Err(_) => true,
            };
            if !may_help || attempt == ATTEMPTS {
                return asked;
            }
            thread::sleep(pause);
            pause *= 2;
        }
        // `attempt` would have to overflow.
        bail!("{} was asked too often", self.address.shown())
    }

    fn once(
        &self,
        method: &Method,
        key: &str,
        query: &str,
        (body, limit): (Bytes, u64),
    ) -> anyhow::Result<Answer> {
        let seconds = (body.len() as u64).max(limit) / SLOWEST;
        let timeout = TIMEOUT + Duration::from_secs(seconds);
        let idle = self.idle.lock().pop();
        if let Some(mut connection) = idle {
            let request = self.request(method, key, query, &body)?;
            // The service may have closed it in the meantime: then it is asked over another one.
            if let Ok(answer) = self.exchange(&mut connection, request, (timeout, limit)) {
                self.idle.lock().push(connection);
                return Ok(answer);
            }
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let opened = self.address.in_time(self.address.open(), TIMEOUT);
        let (sender, driver) = runtime.block_on(opened)?;
        // It runs while the connection is waited for, and ends with the runtime.
        let _driven = runtime.spawn(driver);
        let mut connection = Connection { runtime, sender };
        let request = self.request(method, key, query, &body)?;
        let answer = self.exchange(&mut connection, request, (timeout, limit));
        let answer = answer.with_context(|| {
            format!(
                "{} does not answer as a service of buckets does: check its URL",
                self.address.shown()
            )
        })?;
        self.idle.lock().push(connection);
        Ok(answer)
    }

    fn exchange(
        &self,
        connection: &mut Connection,
        request: Request<Full<Bytes>>,
        (timeout, limit): (Duration, u64),
    ) -> anyhow::Result<Answer> {
        let sender = &mut connection.sender;
        let asked = async {
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let region = answer.headers().get("x-amz-bucket-region");
            let region = region.and_then(|region| region.to_str().ok());
            let region = region.map(ToOwned::to_owned);
            let (mut frames, mut body) = (answer.into_body(), Vec::new());
            while let Some(frame) = frames.frame().await {
                let frame = frame.map_err(|error| anyhow!("the answer cannot be read: {error}"))?;
                body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                // The rest is not read: whoever asked sees that it is too much.
                if body.len() as u64 > limit {
                    break;
                }
            }
            Ok(Answer {
                status,
                region,
                body,
            })
        };
        let in_time = self.address.in_time(asked, timeout);
        connection.runtime.block_on(in_time)
    }

    /// A signed request.
    fn request(
        &self,
        method: &Method,
        key: &str,
        query: &str,
        body: &Bytes,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let signer = Signer {
            access_key_id: &self.credentials.access_key_id,
            secret: &self.credentials.secret,
            session_token: self.credentials.session_token.as_deref(),
            region: &self.region,
            service: "s3",
        };
        let hash = hex::encode(digest::sha256(body));
        let path = match (self.path.as_str(), key) {
            ("", key) => format!("/{key}"),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}/{key}"),
        };
        let asked = UnsignedRequest {
            method: method.as_str(),
            path: &path,
            query,
            body_hash: &hash,
        };
        let fields = [
            ("host", self.host.as_str()),
            ("x-amz-content-sha256", &hash),
        ];
        let signed = signer.sign_request(&asked, &fields, SystemClock::new().now());
        let target = if query.is_empty() {
            path
        } else {
            format!("{path}?{query}")
        };
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::USER_AGENT, "keyward");
        for (name, value) in signed {
            request = request.header(name, value);
        }
        Ok(request.body(Full::new(body.clone()))?)
    }

    /// Why the service refused, and what to do.
    fn refused(&self, action: &str, answer: &Answer) -> anyhow::Error {
        let (name, host) = (&self.name, self.address.shown());
        let refusal = Refusal::parse(&answer.body);
        if answer::is_of_keyward(&answer.body) {
            return anyhow!(
                "{host} is a Keyward server, which has no buckets: give the URL of the service that has the bucket `{name}` with --endpoint-url (for an agent, --backup-endpoint-url) or in AWS_ENDPOINT_URL_S3"
            );
        }
        if let Some(region) = &answer.region
            && *region != self.region
        {
            return anyhow!(
                "the bucket `{name}` is in the Region {}: use that one",
                answer::shown(region)
            );
        }
        if refusal.is(&["NoSuchBucket"]) {
            return anyhow!(
                "{host} has no bucket `{name}`: create it first, or correct the name or the service's URL"
            );
        }
        if refusal.is(&["AccessDenied"]) {
            return anyhow!(
                "{host} does not allow {action} on the bucket `{name}`, {refusal}: the access key {} needs s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects",
                self.credentials.access_key_id
            );
        }
        anyhow!(
            "{host} refused {action} on the bucket `{name}` with status {}, {refusal}",
            answer.status.as_u16()
        )
    }

    fn not_s3(&self, why: &str) -> anyhow::Error {
        anyhow!(
            "{} does not answer as a service of buckets does, {why}: check its URL",
            self.address.shown()
        )
    }
}

/// The URL of a bucket's service, and the path of the bucket there.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>
fn locate(name: &str, region: &str, given: Option<String>) -> (String, String) {
    if let Some(endpoint) = given {
        return (endpoint, format!("/{name}"));
    }
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    // The certificates of Amazon S3 are for names without another dot.
    if name.contains('.') {
        (format!("https://s3.{region}.{domain}"), format!("/{name}"))
    } else {
        (
            format!("https://{name}.s3.{region}.{domain}"),
            String::new(),
        )
    }
}

#[cfg(test)]
mod tests;
