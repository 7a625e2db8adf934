//! What may be read of a store, without the means to change it.

use std::{fmt, sync::Arc};

use keyward_types::store_id::StoreId;

use crate::{
    error::StoreError,
    node::Node,
    path::{Path, Prefix},
    sealed::{NameHash, Record, SealedBatch, SealedError},
    store::{Entry, Read},
};

/// Reads the store that a node follows. It can prepare a batch, but only who has the [`Node`]
/// commits one. Cheap to clone.
#[derive(Clone)]
pub struct Reader(Arc<Node>);

impl Reader {
    /// Reads what that node follows.
    pub fn new(node: Arc<Node>) -> Self {
        Self(node)
    }

    /// The store's id.
    pub fn store_id(&self) -> StoreId {
        self.0.sealed().store_id()
    }

    /// The record at `path`, if any, from the store.
    ///
    /// # Errors
    /// When the store cannot be read, or the record does not open.
    pub async fn get(&self, path: &Path) -> Result<Read<Option<Record>>, SealedError> {
        self.0.sealed().get(path).await
    }

    /// The first `limit` records under `prefix` after `after`. One that does not open fails the
    /// whole read.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn range(
        &self,
        prefix: &Prefix,
        after: Option<&Path>,
        limit: usize,
    ) -> Result<Read<Vec<Record>>, SealedError> {
        self.0.sealed().range(prefix, after, limit).await
    }

    /// As [`range`](Self::range), without opening the values: for who needs the paths alone.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn entries(
        &self,
        prefix: &Prefix,
        after: Option<&Path>,
        limit: usize,
    ) -> Result<Read<Vec<Entry>>, StoreError> {
        self.0.sealed().store().range(prefix, after, limit).await
    }

    /// A batch that does nothing yet.
    pub fn batch(&self) -> SealedBatch {
        self.0.batch()
    }

    /// The hash that stands in paths for a name, see [`crate::sealed::Sealed::name_hash`].
    pub fn name_hash(&self, home: &str, kind: &str, text: &str) -> NameHash {
        self.0.sealed().name_hash(home, kind, text)
    }

    pub(crate) fn node(&self) -> &Node {
        &self.0
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").finish_non_exhaustive()
    }
}
