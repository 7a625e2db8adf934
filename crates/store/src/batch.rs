//! A batch of changes that are committed together: puts, deletes and checks, each with a
//! precondition.

use crate::{error::LimitError, path::Path, revision::Revision};

/// The largest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 256 * 1024;
/// The most changes in a batch; checks count.
pub const MAX_BATCH_CHANGES: usize = 100;
/// The most bytes of paths and values in a batch.
pub const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// What must be true of a path for the batch to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// The path's last change was made at this revision.
    At(Revision),
    /// There is no value.
    Absent,
    /// No precondition. For records that decide nothing (last use, cursors, the outbox), and never
    /// for the head of a unit: somebody else may have written it in the meantime.
    Any,
}

/// What a batch does to one path.
#[derive(Clone, PartialEq, Eq)]
pub enum BatchOperation {
    /// Write this value, replacing any other.
    Put(Vec<u8>),
    /// Remove the value, if there is one.
    Delete,
    /// Change nothing, but check the precondition.
    Check,
}

/// One line of a batch.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: Path,
    /// The precondition.
    pub precondition: Precondition,
    /// What to do.
    pub operation: BatchOperation,
}

/// Changes that are committed together or not at all.
///
/// A batch is within the limits by construction: at most 100 changes, 1 MiB of paths and values,
/// 256 KiB a value, and no path twice.
#[derive(Clone, Default)]
pub struct Batch {
    changes: Vec<Change>,
    bytes: usize,
    beyond: Option<Revision>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes `value` at `path`.
    pub fn put(
        &mut self,
        path: Path,
        value: Vec<u8>,
        precondition: Precondition,
    ) -> Result<(), LimitError> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(LimitError::Value {
                path,
                bytes: value.len(),
            });
        }
        self.push(Change {
            path,
            precondition,
            operation: BatchOperation::Put(value),
        })
    }

    /// Removes the value at `path`. Deleting an absent value is not an error, and may not appear
    /// among the changes.
    pub fn delete(&mut self, path: Path, precondition: Precondition) -> Result<(), LimitError> {
        self.push(Change {
            path,
            precondition,
            operation: BatchOperation::Delete,
        })
    }

    /// Checks `precondition` without changing `path`.
    pub fn check(&mut self, path: Path, precondition: Precondition) -> Result<(), LimitError> {
        self.push(Change {
            path,
            precondition,
            operation: BatchOperation::Check,
        })
    }

    /// Makes the store commit the batch at a revision beyond this one, even if the store has not
    /// reached that, and even if the batch is empty.
    pub fn raise(&mut self, beyond: Revision) {
        self.beyond = self.beyond.max(Some(beyond));
    }

    /// The revision at which a store that is at `at` commits the batch.
    pub(crate) fn revision_after(&self, at: Revision) -> Revision {
        at.max(self.beyond.unwrap_or_default()).next()
    }

    /// Its lines, in the order they were added.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether it has no line.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether it would write or remove anything, or raise the revision.
    pub fn is_write(&self) -> bool {
        self.beyond.is_some()
            || (self.changes.iter()).any(|change| change.operation != BatchOperation::Check)
    }

    /// Bytes of its paths and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its lines, to be applied.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    fn push(&mut self, change: Change) -> Result<(), LimitError> {
        if self.changes.len() >= MAX_BATCH_CHANGES {
            return Err(LimitError::Changes);
        }
        if self.changes.iter().any(|other| other.path == change.path) {
            return Err(LimitError::Twice { path: change.path });
        }
        let value = match &change.operation {
            BatchOperation::Put(value) => value.len(),
            BatchOperation::Delete | BatchOperation::Check => 0,
        };
        let bytes = self.bytes + value + change.path.as_str().len();
        if bytes > MAX_BATCH_BYTES {
            return Err(LimitError::Bytes);
        }
        self.bytes = bytes;
        self.changes.push(change);
        Ok(())
    }
}

impl std::fmt::Debug for BatchOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Put(value) => write!(f, "Put({} bytes)", value.len()),
            Self::Delete => f.write_str("Delete"),
            Self::Check => f.write_str("Check"),
        }
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} {:?} {:?}",
            self.operation, self.path, self.precondition
        )
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.changes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[test]
    fn a_value_of_256_kib_fits_and_one_byte_more_does_not() {
        let mut batch = Batch::new();
        let any = Precondition::Any;
        assert_eq!(batch.put(path("a"), vec![0; MAX_VALUE_BYTES], any), Ok(()));
        assert_eq!(
            batch.put(path("b"), vec![0; MAX_VALUE_BYTES + 1], any),
            Err(LimitError::Value {
                path: path("b"),
                bytes: 262_145
            })
        );
    }

    #[test]
    fn the_hundred_and_first_change_does_not_fit() {
        let mut batch = Batch::new();
        for n in 0..MAX_BATCH_CHANGES {
            let line = batch.check(path(&n.to_string()), Precondition::Absent);
            assert_eq!(line, Ok(()));
        }
        let more = batch.delete(path("more"), Precondition::Any);
        assert_eq!(more, Err(LimitError::Changes));
        assert_eq!(batch.changes().len(), 100);
    }

    #[test]
    fn a_batch_of_one_mib_fits_and_one_byte_more_does_not() {
        let mut batch = Batch::new();
        let any = Precondition::Any;
        for name in ["a", "b", "c"] {
            batch
                .put(path(name), vec![0; MAX_VALUE_BYTES], any)
                .unwrap();
        }
        let last = MAX_VALUE_BYTES - 4;
        let over = batch.put(path("d"), vec![0; last + 1], any);
        assert_eq!(over, Err(LimitError::Bytes));
        assert_eq!(batch.put(path("d"), vec![0; last], any), Ok(()));
        assert_eq!(batch.bytes(), MAX_BATCH_BYTES);
    }

    #[test]
    fn one_path_stands_once_in_a_batch() {
        let mut batch = Batch::new();
        batch.check(path("a"), Precondition::Absent).unwrap();
        assert_eq!(
            batch.delete(path("a"), Precondition::Any),
            Err(LimitError::Twice { path: path("a") })
        );
    }
}
