//! What a session carries: its name, its source identity and its tags.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>

use crate::tag::{Tag, is_aws_owned, is_tag_text};

/// The most session tags.
pub const MAX_TAGS: usize = 50;

/// The most characters of a source identity.
pub const MAX_SOURCE_IDENTITY: usize = 256;

/// Whether all characters of the text are in `[\w+=,.@-]`.
pub fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    text.chars().all(legal)
}

/// Whether it may be a source identity: 2 to 256 characters of `[\w+=,.@-]`, and not AWS's own.
pub fn is_source_identity(text: &str) -> bool {
    (2..=MAX_SOURCE_IDENTITY).contains(&text.len()) && is_name(text) && !is_aws_owned(text)
}

/// Whether the tags may be a session's: at most 50, well-formed, keys unique without regard to
/// case.
pub fn are_tags(tags: &[Tag]) -> bool {
    let legal = |tag: &Tag| {
        (1..=128).contains(&tag.key.chars().count())
            && tag.value.chars().count() <= 256
            && is_tag_text(&tag.key)
            && is_tag_text(&tag.value)
            && !is_aws_owned(&tag.key)
    };
    tags.len() <= MAX_TAGS && tags.iter().all(legal) && !has_duplicate_keys(tags)
}

/// Whether two keys are the same, ignoring case.
pub fn has_duplicate_keys(tags: &[Tag]) -> bool {
    let lower: Vec<String> = tags.iter().map(|tag| tag.key.to_lowercase()).collect();
    let twice = |(index, key): (usize, &String)| lower.iter().take(index).any(|k| k == key);
    lower.iter().enumerate().any(twice)
}

/// Whether every key is one of the tags', without regard to case.
pub fn are_keys_of(keys: &[String], tags: &[Tag]) -> bool {
    let lower = |key: &str| key.to_lowercase();
    keys.len() <= MAX_TAGS
        && keys
            .iter()
            .all(|key| tags.iter().any(|tag| lower(&tag.key) == lower(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(keys: &[&str]) -> Vec<Tag> {
        let tag = |key: &&str| Tag {
            key: (*key).to_owned(),
            value: String::new(),
        };
        keys.iter().map(tag).collect()
    }

    #[test]
    fn a_source_identity_has_two_characters_and_is_not_awss() {
        for (text, legal) in [
            ("ab", true),
            ("a", false),
            ("a b", false),
            ("aws:ab", false),
            ("ada@example.com", true),
            (&"x".repeat(256), true),
            (&"x".repeat(257), false),
        ] {
            assert_eq!(is_source_identity(text), legal, "{text}");
        }
    }

    #[test]
    fn keys_of_session_tags_are_compared_without_case() {
        assert!(are_tags(&tags(&["Team", "Cost"])));
        assert!(!are_tags(&tags(&["Team", "team"])));
        assert!(!are_tags(&tags(&["AWS:team"])));
        assert!(!are_tags(&tags(&[""])));
        let team = tags(&["Team"]);
        assert!(are_keys_of(&["TEAM".to_owned()], &team));
        assert!(!are_keys_of(&["Cost".to_owned()], &team));
    }
}
