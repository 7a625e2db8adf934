//! From what a request says to the key it means, and from a changed key to a batch.

use std::sync::Arc;

use keyward_engine::{
    directory::{ReadError, purpose},
    fault::Internal,
};
use keyward_keys::{ciphertext_blob::CiphertextBlob, record::KeyRecord};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{
    account::AccountId,
    alias::AliasName,
    key_id::{KeyArn, KeyId},
    key_spec::EncryptionAlgorithm,
};

use crate::{
    Cx,
    fault::{KmsFault, too_large},
    grants::terms::{Act, GrantQuestion},
    identifier::{Forms, KeyIdentifier},
    paths,
    resolved::ResolvedKey,
    units::KeyUnit,
};

impl From<ReadError> for KmsFault {
    fn from(error: ReadError) -> Self {
        Self::Internal(Internal::new(error))
    }
}

impl Cx<'_> {
    /// The key that a request names in order to use or to describe it.
    ///
    /// # Errors
    /// AWS's faults for what is not there. A key of another account that does not exist is not a
    /// fault here: it gets a stand-in, which the gate denies.
    pub async fn key_to_use(
        &self,
        text: &str,
        forms: Forms,
        grant_tokens: &[String],
        act: Act<'_>,
    ) -> Result<ResolvedKey, KmsFault> {
        let key = self.named_key(text, forms).await?;
        self.check_grant_tokens(grant_tokens)?;
        self.granted(key, act).await
    }

    /// The key that a request names in order to manage it: by id or ARN only.
    ///
    /// # Errors
    /// As [`key_to_use`](Self::key_to_use). No grant lets anybody manage a key.
    pub async fn key_to_manage(&self, text: &str) -> Result<ResolvedKey, KmsFault> {
        self.named_key(text, Forms::KeyOnly).await
    }

    /// The key of a ciphertext, compared with the key that the request names, if it names one.
    ///
    /// # Errors
    /// `InvalidCiphertextException` for what is not a ciphertext; for what the request names, as
    /// [`key_to_use`](Self::key_to_use). A ciphertext of a key that does not exist gets a stand-in.
    pub async fn key_of_ciphertext(
        &self,
        blob: Option<&[u8]>,
        named: Option<&str>,
        algorithm: EncryptionAlgorithm,
        grant_tokens: &[String],
        act: Act<'_>,
    ) -> Result<ResolvedKey, KmsFault> {
        let meant = match blob {
            // Only a symmetric ciphertext names its key.
            Some(bytes) if algorithm == EncryptionAlgorithm::SymmetricDefault => {
                let blob = CiphertextBlob::parse(bytes).map_err(|_| KmsFault::InvalidCiphertext)?;
                Some(blob.key().clone())
            }
            Some(_) | None => None,
        };
        let named = match named {
            Some(text) => Some(self.named_key(text, Forms::All).await?),
            None => None,
        };
        self.check_grant_tokens(grant_tokens)?;
        let key = match (meant, named) {
            (Some(meant), Some(named)) if *named.arn() == meant => named,
            (Some(_), Some(named)) => named.not_the_ciphertexts(),
            (None, Some(named)) => named,
            (Some(meant), None) if meant.region() != self.region => {
                // A key of another Region does not exist here, whoever owns it.
                let key = self.owned(ResolvedKey::absent(meant)).await?;
                key.in_ciphertext()
            }
            (Some(meant), None) => {
                let unit = self.state().key(&meant).await?;
                let key = unit.map_or_else(|| ResolvedKey::absent(meant), ResolvedKey::found);
                self.owned(key).await?.in_ciphertext()
            }
            (None, None) => return Err(KmsFault::InvalidCiphertext),
        };
        self.granted(key, act).await
    }

    /// The key with the grant by which the caller may do that with it.
    async fn granted(&self, key: ResolvedKey, act: Act<'_>) -> Result<ResolvedKey, KmsFault> {
        let own = self.is_own(key.arn().account());
        let has_grants = key.found_unit().is_some_and(|key| key.record().has_grants);
        // For a key of another account grants are always searched, so that a key without grants and
        // one that does not exist take the same steps.
        if own && !has_grants {
            return Ok(key);
        }
        let asked = GrantQuestion {
            act,
            source_arn: self.source.arn.as_deref(),
        };
        let caller = self.caller.principal();
        let found = self
            .state()
            .grants()
            .grant_for(key.arn(), caller, &asked)
            .await?;
        // A tombstone's grants are as absent as their key, though they may not be swept away yet.
        let found = found.filter(|_| key.found_unit().is_some());
        Ok(key.granted(found))
    }

    /// A batch that writes a changed key over the one that was read, with what is due for it.
    ///
    /// # Errors
    /// When the record is larger than any can be.
    pub fn change_key(&self, unit: &KeyUnit, record: &KeyRecord) -> Result<SealedBatch, KmsFault> {
        let mut batch = self.batch();
        put_key(&mut batch, unit, record)?;
        Ok(batch)
    }

    /// The key that a text names, in one of these forms, whether or not it exists.
    ///
    /// # Errors
    /// When the text names no key, or what it names cannot be read.
    pub async fn named_key(&self, text: &str, forms: Forms) -> Result<ResolvedKey, KmsFault> {
        // The usual case, before anything is built: a key of the caller's own, named by its id.
        let (region, account) = (self.region, self.caller.principal().account());
        if let Some(account) = account
            && let Some(unit) = self.state().cached_key(region, account, text)
        {
            return Ok(ResolvedKey::found(unit));
        }
        match KeyIdentifier::parse(text, forms, region, account)? {
            KeyIdentifier::Key(arn) => self.key_by_arn(arn).await,
            KeyIdentifier::Alias { account, name } => self.key_by_alias(account, name).await,
        }
    }

    async fn key_by_arn(&self, arn: KeyArn) -> Result<ResolvedKey, KmsFault> {
        match self.state().key(&arn).await? {
            Some(unit) => self.owned(ResolvedKey::found(unit)).await,
            None if self.is_own(arn.account()) => Err(KmsFault::KeyNotFound {
                key: arn.to_string(),
            }),
            None => self.owned(ResolvedKey::absent(arn)).await,
        }
    }

    /// Whether it is the account that the caller belongs to. For a service, every account is
    /// another one.
    fn is_own(&self, account: AccountId) -> bool {
        self.caller.principal().account() == Some(account)
    }

    /// The key with the place of its account in an organization, which the caller has at hand
    /// for keys of its own account. A stand-in takes the same steps.
    async fn owned(&self, key: ResolvedKey) -> Result<ResolvedKey, KmsFault> {
        let owner = key.arn().account();
        if self.is_own(owner) {
            return Ok(key);
        }
        let home = (key.arn().partition(), owner);
        Ok(key.owned_in(self.directory().membership(home).await?))
    }

    async fn key_by_alias(
        &self,
        account: AccountId,
        name: AliasName,
    ) -> Result<ResolvedKey, KmsFault> {
        let own = self.is_own(account);
        let target = self.state().alias(self.region, account, &name).await?;
        let unit: Option<Arc<KeyUnit>> = match &target {
            Some(alias) => {
                let arn = KeyArn::new(self.region, account, alias.record.target.clone());
                self.state().key(&arn).await?
            }
            None => None,
        };
        match unit {
            Some(unit) => Ok(self.owned(ResolvedKey::found(unit)).await?.by_alias(name)),
            None if own => Err(KmsFault::AliasNotFound {
                alias: name.arn(self.region, account),
            }),
            None => {
                // The stand-in of a foreign alias that leads nowhere; its id is never shown.
                let arn = KeyArn::new(self.region, account, KeyId::from_random([0; 16]));
                Ok(self.owned(ResolvedKey::absent(arn)).await?.by_alias(name))
            }
        }
    }
}

