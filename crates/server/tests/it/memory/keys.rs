//! Every key that a store holds, unwrapped by the formats alone.

use std::{collections::HashMap, fmt, fs, path::Path as FilePath, sync::Arc};

use keyward_crypto::secret::arena::Arena;
use keyward_engine::directory::purpose;
use keyward_keys::{
    hierarchy::{AccountKeyRecord, DomainKeyRecord},
    keyring,
    record::KeyRecord,
    root_key::RootKey,
};
use keyward_store::{
    path::{Path, Prefix},
    sealed::{
        Sealed,
        keys::{SealKey, SealKeyId, SealKeys},
    },
    sqlite::{Sqlite, SqliteOptions},
    store::{MAX_RANGE, Store},
};

/// A key with its name.
pub struct Secret {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Secret {
    pub fn new(name: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.as_ref().to_vec(),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The root key, the store's own keys, account and domain keys, and all key material of a data
/// directory whose server does not write.
pub async fn keys_at_rest(data_dir: &FilePath) -> Vec<Secret> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["store.db", "store.db-wal"] {
        fs::copy(data_dir.join(name), copy.path().join(name)).unwrap();
    }
    let (arena, _) = Arena::new(64 << 10).unwrap();
    let file = data_dir.join("root.key");
    let root = RootKey::open(&file, &arena).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let digits = text.lines().find_map(|line| line.strip_prefix("key "));
    let root_bytes: [u8; 32] = hex::decode(digits.unwrap()).unwrap().try_into().unwrap();
    let mut found = vec![Secret::new("root key", root_bytes)];

    let store = Sqlite::open(SqliteOptions::new(copy.path().join("store.db"))).unwrap();
    let keyring = store.get(&Path::parse("keyring").unwrap()).await.unwrap();
    let keyring = keyring.value.unwrap().value;
    let keys = keyring::open(&keyring, &root, &arena).unwrap();
    let id = keys.store_id;
    found.push(Secret::new("audit key", keys.audit_key.expose()));
    found.push(Secret::new("name key", keys.name_key.expose()));
    found.push(Secret::new("marker key", keys.marker_key.expose()));
    found.push(Secret::new("session key", keys.session_key.expose()));
    let mut seal_keys = Vec::new();
    for (id, version, key) in keys.seal_keys {
        found.push(Secret::new(format!("seal key {version}"), key.expose()));
        seal_keys.push(SealKey::new(SealKeyId { id, version }, key).unwrap());
    }
    let current = seal_keys.pop().unwrap();
    let seals = SealKeys::new(id, current, seal_keys, keys.name_key).unwrap();
    let sealed = Sealed::new(Arc::new(store), Arc::new(seals));

    let (mut domain_keys, mut records) = (HashMap::new(), Vec::new());
    let all = Prefix::parse("aws/").unwrap();
    for record in sealed.range(&all, None, MAX_RANGE).await.unwrap().value {
        if record.purpose == purpose::ACCOUNT_KEY {
            let key: AccountKeyRecord = serde_json::from_slice(record.bytes()).unwrap();
            let subject = format!("store {id} account {}", key.account);
            let key = key.key.0.unwrap_key(&root_bytes, subject.as_bytes());
            found.push(Secret::new("account key", key.unwrap().expose()));
        } else if record.purpose == purpose::DOMAIN_KEY {
            let key: DomainKeyRecord = serde_json::from_slice(record.bytes()).unwrap();
            let (region, account) = (key.region, key.account);
            let subject = format!("store {id} domain {region} {account} {}", key.key_version);
            let key = key.key.0.unwrap_key(&root_bytes, subject.as_bytes());
            let key: [u8; 32] = *key.unwrap().expose_array().unwrap();
            found.push(Secret::new(format!("domain key {region}"), key));
            domain_keys.insert((region, account), key);
        } else if record.purpose == purpose::KEY {
            records.push(KeyRecord::parse(record.bytes()).unwrap());
        }
    }
    for record in records {
        let domain = &domain_keys[&(record.region, record.account)];
        for (number, material) in (1..).zip(&record.materials) {
            let mut subject = format!("store {id} material {} ", record.arn()).into_bytes();
            subject.extend_from_slice(material.id.as_bytes());
            let key = material.wrapped.0.unwrap_key(domain, &subject);
            let name = format!("material {number} of {}", record.id);
            found.push(Secret::new(name, key.unwrap().expose()));
        }
    }
    found
}
