//! The keys between the root key and key material: account keys and domain keys. The store's own
//! keys are in the [`crate::keyring`].
//!
//! ```text
//! root key ─ wraps ─┬─ store keys      seal every value of the store, and name hashes
//!                   ├─ account key     makes material ids of one account; never changes
//!                   └─ domain key      of one account and Region: wraps key material
//! ```
//!
//! Every wrapped key names the id and version of what wraps it, so that each level can be
//! rotated, and opens only in the store it was wrapped in. Records are JSON with a version.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_crypto::{
    aead::OpenError,
    random,
    secret::{
        SecretBytes,
        arena::{Arena, ArenaFull, ArenaSecret},
    },
    wrap::{Wrapped, WrappingKeyName},
};
use keyward_types::{account::AccountId, region::Region, store_id::StoreId};
use serde::{Deserialize, Serialize};

use crate::root_key::{StoreRoot, in_store};

/// The version of every record here.
const RECORD_VERSION: u8 = 2;

/// Why a key of the hierarchy does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HierarchyError {
    /// Another root key wraps it.
    #[error("it is wrapped under another root key")]
    OtherRootKey,
    /// A version of a later release.
    #[error(
        "a record of wrapped keys has version {0}, which this version of Keyward does not know"
    )]
    Version(u8),
    /// It was altered, or is in the wrong place.
    #[error("a wrapped key was altered or moved")]
    Damaged,
    /// The arena has no room.
    #[error(transparent)]
    ArenaFull(#[from] ArenaFull),
}

impl From<OpenError> for HierarchyError {
    fn from(_: OpenError) -> Self {
        Self::Damaged
    }
}

/// A wrapped key inside a JSON record: base64 of its layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WrappedText(pub Wrapped);

impl TryFrom<String> for WrappedText {
    type Error = HierarchyError;
    fn try_from(text: String) -> Result<Self, HierarchyError> {
        let bytes = STANDARD.decode(text).map_err(|_| HierarchyError::Damaged)?;
        Wrapped::parse(&bytes)
            .map(Self)
            .map_err(|_| HierarchyError::Damaged)
    }
}

impl From<WrappedText> for String {
    fn from(wrapped: WrappedText) -> String {
        STANDARD.encode(wrapped.0.to_bytes())
    }
}

/// An account's own key, from which its material ids are made. It never changes, so that key
/// material keeps its id forever, in every Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountKeyRecord {
    /// The record's version, 2.
    pub version: u8,
    /// The account.
    pub account: AccountId,
    /// The key under the root key.
    pub key: WrappedText,
}

/// An account's own key, opened.
#[derive(Debug)]
pub struct AccountKey {
    account: AccountId,
    key: ArenaSecret,
}

impl AccountKeyRecord {
    /// Makes an account's key.
    ///
    /// # Errors
    /// Only for a root key of a wrong length, which cannot be opened.
    pub fn generate(root: StoreRoot<'_>, account: AccountId) -> Result<Self, HierarchyError> {
        let key = wrap_under_root(root, &account_subject(account), &random::secret(32))?;
        Ok(Self {
            version: RECORD_VERSION,
            account,
            key,
        })
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it was altered or moved, or the arena is full.
    pub fn open(&self, root: StoreRoot<'_>, arena: &Arena) -> Result<AccountKey, HierarchyError> {
        known(self.version)?;
        let key = open_under_root(root, &account_subject(self.account), &self.key, arena)?;
        Ok(AccountKey {
            account: self.account,
            key,
        })
    }
}

/// A domain key, which wraps the key material of one account in one Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainKeyRecord {
    /// The record's version, 2.
    pub version: u8,
    /// The Region.
    pub region: Region,
    /// The account.
    pub account: AccountId,
    /// The key's id, 32 hexadecimal digits; what it wraps names it.
    pub id: String,
    /// The key's version, from 1.
    pub key_version: u32,
    /// The key under the root key.
    pub key: WrappedText,
}

