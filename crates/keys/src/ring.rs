//! The ring: the one public door to KMS keys. What uses or changes a key demands a permit for
//! that very action on that very key; workers bring a duty.
//!
//! Changes are pure: record in, new record out. Nothing here writes or reads a clock. What needs key
//! material asks the key's [backend](crate::backend) and waits for it if need be; the software
//! backend is ready at once.

mod error;
mod lifecycle;
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

pub use self::error::{RingError, Unsupported};
use crate::{
    backend::{Backend, NewMaterial, software::Software},
    ciphertext_blob::CiphertextBlob,
    duty::{Duty, MakeManaged},
    hierarchy::DomainKey,
    key::Key,
    record::{KeyRecord, Lifecycle, MaterialRecord, RotationSchedule, VERSION},
    state::StatefulOperation,
};

/// The most rotations on demand of a key, for life.
pub const MAX_ON_DEMAND_ROTATIONS: u32 = 25;

/// How often a service's own key rotates.
const MANAGED_ROTATION_DAYS: u32 = 365;

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
    /// What kind of key.
    pub kind: KeyKind,
    /// The description, perhaps empty.
    pub description: String,
    /// The key policy.
    pub policy: PolicyRecord,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// What kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyKind {
    /// What kind of material.
    pub spec: KeySpec,
    /// What for.
    pub usage: KeyUsage,
    /// Where its material comes from.
    pub origin: Origin,
}

impl KeyKind {
    /// A symmetric encryption key that Keyward generates.
    pub const SYMMETRIC: Self = Self {
        spec: KeySpec::SymmetricDefault,
        usage: KeyUsage::EncryptDecrypt,
        origin: Origin::AwsKms,
    };
}

/// The ring.
#[derive(Clone, Debug)]
pub struct Ring {
    arena: Arena,
    software: Software,
    custom_key_store: Option<Arc<dyn Backend>>,
}

impl Ring {
    /// A ring whose opened material is in this arena.
    pub fn new(arena: Arena) -> Self {
        Self {
            arena,
            software: Software,
            custom_key_store: None,
        }
    }

    /// With a custom key store: a backend for the keys of origin `AWS_CLOUDHSM`.
    #[must_use]
    pub fn with_custom_key_store(mut self, backend: Arc<dyn Backend>) -> Self {
        self.custom_key_store = Some(backend);
        self
    }

    /// Says whether keys of that kind can be created here.
    ///
    /// # Errors
    /// [`RingError::Unsupported`].
    pub fn check_kind(&self, kind: KeyKind) -> Result<(), RingError> {
        self.backend(kind.spec, kind.origin).map(drop)
    }

    /// What holds the material of keys of that kind.
    fn backend(&self, spec: KeySpec, origin: Origin) -> Result<&dyn Backend, RingError> {
        let backend: &dyn Backend = match origin {
            // Imported material is held like material that is generated here.
            Origin::AwsKms | Origin::External => &self.software,
            Origin::AwsCloudHsm => self
                .custom_key_store
                .as_deref()
                .ok_or(RingError::Unsupported(Unsupported::CustomKeyStore))?,
            Origin::ExternalKeyStore => {
                return Err(RingError::Unsupported(Unsupported::CustomKeyStore));
            }
        };
        if !backend.serves(spec) {
            return Err(RingError::Unsupported(Unsupported::Spec(spec)));
        }
        if origin == Origin::External {
            return Err(RingError::Unsupported(Unsupported::Origin(origin)));
        }
        Ok(backend)
    }

    /// What holds the material of this key.
    fn backend_of(&self, key: &Key) -> Result<&dyn Backend, RingError> {
        self.backend(key.record().spec, key.record().origin)
    }

    /// The key of a record, ready to be cached.
    pub fn open(&self, record: KeyRecord, domain: Arc<DomainKey>) -> Key {
        Key::new(record, domain, self.arena.clone())
    }

    /// Makes a new key in the domain's account and Region, Enabled at once.
    ///
    /// # Errors
    /// [`RingError::WrongPermit`] unless the permit is for that account and Region as a whole;
    /// [`RingError::Unsupported`] for what [`check_kind`](Self::check_kind) refuses.
    pub async fn create(
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
        let first = self.first_material(new.kind, &arn, domain, now).await?;
        Ok(new_record((region, account, id), new, first, now))
    }

