//! The ring: the one public door to KMS keys. What uses or changes a key demands a permit for
//! that very action on that very key; workers bring a duty.
//!
//! Changes are pure: record in, new record out. Nothing here writes, waits or reads a clock.

mod lifecycle;
mod material;
mod rotation;

use std::sync::Arc;

use keyward_crypto::{
    random,
    secret::{SecretBytes, arena::Arena},
};
use keyward_policy::{permit::Permit, record::PolicyRecord};
use keyward_types::{
    account::AccountId,
    action::{self, Action},
    encryption_context::EncryptionContext,
    key_id::{KeyArn, KeyId},
    key_spec::{EncryptionAlgorithm, KeyManager, KeySpec, KeyUsage, Origin},
    key_state::KeyState,
    material_id::MaterialId,
    region::Region,
    tag::Tag,
    time::Timestamp,
};

use crate::{
    ciphertext_blob::{self, BlobError, CiphertextBlob},
    duty::{Duty, MakeManaged},
    hierarchy::DomainKey,
    key::{Key, MaterialError},
    record::{KeyRecord, Lifecycle, MaterialRecord, RotationSchedule, VERSION},
    state::{StateFault, StatefulOperation},
};

/// The most rotations on demand of a key, for life.
pub const MAX_ON_DEMAND_ROTATIONS: u32 = 25;

/// How often a service's own key rotates.
const MANAGED_ROTATION_DAYS: u32 = 365;

