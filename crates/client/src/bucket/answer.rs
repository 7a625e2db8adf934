//! What a service of buckets says: lists and refusals.

use std::fmt;

use roxmltree::{Document, Node, ParsingOptions};

use crate::words;

/// The most elements of an answer: a page has at most 1,000 objects.
const MAX_NODES: u32 = 200_000;

/// A page of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Names, as they are in a URL, and how many bytes each object has.
    pub objects: Vec<(String, u64)>,
    /// What continues it.
    pub next: Option<String>,
}

/// Why a request was refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    code: Option<String>,
    message: Option<String>,
}

/// Reads a page of ListObjectsV2.
///
/// # Errors
/// What is wrong with it.
pub fn parse_page(body: &[u8]) -> Result<Page, &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "its list is not UTF-8")?;
    let document = parse(text).ok_or("its list is not XML")?;
    let root = document.root_element();
    if root.tag_name().name() != "ListBucketResult" {
        return Err("its list is not one");
    }
    let mut objects = Vec::new();
    for object in root.children().filter(|child| is(*child, "Contents")) {
        let key = child(object, "Key").ok_or("an object in its list has no name")?;
        let bytes = child(object, "Size").and_then(|bytes| bytes.parse().ok());
        let bytes = bytes.ok_or("an object in its list has no size")?;
        objects.push((key.to_owned(), bytes));
    }
    let next = match child(root, "IsTruncated") {
        Some("true") => {
            let next = child(root, "NextContinuationToken");
            Some(next.ok_or("its list ends too early")?.to_owned())
        }
        Some("false") => None,
        Some(_) | None => return Err("its list does not say whether it ends"),
    };
    Ok(Page { objects, next })
}

/// Whether a server of Keyward refuses, which serves no buckets.
pub fn is_of_keyward(body: &[u8]) -> bool {
    const SAYS: &[u8] = b"Keyward does not serve s3";
    body.windows(SAYS.len()).any(|window| window == SAYS)
}

impl Refusal {
    /// Reads a refusal. What is none says nothing.
    pub fn parse(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).ok();
        let Some(document) = text.and_then(parse) else {
            return Self::default();
        };
        let root = document.root_element();
        let member = |name| child(root, name).map(shown);
        Self {
            code: member("Code"),
            message: member("Message"),
        }
    }

    /// Whether it has one of these codes.
    pub fn is(&self, codes: &[&str]) -> bool {
        let code = self.code.as_deref();
        code.is_some_and(|code| codes.contains(&code))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, "{code}: {message}"),
            (Some(code), None) => f.write_str(code),
            (None, _) => f.write_str("without saying why"),
        }
    }
}

fn parse(text: &str) -> Option<Document<'_>> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).ok()
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

fn child<'d>(node: Node<'d, '_>, name: &str) -> Option<&'d str> {
    node.children().find(|child| is(*child, name))?.text()
}

/// The beginning of what the service said, as part of a sentence.
pub fn shown(text: &str) -> String {
    words::shown(text).trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
        <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>
        <IsTruncated>true</IsTruncated><NextContinuationToken>t/+=</NextContinuationToken>
        <Contents><Key>a/b</Key><Size>12</Size></Contents>
        <Contents><Key>a/&lt;c</Key><Size>0</Size></Contents></ListBucketResult>";

    #[test]
    fn a_page_is_read() {
        let page = parse_page(LIST.as_bytes()).unwrap();
        assert_eq!(
            page.objects,
            [("a/b".to_owned(), 12), ("a/<c".to_owned(), 0)]
        );
        assert_eq!(page.next.as_deref(), Some("t/+="));
        let last = LIST.replace("true", "false");
        assert_eq!(parse_page(last.as_bytes()).unwrap().next, None);
    }

    #[test]
    fn what_is_no_page_says_why() {
        for (from, to, why) in [
            ("true", "perhaps", "its list does not say whether it ends"),
            ("NextContinuationToken", "Next", "its list ends too early"),
            ("<Key>a/b</Key>", "", "an object in its list has no name"),
            ("<Size>12", "<Size>-1", "an object in its list has no size"),
            ("ListBucketResult", "Other", "its list is not one"),
            ("</Contents></List", "</List", "its list is not XML"),
        ] {
            assert_eq!(parse_page(LIST.replace(from, to).as_bytes()), Err(why));
        }
        assert_eq!(parse_page(b"\xff"), Err("its list is not UTF-8"));
        let entities = LIST.replace("?>", "?><!DOCTYPE x [<!ENTITY e \"eeee\">]>");
        assert_eq!(parse_page(entities.as_bytes()), Err("its list is not XML"));
        let many = format!(
            "<ListBucketResult>{}</ListBucketResult>",
            "<a/>".repeat(MAX_NODES as usize)
        );
        assert_eq!(parse_page(many.as_bytes()), Err("its list is not XML"));
    }

    #[test]
    fn a_refusal_is_shown_without_what_could_disturb_a_terminal() {
        let body = "<Error><Code>AccessDenied</Code><Message>No\u{85} way.</Message></Error>";
        let refusal = Refusal::parse(body.as_bytes());
        assert!(refusal.is(&["NoSuchKey", "AccessDenied"]));
        assert_eq!(refusal.to_string(), r"AccessDenied: No\u{85} way");
        for nothing in ["", "<html></html>", "<Error><Message>m</Message></Error>"] {
            let refusal = Refusal::parse(nothing.as_bytes());
            assert_eq!(refusal.to_string(), "without saying why", "{nothing}");
        }
        let long = format!("<Error><Code>{}</Code></Error>", "x".repeat(5000));
        assert_eq!(
            Refusal::parse(long.as_bytes()).to_string().len(),
            words::MAX
        );
    }
}