    /// Makes a service's own key, Enabled at once, which rotates every year and which nobody can
    /// change: its policy allows that to nobody.
    ///
    /// # Errors
    /// [`RingError::WrongPermit`] unless the duty is for that account and Region.
    pub async fn create_managed(
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
        let first = self.first_material(new.kind, arn, domain, now).await?;
        let mut record = new_record((region, account, arn.id().clone()), new, first, now);
        record.manager = KeyManager::Aws;
        record.rotation = Some(RotationSchedule {
            period_days: MANAGED_ROTATION_DAYS,
            next: now.plus_days(i64::from(MANAGED_ROTATION_DAYS)),
        });
        Ok(record)
    }

    async fn first_material(
        &self,
        kind: KeyKind,
        arn: &KeyArn,
        domain: &DomainKey,
        now: Timestamp,
    ) -> Result<MaterialRecord, RingError> {
        let new = NewMaterial {
            arn,
            spec: kind.spec,
            domain,
            since: now,
            rotation: None,
        };
        let backend = self.backend(kind.spec, kind.origin)?;
        Ok(backend.generate(new).await?)
    }

    /// Encrypts up to 4096 bytes.
    ///
    /// # Errors
    /// When state or algorithm do not allow it, or the material cannot be used.
    pub async fn encrypt(
        &self,
        permit: &Permit<action::Encrypt>,
        key: &Key,
        algorithm: EncryptionAlgorithm,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<(Vec<u8>, MaterialId), RingError> {
        on_key(permit, key)?;
        usable(key, algorithm)?;
        self.seal(key, plaintext, context).await
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
    pub async fn decrypt(
        &self,
        permit: &Permit<action::Decrypt>,
        key: &Key,
        algorithm: EncryptionAlgorithm,
        blob: &CiphertextBlob<'_>,
        context: &EncryptionContext,
    ) -> Result<(SecretBytes, MaterialId), RingError> {
        self.check_decrypt(permit, key, algorithm)?;
        let plaintext = self.backend_of(key)?.decrypt(key, blob, context).await?;
        Ok((plaintext, blob.material_id()))
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
    pub async fn re_encrypt(
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
        let (key, _, blob, context) = source;
        let plaintext = self.backend_of(key)?.decrypt(key, blob, context).await?;
        let (ciphertext_blob, destination_material_id) = self
            .seal(destination.0, plaintext.expose(), destination.2)
            .await?;
        let source_material_id = blob.material_id();
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
    pub async fn generate_data_key(
        &self,
        permit: &Permit<action::GenerateDataKey>,
        key: &Key,
        length: usize,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, RingError> {
        on_key(permit, key)?;
        usable(key, EncryptionAlgorithm::SymmetricDefault)?;
        let plaintext = random::secret(length);
        let (ciphertext_blob, material_id) = self.seal(key, plaintext.expose(), context).await?;
        Ok(GeneratedDataKey {
            plaintext,
            ciphertext_blob,
            material_id,
        })
    }

    /// Generates a data key that nobody has seen yet.
    ///
    /// # Errors
    /// As `encrypt`.
    pub async fn generate_data_key_without_plaintext(
        &self,
        permit: &Permit<action::GenerateDataKeyWithoutPlaintext>,
        key: &Key,
        length: usize,
        context: &EncryptionContext,
    ) -> Result<(Vec<u8>, MaterialId), RingError> {
        on_key(permit, key)?;
        usable(key, EncryptionAlgorithm::SymmetricDefault)?;
        let plaintext = random::secret(length);
        self.seal(key, plaintext.expose(), context).await
    }

    async fn seal(
        &self,
        key: &Key,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<(Vec<u8>, MaterialId), RingError> {
        Ok(self
            .backend_of(key)?
            .encrypt(key, plaintext, context)
            .await?)
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
        spec: new.kind.spec,
        usage: new.kind.usage,
        origin: new.kind.origin,
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
    let spec = key.record().spec;
    if !spec.encryption_algorithms().contains(&algorithm) {
        return Err(RingError::Algorithm { algorithm, spec });
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
