//! Answers of the AWS Query protocol: `<XResponse><XResult>…` and `<ErrorResponse>`, or the same
//! as JSON for a client that asks for it.
//!
//! In JSON, an element is a member of its object, a list is an array, a map is an object, a time is
//! a number of seconds, and a member that is declared absent is `null`.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#response-serialization>

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_types::time::Timestamp;

use crate::{
    json::{write_integer, write_string},
    query::Form,
};

/// All but RFC 3986's unreserved characters.
const RESERVED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What the items of most lists are called.
const MEMBER: &str = "member";

/// What an answer says about its request, and how it is written.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// XML or JSON.
    pub form: Form,
    /// The XML namespace of the service.
    pub namespace: &'a str,
    /// The request's id.
    pub request_id: &'a str,
}

/// An element under construction; its content is appended directly.
pub struct Writer<'w> {
    out: &'w mut Vec<u8>,
    form: Form,
    // Whether nothing was written yet, which JSON needs to know for its commas.
    empty: bool,
}

/// The answer of an operation with a result.
pub fn response(
    operation: &str,
    about: &About<'_>,
    result: impl FnOnce(&mut Writer<'_>),
) -> Vec<u8> {
    envelope(operation, about, |writer| {
        writer.element(&format!("{operation}Result"), result);
    })
}

/// The answer of an operation without output: metadata alone.
pub fn empty_response(operation: &str, about: &About<'_>) -> Vec<u8> {
    envelope(operation, about, |_| ())
}

/// The answer of a request that failed. Statuses from 500 on are the receiver's fault.
pub fn error(about: &About<'_>, code: &str, status: u16, message: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let content = |response: &mut Writer<'_>| {
        response.element("Error", |error| {
            error.text("Type", if status < 500 { "Sender" } else { "Receiver" });
            error.text("Code", code);
            error.text("Message", message);
        });
        response.text("RequestId", about.request_id);
    };
    match about.form {
        Form::Xml => root(&mut out, "ErrorResponse", about.namespace, content),
        Form::Json => object(&mut out, content),
    }
    out
}

fn envelope(operation: &str, about: &About<'_>, result: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    // With room for credentials and their token: if the buffer grew, it would leave a copy of the
    // secret behind.
    let mut out = Vec::with_capacity(8192);
    let name = format!("{operation}Response");
    let content = |response: &mut Writer<'_>| {
        result(response);
        response.element("ResponseMetadata", |metadata| {
            metadata.text("RequestId", about.request_id)
        });
    };
    match about.form {
        Form::Xml => root(&mut out, &name, about.namespace, content),
        Form::Json => object(&mut out, |outer| outer.element(&name, content)),
    }
    out
}

