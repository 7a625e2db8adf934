//! Members that several operations have, with the rules of AWS and its words for what breaks them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_crypto::{random, scram};
use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    directory::records::database::PasswordVerifier,
};
use keyward_types::tag::{Tag, is_aws_owned, is_tag_text};
use keyward_wire::json::{Members, Object, Value};

use crate::fault::RdsFault;

/// The most tags of a resource.
pub const MAX_TAGS: usize = 50;
/// When backups would be made if nothing is said of it.
pub const BACKUP_WINDOW: &str = "04:00-04:30";
/// When an instance would be maintained if nothing is said of it.
pub const MAINTENANCE_WINDOW: &str = "sun:05:00-sun:05:30";
/// A tag in events.
pub const SHOWN_TAG: &[Parameter] = &[text("Key"), text("Value")];
/// A filter in events.
pub const SHOWN_FILTER: &[Parameter] = &[text("Name"), texts("Values")];
/// The most filters, and values of one.
const MAX_FILTERS: usize = 50;
/// The most characters of a name.
const MAX_NAME: usize = 63;
/// The most characters of a subnet group's name, and of a description.
const MAX_TEXT: usize = 255;

/// A text that must be there.
///
/// # Errors
/// If it is not, or is empty.
pub fn required(found: Option<&str>, member: &str) -> Result<String, RdsFault> {
    match found {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(RdsFault::InvalidParameterValue(format!(
            "The parameter {member} must be provided and must not be blank."
        ))),
    }
}

/// `DBInstanceIdentifier` of a new instance, in small letters.
///
/// # Errors
/// If it is none.
pub fn identifier(text: &str, member: &str) -> Result<String, RdsFault> {
    checked_name(text, member, MAX_NAME)
}

fn checked_name(text: &str, member: &str, most: usize) -> Result<String, RdsFault> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let begins = text.bytes().next();
    let message = if text.len() > most {
        format!(
            "The parameter {member} is not a valid identifier because it is longer than {most} characters."
        )
    } else if !begins.is_some_and(|byte| byte.is_ascii_alphabetic())
        || !text.bytes().all(legal)
        || text.ends_with('-')
        || text.contains("--")
    {
        format!(
            "The parameter {member} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        )
    } else {
        return Ok(text.to_ascii_lowercase());
    };
    Err(RdsFault::InvalidParameterValue(message))
}

/// The name of a new snapshot, in small letters.
///
/// # Errors
/// If it is none.
pub fn snapshot_name(text: &str, member: &str) -> Result<String, RdsFault> {
    checked_name(text, member, MAX_TEXT)
}

/// `DBSubnetGroupName` of a new group, in small letters.
///
/// # Errors
/// If it is none.
pub fn subnet_group_name(text: &str) -> Result<String, RdsFault> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b" .-_".contains(&byte);
    let begins = text.bytes().next();
    let is_good = begins.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.len() <= MAX_TEXT
        && text.bytes().all(legal)
        && !text.eq_ignore_ascii_case("default");
    if is_good {
        return Ok(text.to_ascii_lowercase());
    }
    let message = "The parameter DBSubnetGroupName is not a valid identifier. It must have 1 to 255 letters, digits, spaces, periods, underscores and hyphens, begin with a letter or digit, and not be default.";
    Err(RdsFault::InvalidParameterValue(message.to_owned()))
}

/// A description.
///
/// # Errors
/// If it is too long, or has characters that cannot be shown.
pub fn description(text: &str, member: &str) -> Result<String, RdsFault> {
    if text.chars().count() <= MAX_TEXT && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(RdsFault::InvalidParameterValue(format!(
        "The parameter {member} must have at most {MAX_TEXT} characters, none of them a control character."
    )))
}

/// What is kept of `MasterUserPassword`, which itself is kept nowhere.
///
/// # Errors
/// If it is none that may be.
pub fn password(text: &str) -> Result<PasswordVerifier, RdsFault> {
    let wrong = |why: &str| {
        let message = format!("The parameter MasterUserPassword is not a valid password{why}");
        Err(RdsFault::InvalidParameterValue(message))
    };
    let legal = |byte: u8| byte.is_ascii_graphic() && !b"/@\"".contains(&byte);
    if !text.bytes().all(legal) {
        return wrong(". Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.");
    }
    match text.len() {
        0..8 => wrong(" because it is shorter than 8 characters."),
        8..=128 => Ok(verifier(text)),
        _ => wrong(" because it is longer than 128 characters."),
    }
}

