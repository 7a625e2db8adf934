//! Members that several IAM operations have, with AWS's constraints for them.
//!
//! Lengths come from the model, with its errors. IAM itself checks the characters of names, paths
//! and documents, after all lengths, with messages of its own.

use keyward_engine::audit::parameters::{Parameter, text};
use keyward_types::{
    arn::ArnParts,
    tag::{Tag, is_tag_text},
};
use keyward_wire::json::{Members, Text};

use crate::tag_keys::MAX_TAGS;

/// What the audit trail shows of a tag.
pub const SHOWN_TAG: &[Parameter] = &[text("Key"), text("Value")];

const TEXT_PATTERN: &str = "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+";
const DESCRIPTION_PATTERN: &str = "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*";
const TAG_KEY_PATTERN: &str = "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+";
const TAG_VALUE_PATTERN: &str = "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*";

/// The most characters of the name of a user, as most operations have it.
pub const EXISTING_USER: usize = 128;
/// The most characters of the name of a user, as the other operations have it. No user has a
/// longer name.
pub const USER: usize = 64;
/// The most characters of the name of a group.
pub const GROUP: usize = 128;
/// The most characters of the name of a role.
pub const ROLE: usize = 64;
/// The most characters of the name of an instance profile.
pub const INSTANCE_PROFILE: usize = 128;
/// The most characters of an ARN.
pub const ARN: usize = 2048;

/// What a member must be, in IAM's words: `it must …`.
fn must<'m, 'o>(
    text: Text<'m, 'o>,
    member: &str,
    holds: impl FnOnce(&str) -> bool,
    sentence: &str,
) -> Text<'m, 'o> {
    text.rule(holds, || {
        let (first, rest) = member.split_at_checked(1).unwrap_or((member, ""));
        let first = first.to_ascii_lowercase();
        format!("The specified value for {first}{rest} is invalid. It must {sentence}")
    })
}

fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    !text.is_empty() && text.chars().all(legal)
}

fn read_name<'m, 'o>(m: &'m mut Members<'o>, member: &'static str, most: usize) -> Text<'m, 'o> {
    let sentence = "contain only alphanumeric characters and/or the following: +=,.@_-";
    must(m.string(member).length(1, most), member, is_name, sentence)
}

/// A name that must be given.
pub fn name(m: &mut Members<'_>, member: &'static str, most: usize) -> String {
    read_name(m, member, most).required().to_owned()
}

/// A name that may be given.
pub fn optional_name(m: &mut Members<'_>, member: &'static str, most: usize) -> Option<String> {
    let name = read_name(m, member, most).optional();
    name.map(str::to_owned)
}

/// A name that may be given and have wildcards.
pub fn name_pattern(m: &mut Members<'_>, member: &'static str, most: usize) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-*?".contains(c);
    let name = m
        .string(member)
        .length(1, most)
        .pattern("[\\w+=,.@-]+", |text| text.chars().all(legal))
        .optional();
    name.map(str::to_owned)
}

/// An ARN that must be given.
pub fn arn(m: &mut Members<'_>, member: &'static str) -> String {
    m.string(member).length(20, ARN).required().to_owned()
}

/// An ARN that may be given.
pub fn optional_arn(m: &mut Members<'_>, member: &'static str) -> Option<String> {
    let arn = m.string(member).length(20, ARN).optional();
    arn.map(str::to_owned)
}

fn read_policy_arn<'m, 'o>(m: &'m mut Members<'o>, member: &'static str) -> Text<'m, 'o> {
    let parses = |text: &str| ArnParts::parse(text).is_some();
    let arn = m.string(member).length(20, ARN);
    arn.rule(parses, || "Invalid ARN:  Could not be parsed!".to_owned())
}

/// The required ARN of a managed policy. Only callers with permission learn whether it is that of a
/// policy.
pub fn policy_arn(m: &mut Members<'_>, member: &'static str) -> String {
    read_policy_arn(m, member).required().to_owned()
}

/// `PermissionsBoundary` of something new.
pub fn optional_boundary(m: &mut Members<'_>) -> Option<String> {
    let arn = read_policy_arn(m, "PermissionsBoundary").optional();
    arn.map(str::to_owned)
}

