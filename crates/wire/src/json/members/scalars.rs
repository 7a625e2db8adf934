//! Readers of members that hold one value.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_crypto::secret::SecretBytes;
use keyward_types::time::Timestamp;
use smallvec::SmallVec;

use super::{Members, ModelType, Protocol};
use crate::json::{
    constraint::{Constraint, Shown},
    value::Value,
};

/// The regular expression of the rule that [`Text::ascii`] adds, as AWS prints it.
const ASCII: &str = r"^\p{ASCII}+$";

type Broken = SmallVec<[Constraint; 2]>;

/// Reads a string member.
#[must_use = "a member is read by `required` or `optional`"]
pub struct Text<'m, 'o> {
    members: &'m mut Members<'o>,
    name: &'static str,
    value: Option<&'o str>,
    broken: Broken,
    sensitive: bool,
}

impl fmt::Debug for Text<'_, '_> {
    // Some texts are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<'m, 'o> Text<'m, 'o> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str) -> Self {
        let value = text(members, name, ModelType::Text);
        Self {
            members,
            name,
            value,
            broken: Broken::new(),
            sensitive: false,
        }
    }

    /// The number of characters, both ends included.
    pub fn length(mut self, least: usize, most: usize) -> Self {
        if let Some(value) = self.value {
            // There are at least as many bytes as characters, so characters are counted only in
            // unclear cases.
            if value.len() < least || (value.len() > most || least > 1) {
                length(&mut self.broken, value.chars().count(), least, most);
            }
        }
        self
    }

    /// At least one character, and ASCII only: KMS's rule for key ids.
    pub fn ascii(self) -> Self {
        self.pattern(ASCII, |value| !value.is_empty() && value.is_ascii())
    }

    /// A regular expression: the text that AWS prints, and the test that decides.
    pub fn pattern(mut self, regex: &'static str, matches: impl FnOnce(&str) -> bool) -> Self {
        if self.value.is_some_and(|value| !matches(value)) {
            self.broken.push(Constraint::Pattern(regex));
        }
        self
    }

    /// A rule of the service's own, which it checks after the model's constraints and tells in its
    /// own words: the text of one is the whole message.
    pub fn rule(self, holds: impl FnOnce(&str) -> bool, message: impl FnOnce() -> String) -> Self {
        if self.value.is_some_and(|value| !holds(value)) {
            self.members.refused(message());
        }
        self
    }

    /// Never shows the value in messages.
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// The value; missing is a failure.
    pub fn required(self) -> &'o str {
        if self.value.is_none() {
            self.members.missing(self.name, self.sensitive);
        }
        self.optional().unwrap_or_default()
    }

    /// The value, if there is one.
    pub fn optional(self) -> Option<&'o str> {
        for constraint in self.broken {
            let shown = match self.value {
                Some(value) if !self.sensitive => Shown::Text(value),
                _ => Shown::Nothing,
            };
            self.members.failed(self.name, &shown, constraint);
        }
        self.value
    }
}

/// Reads a string member that is one of a list of words.
#[derive(Debug)]
#[must_use = "a member is read by `required` or `optional`"]
pub struct Enumeration<'m, 'o> {
    members: &'m mut Members<'o>,
    name: &'static str,
    shown: &'static [&'static str],
    accepted: &'static [&'static str],
}

impl<'m, 'o> Enumeration<'m, 'o> {
    pub(super) fn new(
        members: &'m mut Members<'o>,
        name: &'static str,
        words: &'static [&'static str],
    ) -> Self {
        Self {
            members,
            name,
            shown: words,
            accepted: words,
        }
    }

    /// Accepts these words in place of those that are told: AWS tells other words than it takes
    /// for some members, `KeySpec` of `GenerateDataKey` for one.
    pub fn accepting(mut self, words: &'static [&'static str]) -> Self {
        self.accepted = words;
        self
    }

    /// The word; missing is a failure.
    pub fn required(self) -> &'static str {
        if !self.members.has(self.name) {
            self.members.missing(self.name, false);
        }
        let first = self.accepted.first().copied().unwrap_or_default();
        self.optional().unwrap_or(first)
    }

    /// The word, if there is one.
    pub fn optional(self) -> Option<&'static str> {
        let value = text(self.members, self.name, ModelType::Text)?;
        let word = self.accepted.iter().copied().find(|word| *word == value);
        if word.is_none() {
            self.members.failed(
                self.name,
                &Shown::Text(value),
                Constraint::OneOf(self.shown),
            );
        }
        word
    }
}

