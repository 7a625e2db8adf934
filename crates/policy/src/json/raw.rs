//! JSON values found in a text without being built: where each begins and ends.
//!
//! The boundaries are those of brackets and strings only. Code that takes the text of a value
//! parses it, or has parsed the same text before.

use std::borrow::Cow;

use super::{Json, MAX_DEPTH, Reader, plain_length};

/// An object's members as texts, in their order.
pub(crate) type Members<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Why a text is not an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotMembers {
    /// Not JSON, or nested too deeply.
    Json,
    /// Another value than an object.
    Object,
    /// A name that occurs twice.
    Twice(String),
}

/// The members of an object that fills the text.
pub(crate) fn members(text: &str) -> Result<Members<'_>, NotMembers> {
    let mut reader = Reader { rest: text };
    reader.space();
    if !reader.eat("{") {
        return Err(match Json::parse(text) {
            Some(_) => NotMembers::Object,
            None => NotMembers::Json,
        });
    }
    let members = rest_of_object(&mut reader).ok_or(NotMembers::Json)?;
    for (index, (name, _)) in members.iter().enumerate() {
        let earlier = members.get(..index).unwrap_or_default();
        if earlier.iter().any(|(other, _)| other == name) {
            return Err(NotMembers::Twice(name.clone().into_owned()));
        }
    }
    Ok(members)
}

fn rest_of_object<'a>(reader: &mut Reader<'a>) -> Option<Members<'a>> {
    let mut members = Vec::new();
    reader.space();
    if !reader.eat("}") {
        loop {
            reader.space();
            let name = name(reader)?;
            reader.space();
            if !reader.eat(":") {
                return None;
            }
            members.push((name, skip(reader, MAX_DEPTH - 1)?));
            reader.space();
            if reader.eat("}") {
                break;
            }
            if !reader.eat(",") {
                return None;
            }
        }
    }
    reader.space();
    reader.rest.is_empty().then_some(members)
}

/// The items of an array that fills the text; `None` if it is no array.
pub(crate) fn items(text: &str) -> Option<Vec<&str>> {
    let mut reader = Reader { rest: text };
    let mut items = Vec::new();
    reader.space();
    if !reader.eat("[") {
        return None;
    }
    reader.space();
    if !reader.eat("]") {
        loop {
            items.push(skip(&mut reader, MAX_DEPTH - 1)?);
            reader.space();
            if reader.eat("]") {
                break;
            }
            if !reader.eat(",") {
                return None;
            }
        }
    }
    reader.space();
    reader.rest.is_empty().then_some(items)
}

/// The text of a string; `None` if the value is not a string.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    let mut reader = Reader { rest: text };
    let value = name(&mut reader)?;
    reader.rest.is_empty().then_some(value)
}

fn name<'a>(reader: &mut Reader<'a>) -> Option<Cow<'a, str>> {
    let inner = reader.rest.strip_prefix('"')?;
    let end = plain_length(inner)?;
    let (text, rest) = inner.split_at_checked(end)?;
    match rest.strip_prefix('"') {
        Some(rest) if text.bytes().all(|byte| byte >= 0x20) => {
            reader.rest = rest;
            Some(Cow::Borrowed(text))
        }
        Some(_) | None => reader.string().map(Cow::Owned),
    }
}

/// Skips one value and returns its text, without white space around it.
fn skip<'a>(reader: &mut Reader<'a>, depth: usize) -> Option<&'a str> {
    reader.space();
    let text = reader.rest;
    let length = value_length(text.as_bytes(), depth)?;
    let (value, rest) = text.split_at_checked(length)?;
    reader.rest = rest;
    Some(value)
}

fn value_length(bytes: &[u8], most: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                if depth > most {
                    return None;
                }
            }
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' | b':' if depth == 0 => return None,
            _ if depth == 0 => {
                let scalar = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                let rest = bytes.get(at..)?;
                let length = rest.iter().take_while(|byte| scalar(byte)).count();
                return (length > 0).then_some(at + length);
            }
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The place of the quote that closes the string opened at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        let rest = bytes.get(at..)?;
        let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        at += plain;
        match rest.get(plain)? {
            b'"' => return Some(at),
            _ => at += 2,
        }
    }
}

/// The statements of a policy, each as it is in the text.
pub(crate) fn statements(text: &str) -> Vec<&str> {
    let Ok(members) = members(text) else {
        return Vec::new();
    };
    let statement = members.into_iter().find(|(name, _)| name == "Statement");
    let Some((_, value)) = statement else {
        return Vec::new();
    };
    items(value).unwrap_or_else(|| vec![value])
}

/// Where a part of a text begins in it.
pub(crate) fn offset(text: &str, part: &str) -> Option<usize> {
    (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)
}

/// The line, from 1, on which each statement of a policy begins.
pub(crate) fn statement_lines(text: &str) -> Vec<u32> {
    let line_of = |part: &str| {
        let newlines = text.get(..offset(text, part)?)?.matches('\n').count();
        u32::try_from(newlines + 1).ok()
    };
    statements(text).into_iter().filter_map(line_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_alone_and_in_a_list() {
        let one = r#"{"Id":"Statement","Statement":{"Sid":"{\"}","Effect":"Allow"},"Version":"x"}"#;
        assert_eq!(statements(one), [r#"{"Sid":"{\"}","Effect":"Allow"}"#]);
        let two = r#"{"Statement":[{"Condition":{"a":{"b":["c"]}}} , {"Sid":"]"}],"Version":"{"}"#;
        let expect = [r#"{"Condition":{"a":{"b":["c"]}}}"#, r#"{"Sid":"]"}"#];
        assert_eq!(statements(two), expect);
        let second = statements(two)[1];
        assert_eq!(offset(two, second), two.find(second));
    }

    #[test]
    fn members_keep_their_text() {
        let text = r#" {"a" : {"x":["}",{"y":1}]} ,"\u0062":"\"" , "c":-1.5e3,"d":null} "#;
        let found = members(text).unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (&**n, *v)).collect();
        assert_eq!(
            found,
            [
                ("a", r#"{"x":["}",{"y":1}]}"#),
                ("b", r#""\"""#),
                ("c", "-1.5e3"),
                ("d", "null")
            ]
        );
        assert_eq!(members("{}"), Ok(vec![]));
        assert_eq!(items("[ 1 ,[2], \"]\" ]"), Some(vec!["1", "[2]", "\"]\""]));
        assert_eq!(items("[]"), Some(vec![]));
    }

    #[test]
    fn what_is_no_object_is_told_apart() {
        assert_eq!(members("[1]"), Err(NotMembers::Object));
        assert_eq!(
            members(r#"{"a":1,"\u0061":2}"#),
            Err(NotMembers::Twice("a".into()))
        );
        for bad in [
            "",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{\"a\":]}",
            "{\"a\":\"}",
            "{\"a\":\"\\",
            "{a:1}",
            "x",
            "{\"a\":1 2}",
            "{\"a\"::1}",
        ] {
            assert_eq!(members(bad), Err(NotMembers::Json), "{bad}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(16), "]".repeat(16));
        assert_eq!(members(&deep), Err(NotMembers::Json));
    }

    #[test]
    fn a_statement_is_on_the_line_it_begins_on() {
        let text =
            "{\n \"Version\": \"2012-10-17\",\n \"Statement\": [\n  {\n  },\n\n  {}, {}\n ]}";
        assert_eq!(statement_lines(text), [4, 7, 7]);
        assert_eq!(statement_lines("{\n\"Statement\":\n{}}"), [3]);
        assert!(statement_lines("{").is_empty());
    }
}
