//! Members that several operations have, with the constraints of AWS's model.

use keyward_engine::audit::parameters::{Parameter, text};
use keyward_types::tag::{Tag, is_aws_owned, is_tag_text};
use keyward_wire::json::Members;

use crate::fault::EfsFault;

/// The most tags of a resource.
pub const MAX_TAGS: usize = 50;

/// A tag in events.
pub const SHOWN_TAG: &[Parameter] = &[text("Key"), text("Value")];

const FILE_SYSTEM_ID: &str = "^(arn:aws[-a-z]*:elasticfilesystem:[0-9a-z-:]+:file-system/fs-[0-9a-f]{8,40}|fs-[0-9a-f]{8,40})$";
const RESOURCE_ID: &str = "^(arn:aws[-a-z]*:elasticfilesystem:[0-9a-z-:]+:(access-point/fsap|file-system/fs)-[0-9a-f]{8,40}|fs(ap)?-[0-9a-f]{8,40})$";
const TAG_KEY: &str = r"^(?![aA]{1}[wW]{1}[sS]{1}:)([\p{L}\p{Z}\p{N}_.:/=+\-@]+)$";
const TAG_VALUE: &str = r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$";

/// Whether it is an id with that prefix, such as `fs-`.
pub fn is_id(text: &str, prefix: &str) -> bool {
    let digits = text.strip_prefix(prefix);
    digits.is_some_and(|digits| {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (8..=40).contains(&digits.len()) && digits.bytes().all(hex)
    })
}

/// Whether it is the id of a resource of one of these kinds, each with its prefix, or its ARN.
fn is_named(text: &str, kinds: &[(&str, &str)]) -> bool {
    let is_arn = |kind: &str, prefix: &str| {
        let mut parts = text.splitn(6, ':');
        let head = [parts.next(), parts.next(), parts.next()];
        let partition = head[1].and_then(|partition| partition.strip_prefix("aws"));
        let place = |part: Option<&str>| {
            part.is_some_and(|part| {
                let legal =
                    |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                part.bytes().all(legal)
            })
        };
        head[0] == Some("arn")
            && partition.is_some_and(|rest| {
                rest.bytes()
                    .all(|byte| byte == b'-' || byte.is_ascii_lowercase())
            })
            && head[2] == Some("elasticfilesystem")
            && place(parts.next())
            && place(parts.next())
            && parts
                .next()
                .and_then(|resource| resource.split_once('/'))
                .is_some_and(|(found, id)| found == kind && is_id(id, prefix))
    };
    kinds
        .iter()
        .any(|(kind, prefix)| is_id(text, prefix) || is_arn(kind, prefix))
}

const FILE_SYSTEM: (&str, &str) = ("file-system", "fs-");
const ACCESS_POINT: (&str, &str) = ("access-point", "fsap-");

/// `FileSystemId`, which must be there.
pub fn file_system_id(m: &mut Members<'_>) -> String {
    let id = m.string("FileSystemId").length(0, 128);
    let id = id.pattern(FILE_SYSTEM_ID, |id| is_named(id, &[FILE_SYSTEM]));
    id.required().to_owned()
}

/// `FileSystemId`, if it is there.
pub fn optional_file_system_id(m: &mut Members<'_>) -> Option<String> {
    let id = m.string("FileSystemId").length(0, 128);
    let id = id.pattern(FILE_SYSTEM_ID, |id| is_named(id, &[FILE_SYSTEM]));
    id.optional().map(str::to_owned)
}

/// `AccessPointId`, if it is there.
pub fn access_point_id<'o>(m: &mut Members<'o>) -> Option<&'o str> {
    const PATTERN: &str = "^(arn:aws[-a-z]*:elasticfilesystem:[0-9a-z-:]+:access-point/fsap-[0-9a-f]{8,40}|fsap-[0-9a-f]{8,40})$";
    let id = m.string("AccessPointId").length(0, 128);
    id.pattern(PATTERN, |id| is_named(id, &[ACCESS_POINT]))
        .optional()
}

/// `MountTargetId`, if it is there.
pub fn mount_target_id<'o>(m: &mut Members<'o>) -> Option<&'o str> {
    const PATTERN: &str = "^fsmt-[0-9a-f]{8,40}$";
    let id = m.string("MountTargetId").length(13, 45);
    id.pattern(PATTERN, |id| is_id(id, "fsmt-")).optional()
}

