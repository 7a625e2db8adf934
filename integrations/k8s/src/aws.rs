//! KMS over the network, Keyward's or that of AWS: asked again while that may help and there is time.

use std::{borrow::Cow, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_client::{
    answer::{Failure, parsed},
    remote::Remote,
};
use keyward_crypto::secret::SecretBytes;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    context::Context,
    fault::{Fault, passes},
    kms::{Decrypted, Encrypted, Kms},
    limiter::{Cost, Limiter, Retries},
    metrics::{Metrics, Operation},
    names::{is_material, is_well_formed},
};

/// The pause before the second attempt; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// How long attempts that fail at once are repeated. Whoever waits shall hear the reason.
const RETRIES: Duration = Duration::from_secs(2);
/// How long an attempt takes that has not failed at once, but got no answer.
const STUCK: Duration = Duration::from_secs(1);
/// The shortest time in which another attempt is worth while.
const WORTH: Duration = Duration::from_millis(100);

/// KMS for one key.
#[derive(Debug)]
pub struct Network {
    remote: Remote,
    /// The key as metrics name it.
    label: String,
    shared: Arc<Shared>,
}

/// What all keys of a plugin share.
#[derive(Debug)]
pub struct Shared {
    /// How many calls of KMS there may be in a second.
    pub limiter: Limiter,
    /// How many of them may be retries.
    pub retries: Retries,
    /// The calls, counted.
    pub metrics: Metrics,
}

/// The answer to Decrypt. Nothing of it is copied, unless the text has escapes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptAnswer<'a> {
    #[serde(borrow)]
    plaintext: Cow<'a, str>,
    key_id: String,
    key_material_id: Option<String>,
}

impl Drop for DecryptAnswer<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(text) = &mut self.plaintext {
            text.zeroize();
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptAnswer {
    ciphertext_blob: String,
    key_id: String,
}

impl Network {
    /// KMS for a key, which metrics call by this label.
    pub fn new(remote: Remote, label: String, shared: Arc<Shared>) -> Self {
        Self {
            remote,
            label,
            shared,
        }
    }

    async fn call(
        &self,
        operation: Operation,
        body: &[u8],
        by: Instant,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let start = Instant::now();
        let answer = self.ask(operation, body, by).await;
        let result = answer.as_ref().map(drop);
        let metrics = &self.shared.metrics;
        metrics.count(&self.label, operation, result, start.elapsed());
        answer
    }

    async fn ask(
        &self,
        operation: Operation,
        body: &[u8],
        by: Instant,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let name = match operation {
            Operation::Decrypt => "Decrypt",
            Operation::Encrypt => "Encrypt",
        };
        let mut pause = PAUSE;
        let mut cost = Cost::FIRST;
        let start = Instant::now();
        let Shared {
            limiter, retries, ..
        } = &*self.shared;
        loop {
            if !limiter.turn(by).await {
                return Err(Fault::Limited);
            }
            let begun = Instant::now();
            let left = by.saturating_duration_since(begun);
            // An attempt that gets stuck leaves time for another one.
            let answer = self.remote.call(name, body.to_vec(), left * 2 / 3).await;
            let left = by.saturating_duration_since(Instant::now());
            let is_stuck = begun.elapsed() > STUCK;
            let next = match is_stuck {
                true => Cost::AFTER_SILENCE,
                false => Cost::RETRY,
            };
            match answer {
                Err(failure)
                    if passes(&failure)
                        && left > pause + WORTH
                        && (is_stuck || start.elapsed() + pause < RETRIES)
                        && retries.take(next) =>
                {
                    cost = next;
                    tracing::debug!(key = self.label, "{name} is tried again: {failure}");
                    sleep(pause).await;
                    pause *= 2;
                }
                Ok(answer) => {
                    retries.give_back(cost);
                    return Ok(answer);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }
}

impl Kms for Network {
    async fn encrypt(
        &self,
        key: &str,
        plaintext: &SecretBytes,
        context: &Context,
        by: Instant,
    ) -> Result<Encrypted, Fault> {
        let text = Zeroizing::new(STANDARD.encode(plaintext.expose()));
        let mut input = json!({ "KeyId": key, "Plaintext": *text });
        add(&mut input, context);
        let answer = self
            .call(Operation::Encrypt, &rendered(&input)?, by)
            .await?;
        let answer: EncryptAnswer = parsed(&answer)?;
        let blob = STANDARD.decode(answer.ciphertext_blob);
        Ok(Encrypted {
            blob: blob.map_err(|_| not_kms())?,
            key_arn: named(answer.key_id)?,
        })
    }

    async fn decrypt(
        &self,
        key: &str,
        blob: &[u8],
        context: &Context,
        by: Instant,
    ) -> Result<Decrypted, Fault> {
        let mut input = json!({ "KeyId": key, "CiphertextBlob": STANDARD.encode(blob) });
        add(&mut input, context);
        let body = self
            .call(Operation::Decrypt, &rendered(&input)?, by)
            .await?;
        let answer: DecryptAnswer<'_> = parsed(&body)?;
        let mut bytes = vec![0; base64::decoded_len_estimate(answer.plaintext.len())];
        let decoded = STANDARD.decode_slice(&*answer.plaintext, &mut bytes);
        bytes.truncate(decoded.as_ref().copied().unwrap_or(0));
        // From here on it is wiped, all of its capacity.
        let plaintext = SecretBytes::from_vec(bytes);
        decoded.map_err(|_| not_kms())?;
        let material = answer.key_material_id.clone();
        if !material.as_deref().is_none_or(is_material) {
            return Err(not_kms().into());
        }
        Ok(Decrypted {
            plaintext,
            key_arn: named(answer.key_id.clone())?,
            material,
        })
    }
}

/// Adds the encryption context. An empty one is left out, as aws-encryption-provider does.
fn add(input: &mut serde_json::Value, context: &Context) {
    if let (false, Some(members)) = (context.is_empty(), input.as_object_mut()) {
        members.insert("EncryptionContext".to_owned(), json!(context));
    }
}

/// The key that an answer names. It becomes part of the key id that an API server stores.
fn named(key_arn: String) -> Result<String, Failure> {
    match is_well_formed(&key_arn) {
        true => Ok(key_arn),
        false => Err(not_kms()),
    }
}

fn rendered(input: &serde_json::Value) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let body = serde_json::to_vec(input);
    body.map(Zeroizing::new).map_err(|_| not_kms())
}

fn not_kms() -> Failure {
    Failure::NoAnswer("the server did not answer as KMS does: check --kms-endpoint".to_owned())
}