/// What PostgreSQL stores of a password.
fn verifier(password: &str) -> PasswordVerifier {
    let salt: [u8; scram::SALT_BYTES] = random::array();
    let keys = scram::keys(password.as_bytes(), &salt);
    let [salt, stored, server] =
        [&salt[..], &keys.stored, &keys.server].map(|b| STANDARD.encode(b));
    let iterations = scram::ITERATIONS;
    PasswordVerifier::new(format!(
        "SCRAM-SHA-256${iterations}:{salt}${stored}:{server}"
    ))
}

/// `Tags`.
///
/// # Errors
/// If they are none that a resource may have.
pub fn tags(m: &mut Members<'_>) -> Option<Vec<Tag>> {
    let tags = m.structures("Tags", |tag| Tag {
        key: tag.string("Key").optional().unwrap_or_default().to_owned(),
        value: tag
            .string("Value")
            .optional()
            .unwrap_or_default()
            .to_owned(),
    });
    tags.count(0, MAX_TAGS).optional()
}

/// Tags that are there already, and those that a request gives, which have other values where both have a key.
pub fn merged<'t>(before: impl Iterator<Item = &'t Tag>, asked: &'t [Tag]) -> Vec<Tag> {
    let is_new = |tag: &&Tag| asked.iter().all(|other| other.key != tag.key);
    before.filter(is_new).chain(asked).cloned().collect()
}

/// Tags that a resource may have.
///
/// # Errors
/// If they are not.
pub fn checked(tags: Vec<Tag>) -> Result<Vec<Tag>, RdsFault> {
    let wrong = |message: String| Err(RdsFault::InvalidParameterValue(message));
    for (at, tag) in tags.iter().enumerate() {
        let (key, value) = (&tag.key, &tag.value);
        let fits = |text: &str, least: usize, most: usize| {
            (least..=most).contains(&text.chars().count()) && is_tag_text(text)
        };
        if !fits(key, 1, 128) || !fits(value, 0, 256) {
            return wrong(
                "A tag has a key of 1 to 128 characters and a value of at most 256: letters, digits, spaces and _.:/=+-@.".to_owned(),
            );
        }
        if is_aws_owned(key) {
            return wrong(format!("Tag keys may not begin with aws: as '{key}' does."));
        }
        if tags.iter().take(at).any(|before| before.key == *key) {
            return wrong(format!("The tag key '{key}' occurs more than once."));
        }
    }
    if tags.len() > MAX_TAGS {
        return wrong(format!("A resource has at most {MAX_TAGS} tags."));
    }
    Ok(tags)
}

/// Which of all are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What of them is looked at.
    pub name: String,
    /// What that may be.
    pub values: Vec<String>,
}

/// `Filters`.
pub fn filters(m: &mut Members<'_>) -> Vec<Filter> {
    let filters = m.structures("Filters", |filter| Filter {
        name: filter
            .string("Name")
            .length(1, MAX_TEXT)
            .required()
            .to_owned(),
        values: {
            let values = filter.strings("Values").count(1, MAX_FILTERS);
            let values = values.each_length(0, MAX_TEXT).required();
            values.into_iter().map(str::to_owned).collect()
        },
    });
    filters.count(0, MAX_FILTERS).optional().unwrap_or_default()
}

/// The filters, if all have names that the operation knows.
///
/// # Errors
/// If one has not.
pub fn known(filters: Vec<Filter>, names: &[&str]) -> Result<Vec<Filter>, RdsFault> {
    match filters
        .iter()
        .find(|filter| !names.contains(&filter.name.as_str()))
    {
        None => Ok(filters),
        Some(filter) => Err(RdsFault::InvalidParameterValue(format!(
            "Unrecognized filter name: {}",
            filter.name
        ))),
    }
}

/// Members that this version does not serve, each with the values that mean the same as none.
pub type Unserved = &'static [(&'static str, &'static [&'static str])];

/// Checks that a request has no member that is not served.
///
/// # Errors
/// The first one that it has.
pub fn check_unserved(params: &Object<'_>, unserved: Unserved) -> Result<(), RdsFault> {
    for (member, harmless) in unserved {
        let is_harmless = match params.get(member) {
            None => true,
            Some(Value::Text(text)) => {
                text.is_empty() || harmless.iter().any(|one| text.eq_ignore_ascii_case(one))
            }
            Some(Value::List(items)) => items.is_empty(),
            Some(_) => false,
        };
        if !is_harmless {
            return Err(match *member {
                "ManageMasterUserPassword" => RdsFault::InvalidParameterCombination(
                    "ManageMasterUserPassword needs AWS Secrets Manager, which this version of Keyward does not have: specify MasterUserPassword.".to_owned(),
                ),
                "BackupRetentionPeriod" => RdsFault::InvalidParameterCombination(
                    "BackupRetentionPeriod must be 0: this version of Keyward makes no automated backups of databases. Make your own with pg_dump.".to_owned(),
                ),
                member => RdsFault::unserved(member),
            });
        }
    }
    Ok(())
}

