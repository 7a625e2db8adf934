//! An entry that is part of every transaction of an engine.

use std::fmt;

use crate::{path::Path, revision::Revision};

/// Makes one entry that an engine writes anew in every transaction, so that the entry always names
/// the store's own revision.
///
/// The engine calls in this order, one transaction after the other: [`put`](Self::put) for every
/// value, [`entry`](Self::entry) once, [`settled`](Self::settled) once the outcome is known. The
/// entry is not among the changes that a feed tells of.
pub trait Stamp: Send + Sync + fmt::Debug {
    /// This value is about to be committed at this path.
    fn put(&self, path: &Path, value: &[u8]);

    /// The entry to be committed with the values, in a store that reaches this revision.
    fn entry(&self, revision: Revision) -> (Path, Vec<u8>);

    /// Tells whether the engine has committed what it was told of since the last call.
    fn settled(&self, kept: bool);
}
