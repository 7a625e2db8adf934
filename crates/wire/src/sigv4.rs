//! Signature Version 4, the server's side: what a request claims, and the proof that the claim is
//! true.
//!
//! The steps go in the order of AWS's own answers, and each has its own function, since between
//! them the caller looks up the access key:
//!
//! 1. [`Claim::parse`] reads the `Authorization` field, or the query of a presigned URL;
//! 2. [`Claim::check_scope`] holds the credential scope against service, Regions and date;
//! 3. [`Claim::check_clock`] holds the request's time against the clock;
//! 4. the caller finds the access key's secret and checks the session token;
//! 5. [`Claim::verify`] computes the signature, and alone makes a [`Verified`].
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

mod canonical;
mod clock;
mod credential_scope;
mod error;
mod incomplete;
mod presigned;
mod sign;
mod signature;

use std::borrow::Cow;

use clock::RequestTime;
pub use clock::{Skew, SkewError};
pub use credential_scope::{Credential, ScopeError};
pub use error::AuthError;
pub use incomplete::{Incomplete, Missing};
use keyward_types::time::Timestamp;
pub use sign::{Signer, UnsignedRequest};
pub use signature::{SigningKey, SigningKeyRef, Verified};
use smallvec::SmallVec;

/// The one algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last element of a credential scope.
const TERMINATOR: &str = "aws4_request";

/// Header fields of one request.
const MAX_HEADERS: usize = 128;
/// Bytes of all names and values together; a session token may take some thousands.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Bytes of a query string; that of a presigned URL holds a session token.
const MAX_QUERY_BYTES: usize = 32 * 1024;
/// Names in `SignedHeaders`.
const MAX_SIGNED_HEADERS: usize = 64;

/// Fields that change what a request means: where present, they must be signed.
const SIGNED_IF_PRESENT: [(&str, &str); 3] = [
    ("x-amz-target", "X-Amz-Target"),
    ("x-amz-security-token", "X-Amz-Security-Token"),
    ("x-amz-content-sha256", "X-Amz-Content-Sha256"),
];

/// Fields that must not occur twice, since it would not be clear which one counts.
const SINGLE: [(&str, &str); 7] = [
    ("authorization", "Authorization"),
    ("date", "Date"),
    ("host", "Host"),
    ("x-amz-content-sha256", "X-Amz-Content-Sha256"),
    ("x-amz-date", "X-Amz-Date"),
    ("x-amz-security-token", "X-Amz-Security-Token"),
    ("x-amz-target", "X-Amz-Target"),
];

/// A request as it was received, borrowed from the server.
#[derive(Clone)]
pub struct Request<'r> {
    method: &'r str,
    path: &'r str,
    query: &'r str,
    authority: Option<&'r str>,
    // A vector, since a claim borrows the request for as long as the request's own parts.
    headers: Vec<(&'r str, &'r [u8])>,
    // The first value of each field of SINGLE, and the first of these fields that occurs twice.
    single: [Option<&'r [u8]>; SINGLE.len()],
    repeated: Option<usize>,
    body: &'r [u8],
}

impl std::fmt::Debug for Request<'_> {
    // Fields and body contain credentials and plaintexts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl<'r> Request<'r> {
    /// Gathers the parts: the path and query string as they stand on the request line, the
    /// authority of an HTTP/2 request (`:authority`), the header fields in order, the body.
    ///
    /// # Errors
    /// [`AuthError::TooLarge`] if there are more fields, or longer ones, than a client sends.
    pub fn new(
        method: &'r str,
        path: &'r str,
        query: Option<&'r str>,
        authority: Option<&'r str>,
        headers: impl IntoIterator<Item = (&'r str, &'r [u8])>,
        body: &'r [u8],
    ) -> Result<Self, AuthError> {
        let query = query.unwrap_or_default();
        let mut bytes = 0_usize;
        let mut fields = Vec::with_capacity(24);
        let (mut single, mut repeated) = ([None; SINGLE.len()], None);
        for (name, value) in headers {
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
            if fields.len() >= MAX_HEADERS || bytes > MAX_HEADER_BYTES {
                return Err(AuthError::TooLarge);
            }
            fields.push((name, value));
            let known = SINGLE
                .iter()
                .zip(&mut single)
                .enumerate()
                .find(|(_, ((known, _), _))| is_name(name, known));
            if let Some((at, (_, first))) = known {
                if first.is_some() {
                    repeated = Some(repeated.map_or(at, |other: usize| other.min(at)));
                } else {
                    *first = Some(value);
                }
            }
        }
        if query.len() > MAX_QUERY_BYTES {
            return Err(AuthError::TooLarge);
        }
        Ok(Self {
            method,
            path,
            query,
            authority,
            headers: fields,
            single,
            repeated,
            body,
        })
    }

    /// The values of a field, in order. The case of the name does not matter.
    fn values<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'r [u8]> + use<'n, 'r> {
        self.headers
            .iter()
            .filter(move |(field, _)| is_name(field, name))
            .map(|(_, value)| *value)
    }

    /// The first value of a field. The case of the name does not matter.
    pub fn value(&self, name: &str) -> Option<&'r [u8]> {
        match SINGLE.iter().position(|(known, _)| *known == name) {
            Some(at) => self.single.get(at).copied().flatten(),
            None => self.values(name).next(),
        }
    }
}

