//! REST-JSON: method and path name the operation; members stand in the path, in the query string and
//! in a JSON body.
//!
//! All of them become one tree, as the body of another protocol would be, so that members are read by
//! the same [`Members`](crate::json::Members), with the same messages.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>

use std::borrow::Cow;

use percent_encoding::percent_decode;
use smallvec::SmallVec;

use crate::{
    fault::Fault,
    json::{self, DecodeError, Number, Object, Value},
};

/// Bytes of a path.
const MAX_PATH: usize = 8 << 10;
/// Bytes of a query string.
const MAX_QUERY: usize = 32 << 10;
/// Parameters of a query string.
const MAX_PARAMETERS: usize = 256;
/// The most segments of a path.
const MAX_SEGMENTS: usize = 16;

/// How requests name an operation, and what its success is.
#[derive(Debug)]
pub struct Route {
    /// The operation.
    pub operation: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path: literal segments, and members in braces, each of which is one segment.
    pub path: &'static str,
    /// The members that stand in the query string.
    pub query: &'static [QueryMember],
    /// The HTTP status of a success.
    pub status: u16,
}

/// A member that stands in the query string.
#[derive(Debug)]
pub struct QueryMember {
    /// The parameter's name.
    pub parameter: &'static str,
    /// The member's name.
    pub member: &'static str,
    /// Its type.
    pub kind: QueryKind,
}

/// The type of a member in a query string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    /// A text.
    Text,
    /// An integer.
    Integer,
    /// A list of texts: the parameter may occur more than once.
    Texts,
}

impl QueryMember {
    /// A text whose parameter is called as the member.
    pub const fn text(name: &'static str) -> Self {
        Self {
            parameter: name,
            member: name,
            kind: QueryKind::Text,
        }
    }

    /// A text whose parameter is called otherwise.
    pub const fn named(parameter: &'static str, member: &'static str) -> Self {
        Self {
            parameter,
            member,
            kind: QueryKind::Text,
        }
    }

    /// An integer whose parameter is called as the member.
    pub const fn integer(name: &'static str) -> Self {
        Self {
            parameter: name,
            member: name,
            kind: QueryKind::Integer,
        }
    }

    /// A list of texts.
    pub const fn texts(parameter: &'static str, member: &'static str) -> Self {
        Self {
            parameter,
            member,
            kind: QueryKind::Texts,
        }
    }
}

/// Why a request is not valid in this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// Path or query string is longer than any request's.
    #[error("the path or the query string is too long")]
    TooLong,
    /// A malformed escape, or text that is not UTF-8 after decoding.
    #[error("the path or the query string has a malformed escape")]
    Escape,
    /// A parameter that must occur once occurs more often.
    #[error("a query parameter occurs more than once")]
    Repeated,
    /// The body is not a JSON object within the limits.
    #[error(transparent)]
    Body(#[from] DecodeError),
}

/// A request whose operation is known, before its members are read.
#[derive(Debug)]
pub struct Routed<'a> {
    route: &'static Route,
    labels: Vec<(&'static str, Cow<'a, str>)>,
    query: &'a str,
    body: &'a [u8],
}

/// Finds the route of a request; none if there is none. `path` and `query` are as they stand on the
/// request line. A slash at the end of a path means nothing.
///
/// # Errors
/// When the path is too long, or a member in it is malformed.
pub fn find<'a>(
    routes: &'static [Route],
    method: &str,
    (path, query): (&'a str, &'a str),
    body: &'a [u8],
) -> Result<Option<Routed<'a>>, RestError> {
    if path.len() > MAX_PATH {
        return Err(RestError::TooLong);
    }
    let sent: SmallVec<[&str; 8]> = segments(path).take(MAX_SEGMENTS + 1).collect();
    // A signature does not distinguish `/a/../b` from `/b`, so the meaning of such a path must not
    // be guessed.
    if sent
        .iter()
        .any(|segment| matches!(*segment, "" | "." | ".."))
    {
        return Ok(None);
    }
    let found = routes
        .iter()
        .filter(|route| route.method == method)
        .find(|route| route.matches(&sent));
    let Some(route) = found else {
        return Ok(None);
    };
    let mut labels = Vec::new();
    for (template, segment) in segments(route.path).zip(&sent) {
        if let Some(member) = label(template) {
            labels.push((member, decoded(segment, false)?));
        }
    }
    Ok(Some(Routed {
        route,
        labels,
        query,
        body,
    }))
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path).split('/')
}

