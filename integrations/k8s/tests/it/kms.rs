//! A KMS in memory, whose key can be taken away, and which can be slow or away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use keyward_client::answer::Failure;
use keyward_crypto::secret::SecretBytes;
use keyward_k8s::{
    context::Context,
    fault::Fault,
    kms::{Decrypted, Encrypted, Kms},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout_at},
};

/// The key that an alias leads to.
pub const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/k";
/// That alias.
pub const ALIAS: &str = "alias/secrets";

/// How the KMS is.
#[derive(Clone, Debug)]
pub struct State {
    /// The code that it refuses everything with.
    pub refuses: Option<&'static str>,
    /// The encryption context that a policy denies.
    pub denies: Option<Context>,
    /// Whether the plugin's own limit leaves no time to ask.
    pub limited: bool,
    /// How long an answer takes.
    pub slow: Duration,
    /// The number of the current material.
    pub material: u32,
    /// Whether Decrypt gives something else than was encrypted.
    pub lies: bool,
    /// What the alias leads to.
    pub alias: &'static str,
}

/// A KMS, shared by whoever clones it.
#[derive(Clone, Debug)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    calls: Arc<AtomicU32>,
}

/// A ciphertext, which anybody could read.
#[derive(Deserialize, Serialize)]
struct Blob {
    key: String,
    material: u32,
    context: Context,
    plaintext: Vec<u8>,
}

impl Memory {
    /// One whose key can be used.
    pub fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                refuses: None,
                denies: None,
                limited: false,
                slow: Duration::from_millis(5),
                material: 1,
                lies: false,
                alias: ARN,
            })),
            calls: Arc::default(),
        }
    }

    /// Changes how it is.
    pub async fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut *self.state.lock().await);
    }

    /// How many calls there were since the last question.
    pub fn calls(&self) -> u32 {
        self.calls.swap(0, Ordering::Relaxed)
    }

    async fn answers(&self, context: &Context, by: Instant) -> Result<State, Fault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let state = self.state.lock().await.clone();
        if state.limited {
            return Err(Fault::Limited);
        }
        if timeout_at(by, sleep(state.slow)).await.is_err() {
            return Err(Failure::NoAnswer("it did not answer in time".to_owned()).into());
        }
        match state.refuses {
            Some(code) => Err(refused(code)),
            None if state.denies.as_ref() == Some(context) => Err(refused("AccessDeniedException")),
            None => Ok(state),
        }
    }
}

/// A refusal.
pub fn refused(code: &str) -> Fault {
    let failure = Failure::Refused {
        status: 400,
        code: code.to_owned(),
        message: None,
    };
    failure.into()
}

impl Kms for Memory {
    async fn encrypt(
        &self,
        key: &str,
        plaintext: &SecretBytes,
        context: &Context,
        by: Instant,
    ) -> Result<Encrypted, Fault> {
        let state = self.answers(context, by).await?;
        let key = if key == ALIAS { state.alias } else { key };
        let blob = Blob {
            key: key.to_owned(),
            material: state.material,
            context: context.clone(),
            plaintext: plaintext.expose().to_vec(),
        };
        Ok(Encrypted {
            blob: serde_json::to_vec(&blob).unwrap(),
            key_arn: key.to_owned(),
        })
    }

    async fn decrypt(
        &self,
        key: &str,
        blob: &[u8],
        context: &Context,
        by: Instant,
    ) -> Result<Decrypted, Fault> {
        let state = self.answers(context, by).await?;
        let key = if key == ALIAS { state.alias } else { key };
        let blob: Blob =
            serde_json::from_slice(blob).map_err(|_| refused("InvalidCiphertextException"))?;
        if blob.key != key {
            return Err(refused("IncorrectKeyException"));
        }
        if blob.context != *context {
            return Err(refused("InvalidCiphertextException"));
        }
        let plaintext = if state.lies {
            vec![0; 32]
        } else {
            blob.plaintext
        };
        Ok(Decrypted {
            plaintext: SecretBytes::from_vec(plaintext),
            key_arn: blob.key,
            material: Some(format!("m{}", blob.material)),
        })
    }
}
