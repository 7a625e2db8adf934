//! The wrapper that keeps an engine blind: every value is sealed before it is stored.
//!
//! A value is sealed by AES-256-GCM under a key of its own, derived from the seal key and the
//! value's generation. The store's id and the value's path, generation, purpose and format version
//! are authenticated with it, so that a record that was edited, or copied to another path or from
//! another store, does not open and is named.
//! The layout is in `docs/formats.md`.

use std::{fmt, sync::Arc};

use keyward_crypto::{random, secret::SecretBytes};
use keyward_types::store_id::StoreId;
use thiserror::Error;

use crate::{
    batch::{Batch, BatchOperation, Precondition},
    error::{CommitError, LimitError, StoreError},
    path::{Path, Prefix},
    revision::Revision,
    store::{Entry, Read, Store},
};

pub mod keys;
mod name;
pub mod value;

use keys::{SealKeyId, SealKeys};
pub use name::NameHash;

/// Names one write of one record: 16 random bytes, kept when the record is only rewrapped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation([u8; 16]);

impl Generation {
    /// A generation that no record has.
    pub fn random() -> Self {
        Self(random::public())
    }

    /// The generation of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What kind of record a value is: a number that whoever stores records assigns once and for
/// all. It is authenticated, so that no record is taken for one of another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose(u8);

impl Purpose {
    /// The purpose of that number.
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// Seals a record under the current key, as a write of its own: what the engine gets to see.
pub fn seal(keys: &SealKeys, path: &Path, purpose: Purpose, content: &[u8]) -> Vec<u8> {
    value::seal(keys, path, Generation::random(), purpose, content)
}

/// An opened value.
#[derive(Debug)]
pub struct Record {
    /// Where it stands.
    pub path: Path,
    /// When it was last written: what [`Precondition::At`] is compared with.
    pub revision: Revision,
    /// Which write made it.
    pub generation: Generation,
    /// What kind of record it is.
    pub purpose: Purpose,
    /// The seal key that it stands under.
    pub sealed_by: SealKeyId,
    content: SecretBytes,
}

impl Record {
    /// What was stored.
    pub fn bytes(&self) -> &[u8] {
        self.content.expose()
    }

    /// What was stored, if the record is of that kind.
    pub fn bytes_of(&self, purpose: Purpose) -> Result<&[u8], SealedError> {
        if self.purpose == purpose {
            Ok(self.bytes())
        } else {
            Err(SealedError::Purpose {
                path: self.path.clone(),
                found: self.purpose,
                wanted: purpose,
            })
        }
    }
}

/// Why a value was not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealedError {
    /// The value was altered, or belongs elsewhere.
    #[error("the record at `{path}` was altered, or belongs to another path")]
    Tampered {
        /// Where it stands.
        path: Path,
    },
    /// The value names a seal key that is not at hand; or its name was altered.
    #[error("the record at `{path}` names an unknown seal key, {key}")]
    UnknownKey {
        /// Where it stands.
        path: Path,
        /// The key that it names.
        key: SealKeyId,
    },
    /// The value was written by another release; or its version was altered.
    #[error("the record at `{path}` has format {found}, but this version reads format {supported}")]
    Format {
        /// Where it stands.
        path: Path,
        /// The version that it states.
        found: u8,
        /// The one that this release reads.
        supported: u8,
    },
    /// The record is genuine but of another kind than the reader expects.
    #[error("the record at `{path}` is of kind {}, not {}", found.number(), wanted.number())]
    Purpose {
        /// Where it stands.
        path: Path,
        /// Its kind.
        found: Purpose,
        /// The kind that was expected.
        wanted: Purpose,
    },
    /// More records stand below a unit than one `range` reads.
    #[error("there are more records below `{unit}` than can be read at once")]
    UnitTooLarge {
        /// The unit.
        unit: Path,
    },
    /// The engine failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SealedError {
    /// The record that is wrong, unless the engine itself failed.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Tampered { path }
            | Self::UnknownKey { path, .. }
            | Self::Format { path, .. }
            | Self::Purpose { path, .. }
            | Self::UnitTooLarge { unit: path } => Some(path),
            Self::Store(_) => None,
        }
    }
}

/// A store whose engine sees no plaintext. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sealed {
    store: Arc<dyn Store>,
    keys: Arc<SealKeys>,
}

impl Sealed {
    /// Seals what goes to `store` and opens what comes from it.
    pub fn new(store: Arc<dyn Store>, keys: Arc<SealKeys>) -> Self {
        Self { store, keys }
    }

    /// The store's id.
    pub fn store_id(&self) -> StoreId {
        self.keys.store()
    }

    /// The engine beneath, for what needs no opening: changes, health, scrubbing.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The record at `path`, if any.
    pub async fn get(&self, path: &Path) -> Result<Read<Option<Record>>, SealedError> {
        let read = self.store.get(path).await?;
        let at = read.at;
        // An index that leads to another record must not pass that off as this one: it is genuine
        // where it stands.
        if read.value.as_ref().is_some_and(|entry| entry.path != *path) {
            return Err(SealedError::Tampered { path: path.clone() });
        }
        let value = read.value.map(|entry| self.open(entry)).transpose()?;
        Ok(Read { at, value })
    }

