//! One key, and the three calls of the KMS v2 API under it.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use keyward_client::answer::Failure;
use keyward_crypto::{random, secret::SecretBytes};
use keyward_types::arn::ArnParts;
use tokio::time::Instant;

use crate::{
    context::{self, ANNOTATION, Context},
    fault::{Fault, Kind},
    health::{Age, Health},
    kms::{Decrypted, Kms},
    limits::{
        MAX_ANNOTATIONS, MAX_CIPHERTEXT, MAX_KEY_ID, MAX_OLD_CIPHERTEXT, MAX_PLAINTEXT, MAX_UID,
    },
    names::{KeyName, parts},
    wire::{DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusResponse},
};

/// What stands before every ciphertext, as aws-encryption-provider has it.
const PREFIX: u8 = b'1';
/// The bytes of a test.
const PROBE_BYTES: usize = 32;

/// What a provider is for.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The key that is encrypted under: its ARN, or how KMS otherwise knows it.
    pub key: String,
    /// Other keys whose objects are decrypted.
    pub other_keys: Vec<String>,
    /// The encryption context that is encrypted with.
    pub context: Context,
    /// Other encryption contexts that objects may have.
    pub other_contexts: Vec<Context>,
    /// The version of the API that Status answers.
    pub version: Version,
}

/// The version of the API that Status answers: an API server demands that it never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// `v2`.
    #[default]
    V2,
    /// `v2beta1`, as aws-encryption-provider answers.
    V2Beta1,
}

/// One key, and whoever is asked about it.
#[derive(Debug)]
pub struct Provider<K> {
    core: Arc<Core<K>>,
    health: Health,
}

/// What a test of the key shares with the calls.
#[derive(Debug)]
struct Core<K> {
    kms: K,
    settings: Settings,
    /// The key's ARN, once it is known. It is found out once: an alias may get another key, under which nothing was encrypted.
    arn: OnceLock<String>,
}

impl<K: Kms> Provider<K> {
    /// A provider. Nobody is asked yet.
    pub fn new(kms: K, settings: Settings) -> Self {
        let arn = OnceLock::new();
        let parts = ArnParts::parse(&settings.key);
        if parts.is_some_and(|parts| parts.resource.starts_with("key/")) {
            let _ = arn.set(settings.key.clone());
        }
        Self {
            core: Arc::new(Core { kms, settings, arn }),
            health: Health::default(),
        }
    }

    /// The key as it was given.
    pub fn key(&self) -> &str {
        &self.core.settings.key
    }

    /// How the provider is, and what its key is called now.
    ///
    /// # Errors
    /// While the key cannot be used. An API server goes on writing if it gets any answer that names the key, so it
    /// gets none.
    pub async fn status(&self, by: Instant) -> Result<StatusResponse, Fault> {
        let name = self.check(Age::STATUS, by).await?;
        Ok(StatusResponse {
            version: match self.core.settings.version {
                Version::V2 => "v2".to_owned(),
                Version::V2Beta1 => "v2beta1".to_owned(),
            },
            healthz: "ok".to_owned(),
            key_id: name.to_string(),
        })
    }