impl fmt::Debug for Writer<'_> {
    // The content may be a secret access key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer<'_> {
    /// An element with text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.leaf(name, |out, form| match form {
            Form::Xml => escape(out, value),
            Form::Json => write_string(out, value),
        });
    }

    /// An element with text that is percent-encoded according to RFC 3986, as IAM writes policies.
    pub fn url_encoded(&mut self, name: &str, value: &str) {
        self.leaf(name, |out, form| {
            let quote: &[u8] = match form {
                Form::Xml => b"",
                Form::Json => b"\"",
            };
            out.extend_from_slice(quote);
            for part in percent_encoding::utf8_percent_encode(value, RESERVED) {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(quote);
        });
    }

    /// An element with bytes: base64 with padding.
    pub fn blob(&mut self, name: &str, value: &[u8]) {
        self.text(name, &STANDARD.encode(value));
    }

    /// An element with an integer.
    pub fn integer(&mut self, name: &str, value: i64) {
        self.leaf(name, |out, _| write_integer(out, value));
    }

    /// An element with `true` or `false`.
    pub fn boolean(&mut self, name: &str, value: bool) {
        let word: &[u8] = if value { b"true" } else { b"false" };
        self.leaf(name, |out, _| out.extend_from_slice(word));
    }

    /// An element with an instant, to the second: ISO 8601 in UTC, or seconds since 1970.
    pub fn timestamp(&mut self, name: &str, value: Timestamp) {
        self.leaf(name, |out, form| match form {
            Form::Xml => out.extend_from_slice(value.iso8601().as_bytes()),
            Form::Json => write_integer(out, value.seconds()),
        });
    }

    /// A member that is absent: nothing in XML, and `null` in JSON.
    pub fn absent(&mut self, name: &str) {
        match self.form {
            Form::Xml => {}
            Form::Json => self.leaf(name, |out, _| out.extend_from_slice(b"null")),
        }
    }

    /// An element with text, if there is any.
    pub fn optional_text(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.absent(name),
        }
    }

    /// An element with an integer, if there is one.
    pub fn optional_integer(&mut self, name: &str, value: Option<i64>) {
        match value {
            Some(value) => self.integer(name, value),
            None => self.absent(name),
        }
    }

    /// An element with elements.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Writer<'_>)) {
        self.leaf(name, |out, form| match form {
            Form::Xml => content(&mut Writer {
                out,
                form,
                empty: true,
            }),
            Form::Json => object(out, content),
        });
    }

    /// A list: `<Users><member>…</member></Users>`, or an array of objects.
    pub fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        member: impl FnMut(&mut Writer<'_>, T),
    ) {
        self.list_of((name, MEMBER), items, member);
    }

    /// A list whose items have a name of their own, which comes after the list's:
    /// `<Users><User>…</User></Users>`, or an array of objects.
    pub fn list_of<T>(
        &mut self,
        names: (&str, &str),
        items: impl IntoIterator<Item = T>,
        mut member: impl FnMut(&mut Writer<'_>, T),
    ) {
        self.members(names, items, |out, form, item| match form {
            Form::Xml => member(
                &mut Writer {
                    out,
                    form,
                    empty: true,
                },
                item,
            ),
            Form::Json => object(out, |content| member(content, item)),
        });
    }

    /// A list of texts.
    pub fn texts<S: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = S>) {
        self.texts_of((name, MEMBER), values);
    }

    /// A list of texts that have a name of their own, which comes after the list's.
    pub fn texts_of<S: AsRef<str>>(
        &mut self,
        names: (&str, &str),
        values: impl IntoIterator<Item = S>,
    ) {
        self.members(names, values, |out, form, value| match form {
            Form::Xml => escape(out, value.as_ref()),
            Form::Json => write_string(out, value.as_ref()),
        });
    }

    /// A map of texts to integers: `<entry><key>…</key><value>…</value></entry>`, or an object.
    pub fn integers<S: AsRef<str>>(
        &mut self,
        name: &str,
        entries: impl IntoIterator<Item = (S, i64)>,
    ) {
        self.element(name, |map| {
            for (key, value) in entries {
                match map.form {
                    Form::Xml => map.element("entry", |entry| {
                        entry.text("key", key.as_ref());
                        entry.integer("value", value);
                    }),
                    Form::Json => map.integer(key.as_ref(), value),
                }
            }
        });
    }

    fn members<T>(
        &mut self,
        (name, of_item): (&str, &str),
        items: impl IntoIterator<Item = T>,
        mut member: impl FnMut(&mut Vec<u8>, Form, T),
    ) {
        self.leaf(name, |out, form| match form {
            Form::Xml => {
                for item in items {
                    open(out, of_item);
                    member(out, form, item);
                    close(out, of_item);
                }
            }
            Form::Json => {
                out.push(b'[');
                for (at, item) in items.into_iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    member(out, form, item);
                }
                out.push(b']');
            }
        });
    }

    /// An element, or a member, with what `value` writes.
    fn leaf(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>, Form)) {
        match self.form {
            Form::Xml => {
                open(self.out, name);
                value(self.out, Form::Xml);
                close(self.out, name);
            }
            Form::Json => {
                if !std::mem::replace(&mut self.empty, false) {
                    self.out.push(b',');
                }
                write_string(self.out, name);
                self.out.push(b':');
                value(self.out, Form::Json);
            }
        }
    }
}

