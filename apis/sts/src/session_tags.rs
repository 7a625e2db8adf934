//! Session tags, and the source identity: those of a request, and those that are passed along a
//! chain of roles.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    session::SessionUnit,
};
use keyward_types::{
    session,
    tag::{Tag, is_aws_owned, is_tag_text},
};
use keyward_wire::json::Members;

use crate::fault::StsFault;

/// What the audit trail shows of a tag.
pub const SHOWN_TAG: &[Parameter] = &[text("Key"), text("Value")];

const TAG_PATTERN: &str = "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*";
const TAG_KEY_PATTERN: &str = "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+";

/// The tags of a request, and those of their keys that pass along a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionTags {
    /// The tags.
    pub tags: Vec<Tag>,
    /// The keys that pass along.
    pub transitive_keys: Vec<String>,
}

impl SessionTags {
    /// Reads `Tags`, and `TransitiveTagKeys` where an operation has it.
    pub fn read(m: &mut Members<'_>, transitive: bool) -> Self {
        let tags = m.structures("Tags", |tag| Tag {
            key: tag
                .string("Key")
                .length(1, 128)
                .pattern(TAG_KEY_PATTERN, is_tag_text)
                .required()
                .to_owned(),
            value: tag
                .string("Value")
                .length(0, 256)
                .pattern(TAG_PATTERN, is_tag_text)
                .required()
                .to_owned(),
        });
        let tags = tags
            .count(0, session::MAX_TAGS)
            .optional()
            .unwrap_or_default();
        let keys = if transitive {
            m.strings("TransitiveTagKeys")
                .count(0, session::MAX_TAGS)
                .each_length(1, 128)
                .each_pattern(TAG_KEY_PATTERN, is_tag_text)
                .optional()
        } else {
            None
        };
        let transitive_keys = keys.unwrap_or_default().into_iter().map(str::to_owned);
        Self {
            tags,
            transitive_keys: transitive_keys.collect(),
        }
    }

    /// The tags, if they go together.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub fn checked(self) -> Result<Self, StsFault> {
        let refuse = |message: &str| {
            Err(StsFault::InvalidParameterValue {
                message: message.to_owned(),
            })
        };
        if session::has_duplicate_keys(&self.tags) {
            return refuse(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            );
        }
        if self.tags.iter().any(|tag| is_aws_owned(&tag.key)) {
            return refuse("Tag keys with the prefix aws: are reserved.");
        }
        if !session::are_keys_of(&self.transitive_keys, &self.tags) {
            return refuse(
                "The specified transitive tag key must be included in the requested tags.",
            );
        }
        Ok(self)
    }

    /// The tags of the new session: these, and those that pass along from the caller's session,
    /// which nothing can override.
    ///
    /// # Errors
    /// `InvalidParameterValue` when one of these would.
    pub fn after(&self, session: Option<&SessionUnit>) -> Result<Self, StsFault> {
        let inherited = session.map(passing_along).unwrap_or_default();
        let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        let conflict = |tag: &Tag| inherited.iter().any(|other| same(&tag.key, &other.key));
        if self.tags.iter().any(conflict) {
            let message = "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.";
            return Err(StsFault::InvalidParameterValue {
                message: message.to_owned(),
            });
        }
        let keys = inherited.iter().map(|tag| tag.key.clone());
        Ok(Self {
            transitive_keys: keys.chain(self.transitive_keys.iter().cloned()).collect(),
            tags: inherited.iter().chain(&self.tags).cloned().collect(),
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }
}

/// The tags of a session that pass along.
fn passing_along(session: &SessionUnit) -> Vec<Tag> {
    let passes = |tag: &&Tag| {
        let key = tag.key.to_lowercase();
        let mut keys = session.transitive_tag_keys().iter();
        keys.any(|transitive| transitive.to_lowercase() == key)
    };
    session.tags().iter().filter(passes).cloned().collect()
}
