//! The keys between the root key and key material: store keys, account keys, domain keys.
//!
//! ```text
//! root key ─ wraps ─┬─ store keys      seal every value of the store, and name hashes
//!                   ├─ account key     makes material ids of one account; never changes
//!                   └─ domain key      of one account and Region: wraps key material
//! ```
//!
//! Every wrapped key names the id and version of what wraps it, so that each level can be
//! rotated. Records are JSON with a version.

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
use keyward_types::{account::AccountId, region::Region};
use serde::{Deserialize, Serialize};

use crate::root_key::RootKey;

/// The version of every record here.
const RECORD_VERSION: u8 = 1;

/// Why a key of the hierarchy does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HierarchyError {
    /// Another root key wraps it.
    #[error("it is wrapped under another root key")]
    OtherRootKey,
    /// A version of a later release.
    #[error("a record of wrapped keys has version {0}, which this release does not know")]
    Version(u8),
    /// It was altered, or stands where it does not belong.
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

/// The store's own keys, wrapped. It is the one record that is not sealed, since it opens the
/// seals; it is authenticated all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreKeysRecord {
    /// The record's version, 1.
    pub version: u8,
    /// The root key's id, for a clear word when another one is at hand.
    pub root_key_id: String,
    /// The seal keys by id and version, oldest first.
    pub seal_keys: Vec<StoreKeyRecord>,
    /// The key of name hashes, which never changes.
    pub name_key: WrappedText,
    /// The key of the audit trail's MACs.
    pub audit_key: WrappedText,
    /// The key that seals page markers.
    pub marker_key: WrappedText,
    /// The key that session tokens are sealed under.
    pub session_key: WrappedText,
}

/// One seal key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreKeyRecord {
    /// Its id, 32 hexadecimal digits, which sealed values name.
    pub id: String,
    /// Its version, from 1, which sealed values name too.
    pub version: u32,
    /// The key under the root key.
    pub key: WrappedText,
}

/// The store's own keys, opened.
#[derive(Debug)]
pub struct StoreKeys {
    /// Seal keys with id and version, oldest first.
    pub seal_keys: Vec<([u8; 16], u32, ArenaSecret)>,
    /// The key of name hashes.
    pub name_key: ArenaSecret,
    /// The key of the audit trail's MACs.
    pub audit_key: ArenaSecret,
    /// The key that seals page markers.
    pub marker_key: ArenaSecret,
    /// The key that session tokens are sealed under.
    pub session_key: ArenaSecret,
}

impl StoreKeysRecord {
    /// Makes all store keys anew, for a store that has none yet.
    ///
    /// # Errors
    /// Never but for a root key of a wrong length, which cannot be opened.
    pub fn generate(root: &RootKey) -> Result<Self, HierarchyError> {
        let wrap = |subject: &str| wrap_under_root(root, subject, &random::secret(32));
        let id = hex::encode(random::array::<16>());
        let key = wrap(&format!("store seal {id} 1"))?;
        Ok(Self {
            version: 1,
            root_key_id: hex::encode(root.id()),
            seal_keys: vec![StoreKeyRecord {
                id,
                version: 1,
                key,
            }],
            name_key: wrap("store names")?,
            audit_key: wrap("audit trail")?,
            marker_key: wrap("page markers")?,
            session_key: wrap("session tokens")?,
        })
    }

    /// Opens the keys.
    ///
    /// # Errors
    /// [`HierarchyError::OtherRootKey`] under another root key, `Damaged` if altered.
    pub fn open(&self, root: &RootKey, arena: &Arena) -> Result<StoreKeys, HierarchyError> {
        known(self.version)?;
        if self.root_key_id != hex::encode(root.id()) {
            return Err(HierarchyError::OtherRootKey);
        }
        let open = |subject: &str, key: &WrappedText| open_under_root(root, subject, key, arena);
        let mut seal_keys = Vec::new();
        for StoreKeyRecord { id, version, key } in &self.seal_keys {
            let subject = format!("store seal {id} {version}");
            let id = hex::decode(id).ok().and_then(|id| id.try_into().ok());
            seal_keys.push((
                id.ok_or(HierarchyError::Damaged)?,
                *version,
                open(&subject, key)?,
            ));
        }
        Ok(StoreKeys {
            seal_keys,
            name_key: open("store names", &self.name_key)?,
            audit_key: open("audit trail", &self.audit_key)?,
            marker_key: open("page markers", &self.marker_key)?,
            session_key: open("session tokens", &self.session_key)?,
        })
    }
}

/// An account's own key, from which its material ids are made. It never changes, so that a
/// material has one id for ever, in every Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountKeyRecord {
    /// The record's version, 1.
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
    /// As [`StoreKeysRecord::generate`].
    pub fn generate(root: &RootKey, account: AccountId) -> Result<Self, HierarchyError> {
        let key = wrap_under_root(root, &account_subject(account), &random::secret(32))?;
        Ok(Self {
            version: 1,
            account,
            key,
        })
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it was altered or moved, or the arena is full.
    pub fn open(&self, root: &RootKey, arena: &Arena) -> Result<AccountKey, HierarchyError> {
        known(self.version)?;
        let key = open_under_root(root, &account_subject(self.account), &self.key, arena)?;
        Ok(AccountKey {
            account: self.account,
            key,
        })
    }
}

/// A domain key: what wraps the key material of one account in one Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainKeyRecord {
    /// The record's version, 1.
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

/// A domain key, opened, with the account's key beside it.
#[derive(Debug)]
pub struct DomainKey {
    region: Region,
    account_key: Arc<AccountKey>,
    name: WrappingKeyName,
    key: ArenaSecret,
}

impl DomainKeyRecord {
    /// Makes the first domain key of an account in a Region.
    ///
    /// # Errors
    /// As [`StoreKeysRecord::generate`].
    pub fn generate(
        root: &RootKey,
        region: Region,
        account: AccountId,
    ) -> Result<Self, HierarchyError> {
        let subject = domain_subject(region, account, 1);
        Ok(Self {
            version: 1,
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
        root: &RootKey,
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
            subject,
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
        wrapped.unwrap_key(self.key.expose_array().ok_or(OpenError)?, subject)
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

fn wrap_under_root(
    root: &RootKey,
    subject: &str,
    key: &SecretBytes,
) -> Result<WrappedText, HierarchyError> {
    root.wrap(subject.as_bytes(), key)
        .map(WrappedText)
        .ok_or(HierarchyError::Damaged)
}

fn open_under_root(
    root: &RootKey,
    subject: &str,
    wrapped: &WrappedText,
    arena: &Arena,
) -> Result<ArenaSecret, HierarchyError> {
    if wrapped.0.wrapping_key().id != root.id() {
        return Err(HierarchyError::OtherRootKey);
    }
    Ok(arena.store(&root.unwrap_key(subject.as_bytes(), &wrapped.0)?)?)
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