    /// Whether the key can be used, for a health check.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn healthy(&self, by: Instant) -> Result<(), Fault> {
        self.check(Age::HTTP, by).await.map(drop)
    }

    /// Encrypts, and sees that the ciphertext can be decrypted before anybody relies on it.
    ///
    /// # Errors
    /// If the plaintext is too long, or the key cannot be used.
    pub async fn encrypt(
        &self,
        mut request: EncryptRequest,
        by: Instant,
    ) -> Result<EncryptResponse, Fault> {
        let plaintext = SecretBytes::from_vec(std::mem::take(&mut request.plaintext));
        fits("uid", request.uid.len(), MAX_UID)?;
        fits("plaintext", plaintext.len(), MAX_PLAINTEXT)?;
        if plaintext.is_empty() {
            return Err(Fault::Empty("plaintext"));
        }
        let began = self.health.begin();
        let (blob, name) = match self.core.round_trip(&plaintext, by).await {
            Ok(done) => done,
            Err(fault) => {
                if fault.is_of_kms() {
                    self.health.doubt();
                }
                return Err(fault);
            }
        };
        self.health.note(self.key(), began, Ok(name.clone()));
        let mut ciphertext = Vec::with_capacity(1 + blob.len());
        ciphertext.push(PREFIX);
        ciphertext.extend_from_slice(&blob);
        fits("ciphertext", ciphertext.len(), MAX_CIPHERTEXT)?;
        let annotation = context::render(&self.core.settings.context);
        Ok(EncryptResponse {
            ciphertext,
            key_id: name.to_string(),
            annotations: annotation
                .map(|value| (ANNOTATION.to_owned(), value))
                .into_iter()
                .collect(),
        })
    }

    /// Decrypts what this plugin or aws-encryption-provider has encrypted.
    ///
    /// # Errors
    /// If it was not for this key, or the key cannot be used.
    pub async fn decrypt(
        &self,
        request: DecryptRequest,
        by: Instant,
    ) -> Result<DecryptResponse, Fault> {
        let DecryptRequest {
            ciphertext,
            uid,
            key_id,
            annotations,
        } = &request;
        fits("uid", uid.len(), MAX_UID)?;
        fits("key id", key_id.len(), MAX_KEY_ID)?;
        fits("ciphertext", ciphertext.len(), MAX_OLD_CIPHERTEXT)?;
        let of_annotations = annotations
            .iter()
            .map(|(name, value)| name.len() + value.len());
        fits("annotations", of_annotations.sum(), MAX_ANNOTATIONS)?;
        let blob = match &**ciphertext {
            [] => return Err(Fault::Empty("ciphertext")),
            [PREFIX, blob @ ..] => blob,
            [..] => return Err(Fault::NotOurs),
        };
        let (named, material) = parts(key_id);
        let key = self.key_named(named, by).await?;
        let contexts = self.core.contexts(annotations)?;
        let decrypted = self.core.open(&key, blob, &contexts, by).await;
        let decrypted = decrypted.inspect_err(|fault| {
            if fault.is_of_kms() && fault.kind() != Kind::Corruption {
                self.health.doubt();
            }
        })?;
        let is_arn = key.starts_with("arn:") && key.contains(":key/");
        if is_arn && decrypted.key_arn != key {
            return Err(Fault::AnotherKey(key));
        }
        if material.is_some() && decrypted.material.as_deref() != material {
            return Err(Fault::OtherMaterial);
        }
        Ok(DecryptResponse {
            plaintext: decrypted.plaintext.expose().to_vec(),
        })
    }

    async fn check(&self, age: Age, by: Instant) -> Result<KeyName, Fault> {
        let test = |by| {
            let core = Arc::clone(&self.core);
            async move {
                let plaintext = random::secret(PROBE_BYTES);
                let (_, name) = core.round_trip(&plaintext, by).await?;
                Ok(name)
            }
        };
        self.health.check(self.key(), age, by, test).await
    }

    /// The key that an object names, as KMS knows it, if it is one of ours.
    async fn key_named(&self, named: &str, by: Instant) -> Result<String, Fault> {
        if named.is_empty() {
            return Err(Fault::Empty("key id"));
        }
        if self
            .core
            .settings
            .other_keys
            .iter()
            .any(|other| other == named)
        {
            return Ok(named.to_owned());
        }
        let arn = match self.core.arn.get() {
            Some(arn) => arn.clone(),
            None => self.check(Age::STATUS, by).await?.arn,
        };
        if named == arn || named == self.core.settings.key {
            return Ok(arn);
        }
        Err(Fault::OtherKey(named.to_owned()))
    }
}

impl<K: Kms> Core<K> {
    /// Encrypts and decrypts. Decrypt says which material it was.
    async fn round_trip(
        &self,
        plaintext: &SecretBytes,
        by: Instant,
    ) -> Result<(Vec<u8>, KeyName), Fault> {
        let known = self.arn.get();
        let key = known.unwrap_or(&self.settings.key);
        let context = &self.settings.context;
        let encrypted = self.kms.encrypt(key, plaintext, context, by).await?;
        let arn = encrypted.key_arn;
        if known.is_some_and(|known| *known != arn) {
            return Err(Fault::AnotherKey(key.clone()));
        }
        let blob = &encrypted.blob;
        let decrypted = self.kms.decrypt(&arn, blob, context, by).await?;
        if decrypted.key_arn != arn {
            return Err(Fault::AnotherKey(arn));
        }
        // Nobody who could measure how long this takes chooses the bytes.
        if decrypted.plaintext.expose() != plaintext.expose() {
            return Err(Fault::Useless);
        }
        if self.arn.get_or_init(|| arn.clone()) != &arn {
            return Err(Fault::AnotherKey(arn));
        }
        let name = KeyName {
            arn,
            material: decrypted.material,
        };
        Ok((encrypted.blob, name))
    }

    /// The encryption contexts that an object may have been encrypted with.
    fn contexts(&self, annotations: &BTreeMap<String, Vec<u8>>) -> Result<Vec<&Context>, Fault> {
        let ours = || {
            let others = self.settings.other_contexts.iter();
            std::iter::once(&self.settings.context).chain(others)
        };
        // One of aws-encryption-provider, or of this plugin without a context.
        let Some(annotation) = annotations.get(ANNOTATION) else {
            return Ok(ours().collect());
        };
        // Whoever can write to etcd can write anything there: what is not ours is not believed.
        let said = context::read(annotation).ok_or(Fault::BadAnnotation)?;
        let found: Vec<&Context> = ours().filter(|ours| **ours == said).collect();
        if found.is_empty() {
            return Err(Fault::OtherContext(said));
        }
        Ok(found)
    }

    /// Decrypts with the first of these contexts that fits.
    async fn open(
        &self,
        key: &str,
        blob: &[u8],
        contexts: &[&Context],
        by: Instant,
    ) -> Result<Decrypted, Fault> {
        let mut refused: Option<Fault> = None;
        for context in contexts {
            match self.kms.decrypt(key, blob, context, by).await {
                Err(fault) if fault.may_be_of_context() => {
                    // That a policy denies one says more than that another does not fit.
                    let is_denied = fault.kind() != Kind::Corruption;
                    if is_denied || refused.is_none() {
                        refused = Some(fault);
                    }
                }
                other => return other,
            }
        }
        let none = || Failure::NoAnswer("there is no encryption context to try".to_owned());
        Err(refused.unwrap_or_else(|| none().into()))
    }
}

fn fits(what: &'static str, length: usize, most: usize) -> Result<(), Fault> {
    if length > most {
        return Err(Fault::TooLong { what, most });
    }
    Ok(())
}
