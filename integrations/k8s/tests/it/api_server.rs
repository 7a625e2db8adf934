//! What an API server does with its KMS provider, as `encryptionconfig/config.go` and `envelope/kmsv2` of
//! `k8s.io/apiserver` have it: it asks for the status every minute, and every 10 seconds after a bad answer; it encrypts
//! one seed, with which it encrypts objects by itself until the key id changes; and it writes for three minutes after
//! the last good status.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use keyward_k8s::{
    provider::Provider,
    wire::{DecryptRequest, EncryptRequest, EncryptResponse},
};
use tokio::time::{Instant, sleep_until};

use crate::kms::Memory;

/// How long it waits for the plugin.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How often it asks while all is well, and while it is not.
const POLL: Duration = Duration::from_secs(60);
const POLL_FAILING: Duration = Duration::from_secs(10);
/// How long it writes after the last good status.
const WRITES: Duration = Duration::from_secs(180);

/// An API server, from one start of it to the next.
pub struct ApiServer {
    provider: Arc<Provider<Memory>>,
    version: Option<String>,
    current: Option<Current>,
    seeds: BTreeMap<Vec<u8>, Vec<u8>>,
    next_poll: Instant,
    /// How often it has asked for the status.
    pub polls: u32,
}

/// What it writes with.
struct Current {
    seed: Vec<u8>,
    source: EncryptResponse,
    expires: Instant,
}

/// What is in etcd.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    data: Vec<u8>,
    source: EncryptResponse,
}

/// What it reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    /// The secret.
    pub data: String,
    /// Whether a storage migration would write it anew.
    pub stale: bool,
}

impl ApiServer {
    /// Starts it. A provider that does not answer is no reason not to start.
    pub async fn start(provider: &Arc<Provider<Memory>>) -> Self {
        let mut server = Self {
            provider: Arc::clone(provider),
            version: None,
            current: None,
            seeds: BTreeMap::new(),
            next_poll: Instant::now(),
            polls: 0,
        };
        server.runs_for(Duration::ZERO).await;
        server
    }

    /// Lets time pass.
    pub async fn runs_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while self.next_poll <= end {
            sleep_until(self.next_poll).await;
            let start = Instant::now();
            let poll = match self.poll().await {
                Ok(()) => POLL,
                Err(_) => POLL_FAILING,
            };
            self.next_poll = start + poll;
        }
        sleep_until(end).await;
    }

    /// Asks for the status, and makes a new seed if the key has changed.
    pub async fn poll(&mut self) -> Result<(), String> {
        self.polls += 1;
        let expires = Instant::now() + WRITES;
        let by = Instant::now() + TIMEOUT;
        let status = self.provider.status(by).await;
        let status = status.map_err(|fault| fault.to_string())?;
        assert_eq!(status.healthz, "ok");
        let version = self.version.get_or_insert(status.version.clone());
        assert_eq!(*version, status.version);
        assert!((1..=1024).contains(&status.key_id.len()));
        if let Some(current) = &mut self.current
            && current.source.key_id == status.key_id
        {
            current.expires = expires;
            return Ok(());
        }
        let seed = keyward_crypto::random::array::<32>().to_vec();
        let request = EncryptRequest {
            plaintext: seed.clone(),
            uid: "u".to_owned(),
        };
        let source = self.provider.encrypt(request, Instant::now() + TIMEOUT);
        let source = source.await.map_err(|fault| fault.to_string())?;
        assert!((1..=1024).contains(&source.ciphertext.len()));
        if source.key_id != status.key_id {
            return Err("the key id of Encrypt is not that of Status".to_owned());
        }
        self.seeds.insert(source.ciphertext.clone(), seed.clone());
        self.current = Some(Current {
            seed,
            source,
            expires,
        });
        Ok(())
    }

    /// Writes a secret.
    pub fn write(&self, data: &str) -> Result<Object, &'static str> {
        let current = self.current.as_ref().ok_or("unexpected nil transformer")?;
        if Instant::now() > current.expires {
            return Err("the encryption key has expired");
        }
        Ok(Object {
            data: mixed(data.as_bytes(), &current.seed),
            source: current.source.clone(),
        })
    }

    /// Reads one, by a seed that it knows or has decrypted.
    pub async fn read(&mut self, object: &Object) -> Result<Read, String> {
        let current = self.current.as_ref().ok_or("unexpected nil transformer")?;
        let Object { data, source } = object;
        let stale = source.key_id != current.source.key_id;
        let seed = match self.seeds.get(&source.ciphertext) {
            Some(seed) => seed.clone(),
            None => {
                let request = DecryptRequest {
                    ciphertext: source.ciphertext.clone(),
                    uid: "u".to_owned(),
                    key_id: source.key_id.clone(),
                    annotations: source.annotations.clone(),
                };
                let by = Instant::now() + TIMEOUT;
                let seed = self.provider.decrypt(request, by).await;
                let seed = seed.map_err(|fault| fault.to_string())?;
                seed.plaintext.clone()
            }
        };
        let data = String::from_utf8(mixed(data, &seed)).unwrap();
        self.seeds.insert(source.ciphertext.clone(), seed);
        Ok(Read { data, stale })
    }
}

/// In place of AES-GCM.
fn mixed(data: &[u8], seed: &[u8]) -> Vec<u8> {
    let bytes = data.iter().zip(seed.iter().cycle());
    bytes.map(|(byte, seed)| byte ^ seed).collect()
}
