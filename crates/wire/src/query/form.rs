//! Whether an answer is XML or JSON: what the client's `Accept` asks for.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#name-accept>

/// How an answer of the Query protocol is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// XML, unless the client asks for something else.
    #[default]
    Xml,
    /// JSON, for a client that names it.
    Json,
}

/// A quality of RFC 9110 in thousandths, and where it was said.
#[derive(Clone, Copy)]
struct Ask {
    quality: u16,
    place: usize,
}

impl Form {
    /// What the values of `Accept` ask for. Only `application/json` by name gets JSON, and only
    /// if the client does not like XML, or whatever comes, better.
    pub fn accepted<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Self {
        let (mut json, mut xml, mut other) = (None, None, 0);
        let ranges = values
            .into_iter()
            .flat_map(|value| value.split(|byte| *byte == b','));
        for (place, range) in ranges.enumerate() {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
            let quality = parts.find_map(quality).unwrap_or(1000);
            let ask = Ask { quality, place };
            if is(b"application/json") {
                json.get_or_insert(ask);
            } else if is(b"text/xml") || is(b"application/xml") {
                xml.get_or_insert(ask);
            } else if is(b"*/*") || is(b"application/*") || is(b"text/*") {
                other = other.max(quality);
            }
        }
        let Some(json) = json.filter(|json| json.quality > 0 && json.quality >= other) else {
            return Self::Xml;
        };
        let before = |xml: Ask| {
            xml.quality > json.quality || (xml.quality == json.quality && xml.place < json.place)
        };
        if xml.is_some_and(before) {
            Self::Xml
        } else {
            Self::Json
        }
    }

    /// The answer's `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Xml => crate::response::XML,
            Self::Json => crate::response::JSON,
        }
    }
}

/// The quality that a parameter gives, if it is one; one that cannot be read is none at all.
fn quality(parameter: &[u8]) -> Option<u16> {
    let (name, value) = parameter.split_at_checked(2)?;
    if !name.eq_ignore_ascii_case(b"q=") {
        return None;
    }
    let digits = match value {
        [b'1'] => return Some(1000),
        [b'1', b'.', zeros @ ..] if zeros.len() <= 3 && zeros.iter().all(|byte| *byte == b'0') => {
            return Some(1000);
        }
        [b'0'] => return Some(0),
        [b'0', b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return Some(0),
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = match digits.get(place) {
            Some(digit @ b'0'..=b'9') => u16::from(digit - b'0'),
            Some(_) => return Some(0),
            None => 0,
        };
        thousandths = thousandths * 10 + digit;
    }
    Some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str, expect: Form) {
        assert_eq!(Form::accepted([accept.as_bytes()]), expect, "{accept:?}");
    }

    #[test]
    fn only_a_client_that_names_json_gets_it() {
        assert_eq!(Form::accepted([]), Form::Xml);
        for accept in [
            "",
            "*/*",
            "application/*",
            "text/xml",
            "text/html, */*",
            "json",
            "application/jsonx",
        ] {
            check(accept, Form::Xml);
        }
        for accept in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "text/html,application/json",
            "application/json, text/plain, */*",
            " application/json ;q=0.5 ",
            "application/json;q=0.001",
        ] {
            check(accept, Form::Json);
        }
    }

    #[test]
    fn what_the_client_likes_better_wins() {
        check("text/xml, application/json", Form::Xml);
        check("application/json, text/xml", Form::Json);
        check("text/xml;q=0.9, application/json", Form::Json);
        check("application/json;q=0.8, application/xml;q=0.801", Form::Xml);
        check("application/json;q=0.8, */*", Form::Xml);
        check("application/json;q=0.8, */*;q=0.8", Form::Json);
        check("application/json;q=0.8, text/plain", Form::Json);
    }

    #[test]
    fn a_quality_of_zero_or_that_is_none_refuses() {
        for quality in [
            "0", "0.", "0.000", "2", "1.5", "0.1234", "-1", "x", "", "0.x",
        ] {
            check(&format!("application/json;q={quality}"), Form::Xml);
        }
        for quality in ["1", "1.", "1.000", "0.1", "0.999"] {
            check(&format!("application/json;v=1;Q={quality}"), Form::Json);
        }
    }

    #[test]
    fn several_fields_count_as_one() {
        let json = b"application/json".as_slice();
        assert_eq!(Form::accepted([b"text/plain".as_slice(), json]), Form::Json);
        assert_eq!(Form::accepted([b"text/xml".as_slice(), json]), Form::Xml);
    }
}