/// Reads a blob member. Its value never stands in messages.
#[must_use = "a member is read by `required` or `optional`"]
pub struct Blob<'m, 'o> {
    members: &'m mut Members<'o>,
    name: &'static str,
    value: Option<Vec<u8>>,
    broken: Broken,
    sensitive: bool,
}

impl fmt::Debug for Blob<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<'m, 'o> Blob<'m, 'o> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str) -> Self {
        let value = text(members, name, ModelType::Blob).and_then(|encoded| {
            let value = STANDARD.decode(encoded).ok();
            if value.is_none() {
                members.mismatched(&Value::Text(encoded.into()), ModelType::Blob);
            }
            value
        });
        Self {
            members,
            name,
            value,
            broken: Broken::new(),
            sensitive: false,
        }
    }

    /// The number of bytes, both ends included.
    pub fn length(mut self, least: usize, most: usize) -> Self {
        if let Some(value) = &self.value {
            length(&mut self.broken, value.len(), least, most);
        }
        self
    }

    /// A secret: not even its absence is shown as `null`.
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// The bytes; missing is a failure.
    pub fn required(self) -> Vec<u8> {
        if !self.members.has(self.name) {
            self.members.missing(self.name, self.sensitive);
        }
        self.optional().unwrap_or_default()
    }

    /// The bytes, if there are any.
    pub fn optional(self) -> Option<Vec<u8>> {
        for constraint in self.broken {
            self.members.failed(self.name, &Shown::Nothing, constraint);
        }
        self.value
    }

    /// As [`required`](Self::required), for bytes that are secret.
    pub fn required_secret(self) -> SecretBytes {
        SecretBytes::from_vec(self.sensitive().required())
    }

    /// As [`optional`](Self::optional), for bytes that are secret.
    pub fn optional_secret(self) -> Option<SecretBytes> {
        self.sensitive().optional().map(SecretBytes::from_vec)
    }
}

/// Reads an integer member.
#[derive(Debug)]
#[must_use = "a member is read by `required` or `optional`"]
pub struct Integer<'m, 'o> {
    members: &'m mut Members<'o>,
    name: &'static str,
    value: Option<i64>,
    broken: Broken,
}

impl<'m, 'o> Integer<'m, 'o> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str) -> Self {
        let value = members.get(name).and_then(|value| {
            let integer = match (value, members.protocol) {
                (Value::Number(number), _) => number.as_integer(),
                (Value::Text(digits), Protocol::Query) => digits.parse().ok(),
                _ => None,
            };
            if integer.is_none() {
                members.mismatched(value, ModelType::Integer);
            }
            integer
        });
        Self {
            members,
            name,
            value,
            broken: Broken::new(),
        }
    }

    /// The least and the greatest value.
    pub fn range(mut self, least: i64, most: i64) -> Self {
        if self.value.is_some_and(|value| value < least) {
            self.broken.push(Constraint::ValueAtLeast(least));
        }
        if self.value.is_some_and(|value| value > most) {
            self.broken.push(Constraint::ValueAtMost(most));
        }
        self
    }

    /// The value; missing is a failure.
    pub fn required(self) -> i64 {
        if !self.members.has(self.name) {
            self.members.missing(self.name, false);
        }
        self.optional().unwrap_or_default()
    }

    /// The value, if there is one.
    pub fn optional(self) -> Option<i64> {
        for constraint in self.broken {
            let shown = self.value.map_or(Shown::Null, Shown::Number);
            self.members.failed(self.name, &shown, constraint);
        }
        self.value
    }
}

/// Reads a member that is a number with or without fraction.
#[derive(Debug)]
#[must_use = "a member is read by `required` or `optional`"]
pub struct Double<'m, 'o> {
    members: &'m mut Members<'o>,
    name: &'static str,
    value: Option<f64>,
    least: Option<i64>,
}