/// The member that a segment of a template stands for.
fn label(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

impl Route {
    /// Whether the path has these segments. A literal segment is written one way only.
    fn matches(&self, sent: &[&str]) -> bool {
        let mut sent = sent.iter();
        segments(self.path).all(|template| {
            let segment = sent.next();
            segment.is_some_and(|segment| label(template).is_some() || *segment == template)
        }) && sent.next().is_none()
    }
}

impl<'a> Routed<'a> {
    /// The route.
    pub fn route(&self) -> &'static Route {
        self.route
    }

    /// The body as it was received.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// All members, each as its declared type if it is one. A member has one place: what the body
    /// says of those in path or query string does not count, nor do unknown parameters.
    ///
    /// # Errors
    /// When query string or body are malformed, or exceed the limits.
    pub fn read(&self, limits: &json::Limits) -> Result<Object<'_>, RestError> {
        let mut members: Vec<(Cow<'_, str>, Value<'_>)> = Vec::with_capacity(8);
        for (member, value) in &self.labels {
            let value = Value::Text(Cow::Borrowed(value.as_ref()));
            members.push((Cow::Borrowed(*member), value));
        }
        self.read_query(&mut members)?;
        let body = Object::parse(self.body, limits)?;
        for (name, value) in body.into_members() {
            if self.is_in_the_body(&name) {
                members.push((name, value));
            }
        }
        Ok(Object::from_members(members))
    }

    fn is_in_the_body(&self, name: &str) -> bool {
        let in_path = self.labels.iter().any(|(member, _)| *member == name);
        let in_query = self.route.query.iter().any(|one| one.member == name);
        !in_path && !in_query
    }

    fn read_query<'q>(
        &'q self,
        members: &mut Vec<(Cow<'q, str>, Value<'q>)>,
    ) -> Result<(), RestError> {
        if self.query.len() > MAX_QUERY {
            return Err(RestError::TooLong);
        }
        let mut found: Vec<(&QueryMember, Vec<Cow<'_, str>>)> = Vec::new();
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        for (at, pair) in pairs.enumerate() {
            if at >= MAX_PARAMETERS {
                return Err(RestError::TooLong);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name, true)?, decoded(value, true)?);
            let known = self.route.query.iter().find(|one| one.parameter == name);
            let Some(known) = known else { continue };
            match found.iter_mut().find(|(one, _)| one.member == known.member) {
                Some((_, values)) => values.push(value),
                None => found.push((known, vec![value])),
            }
        }
        for (known, mut values) in found {
            let value = match known.kind {
                QueryKind::Texts => Value::List(values.into_iter().map(Value::Text).collect()),
                QueryKind::Text | QueryKind::Integer => {
                    let (Some(value), None) = (values.pop(), values.pop()) else {
                        return Err(RestError::Repeated);
                    };
                    one_of(known.kind, value)
                }
            };
            members.push((Cow::Borrowed(known.member), value));
        }
        Ok(())
    }
}

/// A value of that type, or the text as it is if it is none: then its reader says so.
fn one_of(kind: QueryKind, text: Cow<'_, str>) -> Value<'_> {
    match (kind, text.parse()) {
        (QueryKind::Integer, Ok(number)) => Value::Number(Number::Integer(number)),
        (QueryKind::Integer, Err(_)) | (QueryKind::Text | QueryKind::Texts, _) => Value::Text(text),
    }
}

/// Percent-decodes text; in a query string, `+` is a blank, as in the signature.
fn decoded(text: &str, in_query: bool) -> Result<Cow<'_, str>, RestError> {
    let bytes = text.as_bytes();
    let escapes = bytes.split(|byte| *byte == b'%').skip(1);
    for escape in escapes {
        let digits = escape.first_chunk::<2>();
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(RestError::Escape);
        }
    }
    if in_query && bytes.contains(&b'+') {
        let spaced = text.replace('+', " ");
        let bytes: Vec<u8> = percent_decode(spaced.as_bytes()).collect();
        let text = String::from_utf8(bytes).map_err(|_| RestError::Escape)?;
        return Ok(Cow::Owned(text));
    }
    let decoded = percent_decode(bytes).decode_utf8();
    decoded.map_err(|_| RestError::Escape)
}

/// `MalformedHttpRequestException` for path and query string; for a body, as in AWS JSON.
impl From<RestError> for Fault {
    fn from(error: RestError) -> Self {
        let text = match error {
            RestError::TooLong => "The path or the query string of the request is too long.",
            RestError::Escape => "The path or the query string of the request is malformed.",
            RestError::Repeated => "A query parameter of the request must not occur twice.",
            RestError::Body(error) => return error.into(),
        };
        Self::new("MalformedHttpRequestException", 400).with_message(text)
    }
}
