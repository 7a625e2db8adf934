//! How tag keys are compared: for some of IAM's nouns without regard to case.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules>

use keyward_types::tag::Tag;

use crate::fault::IamFault;

/// The most tags of anything.
pub const MAX_TAGS: usize = 50;

/// How the tag keys of something are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Without regard to case: users and roles.
    IgnoringCase,
    /// As they are: everything else.
    Exact,
}

impl Keys {
    fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::IgnoringCase => one.to_lowercase() == other.to_lowercase(),
            Self::Exact => one == other,
        }
    }

    /// Refuses tags of which two have the same key, or one is AWS's own.
    ///
    /// # Errors
    /// `InvalidInput`.
    pub fn check(self, tags: &[Tag]) -> Result<(), IamFault> {
        let mut before = tags.iter().enumerate();
        if before.any(|(at, tag)| tags.iter().take(at).any(|t| self.same(&t.key, &tag.key))) {
            return Err(IamFault::invalid(match self {
                Self::IgnoringCase => {
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive."
                }
                Self::Exact => "Duplicate tag keys found.",
            }));
        }
        if tags
            .iter()
            .any(|tag| tag.key.to_lowercase().starts_with("aws:"))
        {
            return Err(IamFault::invalid(
                "System tags cannot be added/updated by requester.",
            ));
        }
        Ok(())
    }

    /// Adds tags; a tag with an existing key replaces the old one.
    ///
    /// # Errors
    /// `LimitExceeded`.
    pub fn add(self, tags: &mut Vec<Tag>, new: &[Tag]) -> Result<(), IamFault> {
        for tag in new {
            match tags.iter_mut().find(|t| self.same(&t.key, &tag.key)) {
                Some(known) => *known = tag.clone(),
                None => tags.push(tag.clone()),
            }
        }
        if tags.len() > MAX_TAGS {
            let message = "The number of tags has reached the maximum limit.".to_owned();
            return Err(IamFault::LimitExceeded { message });
        }
        Ok(())
    }

    /// Takes the tags with those keys away.
    pub fn remove(self, tags: &mut Vec<Tag>, keys: &[String]) {
        tags.retain(|tag| !keys.iter().any(|key| self.same(key, &tag.key)));
    }
}
