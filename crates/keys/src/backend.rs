//! Backends, which hold the material of KMS keys and compute with it.
//!
//! [`software`] is this process and is ready at once. A backend that asks somebody else (a hardware
//! security module, an external key store, another node) answers [`Answer::Later`]; the ring treats
//! both the same.

pub mod software;

use std::{
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use keyward_crypto::secret::SecretBytes;
use keyward_types::{
    encryption_context::EncryptionContext,
    key_id::KeyArn,
    key_spec::{KeySpec, RotationType},
    material_id::MaterialId,
    time::Timestamp,
};

use crate::{
    ciphertext_blob::{BlobError, CiphertextBlob},
    hierarchy::DomainKey,
    key::{Key, MaterialError},
    record::MaterialRecord,
};

/// Holds the material of keys and computes with it. Whether that is allowed, and whether the key's
/// state and algorithm fit, is checked before it is asked.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Whether this backend can hold keys of that spec.
    fn serves(&self, spec: KeySpec) -> bool;

    /// Generates material.
    fn generate<'a>(&'a self, new: NewMaterial<'a>) -> Answer<'a, MaterialRecord>;

    /// Encrypts under the key's current material and returns which material that was.
    fn encrypt<'a>(
        &'a self,
        key: &'a Key,
        plaintext: &'a [u8],
        context: &'a EncryptionContext,
    ) -> Answer<'a, (Vec<u8>, MaterialId)>;

    /// Decrypts what was encrypted under this key.
    fn decrypt<'a>(
        &'a self,
        key: &'a Key,
        blob: &'a CiphertextBlob<'a>,
        context: &'a EncryptionContext,
    ) -> Answer<'a, SecretBytes>;
}

/// What material is generated for.
#[derive(Clone, Copy, Debug)]
pub struct NewMaterial<'a> {
    /// The key.
    pub arn: &'a KeyArn,
    /// What kind of material.
    pub spec: KeySpec,
    /// The key that wraps it.
    pub domain: &'a DomainKey,
    /// When it becomes current.
    pub since: Timestamp,
    /// The rotation that brings it; `None` for a key's first.
    pub rotation: Option<RotationType>,
}

/// Why a backend does not do it.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The ciphertext does not open: one error for every cause.
    #[error(transparent)]
    Ciphertext(#[from] BlobError),
    /// The material cannot be used.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The holder of the material cannot be reached.
    #[error("the key's backend cannot be reached")]
    Unreachable,
}

/// A backend's answer. One that is ready is a plain value: nothing is allocated for it.
#[must_use = "an answer does nothing unless it is awaited"]
pub enum Answer<'a, T> {
    /// Here it is.
    Ready(Ready<Result<T, BackendError>>),
    /// It must be waited for.
    Later(Pin<Box<dyn Future<Output = Result<T, BackendError>> + Send + 'a>>),
}

impl<'a, T> Answer<'a, T> {
    /// An answer that is available.
    pub fn ready(result: Result<T, BackendError>) -> Self {
        Self::Ready(ready(result))
    }

    /// An answer that comes later.
    pub fn later(work: impl Future<Output = Result<T, BackendError>> + Send + 'a) -> Self {
        Self::Later(Box::pin(work))
    }
}

impl<T> fmt::Debug for Answer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(_) => "Answer::Ready",
            Self::Later(_) => "Answer::Later",
        })
    }
}

impl<T> Future for Answer<'_, T> {
    type Output = Result<T, BackendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ready(ready) => Pin::new(ready).poll(cx),
            Self::Later(work) => work.as_mut().poll(cx),
        }
    }
}
