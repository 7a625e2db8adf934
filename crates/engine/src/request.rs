//! A request as it was received, the other end of its connection, and an answer: which every layer
//! of the server uses.

use std::{
    borrow::Cow,
    fmt,
    net::IpAddr,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use keyward_crypto::{random, secret::SecretBytes};
use keyward_types::{account::AccountId, arn::MAX_ARN_LENGTH};
use keyward_wire::{
    json::Writer,
    query::Form,
    sigv4::{Claim, Request},
};
use uuid::Uuid;

use crate::{directory::units::organization::Membership, protocol::Style};

/// Bytes of memory that a header takes besides its name and value, at most.
const HEADER_COST: usize = 512;
/// Bytes of memory that a request takes besides headers and body.
const REQUEST_COST: usize = 4 << 10;

/// A request as the listener received it.
#[derive(Debug)]
pub struct Received<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it stands on the request line.
    pub path: &'a str,
    /// The query string as it is there, perhaps empty.
    pub query: &'a str,
    /// The headers in order; HTTP/2's authority as `host`.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// From where.
    pub peer: &'a Peer,
}

impl<'a> Received<'a> {
    /// The value of a field, if it is there and text: the first one, if there are several.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let found = self
            .headers
            .iter()
            .find(|(field, _)| field.len() == name.len() && field.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// Bytes of memory that it holds besides its body, at most.
    pub fn holds(&self) -> usize {
        let headers = self.headers.iter();
        let texts = headers.map(|(name, value)| name.len() + value.len() + HEADER_COST);
        REQUEST_COST + texts.sum::<usize>()
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub fn expects(&self) -> bool {
        let mut names = self.headers.iter().map(|(field, _)| field);
        names.any(|field| field.eq_ignore_ascii_case("expect"))
    }

    /// Whether it claims to be signed. What does not is at most a web identity's.
    pub fn is_signed(&self) -> bool {
        let header = "authorization";
        let is_it = |field: &str| field.len() == header.len() && field.eq_ignore_ascii_case(header);
        self.headers.iter().any(|(field, _)| is_it(field))
            || self.query.contains("X-Amz-Signature=")
    }

    /// How the client wants an answer of the Query protocol.
    pub(crate) fn form(&self) -> Form {
        let fields = self.headers.iter();
        let accept = fields.filter(|(field, _)| field.eq_ignore_ascii_case("accept"));
        Form::accepted(accept.map(|(_, value)| *value))
    }

    /// What every event shows of the client, found in one pass; empty if it is missing.
    pub(crate) fn client(&self) -> Client<'a> {
        let mut client = Client::default();
        // From the last to the first, which is the one that counts.
        for (field, value) in self.headers.iter().rev() {
            let place = match field.len() {
                4 if field.eq_ignore_ascii_case("host") => &mut client.host,
                7 if field.eq_ignore_ascii_case("referer") => &mut client.referer,
                10 if field.eq_ignore_ascii_case("user-agent") => &mut client.user_agent,
                _ => continue,
            };
            *place = std::str::from_utf8(value).unwrap_or_default();
        }
        client
    }
}

/// What a client says about itself in headers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Client<'a> {
    pub user_agent: &'a str,
    pub referer: &'a str,
    pub host: &'a str,
}

/// The other end of a connection, according to the socket.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client's address.
    pub source_ip: IpAddr,
    /// TLS, if the connection has it.
    pub tls: Option<TlsDetails>,
    /// Whether a proxy named the client, so that its address is not that of the socket.
    pub is_named_by_proxy: bool,
    /// Whether a caller was proven on the connection.
    pub proof: Proof,
    address: Box<str>,
}

impl Peer {
    /// The other end at an address.
    pub fn new(source_ip: IpAddr, tls: Option<TlsDetails>) -> Self {
        Self {
            source_ip,
            tls,
            is_named_by_proxy: false,
            proof: Proof::default(),
            address: source_ip.to_string().into(),
        }
    }

    /// Whether the socket's other end is on this machine, and speaks for itself.
    pub fn is_local(&self) -> bool {
        !self.is_named_by_proxy && self.source_ip.is_loopback()
    }