/// Whether the text is a time of day, such as `04:30`.
fn is_time(text: &str) -> bool {
    let number = |text: &str, most: u32| {
        text.len() == 2
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse().is_ok_and(|number: u32| number <= most)
    };
    let parts = text.split_once(':');
    parts.is_some_and(|(hour, minute)| number(hour, 23) && number(minute, 59))
}

/// The port of an instance.
///
/// # Errors
/// If it may not have it.
pub fn port(asked: i64) -> Result<u16, RdsFault> {
    const PORTS: std::ops::RangeInclusive<i64> = 1150..=65_535;
    match u16::try_from(asked) {
        Ok(port) if PORTS.contains(&asked) => Ok(port),
        _ => Err(RdsFault::InvalidParameterValue(format!(
            "Invalid endpoint port {asked}, not in range {}-{}",
            PORTS.start(),
            PORTS.end()
        ))),
    }
}

/// `PreferredBackupWindow`, such as `04:00-04:30`.
///
/// # Errors
/// If it is none.
pub fn backup_window(text: &str) -> Result<String, RdsFault> {
    let ends = text.split_once('-');
    if ends.is_some_and(|(from, to)| is_time(from) && is_time(to)) {
        return Ok(text.to_owned());
    }
    let message = format!("Invalid backup window format: {text}. Use hh24:mi-hh24:mi.");
    Err(RdsFault::InvalidParameterValue(message))
}

/// `PreferredMaintenanceWindow`, such as `sun:04:00-sun:04:30`.
///
/// # Errors
/// If it is none.
pub fn maintenance_window(text: &str) -> Result<String, RdsFault> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let text = text.to_ascii_lowercase();
    let is_end = |end: &str| {
        let parts = end.split_once(':');
        parts.is_some_and(|(day, time)| DAYS.contains(&day) && is_time(time))
    };
    let ends = text.split_once('-');
    if ends.is_some_and(|(from, to)| is_end(from) && is_end(to)) {
        return Ok(text);
    }
    let message =
        format!("Invalid maintenance window format: {text}. Use ddd:hh24:mi-ddd:hh24:mi.");
    Err(RdsFault::InvalidParameterValue(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_awss_rule() {
        assert_eq!(identifier("Orders-1", "X").unwrap(), "orders-1");
        let longest = "a".repeat(63);
        assert_eq!(identifier(&longest, "X").unwrap(), longest);
        for text in ["", "1a", "-a", "a-", "a--b", "a_b", "ä", &"a".repeat(64)] {
            assert!(identifier(text, "X").is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_kept_as_a_verifier() {
        for text in [
            "short12",
            "with space1",
            "with/slash",
            "with@at12",
            "with\"quote",
            "tab\tinside",
            "ümlaut123",
            &"a".repeat(129),
        ] {
            assert!(password(text).is_err(), "{text}");
        }
        let kept = password("correct-horse'battery").unwrap();
        let text = kept.expose().to_owned();
        let rest = text.strip_prefix("SCRAM-SHA-256$4096:").unwrap();
        let (salt, keys) = rest.split_once('$').unwrap();
        let (stored, server) = keys.split_once(':').unwrap();
        let salt = STANDARD.decode(salt).unwrap();
        assert_eq!(salt.len(), 16);
        let again = scram::keys(b"correct-horse'battery", &salt);
        assert_eq!(STANDARD.decode(stored).unwrap(), again.stored);
        assert_eq!(STANDARD.decode(server).unwrap(), again.server);
        // Another salt each time.
        assert_ne!(password("correct-horse'battery").unwrap(), kept);
    }

    #[test]
    fn windows_are_times() {
        assert!(backup_window("04:00-04:30").is_ok());
        assert!(maintenance_window("Sun:23:59-mon:00:30").is_ok());
        for text in [
            "",
            "04:00",
            "24:00-01:00",
            "4:00-5:00",
            "04:60-05:00",
            "+4:00-05:00",
        ] {
            assert!(backup_window(text).is_err(), "{text}");
        }
        for text in ["04:00-04:30", "sun:04:00", "xxx:04:00-sun:05:00"] {
            assert!(maintenance_window(text).is_err(), "{text}");
        }
    }
}
