//! The four operations of KMS that a volume needs. For the volume of an agent, the server does what is left of them.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html>

use std::{
    borrow::Cow,
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use anyhow::bail;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_client::{
    Client, TIMEOUT,
    answer::{Failure, no_answer, of_answer, parsed},
};
use keyward_crypto::secret::{SecretBytes, allocator::wiping};
use keyward_volume::KeyInfo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use zeroize::{Zeroize as _, Zeroizing};

use super::source::KeySource;

/// Bytes of a data key.
const DATA_KEY_BYTES: usize = 32;

/// A KMS. Each call looks up the server and the credentials anew, since both may have changed.
#[derive(Debug)]
pub struct Kms {
    source: KeySource,
    runtime: Runtime,
    timeout: Duration,
}

/// The answer to Decrypt. Nothing of it is copied, unless the text has escapes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted<'a> {
    #[serde(borrow)]
    plaintext: Cow<'a, str>,
}

impl Drop for Decrypted<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(text) = &mut self.plaintext {
            text.zeroize();
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    ciphertext_blob: String,
    key_id: String,
}

impl Kms {
    /// The KMS that the flags and the environment say.
    ///
    /// # Errors
    /// When the process can have no runtime.
    pub fn new(source: impl Into<KeySource>) -> anyhow::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        Ok(Self {
            source: source.into(),
            runtime: builder.enable_all().build()?,
            timeout: TIMEOUT,
        })
    }

    /// The same, but it waits only so long for an answer.
    #[must_use]
    pub fn patient_for(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same, but it starts no thread afterwards: the one that resolves host names is there from now on.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn with_resolver(source: impl Into<KeySource>) -> anyhow::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder
            .enable_all()
            .max_blocking_threads(1)
            .thread_keep_alive(Duration::MAX)
            .build()?;
        // It panics if there is no thread to be had.
        let begun = panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(runtime.spawn_blocking(|| ()))
        }));
        match begun {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => bail!("no thread can be started that resolves host names"),
        }
        Ok(Self {
            source: source.into(),
            runtime,
            timeout: TIMEOUT,
        })
    }

    /// Whether it is said where KMS is and who asks.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self) -> anyhow::Result<()> {
        match &self.source {
            KeySource::Kms(connect) => connect.kms().map(drop),
            KeySource::Agent(assigned) => assigned.client().map(drop),
        }
    }

    /// A new data key of 32 bytes, wrapped, and the ARN of the key that wraps it.
    ///
    /// # Errors
    /// When KMS refuses or does not answer.
    pub fn generate(
        &self,
        key_id: &str,
        context: &BTreeMap<String, String>,
    ) -> Result<(Vec<u8>, String), Failure> {
        let input = json!({
            "KeyId": key_id,
            "KeySpec": "AES_256",
            "EncryptionContext": context,
        });
        encrypted(&self.call("GenerateDataKeyWithoutPlaintext", &input)?)
    }

    /// A data key in plaintext.
    ///
    /// # Errors
    /// When KMS refuses or does not answer.
    pub fn decrypt(&self, key: &KeyInfo) -> Result<SecretBytes, Failure> {
        // It passes through buffers of the TLS and HTTP libraries.
        wiping(|| {
            let body = match &self.source {
                KeySource::Kms(_) => {
                    let input = json!({
                        "CiphertextBlob": STANDARD.encode(&key.wrapped),
                        "KeyId": key.key_arn,
                        "EncryptionContext": key.context,
                    });
                    self.call("Decrypt", &input)?
                }
                // The server has the wrapped key, and presents no other.
                KeySource::Agent(assigned) => {
                    let client = assigned.client().map_err(no_answer)?;
                    let body = rendered(&json!({ "VolumeId": assigned.volume }))?;
                    let asked = client.post_own("OpenVolume", body, self.timeout);
                    self.answered(asked)?
                }
            };
            let answer: Decrypted<'_> = parsed(&body)?;
            data_key(&answer.plaintext)
        })
    }

    /// A data key wrapped anew, by a key and for a context; its plaintext does not leave KMS.
    ///
    /// # Errors
    /// When KMS refuses or does not answer.
    pub fn re_encrypt(
        &self,
        old: &KeyInfo,
        key_id: &str,
        context: &BTreeMap<String, String>,
    ) -> Result<(Vec<u8>, String), Failure> {
        let input = json!({
            "CiphertextBlob": STANDARD.encode(&old.wrapped),
            "SourceKeyId": old.key_arn,
            "SourceEncryptionContext": old.context,
            "DestinationKeyId": key_id,
            "DestinationEncryptionContext": context,
        });
        encrypted(&self.call("ReEncrypt", &input)?)
    }

    fn call(&self, operation: &str, input: &Value) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let client = self.kms()?;
        let target = format!("TrentService.{operation}");
        let asked = client.post("kms", &target, rendered(input)?, self.timeout);
        self.answered(asked)
    }

    fn kms(&self) -> Result<Client, Failure> {
        match &self.source {
            KeySource::Kms(connect) => connect.kms().map_err(no_answer),
            KeySource::Agent(_) => Err(Failure::NoAnswer(
                "the volume belongs to an agent: only its server wraps its data key".to_owned(),
            )),
        }
    }

    fn answered(
        &self,
        asked: impl Future<Output = anyhow::Result<(http::StatusCode, Zeroizing<Vec<u8>>)>>,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        of_answer(self.runtime.block_on(asked))
    }
}

fn rendered(input: &Value) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(input).map_err(|error| no_answer(error.into()))
}

fn encrypted(body: &[u8]) -> Result<(Vec<u8>, String), Failure> {
    let answer: Encrypted = parsed(body)?;
    let blob = STANDARD.decode(answer.ciphertext_blob);
    let blob =
        blob.map_err(|_| Failure::NoAnswer("the server did not answer as KMS does".to_owned()))?;
    Ok((blob, answer.key_id))
}

/// Decodes a data key without a copy elsewhere.
fn data_key(text: &str) -> Result<SecretBytes, Failure> {
    let mut bytes = vec![0; base64::decoded_len_estimate(text.len())];
    let decoded = STANDARD.decode_slice(text, &mut bytes);
    let length = decoded.as_ref().copied().unwrap_or(0);
    bytes.truncate(length);
    // From here on it is wiped, all of its capacity.
    let secret = SecretBytes::from_vec(bytes);
    match decoded {
        Ok(DATA_KEY_BYTES) => Ok(secret),
        _ => Err(Failure::NoAnswer(
            "KMS answered with something that is not a data key of 32 bytes".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_data_key_of_32_bytes_is_taken() {
        let good = STANDARD.encode([7; 32]);
        assert_eq!(data_key(&good).unwrap().expose(), [7; 32]);
        for wrong in ["", "AAAA", "*", &STANDARD.encode([7; 33])] {
            assert!(data_key(wrong).is_err(), "{wrong}");
        }
        let body = format!(
            r#"{{"KeyId":"k","Plaintext":"{}"}}"#,
            good.replace('B', "\\u0042")
        );
        let answer: Decrypted<'_> = parsed(body.as_bytes()).unwrap();
        assert_eq!(data_key(&answer.plaintext).unwrap().len(), 32);
    }
}
