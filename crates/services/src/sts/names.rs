//! Names that several STS operations take: session names, source identities, session tags.

use keyward_types::tag::Tag;

/// The most session tags.
pub const MAX_TAGS: usize = 50;

/// What the model says of the characters of ARNs.
pub const ARN_PATTERN: &str = "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u0085\\u00A0-\\uD7FF\\uE000-\\uFFFD\\u10000-\\u10FFFF]+";

/// Whether all of the text is of [`ARN_PATTERN`]. As AWS reads it, its last range begins at `0`,
/// so that nothing but control characters and what is beyond U+FFFD is left out.
pub fn is_arn_text(text: &str) -> bool {
    let legal = |c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}');
    !text.is_empty() && text.chars().all(legal)
}

/// Whether all of the text is of `[\w+=,.@-]`.
pub fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    text.chars().all(legal)
}

/// The most characters of a source identity.
pub const MAX_SOURCE_IDENTITY: usize = 256;

/// Whether it may be a source identity: 2 to 256 characters of `[\w+=,.@-]`, and not AWS's own.
pub fn is_source_identity(text: &str) -> bool {
    (2..=MAX_SOURCE_IDENTITY).contains(&text.len()) && is_name(text) && !is_aws_owned(text)
}

/// Whether the tags may be a session's: at most 50, well-formed, keys unique without regard to
/// case.
pub fn are_session_tags(tags: &[Tag]) -> bool {
    let legal = |tag: &Tag| {
        (1..=128).contains(&tag.key.chars().count())
            && tag.value.chars().count() <= 256
            && is_tag_text(&tag.key)
            && is_tag_text(&tag.value)
            && !is_aws_owned(&tag.key)
    };
    tags.len() <= MAX_TAGS && tags.iter().all(legal) && !has_duplicate_keys(tags)
}

/// Whether two keys are the same but for case.
pub fn has_duplicate_keys(tags: &[Tag]) -> bool {
    let lower: Vec<String> = tags.iter().map(|tag| tag.key.to_lowercase()).collect();
    let twice = |(index, key): (usize, &String)| lower.iter().take(index).any(|k| k == key);
    lower.iter().enumerate().any(twice)
}

/// Whether every key is one of the tags', without regard to case.
pub fn are_tag_keys_of(keys: &[String], tags: &[Tag]) -> bool {
    let lower = |key: &str| key.to_lowercase();
    keys.len() <= MAX_TAGS
        && keys
            .iter()
            .all(|key| tags.iter().any(|tag| lower(&tag.key) == lower(key)))
}

/// Whether all of the text is of `[\p{L}\p{Z}\p{N}_.:/=+\-@]`.
pub fn is_tag_text(text: &str) -> bool {
    let space = |c: char| c.is_whitespace() && !c.is_control();
    let legal = |c: char| c.is_alphanumeric() || space(c) || "_.:/=+-@".contains(c);
    text.chars().all(legal)
}

/// Whether the name begins with AWS's reserved prefix.
pub fn is_aws_owned(name: &str) -> bool {
    name.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}
