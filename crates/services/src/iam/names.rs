//! Members that several IAM operations have, with AWS's constraints for them.

use keyward_types::tag::Tag;
use keyward_wire::json::Members;

use crate::iam::fault::IamFault;

const NAME_PATTERN: &str = "[\\w+=,.@-]+";
const PATH_PATTERN: &str = "(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)";
const TEXT_PATTERN: &str = "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+";
const DESCRIPTION_PATTERN: &str = "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*";
const TAG_KEY_PATTERN: &str = "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+";
const TAG_VALUE_PATTERN: &str = "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*";
/// The most tags of anything.
pub const MAX_TAGS: usize = 50;

fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    !text.is_empty() && text.chars().all(legal)
}

/// A name that must be given.
pub fn name(m: &mut Members<'_>, member: &'static str, most: usize) -> String {
    m.string(member)
        .length(1, most)
        .pattern(NAME_PATTERN, is_name)
        .required()
        .to_owned()
}

/// A name that may be given.
pub fn optional_name(m: &mut Members<'_>, member: &'static str, most: usize) -> Option<String> {
    let name = m
        .string(member)
        .length(1, most)
        .pattern(NAME_PATTERN, is_name)
        .optional();
    name.map(str::to_owned)
}

/// An ARN that must be given.
pub fn arn(m: &mut Members<'_>, member: &'static str) -> String {
    m.string(member).length(20, 2048).required().to_owned()
}

/// An ARN that may be given.
pub fn optional_arn(m: &mut Members<'_>, member: &'static str) -> Option<String> {
    let arn = m.string(member).length(20, 2048).optional();
    arn.map(str::to_owned)
}

/// A path, `/` if none is given.
pub fn path(m: &mut Members<'_>) -> String {
    optional_path(m, "Path").unwrap_or_else(|| "/".to_owned())
}

/// A path that may be given.
pub fn optional_path(m: &mut Members<'_>, member: &'static str) -> Option<String> {
    let legal = |text: &str| {
        text.starts_with('/')
            && text.ends_with('/')
            && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
    };
    let path = m
        .string(member)
        .length(1, 512)
        .pattern(PATH_PATTERN, legal)
        .optional();
    path.map(str::to_owned)
}

/// What the paths of a list begin with, `/` if nothing is said.
pub fn path_prefix(m: &mut Members<'_>) -> String {
    let legal = |text: &str| {
        text.starts_with('/') && text.bytes().all(|byte| (0x21..=0x7f).contains(&byte))
    };
    m.string("PathPrefix")
        .length(1, 512)
        .pattern("\\u002F[\\u0021-\\u007F]*", legal)
        .optional()
        .unwrap_or("/")
        .to_owned()
}

/// A policy document that must be given; it is read later, when its kind is known.
pub fn document(m: &mut Members<'_>, member: &'static str) -> String {
    m.string(member)
        .length(1, 131_072)
        .pattern(TEXT_PATTERN, is_policy_text)
        .required()
        .to_owned()
}

/// Policy documents that may be given.
pub fn documents(m: &mut Members<'_>, member: &'static str) -> Option<Vec<String>> {
    let texts = m
        .strings(member)
        .each_length(1, 131_072)
        .each_pattern(TEXT_PATTERN, is_policy_text)
        .optional();
    texts.map(|texts| texts.into_iter().map(str::to_owned).collect())
}

/// A policy document that may be given.
pub fn optional_document(m: &mut Members<'_>, member: &'static str) -> Option<String> {
    let text = m
        .string(member)
        .length(1, 131_072)
        .pattern(TEXT_PATTERN, is_policy_text)
        .optional();
    text.map(str::to_owned)
}

fn is_policy_text(text: &str) -> bool {
    let legal = |c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}');
    text.chars().all(legal)
}

/// A role's description.
pub fn description(m: &mut Members<'_>) -> Option<String> {
    let legal = |c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{7e}' | '\u{a1}'..='\u{ff}');
    let text = m
        .string("Description")
        .length(0, 1000)
        .pattern(DESCRIPTION_PATTERN, |text| text.chars().all(legal))
        .optional();
    text.map(str::to_owned)
}

fn is_tag_text(text: &str) -> bool {
    let separator = |c: char| c.is_whitespace() && !c.is_control();
    let legal = |c: char| c.is_alphanumeric() || separator(c) || "_.:/=+-@".contains(c);
    text.chars().all(legal)
}

/// Tags that may be given.
pub fn tags(m: &mut Members<'_>) -> Vec<Tag> {
    let tags = m.structures("Tags", read_tag).count(0, MAX_TAGS);
    tags.optional().unwrap_or_default()
}

/// Tags that must be given.
pub fn required_tags(m: &mut Members<'_>) -> Vec<Tag> {
    m.structures("Tags", read_tag).count(0, MAX_TAGS).required()
}

fn read_tag(tag: &mut Members<'_>) -> Tag {
    let key = tag
        .string("Key")
        .length(1, 128)
        .pattern(TAG_KEY_PATTERN, is_tag_text)
        .required()
        .to_owned();
    let value = tag
        .string("Value")
        .length(0, 256)
        .pattern(TAG_VALUE_PATTERN, is_tag_text)
        .required()
        .to_owned();
    Tag { key, value }
}

/// Keys of tags that must be given.
pub fn tag_keys(m: &mut Members<'_>) -> Vec<String> {
    let keys = m
        .strings("TagKeys")
        .count(0, MAX_TAGS)
        .each_length(1, 128)
        .each_pattern(TAG_KEY_PATTERN, |text| {
            !text.is_empty() && is_tag_text(text)
        })
        .required();
    keys.into_iter().map(str::to_owned).collect()
}

/// The tags, if no two keys differ only by case and none is AWS's own.
///
/// # Errors
/// `InvalidInput`.
pub fn checked_tags(tags: Vec<Tag>) -> Result<Vec<Tag>, IamFault> {
    let lower: Vec<String> = tags.iter().map(|tag| tag.key.to_lowercase()).collect();
    let twice = lower
        .iter()
        .enumerate()
        .any(|(i, key)| lower.iter().take(i).any(|k| k == key));
    if twice {
        return Err(IamFault::invalid(
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ));
    }
    if lower.iter().any(|key| key.starts_with("aws:")) {
        return Err(IamFault::invalid(
            "System tags cannot be added/updated by requester.",
        ));
    }
    Ok(tags)
}

/// A path of managed policies, which is narrower than others.
pub fn policy_path(m: &mut Members<'_>, member: &'static str) -> Option<String> {
    let legal = |text: &str| {
        let name = |part: &str| {
            let letter = |c: char| c.is_ascii_alphanumeric() || ".,+@=_-".contains(c);
            !part.is_empty() && part.chars().all(letter)
        };
        let inner = text
            .strip_prefix('/')
            .map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        text == "/" || text.ends_with('/') && inner.is_some_and(|inner| inner.split('/').all(name))
    };
    let path = m
        .string(member)
        .length(1, 512)
        .pattern("((/[A-Za-z0-9\\.,\\+@=_-]+)*)/", legal)
        .optional();
    path.map(str::to_owned)
}

/// `VersionId` of a managed policy.
pub fn version_id(m: &mut Members<'_>) -> String {
    let legal = |text: &str| {
        let rest = text.strip_prefix('v').unwrap_or_default();
        let (number, tail) = rest.split_once('.').unwrap_or((rest, ""));
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let tail = tail
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        digits && tail && !number.is_empty() && !number.starts_with('0')
    };
    m.string("VersionId")
        .pattern("v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?", legal)
        .required()
        .to_owned()
}
