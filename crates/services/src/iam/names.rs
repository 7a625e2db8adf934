//! Members that several IAM operations have, with AWS's constraints for them.

use std::sync::Arc;

use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{tag::Tag, unique_id::UniqueId};
use keyward_wire::json::Members;

use crate::{
    context::Context,
    directory::{
        identities::Home,
        paths, purpose,
        records::{self, V1, identity::PrincipalIdRecord},
        units::identity::UserUnit,
    },
    iam::fault::IamFault,
};

const NAME_PATTERN: &str = "[\\w+=,.@-]+";

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

/// A path, `/` if none is given.
pub fn path(m: &mut Members<'_>) -> String {
    let legal = |text: &str| {
        text.starts_with('/')
            && text.ends_with('/')
            && text.bytes().all(|byte| (0x21..=0x7f).contains(&byte))
    };
    let pattern = "(\\u002F)|(\\u002F[\\u0021-\\u007F]+\\u002F)";
    m.string("Path")
        .length(1, 512)
        .pattern(pattern, legal)
        .optional()
        .unwrap_or("/")
        .to_owned()
}

/// Tags, at most 50, keys unique without regard to case.
pub fn tags(m: &mut Members<'_>) -> Vec<Tag> {
    let tags = m.structures("Tags", |tag| Tag {
        key: tag.string("Key").length(1, 128).required().to_owned(),
        value: tag.string("Value").length(0, 256).required().to_owned(),
    });
    tags.count(0, 50).optional().unwrap_or_default()
}

/// The tags, if no two keys differ only by case.
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
        let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
        return Err(IamFault::InvalidInput {
            message: message.to_owned(),
        });
    }
    Ok(tags)
}

/// A user by name.
///
/// # Errors
/// `NoSuchEntity` when there is none.
pub async fn user(cx: &Context<'_>, name: &str) -> Result<Arc<UserUnit>, IamFault> {
    let found = cx
        .directory()
        .user_by_name(cx.partition(), cx.account(), name)
        .await?;
    found.ok_or_else(|| no_such_user(name))
}

/// Notes where the bearer of a unique id lives.
///
/// # Errors
/// Never for what is parsed.
pub fn put_principal_id(
    batch: &mut SealedBatch,
    (partition, account): Home,
    id: &UniqueId,
) -> Result<(), IamFault> {
    let lives = PrincipalIdRecord {
        version: V1,
        partition,
        account,
    };
    let path = paths::principal_id(id)?;
    let bytes = records::encode(&lives)?;
    batch.put(path, purpose::PRINCIPAL_ID, &bytes, Precondition::Absent)?;
    Ok(())
}

/// The fault for a user that is not there.
pub fn no_such_user(name: &str) -> IamFault {
    IamFault::NoSuchEntity {
        message: format!("The user with name {name} cannot be found."),
    }
}

/// The ARN of a user that may not be there.
pub fn user_arn(cx: &Context<'_>, path: &str, name: &str) -> String {
    format!(
        "arn:{}:iam::{}:user{path}{name}",
        cx.partition(),
        cx.account()
    )
}