/// Whether a presigned query is accepted instead of the `Authorization` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presigned {
    /// Yes: `GetCallerIdentity`, whose presigned URLs are the tokens of clusters.
    Accepted,
    /// Yes, for as long as it says by `X-Amz-Expires`, which it must: a client of a file system, whose
    /// certificate has the signature and lives as long. What amazon-efs-utils signs has no empty line after the
    /// canonical headers, other than every other canonical request (`create_canonical_request` in
    /// <https://github.com/aws/efs-utils>).
    UntilItExpires,
    /// No: every other operation.
    Refused,
}

/// What a request claims about its caller. Nothing of it is proven before [`Claim::verify`].
pub struct Claim<'r> {
    request: &'r Request<'r>,
    credential: Credential<'r>,
    signed_headers: SignedHeaders<'r>,
    // None if it does not consist of 64 lower-case hexadecimal digits, which is treated like any
    // wrong signature.
    signature: Option<[u8; 32]>,
    time: RequestTime,
    session_token: Option<Cow<'r, str>>,
    presigned: bool,
    /// Whether an empty line follows the canonical headers.
    empty_line: bool,
    /// `X-Amz-Expires`, in whole minutes, of a presigned query that says so.
    expires: Option<u16>,
}

impl std::fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim")
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

impl<'r> Claim<'r> {
    /// Reads the claim.
    ///
    /// # Errors
    /// No credentials at all, or malformed ones; a field that must be signed is not, or stands
    /// twice.
    pub fn parse(request: &'r Request<'r>, presigned: Presigned) -> Result<Self, AuthError> {
        let repeated = request.repeated.and_then(|at| SINGLE.get(at));
        if let Some((_, shown)) = repeated {
            return Err(AuthError::Repeated(shown));
        }
        let mut claim = match request.value("authorization") {
            Some(authorization) => Self::from_header(request, authorization)?,
            None if presigned != Presigned::Refused => presigned::claim(request)?,
            None => return Err(AuthError::MissingAuthenticationToken),
        };
        claim.empty_line = presigned != Presigned::UntilItExpires;
        claim.check_signed_headers()?;
        Ok(claim)
    }

    fn from_header(request: &'r Request<'r>, value: &'r [u8]) -> Result<Self, AuthError> {
        let lossy = || -> Box<str> { String::from_utf8_lossy(value).into() };
        let text = std::str::from_utf8(value).unwrap_or_default().trim();
        // Split by bytes: the separators are ASCII, so the parts are valid text.
        let mut words = text
            .as_bytes()
            .split(|byte| matches!(byte, b' ' | b'\t' | b','))
            .filter(|word| !word.is_empty())
            .map(|word| std::str::from_utf8(word).unwrap_or_default());
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        if words.next() == Some(ALGORITHM) {
            for word in words {
                let Some((name, value)) = word.split_once('=') else {
                    let word = word.into();
                    return Err(Incomplete::NotAPair {
                        word,
                        authorization: lossy(),
                    }
                    .into());
                };
                let slot = match name {
                    "Credential" => &mut credential,
                    "SignedHeaders" => &mut signed_headers,
                    "Signature" => &mut signature,
                    _ => continue,
                };
                if slot.replace(value).is_some() {
                    return Err(AuthError::Repeated("Authorization"));
                }
            }
        }
        let time = RequestTime::of(request)?;
        let missing = Missing {
            credential: credential.is_none(),
            signature: signature.is_none(),
            signed_headers: signed_headers.is_none(),
            date: time.is_none(),
        };
        let (Some(credential), Some(signed_headers), Some(signature), Some(time)) =
            (credential, signed_headers, signature, time)
        else {
            return Err(Incomplete::Header {
                missing,
                authorization: lossy(),
            }
            .into());
        };
        let session_token = match request.value("x-amz-security-token") {
            Some(token) => {
                let token = std::str::from_utf8(token).map_err(|_| AuthError::UnknownAccessKey)?;
                Some(Cow::Borrowed(token.trim()))
            }
            None => None,
        };
        Ok(Self {
            request,
            credential: Credential::parse(Cow::Borrowed(credential))?,
            signed_headers: SignedHeaders::new(Cow::Borrowed(signed_headers)),
            signature: signature::parse(signature),
            time,
            session_token,
            presigned: false,
            empty_line: true,
            expires: None,
        })
    }