/// Writes a new key, with what is due for it.
///
/// # Errors
/// When the record is larger than any can be.
pub fn put_new_key(
    batch: &mut SealedBatch,
    arn: &KeyArn,
    record: &KeyRecord,
) -> Result<(), KmsFault> {
    write_key(batch, arn, None, record)
}

/// Writes a key over the one that was read, and moves what is due for it.
///
/// # Errors
/// When the record is larger than any can be.
pub fn put_key(batch: &mut SealedBatch, old: &KeyUnit, record: &KeyRecord) -> Result<(), KmsFault> {
    write_key(batch, old.arn(), Some(old), record)
}

fn write_key(
    batch: &mut SealedBatch,
    arn: &KeyArn,
    old: Option<&KeyUnit>,
    record: &KeyRecord,
) -> Result<(), KmsFault> {
    let internal =
        |error: &dyn std::fmt::Display| KmsFault::Internal(Internal::new(error.to_string()));
    let path = paths::key(arn);
    let bytes = record.to_bytes().map_err(|error| internal(&error))?;
    let precondition = old.map_or(Precondition::Absent, |unit| {
        Precondition::At(unit.revision())
    });
    batch
        .put(path, purpose::KEY, &bytes, precondition)
        .map_err(too_large)?;
    let due_of = |record: &KeyRecord| record.due().map(|due| paths::due(arn, due.at()));
    let (before, after) = (old.and_then(|unit| due_of(unit.record())), due_of(record));
    if before == after {
        return Ok(());
    }
    if let Some(before) = before {
        batch.delete(before, Precondition::Any).map_err(too_large)?;
    }
    if let Some(after) = after {
        batch
            .put(after, purpose::DUE, b"{}", Precondition::Any)
            .map_err(too_large)?;
    }
    Ok(())
}