/// An opened domain key, together with the account's key.
#[derive(Debug)]
pub struct DomainKey {
    store: StoreId,
    region: Region,
    account_key: Arc<AccountKey>,
    name: WrappingKeyName,
    key: ArenaSecret,
}

impl DomainKeyRecord {
    /// Makes the first domain key of an account in a Region.
    ///
    /// # Errors
    /// Only for a root key of a wrong length, which cannot be opened.
    pub fn generate(
        root: StoreRoot<'_>,
        region: Region,
        account: AccountId,
    ) -> Result<Self, HierarchyError> {
        let subject = domain_subject(region, account, 1);
        Ok(Self {
            version: RECORD_VERSION,
            region,
            account,
            id: hex::encode(random::array::<16>()),
            key_version: 1,
            key: wrap_under_root(root, &subject, &random::secret(32))?,
        })
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it was altered or moved, or the arena is full.
    pub fn open(
        &self,
        root: StoreRoot<'_>,
        account_key: Arc<AccountKey>,
        arena: &Arena,
    ) -> Result<DomainKey, HierarchyError> {
        known(self.version)?;
        if account_key.account != self.account {
            return Err(HierarchyError::Damaged);
        }
        let id = hex::decode(&self.id).ok().and_then(|id| id.try_into().ok());
        let name = WrappingKeyName {
            id: id.ok_or(HierarchyError::Damaged)?,
            version: self.key_version,
        };
        let subject = domain_subject(self.region, self.account, self.key_version);
        let key = open_under_root(root, &subject, &self.key, arena)?;
        Ok(DomainKey {
            store: root.store(),
            region: self.region,
            account_key,
            name,
            key,
        })
    }
}

impl DomainKey {
    /// The Region.
    pub fn region(&self) -> Region {
        self.region
    }

    /// The account.
    pub fn account(&self) -> AccountId {
        self.account_key.account
    }

    pub(crate) fn wrap(&self, subject: &[u8], key: &SecretBytes) -> Option<Wrapped> {
        Some(Wrapped::wrap(
            self.key.expose_array()?,
            self.name,
            &in_store(self.store, subject),
            key.expose(),
        ))
    }

    pub(crate) fn unwrap_key(
        &self,
        subject: &[u8],
        wrapped: &Wrapped,
    ) -> Result<SecretBytes, OpenError> {
        if wrapped.wrapping_key() != self.name {
            return Err(OpenError);
        }
        let key = self.key.expose_array().ok_or(OpenError)?;
        wrapped.unwrap_key(key, &in_store(self.store, subject))
    }

    pub(crate) fn material_id(&self, key_id: &str, material: &SecretBytes) -> [u8; 32] {
        let length = u32::try_from(key_id.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        keyward_crypto::mac::hmac_sha256(
            self.account_key.key.expose(),
            &[
                b"keyward material id v1",
                &length,
                key_id.as_bytes(),
                material.expose(),
            ],
        )
    }
}

pub(crate) fn wrap_under_root(
    root: StoreRoot<'_>,
    subject: &str,
    key: &SecretBytes,
) -> Result<WrappedText, HierarchyError> {
    root.wrap(subject, key)
        .map(WrappedText)
        .ok_or(HierarchyError::Damaged)
}

pub(crate) fn open_under_root(
    root: StoreRoot<'_>,
    subject: &str,
    wrapped: &WrappedText,
    arena: &Arena,
) -> Result<ArenaSecret, HierarchyError> {
    if wrapped.0.wrapping_key().id != root.id() {
        return Err(HierarchyError::OtherRootKey);
    }
    Ok(arena.store(&root.unwrap_key(subject, &wrapped.0)?)?)
}

fn known(version: u8) -> Result<(), HierarchyError> {
    if version == RECORD_VERSION {
        Ok(())
    } else {
        Err(HierarchyError::Version(version))
    }
}

fn account_subject(account: AccountId) -> String {
    format!("account {account}")
}

fn domain_subject(region: Region, account: AccountId, version: u32) -> String {
    format!("domain {region} {account} {version}")
}
