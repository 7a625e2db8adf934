//! Answers of the AWS Query protocol: `<XResponse><XResult>…` and `<ErrorResponse>`.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#response-serialization>

use std::fmt;

use keyward_types::time::Timestamp;

/// All but RFC 3986's unreserved characters.
const RESERVED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An element under construction: what it holds is appended as it is named.
pub struct Writer<'w> {
    out: &'w mut Vec<u8>,
}

/// The answer of an operation with a result.
pub fn response(
    operation: &str,
    namespace: &str,
    request_id: &str,
    result: impl FnOnce(&mut Writer<'_>),
) -> Vec<u8> {
    envelope(operation, namespace, request_id, |writer| {
        writer.element(&format!("{operation}Result"), result);
    })
}

/// The answer of an operation without output: metadata alone.
pub fn empty_response(operation: &str, namespace: &str, request_id: &str) -> Vec<u8> {
    envelope(operation, namespace, request_id, |_| ())
}

/// The answer of a request that failed. Statuses from 500 on are the receiver's fault.
pub fn error(namespace: &str, code: &str, status: u16, message: &str, request_id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut writer = Writer { out: &mut out };
    writer.root("ErrorResponse", namespace, |response| {
        response.element("Error", |error| {
            error.text("Type", if status < 500 { "Sender" } else { "Receiver" });
            error.text("Code", code);
            error.text("Message", message);
        });
        response.text("RequestId", request_id);
    });
    out
}

fn envelope(
    operation: &str,
    namespace: &str,
    request_id: &str,
    result: impl FnOnce(&mut Writer<'_>),
) -> Vec<u8> {
    // Room for credentials with their token: growing would leave a copy of the secret behind.
    let mut out = Vec::with_capacity(8192);
    let mut writer = Writer { out: &mut out };
    writer.root(&format!("{operation}Response"), namespace, |response| {
        result(response);
        response.element("ResponseMetadata", |metadata| {
            metadata.text("RequestId", request_id)
        });
    });
    out
}

impl fmt::Debug for Writer<'_> {
    // What is written may be a secret access key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer<'_> {
    /// An element with text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.open(name);
        escape(self.out, value);
        self.close(name);
    }

    /// An element with text percent-encoded as RFC 3986 has it: how IAM writes policies.
    pub fn url_encoded(&mut self, name: &str, value: &str) {
        self.open(name);
        for part in percent_encoding::utf8_percent_encode(value, RESERVED) {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.close(name);
    }

    /// An element with an integer.
    pub fn integer(&mut self, name: &str, value: i64) {
        self.text(name, itoa::Buffer::new().format(value));
    }

    /// An element with `true` or `false`.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.text(name, if value { "true" } else { "false" });
    }

    /// An element with an instant, ISO 8601 in UTC to the second.
    pub fn timestamp(&mut self, name: &str, value: Timestamp) {
        self.text(name, &value.iso8601());
    }

    /// An element with elements.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Writer<'_>)) {
        self.open(name);
        content(&mut Writer { out: self.out });
        self.close(name);
    }

    /// A list: `<Users><member>…</member></Users>`.
    pub fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut member: impl FnMut(&mut Writer<'_>, T),
    ) {
        self.element(name, |list| {
            for item in items {
                list.element("member", |content| member(content, item));
            }
        });
    }

    /// A list of texts.
    pub fn texts<S: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = S>) {
        self.element(name, |list| {
            for value in values {
                list.text("member", value.as_ref());
            }
        });
    }

    fn root(&mut self, name: &str, namespace: &str, content: impl FnOnce(&mut Writer<'_>)) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b" xmlns=\"");
        escape(self.out, namespace);
        self.out.extend_from_slice(b"\">");
        content(self);
        self.close(name);
    }

    fn open(&mut self, name: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }

    fn close(&mut self, name: &str) {
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }
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

    #[test]
    fn a_result_stands_in_its_envelope() {
        let body = response("GetUser", "urn:x", "id-1", |result| {
            result.element("User", |user| {
                user.text("UserName", "a<b&\"c'>\r\u{1}\u{fffe}é");
                user.timestamp("CreateDate", Timestamp::from_seconds(0));
                user.integer("Limit", -7);
                user.boolean("Attached", false);
                user.url_encoded("Document", "{\"a-b._~\": [é]}");
                user.texts("Names", ["x", "y"]);
                user.list("Tags", [("k", "v")], |tag, (key, value)| {
                    tag.text("Key", key);
                    tag.text("Value", value);
                });
            });
        });
        assert_eq!(
            text(body),
            "<GetUserResponse xmlns=\"urn:x\"><GetUserResult><User>\
             <UserName>a&lt;b&amp;&quot;c&apos;&gt;&#xD;\u{fffd}\u{fffd}é</UserName>\
             <CreateDate>1970-01-01T00:00:00Z</CreateDate><Limit>-7</Limit>\
             <Attached>false</Attached>\
             <Document>%7B%22a-b._~%22%3A%20%5B%C3%A9%5D%7D</Document>\
             <Names><member>x</member><member>y</member></Names>\
             <Tags><member><Key>k</Key><Value>v</Value></member></Tags>\
             </User></GetUserResult>\
             <ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></GetUserResponse>"
        );
    }

    #[test]
    fn an_operation_without_output_answers_metadata() {
        assert_eq!(
            text(empty_response("DeleteUser", "urn:x", "id-1")),
            "<DeleteUserResponse xmlns=\"urn:x\"><ResponseMetadata><RequestId>id-1</RequestId>\
             </ResponseMetadata></DeleteUserResponse>"
        );
    }

    #[test]
    fn an_error_names_who_is_at_fault() {
        assert_eq!(
            text(error("urn:x", "NoSuchEntity", 404, "no <user>", "id-1")),
            "<ErrorResponse xmlns=\"urn:x\"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>\
             <Message>no &lt;user&gt;</Message></Error><RequestId>id-1</RequestId></ErrorResponse>"
        );
        let body = text(error("urn:x", "ServiceFailure", 500, "", "id-1"));
        assert!(body.contains("<Type>Receiver</Type>"), "{body}");
    }
}