/// A path, `/` if none is given.
pub fn path(m: &mut Members<'_>) -> String {
    optional_path(m, "Path").unwrap_or_else(|| "/".to_owned())
}

/// A path that may be given.
pub fn optional_path(m: &mut Members<'_>, member: &'static str) -> Option<String> {
    read_path(m, member, is_path)
}

/// A path of managed policies, which is narrower than others.
pub fn policy_path(m: &mut Members<'_>) -> String {
    read_path(m, "Path", is_policy_path).unwrap_or_else(|| "/".to_owned())
}

fn read_path(m: &mut Members<'_>, member: &'static str, legal: fn(&str) -> bool) -> Option<String> {
    let sentence =
        "begin and end with / and contain only alphanumeric characters and/or / characters.";
    let path = must(m.string(member).length(1, 512), member, legal, sentence).optional();
    path.map(str::to_owned)
}

/// What the paths of a list of users, groups or roles begin with, `/` if nothing is said.
pub fn path_prefix(m: &mut Members<'_>) -> String {
    read_path_prefix(m, |text| {
        text.starts_with('/') && text.bytes().all(|byte| (0x21..=0x7f).contains(&byte))
    })
}

/// The path of a list of managed policies, `/` if none is given. At AWS it must end with a `/`,
/// although that is not documented.
pub fn policy_path_prefix(m: &mut Members<'_>) -> String {
    read_path_prefix(m, is_policy_path)
}

/// The path of a list of those who have a policy, `/` if nothing is said; likewise.
pub fn entity_path_prefix(m: &mut Members<'_>) -> String {
    read_path_prefix(m, is_path)
}

fn read_path_prefix(m: &mut Members<'_>, legal: fn(&str) -> bool) -> String {
    let member = "PathPrefix";
    let sentence =
        "begin with the / character and contain only alphanumeric characters and/or / characters.";
    must(m.string(member).length(1, 512), member, legal, sentence)
        .optional()
        .unwrap_or("/")
        .to_owned()
}

fn is_path(text: &str) -> bool {
    let inner = text.strip_prefix('/').and_then(|t| t.strip_suffix('/'));
    let printable = |inner: &str| inner.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    text == "/" || inner.is_some_and(|inner| !inner.is_empty() && printable(inner))
}

fn is_policy_path(text: &str) -> bool {
    let inner = text.strip_prefix('/').and_then(|t| t.strip_suffix('/'));
    text == "/" || inner.is_some_and(|inner| inner.split('/').all(is_name))
}

/// A policy document that must be given; it is read later, when its kind is known.
pub fn document(m: &mut Members<'_>, member: &'static str) -> String {
    read_document(m, member).required().to_owned()
}

/// A policy document that may be given.
pub fn optional_document(m: &mut Members<'_>, member: &'static str) -> Option<String> {
    read_document(m, member).optional().map(str::to_owned)
}

fn read_document<'m, 'o>(m: &'m mut Members<'o>, member: &'static str) -> Text<'m, 'o> {
    let text = m.string(member).length(1, 131_072);
    let sentence = "contain only printable ASCII characters.";
    must(text, member, is_policy_text, sentence)
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

/// The id of an access key.
pub fn access_key_id(m: &mut Members<'_>) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    m.string("AccessKeyId")
        .length(16, 128)
        .pattern("[\\w]+", |text| text.chars().all(legal))
        .required()
        .to_owned()
}

/// The alias of an account.
pub fn account_alias(m: &mut Members<'_>) -> String {
    let member = "AccountAlias";
    let legal = |text: &str| {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let ends = text.starts_with('-') || text.ends_with('-');
        text.chars().all(letter) && !ends && !text.contains("--")
    };
    let sentence = "be a minimum length of 3 characters and maximum length of 63 characters, \
                    contain only digits, lowercase letters, and hyphens (-), but cannot begin or \
                    end with a hyphen.";
    must(m.string(member).length(3, 63), member, legal, sentence)
        .required()
        .to_owned()
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
        .each_not_null()
        .required();
    keys.into_iter().map(str::to_owned).collect()
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
