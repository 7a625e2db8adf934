//! What only some of IAM's records have: tags, a boundary, policies, a name that changes.

use std::collections::BTreeMap;

use keyward_engine::directory::records::identity::ManagedPolicyRef;
use keyward_types::tag::Tag;

use crate::entity::Record;

/// A record with tags.
pub trait Tagged: Record {
    /// The tags.
    fn tags_mut(&mut self) -> &mut Vec<Tag>;
}

/// A record with a permissions boundary.
pub trait Bounded: Record {
    /// The boundary.
    fn boundary_mut(&mut self) -> &mut Option<ManagedPolicyRef>;
}

/// A record with policies, embedded and attached.
pub trait Holder: Record {
    /// The most characters of its embedded policies, white space not counted.
    const MAX_INLINE: usize;
    /// AWS's name for the quota of attached policies.
    const QUOTA: &'static str;

    /// Embedded policies by name.
    fn inline(&self) -> &BTreeMap<String, String>;
    /// Embedded policies by name.
    fn inline_mut(&mut self) -> &mut BTreeMap<String, String>;
    /// Attached policies.
    fn attached(&self) -> &[ManagedPolicyRef];
    /// Attached policies.
    fn attached_mut(&mut self) -> &mut Vec<ManagedPolicyRef>;
}

/// A record of something that can be renamed and moved.
pub trait Renamed: Record + PartialEq {
    /// The member with the new name.
    const NEW_NAME: &'static str;
    /// The most characters of the new name.
    const LONGEST: usize;

    /// The path and the name.
    fn names_mut(&mut self) -> (&mut String, &mut String);
}
