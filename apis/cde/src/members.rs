//! What the members of requests have in common.

use keyward_engine::audit::parameters::{Parameter, text};
use keyward_types::tag::Tag;
use keyward_wire::json::{Members, Object, Value};

use crate::fault::CdeFault;

/// What the trail shows of a tag.
pub const SHOWN_TAG: &[Parameter] = &[text("key"), text("value")];
/// The most tags of an environment or a service; what is created for it gets two of its own.
pub const MOST_TAGS: usize = 40;
/// What names of credentials, environments, services and virtual clusters are made of.
const NAME: &str = "^[a-z][a-z0-9-]{0,61}[a-z0-9]$";

/// Refuses members that this version does not serve, unless they say what is so anyway.
///
/// # Errors
/// The first one.
pub fn check_served(body: &Object<'_>, unserved: &[&'static str]) -> Result<(), CdeFault> {
    let is_given = |name: &&&str| {
        !matches!(
            body.get(name),
            None | Some(Value::Null | Value::Boolean(false))
        )
    };
    match unserved.iter().find(is_given) {
        Some(member) => Err(CdeFault::Unserved(member)),
        None => Ok(()),
    }
}

/// A name that must be there.
pub fn name(m: &mut Members<'_>, member: &'static str) -> String {
    let text = m.string(member).length(2, 63).pattern(NAME, is_name);
    text.required().to_owned()
}

/// The name or id of something that there is or is not.
pub fn named(m: &mut Members<'_>, member: &'static str) -> String {
    m.string(member).length(1, 256).required().to_owned()
}

/// A text that may be absent.
pub fn optional(m: &mut Members<'_>, member: &'static str, most: usize) -> Option<String> {
    let text = m.string(member).length(0, most).optional();
    text.map(str::to_owned)
}

/// A list of texts that may be absent.
pub fn texts(m: &mut Members<'_>, member: &'static str, most: usize) -> Vec<String> {
    let texts = m.strings(member).count(0, most).each_length(1, 256);
    let texts = texts.optional().unwrap_or_default();
    texts.into_iter().map(str::to_owned).collect()
}

fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.bytes().all(legal)
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
}

/// Checks tags that become tags of file systems and databases.
///
/// # Errors
/// When they cannot.
pub fn check_tags(tags: &[Tag]) -> Result<(), CdeFault> {
    if tags.len() > MOST_TAGS {
        return Err(CdeFault::Limit {
            most: MOST_TAGS,
            what: "tags",
        });
    }
    let legal = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c))
    };
    for Tag { key, value } in tags {
        let is_owned = key.to_ascii_lowercase().starts_with("aws:");
        let is_long = !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256;
        if is_owned || is_long || !legal(key) || !legal(value) {
            let message = format!("{key:?} with that value cannot be a tag of AWS resources.");
            return Err(CdeFault::Invalid(message));
        }
        if tags.iter().filter(|tag| tag.key == *key).count() > 1 {
            return Err(CdeFault::Invalid(format!("The tag {key} occurs twice.")));
        }
    }
    Ok(())
}