    /// The access key's id, as claimed.
    pub fn access_key_id(&self) -> &str {
        self.credential.access_key_id()
    }

    /// The credential: access key id and scope.
    pub fn credential(&self) -> &Credential<'r> {
        &self.credential
    }

    /// The session token of temporary credentials, if there is one.
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// The time at which the caller claims to have signed.
    pub fn time(&self) -> Timestamp {
        self.time.instant()
    }

    /// Whether the claim is in the query of a presigned URL.
    pub fn is_presigned(&self) -> bool {
        self.presigned
    }

    /// Checks the credential scope against the called service, the served Regions, and the date of
    /// the request.
    ///
    /// # Errors
    /// [`AuthError::Scope`] with everything that is wrong.
    pub fn check_scope(
        &self,
        service: &str,
        region_is_served: impl FnOnce(&str) -> bool,
    ) -> Result<(), AuthError> {
        Ok(self
            .credential
            .check(service, region_is_served, &self.time)?)
    }

    /// Checks the request's time against the clock. A presigned query is valid as long as the skew
    /// allows, whatever its `X-Amz-Expires` is: cluster tokens rely on 15 minutes.
    ///
    /// # Errors
    /// [`AuthError::Skew`].
    pub fn check_clock(&self, now: Timestamp, skew: Skew) -> Result<(), AuthError> {
        Ok(self.time.check(now, skew)?)
    }

    /// Checks the time of a presigned query against the clock: it is good from when it was signed, give
    /// or take the skew, for as long as it says.
    ///
    /// # Errors
    /// [`AuthError::Skew`]; of a query that does not say for how long, after the skew.
    pub fn check_expiry(&self, now: Timestamp, skew: Skew) -> Result<(), AuthError> {
        let minutes = self.expires.unwrap_or(skew.minutes());
        Ok(self.time.check_within(now, (minutes, skew.minutes()))?)
    }

    /// Whether a field is among the signed ones.
    pub fn signs(&self, name: &str) -> bool {
        self.signed_headers
            .names()
            .any(|signed| is_name(signed, name))
    }

    fn check_signed_headers(&self) -> Result<(), AuthError> {
        let mut seen: SmallVec<[&str; 16]> = SmallVec::new();
        for name in self.signed_headers.names() {
            if seen.len() >= MAX_SIGNED_HEADERS {
                return Err(AuthError::TooLarge);
            }
            // Anything else could move the line breaks of the canonical request.
            if name != ":authority" && !is_field_name(name) {
                return Err(Incomplete::SignedHeaders.into());
            }
            if seen.iter().any(|other| is_name(other, name)) {
                return Err(AuthError::Repeated("SignedHeaders"));
            }
            seen.push(name);
        }
        if !self.signs("host") && !self.signs(":authority") {
            return Err(AuthError::HostNotSigned);
        }
        for (name, shown) in SIGNED_IF_PRESENT {
            if self.request.value(name).is_some() && !self.signs(name) {
                return Err(AuthError::NotSigned(shown));
            }
        }
        // A presigned URL has its date in the query, all of which is signed.
        if !self.presigned {
            let (name, shown) = self.time.field();
            if !self.signs(name) {
                return Err(AuthError::NotSigned(shown));
            }
        }
        Ok(())
    }
}

/// Whether two names are the same apart from case. Nearly all differ in length already.
#[inline]
fn is_name(name: &str, other: &str) -> bool {
    name.len() == other.len() && name.eq_ignore_ascii_case(other)
}

/// `SignedHeaders` with its names taken apart.
struct SignedHeaders<'r> {
    text: Cow<'r, str>,
    ends: SmallVec<[u32; 16]>,
}

impl<'r> SignedHeaders<'r> {
    fn new(text: Cow<'r, str>) -> Self {
        let bytes = text.bytes().chain(std::iter::once(b';')).enumerate();
        let ends = bytes
            .filter(|(_, byte)| *byte == b';')
            .map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX))
            .collect();
        Self { text, ends }
    }

    /// As in the request, joined by semicolons.
    fn text(&self) -> &str {
        &self.text
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let end = *end as usize;
            let name = self.text.get(from..end).unwrap_or_default();
            from = end + 1;
            name
        })
    }
}

/// A token of RFC 9110, section 5.6.2.
fn is_field_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| {
            matches!(byte, b'a'..=b'z' | b'-' | b'A'..=b'Z' | b'0'..=b'9')
                || b"!#$%&'*+.^_`|~".contains(&byte)
        })
}