    /// The first `limit` records under `prefix` after `after`, as [`Store::range`] has it. One
    /// that does not open fails the whole read.
    pub async fn range(
        &self,
        prefix: &Prefix,
        after: Option<&Path>,
        limit: usize,
    ) -> Result<Read<Vec<Record>>, SealedError> {
        let read = self.store.range(prefix, after, limit).await?;
        let at = read.at;
        let mut last = after;
        for entry in &read.value {
            if !prefix.holds(&entry.path) || last.is_some_and(|last| entry.path <= *last) {
                let path = entry.path.clone();
                return Err(SealedError::Tampered { path });
            }
            last = Some(&entry.path);
        }
        let records = read.value.into_iter().map(|entry| self.open(entry));
        let value = records.collect::<Result<_, _>>()?;
        Ok(Read { at, value })
    }

    /// A batch that does nothing yet, to be committed here.
    pub fn batch(&self) -> SealedBatch {
        SealedBatch::new(Arc::clone(&self.keys))
    }

    /// Commits a batch, as [`Store::commit`] has it. A server commits through its
    /// [`crate::node::Node`], which keeps the caches true.
    pub async fn commit(&self, batch: SealedBatch) -> Result<Revision, CommitError> {
        self.store.commit(batch.batch).await
    }

    /// What stands in paths for something that users name: 32 hexadecimal digits that only the
    /// holder of the name key can compute, different for every `kind` of name. `home` says where the
    /// name belongs, so that one name has another hash in every account and Region.
    pub fn name_hash(&self, home: &str, kind: &str, text: &str) -> NameHash {
        self.keys.name_hash(home, kind, text)
    }

    fn open(&self, entry: Entry) -> Result<Record, SealedError> {
        let Entry {
            path,
            revision,
            value,
        } = entry;
        let opened = value::open(&self.keys, &path, &value)?;
        Ok(Record {
            path,
            revision,
            generation: opened.generation,
            purpose: opened.purpose,
            sealed_by: opened.key,
            content: opened.content,
        })
    }
}

/// A batch whose values are sealed as they are added, so that their generations are known before
/// it is committed.
#[derive(Debug)]
pub struct SealedBatch {
    batch: Batch,
    keys: Arc<SealKeys>,
    written: Vec<(Path, Option<Generation>)>,
}

impl SealedBatch {
    /// A batch that does nothing yet, under the current one of these keys.
    pub fn new(keys: Arc<SealKeys>) -> Self {
        Self {
            batch: Batch::new(),
            keys,
            written: Vec::new(),
        }
    }

    /// Writes a record and answers the generation of this write. The content may have
    /// [`value::MAX_CONTENT_BYTES`].
    pub fn put(
        &mut self,
        path: Path,
        purpose: Purpose,
        content: &[u8],
        precondition: Precondition,
    ) -> Result<Generation, LimitError> {
        let generation = Generation::random();
        self.put_as(path, generation, purpose, content, precondition)?;
        Ok(generation)
    }

    /// Seals a record anew under the current seal key, if nobody wrote it since it was read. Its
    /// generation stays.
    pub fn rewrap(&mut self, record: &Record) -> Result<(), LimitError> {
        self.put_as(
            record.path.clone(),
            record.generation,
            record.purpose,
            record.bytes(),
            Precondition::At(record.revision),
        )
    }

    /// Removes a record.
    pub fn delete(&mut self, path: Path, precondition: Precondition) -> Result<(), LimitError> {
        self.batch.delete(path.clone(), precondition)?;
        self.written.push((path, None));
        Ok(())
    }

    /// Holds the batch to `precondition` without touching `path`.
    pub fn check(&mut self, path: Path, precondition: Precondition) -> Result<(), LimitError> {
        self.batch.check(path, precondition)
    }

    /// Every path that the batch changes, with its new generation, or none if it is deleted; in
    /// the order they were added.
    pub fn written(&self) -> &[(Path, Option<Generation>)] {
        &self.written
    }

    /// Has the store keep the batch at a revision beyond this one, as [`Batch::raise`] has it.
    pub fn raise(&mut self, beyond: Revision) {
        self.batch.raise(beyond);
    }

    /// Whether the batch does nothing and checks nothing.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// The number of its lines, of which [`crate::batch::MAX_BATCH_CHANGES`] fit.
    pub fn len(&self) -> usize {
        self.batch.changes().len()
    }

    /// What the engine gets to see.
    pub fn into_batch(self) -> Batch {
        self.batch
    }

    fn put_as(
        &mut self,
        path: Path,
        generation: Generation,
        purpose: Purpose,
        content: &[u8],
        precondition: Precondition,
    ) -> Result<(), LimitError> {
        let sealed = value::seal(&self.keys, &path, generation, purpose, content);
        self.batch.put(path.clone(), sealed, precondition)?;
        self.written.push((path, Some(generation)));
        Ok(())
    }
}

impl BatchOperation {
    /// The value that is written, if one is.
    pub fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Put(value) => Some(value),
            Self::Delete | Self::Check => None,
        }
    }
}