/// Why the ring refuses.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The permit is for another key, or the duty is none any more: a mistake of ours or a race
    /// that a worker lost, never a fault of the caller's.
    #[error("a permit for another resource was presented")]
    WrongPermit,
    /// The key's state does not allow it.
    #[error("the state of the key does not allow it")]
    State {
        /// The key.
        key: KeyArn,
        /// Why.
        fault: StateFault,
    },
    /// The key is destroyed: as good as absent.
    #[error("the key is destroyed")]
    Destroyed {
        /// The key.
        key: KeyArn,
    },
    /// The algorithm does not fit the key.
    #[error("the algorithm does not fit the key")]
    Algorithm {
        /// What was asked for.
        algorithm: EncryptionAlgorithm,
        /// What the key is.
        spec: KeySpec,
    },
    /// The ciphertext does not open.
    #[error(transparent)]
    Ciphertext(#[from] BlobError),
    /// Rotations on demand are used up.
    #[error("rotations on demand are used up")]
    OnDemandLimit {
        /// The key.
        key: KeyArn,
    },
    /// The key has as many materials as a record can hold.
    #[error("the key has as many materials as it can have")]
    MaterialLimit {
        /// The key.
        key: KeyArn,
    },
    /// An automatic rotation is due within 20 minutes.
    #[error("an automatic rotation is about to happen")]
    RotationConflict {
        /// The key.
        key: KeyArn,
    },
    /// The key's material cannot be opened: damage or lack of room on our side.
    #[error("the key's material cannot be used")]
    Material(#[source] MaterialError),
}

impl From<MaterialError> for RingError {
    fn from(error: MaterialError) -> Self {
        match error {
            // A blob that names a material the key never had is a damaged blob to its holder.
            MaterialError::Absent => Self::Ciphertext(BlobError),
            MaterialError::Damaged | MaterialError::ArenaFull(_) => Self::Material(error),
        }
    }
}

/// A data key with its wrapped form.
#[derive(Debug)]
pub struct GeneratedDataKey {
    /// The data key.
    pub plaintext: SecretBytes,
    /// The data key under the KMS key.
    pub ciphertext_blob: Vec<u8>,
    /// The material that wraps it.
    pub material_id: MaterialId,
}

/// What ReEncrypt made.
#[derive(Debug)]
pub struct ReEncrypted {
    /// The new ciphertext.
    pub ciphertext_blob: Vec<u8>,
    /// The material that opened the old one.
    pub source_material_id: MaterialId,
    /// The material that made the new one.
    pub destination_material_id: MaterialId,
}

/// What CreateKey decides of a new key.
#[derive(Debug)]
pub struct NewKey {
    /// The description, perhaps empty.
    pub description: String,
    /// The key policy.
    pub policy: PolicyRecord,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// The ring.
#[derive(Clone, Debug)]
pub struct Ring {
    arena: Arena,
}

impl Ring {
    /// A ring whose opened material stands in this arena.
    pub fn new(arena: Arena) -> Self {
        Self { arena }
    }

    /// The key of a record, ready to be cached.
    pub fn open(&self, record: KeyRecord, domain: Arc<DomainKey>) -> Key {
        Key::new(record, domain, self.arena.clone())
    }

    /// Makes a new key in the domain's account and Region, Enabled at once.
    ///
    /// # Errors
    /// [`RingError::WrongPermit`] unless the permit is for that account and Region at large.
    pub fn create(
        &self,
        permit: &Permit<action::CreateKey>,
        domain: &DomainKey,
        new: NewKey,
        now: Timestamp,
    ) -> Result<KeyRecord, RingError> {
        let (region, account) = (domain.region(), domain.account());
        let place = format!("arn:{}:kms:{region}:{account}:*", region.partition());
        if permit.resource() != place {
            return Err(RingError::WrongPermit);
        }
        let id = KeyId::from_random(random::public());
        let arn = KeyArn::new(region, account, id.clone());
        let first = material::generate(domain, &arn, now, None).ok_or(MaterialError::Damaged)?;
        Ok(new_record((region, account, id), new, first, now))
    }

    /// Makes a service's own key, Enabled at once, which rotates every year and which nobody
    /// changes: its policy lets nobody.
    ///
    /// # Errors
    /// [`RingError::WrongPermit`] unless the duty is for that account and Region.
    pub fn create_managed(
        &self,
        duty: &Duty<MakeManaged>,
        domain: &DomainKey,
        new: NewKey,
    ) -> Result<KeyRecord, RingError> {
        let (arn, now) = (duty.key(), duty.now());
        let (region, account) = (domain.region(), domain.account());
        if (arn.region(), arn.account()) != (region, account) {
            return Err(RingError::WrongPermit);
        }
        let first = material::generate(domain, arn, now, None).ok_or(MaterialError::Damaged)?;
        let mut record = new_record((region, account, arn.id().clone()), new, first, now);
        record.manager = KeyManager::Aws;
        record.rotation = Some(RotationSchedule {
            period_days: MANAGED_ROTATION_DAYS,
            next: now.plus_days(i64::from(MANAGED_ROTATION_DAYS)),
        });
        Ok(record)
    }

    /// Encrypts up to 4096 bytes.
    ///
    /// # Errors
    /// When state or algorithm do not allow it, or the material cannot be used.
    pub fn encrypt(
        &self,
        permit: &Permit<action::Encrypt>,
        key: &Key,
        algorithm: EncryptionAlgorithm,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<(Vec<u8>, MaterialId), RingError> {
        on_key(permit, key)?;
        usable(key, algorithm)?;
        seal(key, plaintext, context)
    }

    /// Says whether [`decrypt`](Self::decrypt) would be tried at all.
    ///
    /// # Errors
    /// When state or algorithm do not allow it.
    pub fn check_decrypt(
        &self,
        permit: &Permit<action::Decrypt>,
        key: &Key,
        algorithm: EncryptionAlgorithm,
    ) -> Result<(), RingError> {
        on_key(permit, key)?;
        usable(key, algorithm)
    }

    /// Decrypts.
    ///
    /// # Errors
    /// When state or algorithm do not allow it; one error for every way a ciphertext can fail.
    pub fn decrypt(
        &self,
        permit: &Permit<action::Decrypt>,
        key: &Key,
        algorithm: EncryptionAlgorithm,
        blob: &CiphertextBlob<'_>,
        context: &EncryptionContext,
    ) -> Result<(SecretBytes, MaterialId), RingError> {
        self.check_decrypt(permit, key, algorithm)?;
        Ok((open(key, blob, context)?, blob.material_id()))
    }

    /// Says whether [`re_encrypt`](Self::re_encrypt) would be tried at all.
    ///
    /// # Errors
    /// When state or algorithm of either key do not allow it.
    pub fn check_re_encrypt(
        &self,
        (from, to): (&Permit<action::ReEncryptFrom>, &Permit<action::ReEncryptTo>),
        (source, source_algorithm): (&Key, EncryptionAlgorithm),
        (destination, destination_algorithm): (&Key, EncryptionAlgorithm),
    ) -> Result<(), RingError> {
        on_key(from, source)?;
        on_key(to, destination)?;
        usable(source, source_algorithm)?;
        usable(destination, destination_algorithm)
    }

    /// Decrypts under one key and encrypts under another.
    ///
    /// # Errors
    /// As `decrypt` and `encrypt`.
    pub fn re_encrypt(
        &self,
        permits: (&Permit<action::ReEncryptFrom>, &Permit<action::ReEncryptTo>),
        source: (
            &Key,
            EncryptionAlgorithm,
            &CiphertextBlob<'_>,
            &EncryptionContext,
        ),
        destination: (&Key, EncryptionAlgorithm, &EncryptionContext),
    ) -> Result<ReEncrypted, RingError> {
        self.check_re_encrypt(
            permits,
            (source.0, source.1),
            (destination.0, destination.1),
        )?;
        let plaintext = open(source.0, source.2, source.3)?;
        let (ciphertext_blob, destination_material_id) =
            seal(destination.0, plaintext.expose(), destination.2)?;
        let source_material_id = source.2.material_id();
        Ok(ReEncrypted {
            ciphertext_blob,
            source_material_id,
            destination_material_id,
        })
    }

    /// Makes a data key of 1 to 1024 bytes.
    ///
    /// # Errors
    /// As `encrypt`.
    pub fn generate_data_key(
        &self,
        permit: &Permit<action::GenerateDataKey>,
        key: &Key,
        length: usize,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, RingError> {
        on_key(permit, key)?;
        usable(key, EncryptionAlgorithm::SymmetricDefault)?;
        let plaintext = random::secret(length);
        let (ciphertext_blob, material_id) = seal(key, plaintext.expose(), context)?;
        Ok(GeneratedDataKey {
            plaintext,
            ciphertext_blob,
            material_id,
        })
    }

    /// Makes a data key that nobody sees yet.
    ///
    /// # Errors
    /// As `encrypt`.
    pub fn generate_data_key_without_plaintext(
        &self,
        permit: &Permit<action::GenerateDataKeyWithoutPlaintext>,
        key: &Key,
        length: usize,
        context: &EncryptionContext,
    ) -> Result<(Vec<u8>, MaterialId), RingError> {
        on_key(permit, key)?;
        usable(key, EncryptionAlgorithm::SymmetricDefault)?;
        seal(key, random::secret(length).expose(), context)
    }
}

/// A new key with its first material.
fn new_record(
    (region, account, id): (Region, AccountId, KeyId),
    new: NewKey,
    first: MaterialRecord,
    now: Timestamp,
) -> KeyRecord {
    KeyRecord {
        version: VERSION,
        region,
        account,
        id,
        description: new.description,
        spec: KeySpec::SymmetricDefault,
        usage: KeyUsage::EncryptDecrypt,
        origin: Origin::AwsKms,
        manager: KeyManager::Customer,
        created: now,
        lifecycle: Lifecycle::Enabled {},
        policy: new.policy,
        tags: new.tags,
        aliases: Vec::new(),
        materials: vec![first],
        rotation: None,
        on_demand_rotations: 0,
        has_grants: false,
    }
}

/// The permit is for this key.
fn on_key<A: Action>(permit: &Permit<A>, key: &Key) -> Result<(), RingError> {
    on_arn(permit, key.arn())
}

fn on_arn<A: Action>(permit: &Permit<A>, arn: &KeyArn) -> Result<(), RingError> {
    if permit.resource() == arn.as_str() {
        Ok(())
    } else {
        Err(RingError::WrongPermit)
    }
}

/// Usage comes first, then state, then algorithm, as AWS checks.
fn usable(key: &Key, algorithm: EncryptionAlgorithm) -> Result<(), RingError> {
    allowed(key.record(), StatefulOperation::Cryptography)?;
    if algorithm != EncryptionAlgorithm::SymmetricDefault {
        return Err(RingError::Algorithm {
            algorithm,
            spec: key.record().spec,
        });
    }
    Ok(())
}

/// The state allows the operation.
fn allowed(record: &KeyRecord, operation: StatefulOperation) -> Result<KeyState, RingError> {
    let state = record
        .state()
        .ok_or_else(|| RingError::Destroyed { key: record.arn() })?;
    match operation.check(state) {
        Ok(()) => Ok(state),
        Err(fault) => Err(RingError::State {
            key: record.arn(),
            fault,
        }),
    }
}

fn seal(
    key: &Key,
    plaintext: &[u8],
    context: &EncryptionContext,
) -> Result<(Vec<u8>, MaterialId), RingError> {
    let made_by = (key.arn(), key.identity()?);
    let sealed = key.with_current(|id, material| {
        let blob = ciphertext_blob::seal(made_by, material, plaintext, context);
        (blob, id)
    })?;
    Ok((sealed.0?, sealed.1))
}

fn open(
    key: &Key,
    blob: &CiphertextBlob<'_>,
    context: &EncryptionContext,
) -> Result<SecretBytes, RingError> {
    if blob.key() != key.arn() {
        return Err(BlobError.into());
    }
    Ok(key.with_material(blob.material_id(), |material| blob.open(material, context))??)
}