/// The outermost element.
fn root(out: &mut Vec<u8>, name: &str, namespace: &str, content: impl FnOnce(&mut Writer<'_>)) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b" xmlns=\"");
    escape(out, namespace);
    out.extend_from_slice(b"\">");
    content(&mut Writer {
        out,
        form: Form::Xml,
        empty: true,
    });
    close(out, name);
}

fn object(out: &mut Vec<u8>, content: impl FnOnce(&mut Writer<'_>)) {
    out.push(b'{');
    content(&mut Writer {
        out,
        form: Form::Json,
        empty: true,
    });
    out.push(b'}');
}

fn open(out: &mut Vec<u8>, name: &str) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

fn close(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

fn escape(out: &mut Vec<u8>, text: &str) {
    for letter in text.chars() {
        let entity: &str = match letter {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&apos;",
            // A parser would turn it into a line feed.
            '\r' => "&#xD;",
            '\t' | '\n' => "",
            // XML 1.0 has no way to write these.
            '\0'..=' ' if letter != ' ' => "\u{fffd}",
            '\u{fffe}' | '\u{ffff}' => "\u{fffd}",
            _ => "",
        };
        if entity.is_empty() {
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            out.extend_from_slice(entity.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    fn about(form: Form) -> About<'static> {
        About {
            form,
            namespace: "urn:x",
            request_id: "id-1",
        }
    }

    fn user(form: Form) -> String {
        text(response("GetUser", &about(form), |result| {
            result.element("User", |user| {
                user.text("UserName", "a<b&\"c'>\r\u{1}\u{fffe}é");
                user.timestamp("CreateDate", Timestamp::from_millis(1_460_355_675_900));
                user.integer("Limit", -7);
                user.boolean("Attached", false);
                user.url_encoded("Document", "{\"a-b._~\": [é]}");
                user.blob("Content", b"a?>");
                user.absent("Path");
                user.optional_text("Arn", Some("x"));
                user.optional_text("Id", None);
                user.optional_integer("Size", Some(1));
                user.optional_integer("Room", None);
                user.texts("Names", ["x", "y"]);
                user.texts("None", [""; 0]);
                user.integers("Counts", [("a", 1), ("b", 2)]);
                user.element("Nothing", |_| ());
                user.list("Tags", [("k", "v"), ("l", "w")], |tag, (key, value)| {
                    tag.text("Key", key);
                    tag.text("Value", value);
                });
                user.texts_of(("Subnets", "SubnetId"), ["s"]);
                user.list_of(("Zones", "Zone"), ["z"], |zone, name| {
                    zone.text("Name", name)
                });
            });
        }))
    }

    #[test]
    fn a_result_stands_in_its_envelope() {
        assert_eq!(
            user(Form::Xml),
            "<GetUserResponse xmlns=\"urn:x\"><GetUserResult><User>\
             <UserName>a&lt;b&amp;&quot;c&apos;&gt;&#xD;\u{fffd}\u{fffd}é</UserName>\
             <CreateDate>2016-04-11T06:21:15Z</CreateDate><Limit>-7</Limit>\
             <Attached>false</Attached>\
             <Document>%7B%22a-b._~%22%3A%20%5B%C3%A9%5D%7D</Document>\
             <Content>YT8+</Content><Arn>x</Arn><Size>1</Size>\
             <Names><member>x</member><member>y</member></Names><None></None>\
             <Counts><entry><key>a</key><value>1</value></entry>\
             <entry><key>b</key><value>2</value></entry></Counts><Nothing></Nothing>\
             <Tags><member><Key>k</Key><Value>v</Value></member>\
             <member><Key>l</Key><Value>w</Value></member></Tags>\
             <Subnets><SubnetId>s</SubnetId></Subnets>\
             <Zones><Zone><Name>z</Name></Zone></Zones>\
             </User></GetUserResult>\
             <ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></GetUserResponse>"
        );
    }

    #[test]
    fn as_json_a_result_has_types() {
        assert_eq!(
            user(Form::Json),
            "{\"GetUserResponse\":{\"GetUserResult\":{\"User\":{\
             \"UserName\":\"a<b&\\\"c'>\\r\\u0001\u{fffe}é\",\
             \"CreateDate\":1460355675,\"Limit\":-7,\"Attached\":false,\
             \"Document\":\"%7B%22a-b._~%22%3A%20%5B%C3%A9%5D%7D\",\
             \"Content\":\"YT8+\",\"Path\":null,\"Arn\":\"x\",\"Id\":null,\
             \"Size\":1,\"Room\":null,\"Names\":[\"x\",\"y\"],\"None\":[],\
             \"Counts\":{\"a\":1,\"b\":2},\"Nothing\":{},\
             \"Tags\":[{\"Key\":\"k\",\"Value\":\"v\"},{\"Key\":\"l\",\"Value\":\"w\"}],\
             \"Subnets\":[\"s\"],\"Zones\":[{\"Name\":\"z\"}]\
             }},\"ResponseMetadata\":{\"RequestId\":\"id-1\"}}}"
        );
    }

    #[test]
    fn an_operation_without_output_answers_metadata() {
        assert_eq!(
            text(empty_response("DeleteUser", &about(Form::Xml))),
            "<DeleteUserResponse xmlns=\"urn:x\"><ResponseMetadata><RequestId>id-1</RequestId>\
             </ResponseMetadata></DeleteUserResponse>"
        );
        assert_eq!(
            text(empty_response("DeleteUser", &about(Form::Json))),
            "{\"DeleteUserResponse\":{\"ResponseMetadata\":{\"RequestId\":\"id-1\"}}}"
        );
    }

    #[test]
    fn an_error_names_who_is_at_fault() {
        let (xml, json) = (about(Form::Xml), about(Form::Json));
        assert_eq!(
            text(error(&xml, "NoSuchEntity", 404, "no <user>")),
            "<ErrorResponse xmlns=\"urn:x\"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>\
             <Message>no &lt;user&gt;</Message></Error><RequestId>id-1</RequestId></ErrorResponse>"
        );
        assert_eq!(
            text(error(&json, "NoSuchEntity", 404, "no \"user\"")),
            "{\"Error\":{\"Type\":\"Sender\",\"Code\":\"NoSuchEntity\",\
             \"Message\":\"no \\\"user\\\"\"},\"RequestId\":\"id-1\"}"
        );
        let body = text(error(&xml, "ServiceFailure", 500, ""));
        assert!(body.contains("<Type>Receiver</Type>"), "{body}");
    }
}