    /// The client's address as text, which every event has.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Whether a caller was proven on a connection, and which principal was last; its clones share that.
#[derive(Clone, Debug, Default)]
pub struct Proof(Arc<AtomicU64>);

impl Proof {
    /// A caller was proven, whose principal has this number.
    pub fn note(&self, principal: NonZeroU64) {
        let principal = principal.get();
        // Read first, so that the requests of a connection do not invalidate each other's cache line.
        if self.0.load(Ordering::Relaxed) != principal {
            self.0.store(principal, Ordering::Relaxed);
        }
    }

    /// Whether one was.
    pub fn is_proven(&self) -> bool {
        self.principal().is_some()
    }

    /// The number of the principal that was proven last.
    pub fn principal(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.0.load(Ordering::Relaxed))
    }
}

/// What the audit trail shows of a connection's TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsDetails {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite by its registered name.
    pub cipher_suite: String,
}

/// An answer for the listener to send.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body's type.
    pub content_type: &'static str,
    /// The request's id.
    pub request_id: Uuid,
    /// The code of an error of REST-JSON, which is in a field of its own.
    pub error_type: Option<Cow<'static, str>>,
    /// The body; its memory is wiped when it has been sent.
    pub body: Bytes,
    /// The fault in the body, for an API that made the call; `None` for other answers.
    pub told: Option<Box<Told>>,
}

/// What an answer says of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The code on the wire.
    pub code: &'static str,
    /// The message, if there is one.
    pub message: Option<String>,
}

impl Answer {
    /// An answer whose body may hold secrets.
    pub fn new(status: u16, content_type: &'static str, request_id: Uuid, body: Vec<u8>) -> Self {
        let body = Bytes::from_owner(Wiped(SecretBytes::from_vec(body)));
        Self {
            status,
            content_type,
            request_id,
            error_type: None,
            body,
            told: None,
        }
    }

    /// The same answer in that style, with the code of an error where the style has it outside of the body.
    #[must_use]
    pub fn with_code(mut self, style: Style, code: Cow<'static, str>) -> Self {
        if matches!(style, Style::Rest(_)) {
            self.error_type = Some(code);
        }
        self
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

struct Wiped(SecretBytes);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// The resource for which a service calls on its own behalf. Only a service can name it, and only if it is signed.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// `aws:SourceArn`
    pub arn: Option<String>,
    /// `aws:SourceAccount`
    pub account: Option<String>,
    /// `aws:SourceOrgID` and `aws:SourceOrgPaths`: the account's place in its organization.
    pub organization: Option<Membership>,
}

impl Source {
    pub(crate) fn of(request: &Request<'_>, claim: &Claim<'_>) -> Self {
        let signed = |name: &str| {
            let value = request.value(name).filter(|_| claim.signs(name))?;
            let text = std::str::from_utf8(value).ok()?;
            (!text.is_empty() && text.len() <= MAX_ARN_LENGTH).then(|| text.to_owned())
        };
        Self {
            arn: signed("x-amz-source-arn"),
            account: signed("x-amz-source-account"),
            organization: None,
        }
    }

    /// Writes the condition values that come from here into an audit event.
    pub fn describe(&self, context: &mut Writer<'_>) {
        if let Some(arn) = &self.arn {
            context.string("aws:SourceArn", arn);
        }
        if let Some(account) = &self.account {
            context.string("aws:SourceAccount", account);
        }
        if let Some(membership) = &self.organization {
            context.string("aws:SourceOrgID", membership.id().as_str());
            context.strings("aws:SourceOrgPaths", [membership.member().path()]);
        }
    }

    pub(crate) fn account_id(&self) -> Option<AccountId> {
        AccountId::parse(self.account.as_deref()?).ok()
    }
}

/// The ids of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    pub request: Uuid,
    pub event: Uuid,
}

impl Ids {
    pub fn new() -> Self {
        let bytes: [u8; 32] = random::public();
        let (first, second) = bytes.split_at(16);
        let uuid = |half: &[u8]| {
            let half: [u8; 16] = half.try_into().unwrap_or_default();
            uuid::Builder::from_random_bytes(half).into_uuid()
        };
        Self {
            request: uuid(first),
            event: uuid(second),
        }
    }
}