impl<'m, 'o> Double<'m, 'o> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str) -> Self {
        let value = members.get(name).and_then(|value| {
            let double = match (value, members.protocol) {
                (Value::Number(number), _) => Some(number.as_float()),
                (Value::Text(digits), Protocol::Query) => digits.parse().ok(),
                _ => None,
            };
            let double = double.filter(|double: &f64| double.is_finite());
            if double.is_none() {
                members.mismatched(value, ModelType::Double);
            }
            double
        });
        Self {
            members,
            name,
            value,
            least: None,
        }
    }

    /// The least value.
    pub fn at_least(mut self, least: i32) -> Self {
        if self.value.is_some_and(|value| value < f64::from(least)) {
            self.least = Some(i64::from(least));
        }
        self
    }

    /// The value, if there is one.
    pub fn optional(self) -> Option<f64> {
        if let (Some(least), Some(value)) = (self.least, self.value) {
            let broken = Constraint::ValueAtLeast(least);
            self.members
                .failed(self.name, &Shown::Double(value), broken);
        }
        self.value
    }
}

/// Reads a boolean member.
#[derive(Debug)]
#[must_use = "a member is read by `required` or `optional`"]
pub struct Boolean<'m, 'o> {
    members: &'m mut Members<'o>,
    name: &'static str,
}

impl<'m, 'o> Boolean<'m, 'o> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str) -> Self {
        Self { members, name }
    }

    /// The value; missing is a failure.
    pub fn required(self) -> bool {
        if !self.members.has(self.name) {
            self.members.missing(self.name, false);
        }
        self.optional().unwrap_or_default()
    }

    /// The value, if there is one.
    pub fn optional(self) -> Option<bool> {
        let value = self.members.get(self.name)?;
        let boolean = match (value, self.members.protocol) {
            (Value::Boolean(value), _) => Some(*value),
            (Value::Text(word), Protocol::Query) if word.eq_ignore_ascii_case("true") => Some(true),
            (Value::Text(word), Protocol::Query) if word.eq_ignore_ascii_case("false") => {
                Some(false)
            }
            _ => None,
        };
        if boolean.is_none() {
            self.members.mismatched(value, ModelType::Boolean);
        }
        boolean
    }
}

/// Reads a timestamp member.
#[derive(Debug)]
#[must_use = "a member is read by `required` or `optional`"]
pub struct Time<'m, 'o> {
    members: &'m mut Members<'o>,
    name: &'static str,
}

impl<'m, 'o> Time<'m, 'o> {
    pub(super) fn new(members: &'m mut Members<'o>, name: &'static str) -> Self {
        Self { members, name }
    }

    /// The instant; missing is a failure.
    pub fn required(self) -> Timestamp {
        if !self.members.has(self.name) {
            self.members.missing(self.name, false);
        }
        self.optional().unwrap_or_default()
    }

    /// The instant, if there is one.
    pub fn optional(self) -> Option<Timestamp> {
        let value = self.members.get(self.name)?;
        let instant = match (value, self.members.protocol) {
            (Value::Number(number), _) => from_epoch_seconds(number.as_float()),
            (Value::Text(text), Protocol::Query) => from_iso8601(text),
            _ => None,
        };
        if instant.is_none() {
            self.members.mismatched(value, ModelType::Time);
        }
        instant
    }
}

/// The text of a member, if it is present and of a type that makes one.
fn text<'o>(members: &mut Members<'o>, name: &str, wanted: ModelType) -> Option<&'o str> {
    match members.get(name)? {
        Value::Text(value) => Some(value.as_ref()),
        other => {
            members.mismatched(other, wanted);
            None
        }
    }
}

fn length(broken: &mut Broken, found: usize, least: usize, most: usize) {
    if found < least {
        broken.push(Constraint::LengthAtLeast(least));
    }
    if found > most {
        broken.push(Constraint::LengthAtMost(most));
    }
}

fn from_epoch_seconds(seconds: f64) -> Option<Timestamp> {
    // The last instant of the year 9999, beyond which no calendar date can be written.
    const END: f64 = 253_402_300_800.0;
    if !(-END..END).contains(&seconds) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within the years checked above"
    )]
    Some(Timestamp::from_millis((seconds * 1000.0).round() as i64))
}

fn from_iso8601(text: &str) -> Option<Timestamp> {
    let format = &time::format_description::well_known::Rfc3339;
    let instant = time::OffsetDateTime::parse(text, format).ok()?;
    let millis = instant.unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(millis).ok().map(Timestamp::from_millis)
}
