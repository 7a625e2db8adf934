//! A KMS key in the server's memory: its record, and its material, opened on demand.

use std::sync::{Arc, OnceLock};

use keyward_crypto::secret::{
    SecretBytes,
    arena::{Arena, ArenaFull, ArenaSecret},
};
use keyward_types::{key_id::KeyArn, material_id::MaterialId};

use crate::{
    ciphertext_blob::{BlobError, CiphertextBlob, Identity},
    hierarchy::DomainKey,
    record::{KeyRecord, MaterialRecord},
};

/// A key whose record was read. It goes with its cache entry, and its opened material with it.
#[derive(Debug)]
pub struct Key {
    record: KeyRecord,
    arn: KeyArn,
    domain: Arc<DomainKey>,
    arena: Arena,
    current: OnceLock<ArenaSecret>,
    /// Of the current material; `None` if there is no material.
    identity: Option<Identity>,
}

/// Why material does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaterialError {
    /// The key has no such material.
    #[error("the key has no such material")]
    Absent,
    /// It was altered or moved, or its domain key is another.
    #[error("key material does not open under its domain key")]
    Damaged,
    /// The arena has no room.
    #[error(transparent)]
    ArenaFull(#[from] ArenaFull),
}

impl Key {
    /// The key of a record; its material is opened when it is first used.
    pub fn new(record: KeyRecord, domain: Arc<DomainKey>, arena: Arena) -> Self {
        let arn = record.arn();
        let current = record.current_material();
        let identity = current.and_then(|material| Identity::new(&arn, material.id).ok());
        Self {
            record,
            arn,
            domain,
            arena,
            current: OnceLock::new(),
            identity,
        }
    }

    /// The record.
    pub fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// The ARN.
    pub fn arn(&self) -> &KeyArn {
        &self.arn
    }

    /// The domain key that wraps its material.
    pub fn domain(&self) -> &Arc<DomainKey> {
        &self.domain
    }

    /// Takes a blob apart that was found to be this key's, as [`CiphertextBlob::parse`] does with
    /// one of any key.
    ///
    /// # Errors
    /// When it does not have the layout.
    pub fn parse_blob<'b>(&self, bytes: &'b [u8]) -> Result<CiphertextBlob<'b>, BlobError> {
        match &self.identity {
            Some(identity) => CiphertextBlob::parse_of((&self.arn, identity), bytes),
            None => CiphertextBlob::parse(bytes),
        }
    }

    /// The beginning of the blobs that are encrypted under the current material.
    pub(crate) fn identity(&self) -> Result<&Identity, MaterialError> {
        self.identity.as_ref().ok_or(MaterialError::Absent)
    }

    /// Lends the current material.
    pub(crate) fn with_current<T>(
        &self,
        work: impl FnOnce(MaterialId, &[u8]) -> T,
    ) -> Result<T, MaterialError> {
        let record = self
            .record
            .current_material()
            .ok_or(MaterialError::Absent)?;
        if let Some(open) = self.current.get() {
            return Ok(work(record.id, open.expose()));
        }
        let open = self.open(record)?;
        // Kept only while there is room for what must be opened for a moment.
        if self.arena.is_nearly_full() {
            return Ok(work(record.id, open.expose()));
        }
        let open = self.current.get_or_init(|| open);
        Ok(work(record.id, open.expose()))
    }

    /// Lends the material of that id.
    pub(crate) fn with_material<T>(
        &self,
        id: MaterialId,
        work: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, MaterialError> {
        if self
            .record
            .current_material()
            .is_some_and(|current| current.id == id)
        {
            return self.with_current(|_, material| work(material));
        }
        let record = self
            .record
            .materials
            .iter()
            .find(|material| material.id == id);
        let open = self.open(record.ok_or(MaterialError::Absent)?)?;
        Ok(work(open.expose()))
    }

    fn open(&self, record: &MaterialRecord) -> Result<ArenaSecret, MaterialError> {
        let subject = material_subject(&self.arn, record.id);
        let material: SecretBytes = self
            .domain
            .unwrap_key(&subject, &record.wrapped.0)
            .map_err(|_| MaterialError::Damaged)?;
        Ok(self.arena.store(&material)?)
    }
}

/// What a wrapped material is, bound into its wrapping: it opens for this key and id only.
pub(crate) fn material_subject(arn: &KeyArn, id: MaterialId) -> Vec<u8> {
    let mut subject = b"material ".to_vec();
    subject.extend_from_slice(arn.as_str().as_bytes());
    subject.push(b' ');
    subject.extend_from_slice(id.as_bytes());
    subject
}
