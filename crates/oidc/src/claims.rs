//! What a token says: the claims that decide, each within its bounds.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp>

use std::fmt;

use keyward_types::{session, tag::Tag};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use crate::error::TokenError;

/// The longest subject and the longest audience: OpenID Connect's and AWS's bound.
const MAX_TEXT: usize = 255;
/// The most audiences of one token.
const MAX_AUDIENCES: usize = 8;
/// The most authentication methods of one token, and the longest.
const MAX_METHODS: usize = 8;
const MAX_METHOD: usize = 64;
/// The last second that a date may name: the end of the year 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// The claim of session tags.
const TAGS: &str = "https://aws.amazon.com/tags";
/// The claim of the source identity.
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// The claims of a token, well-formed but not believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) authorized_party: Option<String>,
    pub(crate) expires: i64,
    pub(crate) issued: i64,
    pub(crate) not_before: Option<i64>,
    pub(crate) authentication_methods: Vec<String>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) transitive_tag_keys: Vec<String>,
    pub(crate) source_identity: Option<String>,
}

/// The claims as JSON has them. A claim that occurs twice is refused by the decoder.
#[derive(Deserialize)]
struct Raw {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<OneOrMany>,
    azp: Option<String>,
    exp: Option<Seconds>,
    iat: Option<Seconds>,
    nbf: Option<Seconds>,
    amr: Option<OneOrMany>,
    #[serde(rename = "https://aws.amazon.com/tags")]
    tags: Option<RawTags>,
    #[serde(rename = "https://aws.amazon.com/source_identity")]
    source_identity: Option<String>,
}

#[derive(Deserialize)]
struct RawTags {
    #[serde(default)]
    principal_tags: Pairs,
    #[serde(default)]
    transitive_tag_keys: Vec<String>,
}

impl Claims {
    /// Reads the claims.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] if it is not JSON of that shape, else which claim is missing or out of
    /// its bounds.
    pub fn parse(json: &[u8]) -> Result<Self, TokenError> {
        let raw: Raw = serde_json::from_slice(json).map_err(|_| TokenError::Malformed)?;
        let bounded = |claim, text: Option<String>| match text {
            Some(text) if is_text(&text, MAX_TEXT) => Ok(text),
            Some(_) => Err(TokenError::InvalidClaim(claim)),
            None => Err(TokenError::MissingClaim(claim)),
        };
        let issuer = bounded("iss", raw.iss)?;
        let subject = bounded("sub", raw.sub)?;
        let audiences = raw.aud.ok_or(TokenError::MissingClaim("aud"))?.0;
        if audiences.is_empty() || !are_texts(&audiences, MAX_AUDIENCES, MAX_TEXT) {
            return Err(TokenError::InvalidClaim("aud"));
        }
        let authorized_party = match raw.azp {
            Some(azp) => Some(bounded("azp", Some(azp))?),
            None => None,
        };
        let authentication_methods = raw.amr.map(|amr| amr.0).unwrap_or_default();
        if !are_texts(&authentication_methods, MAX_METHODS, MAX_METHOD) {
            return Err(TokenError::InvalidClaim("amr"));
        }
        let (tags, transitive_tag_keys) = match raw.tags {
            Some(tags) => session_tags(tags).ok_or(TokenError::InvalidClaim(TAGS))?,
            None => (Vec::new(), Vec::new()),
        };
        if raw
            .source_identity
            .as_deref()
            .is_some_and(|id| !session::is_source_identity(id))
        {
            return Err(TokenError::InvalidClaim(SOURCE_IDENTITY));
        }
        Ok(Self {
            issuer,
            subject,
            audiences,
            authorized_party,
            expires: raw.exp.ok_or(TokenError::MissingClaim("exp"))?.0,
            issued: raw.iat.ok_or(TokenError::MissingClaim("iat"))?.0,
            not_before: raw.nbf.map(|seconds| seconds.0),
            authentication_methods,
            tags,
            transitive_tag_keys,
            source_identity: raw.source_identity,
        })
    }

    /// The issuer that the token claims.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

fn is_text(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && !text.contains(char::is_control)
}

fn are_texts(list: &[String], count: usize, most: usize) -> bool {
    list.len() <= count && list.iter().all(|text| is_text(text, most))
}

fn session_tags(raw: RawTags) -> Option<(Vec<Tag>, Vec<String>)> {
    let mut tags = Vec::new();
    for (key, OneOrMany(values)) in raw.principal_tags.0 {
        let mut values = values.into_iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        tags.push(Tag { key, value });
    }
    let legal = session::are_tags(&tags) && session::are_keys_of(&raw.transitive_tag_keys, &tags);
    legal.then_some((tags, raw.transitive_tag_keys))
}

/// A text, or a list of texts.
#[derive(Default)]
struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }
            fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany(texts))
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

/// The members of an object in order, so that duplicates are seen.
#[derive(Default)]
struct Pairs(Vec<(String, OneOrMany)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = members.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Seconds since 1970, perhaps with a fraction (RFC 7519's NumericDate), rounded down.
struct Seconds(i64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if !(0.0..=LAST_SECOND).contains(&seconds) {
            return Err(serde::de::Error::custom("not a date"));
        }
        Ok(Self(seconds as i64))
    }
}