/// `MountTargetId`, which must be there.
pub fn required_mount_target_id(m: &mut Members<'_>) -> String {
    let id = mount_target_id(m).map(str::to_owned);
    if id.is_none() {
        m.string("MountTargetId").required();
    }
    id.unwrap_or_default()
}

/// `SecurityGroups`, if they are there.
pub fn security_groups(m: &mut Members<'_>) -> Option<Vec<String>> {
    const PATTERN: &str = "^sg-[0-9a-f]{8,40}";
    let groups = m.strings("SecurityGroups").count(0, 100);
    let groups = groups
        .each_length(11, 43)
        .each_pattern(PATTERN, |id| is_id(id, "sg-"));
    let groups = groups.optional()?;
    Some(groups.into_iter().map(str::to_owned).collect())
}

/// `ResourceId`: a file system or an access point.
pub fn resource_id(m: &mut Members<'_>) -> String {
    let id = m.string("ResourceId").length(0, 128);
    let id = id.pattern(RESOURCE_ID, |id| is_named(id, &[FILE_SYSTEM, ACCESS_POINT]));
    id.required().to_owned()
}

/// `Tags`, if they are there.
pub fn tags(m: &mut Members<'_>) -> Option<Vec<Tag>> {
    let tags = m.structures("Tags", |tag| {
        let key = tag.string("Key").length(1, 128);
        let key = key.pattern(TAG_KEY, |key| {
            !key.is_empty() && is_tag_text(key) && !is_aws_owned(key)
        });
        let key = key.required().to_owned();
        let value = tag.string("Value").length(0, 256);
        let value = value.pattern(TAG_VALUE, is_tag_text).required().to_owned();
        Tag { key, value }
    });
    tags.optional()
}

/// `Tags`, which must be there.
pub fn required_tags(m: &mut Members<'_>) -> Vec<Tag> {
    let tags = tags(m);
    if tags.is_none() {
        m.structures("Tags", |_| ()).required();
    }
    tags.unwrap_or_default()
}

/// Tags that a resource may have.
///
/// # Errors
/// If a key occurs twice, or there are too many.
pub fn checked(tags: Vec<Tag>) -> Result<Vec<Tag>, EfsFault> {
    let twice = tags.iter().enumerate().find(|(at, tag)| {
        let mut before = tags.iter().take(*at);
        before.any(|other| other.key == tag.key)
    });
    if let Some((_, tag)) = twice {
        let message = format!("The tag key '{}' occurs more than once.", tag.key);
        return Err(EfsFault::BadRequest(message));
    }
    if tags.len() > MAX_TAGS {
        let message = format!("A resource has at most {MAX_TAGS} tags.");
        return Err(EfsFault::BadRequest(message));
    }
    Ok(tags)
}

/// `CreationToken`.
pub fn creation_token<'o>(m: &mut Members<'o>) -> Option<&'o str> {
    let token = m.string("CreationToken").length(1, 64);
    token.pattern(".+", |token| !token.is_empty()).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_named_by_id_or_arn() {
        let is = |text: &str| is_named(text, &[FILE_SYSTEM]);
        assert!(is("fs-01234567"));
        assert!(is(
            "arn:aws:elasticfilesystem:us-west-2:111122223333:file-system/fs-0123456789abcdef0"
        ));
        assert!(is(
            "arn:aws-us-gov:elasticfilesystem:us-gov-west-1:1:file-system/fs-01234567"
        ));
        for text in [
            "",
            "fs-0123456",
            "fs-0123456G",
            "fsap-01234567",
            "arn:aws:elasticfilesystem:us-west-2:111122223333:access-point/fsap-01234567",
            "arn:aws:elasticfilesystem:us-west-2:111122223333:file-system/fs-0123456",
            "arn:aws:elasticfilesystem:us-west-2:file-system/fs-01234567",
            "arn:aws:s3:us-west-2:111122223333:file-system/fs-01234567",
        ] {
            assert!(!is(text), "{text}");
        }
        assert!(is_named("fsap-01234567", &[FILE_SYSTEM, ACCESS_POINT]));
    }
}
