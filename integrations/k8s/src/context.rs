//! Encryption contexts: what is said of them on the command line, and the annotation that says which one an object has.

use std::collections::BTreeMap;

use keyward_types::encryption_context::EncryptionContext;

/// The annotation that says which encryption context an object was encrypted with. There is none for the empty one.
pub const ANNOTATION: &str = "encryption-context.kms.keyward.dev";

/// Name and value pairs, which are no secret.
pub type Context = BTreeMap<String, String>;

/// Reads `name=value,name=value`.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn parse(text: &str) -> Result<Context, String> {
    let mut context = Context::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(format!(
                "`{pair}` is not a pair of an encryption context: use NAME=VALUE,NAME=VALUE"
            ));
        };
        if name.is_empty() || value.is_empty() {
            return Err(format!(
                "a pair of an encryption context has no name or no value: `{pair}`"
            ));
        }
        if context.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("`{name}` stands twice in the encryption context"));
        }
    }
    let pairs = context.clone().into_iter().collect();
    EncryptionContext::new(pairs).map_err(|error| error.to_string())?;
    Ok(context)
}

/// The value of the annotation.
pub fn render(context: &Context) -> Option<Vec<u8>> {
    if context.is_empty() {
        return None;
    }
    serde_json::to_vec(context).ok()
}

/// Reads the value of the annotation.
pub fn read(value: &[u8]) -> Option<Context> {
    serde_json::from_slice(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_and_annotated() {
        let context = parse("b=c=d,a=x").unwrap();
        assert_eq!(context["b"], "c=d");
        let annotation = render(&context).unwrap();
        assert_eq!(annotation, br#"{"a":"x","b":"c=d"}"#);
        assert_eq!(read(&annotation), Some(context));
        assert_eq!(parse("").unwrap(), Context::new());
        assert_eq!(render(&Context::new()), None);
        assert_eq!(read(b"[]"), None);
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for (text, said) in [
            (
                "a",
                "`a` is not a pair of an encryption context: use NAME=VALUE,NAME=VALUE",
            ),
            (
                "=b",
                "a pair of an encryption context has no name or no value: `=b`",
            ),
            (
                "a=",
                "a pair of an encryption context has no name or no value: `a=`",
            ),
            ("a=b,a=c", "`a` stands twice in the encryption context"),
        ] {
            assert_eq!(parse(text).unwrap_err(), said);
        }
        let long = format!("a={}", "b".repeat(9000));
        assert_eq!(
            parse(&long).unwrap_err(),
            "an encryption context has at most 8192 bytes"
        );
    }
}
