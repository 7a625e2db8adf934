//! `requestParameters` of an event: what was sent, as far as the operation's declaration shows it.
//!
//! Each operation names every member of its input and says whether it is shown, masked, omitted or a
//! secret. The trail is written from the parsed body by that declaration alone, so what is absent in the
//! body is absent on the trail, nothing is filled in, and what the operation does not show cannot be
//! written. An operation without a declaration does not compile; `docs/request-parameters.txt` lists
//! them, and `clients/test_model.py` compares the list with AWS's models.

use keyward_crypto::digest::sha256;
use keyward_wire::json::{Elements, Name, Object, Slot, Value, Writer};

use crate::{
    api::Api,
    operation::{InputOf, Operation},
    protocol::Protocol as _,
};

/// What is shown instead of a masked value, as at AWS.
const MASK: &str = "****";

/// A member of an operation's input, and what the trail shows of it.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name on the wire.
    pub member: &'static str,
    name: Name,
    /// What is shown.
    pub shown: Shown,
}

/// What the trail shows of a member.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// A text; this one, if none was sent and there is one.
    Text(Option<&'static str>),
    /// An integer.
    Integer,
    /// A number with or without fraction.
    Double,
    /// A boolean.
    Boolean,
    /// A list of texts.
    Texts,
    /// A list of integers.
    Integers,
    /// A map of texts, whose keys are the caller's.
    Map,
    /// A structure.
    Structure(&'static [Parameter]),
    /// A list of structures.
    Structures(&'static [Parameter]),
    /// That it was sent. No message repeats it.
    Masked,
    /// Nothing, as at AWS.
    Omitted,
    /// Nothing, and no message repeats it.
    Secret,
}

const fn parameter(member: &'static str, shown: Shown) -> Parameter {
    Parameter {
        member,
        name: Name::lower_camel(member),
        shown,
    }
}

/// A text, shown.
pub const fn text(member: &'static str) -> Parameter {
    parameter(member, Shown::Text(None))
}

/// A text, shown; if none is sent, AWS's default, which AWS shows too.
pub const fn text_or(member: &'static str, default: &'static str) -> Parameter {
    parameter(member, Shown::Text(Some(default)))
}

/// An integer, shown.
pub const fn integer(member: &'static str) -> Parameter {
    parameter(member, Shown::Integer)
}

/// A number with or without fraction, shown.
pub const fn double(member: &'static str) -> Parameter {
    parameter(member, Shown::Double)
}

/// A boolean, shown.
pub const fn boolean(member: &'static str) -> Parameter {
    parameter(member, Shown::Boolean)
}

/// A list of texts, shown.
pub const fn texts(member: &'static str) -> Parameter {
    parameter(member, Shown::Texts)
}

/// A list of integers, shown.
pub const fn integers(member: &'static str) -> Parameter {
    parameter(member, Shown::Integers)
}

/// A map of texts, shown.
pub const fn map(member: &'static str) -> Parameter {
    parameter(member, Shown::Map)
}

/// A structure, shown as its members are.
pub const fn structure(member: &'static str, members: &'static [Parameter]) -> Parameter {
    parameter(member, Shown::Structure(members))
}

/// A list of structures, shown as their members are.
pub const fn structures(member: &'static str, members: &'static [Parameter]) -> Parameter {
    parameter(member, Shown::Structures(members))
}

/// A member of which only that it was sent is shown. Its reader is `sensitive`.
pub const fn masked(member: &'static str) -> Parameter {
    parameter(member, Shown::Masked)
}

/// A member of which nothing is shown, because AWS leaves it out. It is not a secret.
pub const fn omitted(member: &'static str) -> Parameter {
    parameter(member, Shown::Omitted)
}

/// A member of which nothing is shown or told: plaintexts, tokens, codes, blobs. Its reader is
/// `sensitive`, or one of blobs.
pub const fn secret(member: &'static str) -> Parameter {
    parameter(member, Shown::Secret)
}

/// The parsed body of a request with the declaration of its operation.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'i> {
    body: &'i Object<'i>,
    declared: &'static [Parameter],
}

impl<'i> Sent<'i> {
    /// What was sent for an operation.
    pub fn to<O: Operation>(input: &'i InputOf<'_, O::Api>) -> Self {
        Self {
            body: <O::Api as Api>::Protocol::body(input),
            declared: O::PARAMETERS,
        }
    }

    /// Writes the members that are shown, each in at most so many bytes or so: what is longer is
    /// replaced by its length and hash.
    pub fn describe(&self, out: &mut Writer<'_>, most: usize) {
        for parameter in self.declared {
            let mark = out.mark();
            parameter.describe(self.body, out);
            if out.since(mark).len() > most {
                out.rewind(mark);
                parameter.shorten(self.body, out);
            }
        }
    }
}

impl Parameter {
    /// Writes the member as it was sent, unless it was not or is not shown.
    fn describe(&self, body: &Object<'_>, out: &mut Writer<'_>) {
        let sent = match self.shown {
            Shown::Omitted | Shown::Secret => return,
            _ => body.get(self.member),
        };
        match (self.shown, sent) {
            (Shown::Omitted | Shown::Secret, _) => {}
            (Shown::Text(Some(default)), None) => out.member(&self.name).string(default),
            (_, None) => {}
            (Shown::Text(_), Some(Value::Text(text))) => out.member(&self.name).string(text),
            (Shown::Masked, Some(_)) => out.member(&self.name).string(MASK),
            (shown, Some(value)) => {
                let mark = out.mark();
                if !shown.write(value, out.member(&self.name)) {
                    out.rewind(mark);
                }
            }
        }
    }

    /// Writes how long the member is, and its hash: that of the text, or of what would be shown.
    fn shorten(&self, body: &Object<'_>, out: &mut Writer<'_>) {
        let mark = out.mark();
        let (length, hash) = match (self.shown, body.get(self.member)) {
            (Shown::Text(_), Some(Value::Text(text))) => (text.len(), sha256(text.as_bytes())),
            _ => {
                self.describe(body, out);
                let value = value_of(out.since(mark));
                (value.len(), sha256(value))
            }
        };
        out.rewind(mark);
        let slot = out.member(&self.name);
        slot.object(|omitted| shortened(omitted, length, &hash));
    }
}

/// Writes what is shown instead of a value that is too long for the event. A map that was sent
/// looks different: its values are texts.
pub(super) fn shortened(omitted: &mut Writer<'_>, length: usize, hash: &[u8; 32]) {
    omitted.boolean("omitted", true);
    omitted.integer("originalSize", i64::try_from(length).unwrap_or(i64::MAX));
    omitted.hexadecimal("sha256", hash);
}

/// The value in a member as it was written under a name of ours, which has no colon.
pub(super) fn value_of(written: &[u8]) -> &[u8] {
    let colon = written.iter().position(|byte| *byte == b':');
    let value = colon.and_then(|colon| written.get(colon + 1..));
    value.unwrap_or_default()
}

impl Shown {
    /// Writes a value; returns whether it is one of this kind.
    fn write(self, value: &Value<'_>, slot: Slot<'_>) -> bool {
        match (self, value) {
            (Self::Integer, Value::Number(number)) => match number.as_integer() {
                Some(integer) => slot.integer(integer),
                None => return false,
            },
            // In the Query protocol all is text.
            (Self::Integer, Value::Text(text)) => match text.parse() {
                Ok(integer) => slot.integer(integer),
                Err(_) => slot.string(text),
            },
            (Self::Double, Value::Number(number)) => slot.double(number.as_float()),
            (Self::Boolean, Value::Boolean(boolean)) => slot.boolean(*boolean),
            (Self::Boolean, Value::Text(text)) => match &**text {
                "true" => slot.boolean(true),
                "false" => slot.boolean(false),
                other => slot.string(other),
            },
            (Self::Texts, Value::List(list)) => slot.array(|out| list_texts(out, list)),
            (Self::Integers, Value::List(list)) => slot.array(|out| {
                for value in list {
                    if let Value::Number(number) = value
                        && let Some(integer) = number.as_integer()
                    {
                        out.integer(integer);
                    }
                }
            }),
            (Self::Map, Value::Object(pairs)) => slot.object(|out| {
                for (name, value) in pairs.members() {
                    // Numbers and booleans are written as their text, as the reader of maps does.
                    match value {
                        Value::Text(text) => out.named_string(name, text),
                        Value::Boolean(true) => out.named_string(name, "true"),
                        Value::Boolean(false) => out.named_string(name, "false"),
                        Value::Number(number) => out.named_string(name, &number.to_string()),
                        Value::Null | Value::List(_) | Value::Object(_) => {}
                    }
                }
            }),
            (Self::Structure(members), Value::Object(object)) => {
                slot.object(|out| members.iter().for_each(|one| one.describe(object, out)));
            }
            (Self::Structures(members), Value::List(list)) => slot.array(|out| {
                for value in list {
                    if let Value::Object(object) = value {
                        out.object(|out| members.iter().for_each(|one| one.describe(object, out)));
                    }
                }
            }),
            // An empty list or structure of the Query protocol is an empty text.
            (Self::Texts | Self::Structures(_), Value::Text(text)) if text.is_empty() => {
                slot.array(|_| ());
            }
            _ => return false,
        }
        true
    }
}

fn list_texts(out: &mut Elements<'_>, list: &[Value<'_>]) {
    for value in list {
        if let Value::Text(text) = value {
            out.string(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use keyward_wire::{
        json::Limits,
        query::{self, Params},
    };

    use super::*;

    const MEMBERS: &[Parameter] = &[
        text("Name"),
        text_or("Algorithm", "DEFAULT"),
        integer("Limit"),
        boolean("DryRun"),
        double("Rate"),
        texts("Operations"),
        map("Context"),
        structure("Constraints", &[map("Equals"), secret("Secret")]),
        structures("Tags", &[text("TagKey"), masked("TagValue")]),
        masked("Email"),
        omitted("Plaintext"),
    ];

    fn described(body: &Object<'_>, most: usize) -> String {
        let sent = Sent {
            body,
            declared: MEMBERS,
        };
        let written = Writer::render(64, |out| sent.describe(out, most));
        String::from_utf8(written).unwrap()
    }

    fn json(body: &str) -> String {
        let object = Object::parse(body.as_bytes(), &Limits::KMS).unwrap();
        described(&object, usize::MAX)
    }

    #[test]
    fn what_was_not_sent_is_not_shown() {
        assert_eq!(json("{}"), r#"{"algorithm":"DEFAULT"}"#);
        assert_eq!(
            json(r#"{"Name":null,"Limit":null,"Algorithm":"A","Unknown":1}"#),
            r#"{"algorithm":"A"}"#
        );
    }

    #[test]
    fn what_was_sent_is_shown_as_it_was_sent() {
        assert_eq!(
            json(
                r#"{"Limit":5000,"DryRun":false,"Rate":1.5,"Name":"","Operations":["b","a"],"Context":{"B":2,"A":true,"a":"1"},
                    "Constraints":{"Equals":{}},"Tags":[]}"#
            ),
            r#"{"name":"","algorithm":"DEFAULT","limit":5000,"dryRun":false,"rate":1.5,"operations":["b","a"],"context":{"B":"2","A":"true","a":"1"},"constraints":{"equals":{}},"tags":[]}"#
        );
        let params = "Limit=7&DryRun=true&Operations.member.1=a&Tags=&Name=x%22";
        let params = Params::parse(params.as_bytes(), &query::Limits::AWS).unwrap();
        assert_eq!(
            described(params.object(), usize::MAX),
            r#"{"name":"x\"","algorithm":"DEFAULT","limit":7,"dryRun":true,"operations":["a"],"tags":[]}"#
        );
    }

    #[test]
    fn what_is_masked_or_omitted_never_stands_there() {
        let secrets = [
            r#"{"Email":"SECRET","Plaintext":"SECRET"}"#,
            r#"{"Email":["SECRET"],"Plaintext":{"SECRET":"SECRET"}}"#,
            r#"{"Constraints":{"Secret":"SECRET"},"Tags":[{"TagValue":"SECRET","SECRET":"SECRET"}]}"#,
            r#"{"SECRET":"SECRET","Name":["SECRET"],"Limit":{"SECRET":1},"Context":["SECRET"]}"#,
        ];
        for body in secrets {
            let object = Object::parse(body.as_bytes(), &Limits::KMS).unwrap();
            for most in [usize::MAX, 0] {
                let shown = described(&object, most);
                assert!(!shown.contains("SECRET"), "{shown}");
            }
        }
        assert_eq!(
            json(r#"{"Email":"x","Tags":[{"TagKey":"k","TagValue":"v"}]}"#),
            r#"{"algorithm":"DEFAULT","tags":[{"tagKey":"k","tagValue":"****"}],"email":"****"}"#
        );
    }

    #[test]
    fn what_is_too_long_is_replaced_by_its_length_and_hash() {
        let body = Object::parse(
            br#"{"Name":"abcdefghijklmnopqrstuvwxyz","Context":{"a":"abcdefghijklmnopqrstuvwxyz"},"Limit":1}"#,
            &Limits::KMS,
        )
        .unwrap();
        assert_eq!(
            described(&body, 30),
            "{\"name\":{\"omitted\":true,\"originalSize\":26,\"sha256\":\
             \"71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73\"},\
             \"algorithm\":\"DEFAULT\",\"limit\":1,\
             \"context\":{\"omitted\":true,\"originalSize\":34,\"sha256\":\
             \"0e9db6f685a18475779b2039dded80657b2d33154d7bcbe0a68826dec202c4e5\"}}"
        );
    }
}
