//! The store's own keys, and the store opened with them.

use std::sync::Arc;

use keyward_crypto::secret::arena::{Arena, ArenaSecret};
use keyward_keys::{
    keyring::{self, StoreKeys},
    root_key::RootKey,
};
use keyward_store::{
    batch::{Batch, Precondition},
    error::StoreError,
    path::{Path, Prefix},
    sealed::{
        Sealed,
        keys::{SealKey, SealKeyId, SealKeys},
    },
    store::Store,
};
use keyward_trail::chain::{Chain, ChainId};

use super::{error::OpenError, trail};

/// Where the store's own keys stand: the one record that is not sealed.
const KEYRING: &str = "keyring";

/// Whether the engine holds nothing yet, so that a root key may be made for it.
///
/// # Errors
/// When it cannot be read.
pub async fn is_empty(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.range(&Prefix::all(), None, 1).await?.value.is_empty())
}

/// The store's own keys, made if the store is empty.
async fn store_keys(
    store: &dyn Store,
    root: &RootKey,
    arena: &Arena,
) -> Result<StoreKeys, OpenError> {
    let path = Path::parse(KEYRING)?;
    if let Some(entry) = store.get(&path).await?.value {
        return Ok(keyring::open(&entry.value, root, arena)?);
    }
    if !is_empty(store).await? {
        return Err(OpenError::NoKeyring);
    }
    let bytes = keyring::generate(root)?;
    let keys = keyring::open(&bytes, root, arena)?;
    let mut batch = Batch::new();
    batch.put(path, bytes, Precondition::Absent)?;
    store.commit(batch).await?;
    Ok(keys)
}

/// The store for commands of a stopped server, whose commits keep the trail's head true.
pub(super) async fn open_sealed(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
) -> Result<Sealed, OpenError> {
    let (sealed, keys) = open_keys(store, root, arena).await?;
    trail::ledger(&sealed, &keys).await?;
    Ok(sealed)
}

pub(super) async fn open_keys(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
) -> Result<(Sealed, trail::Keys), OpenError> {
    if is_empty(&*store).await? {
        return Err(OpenError::NoKeyring);
    }
    let (sealed, keys, _) = opened_keys(store, root, arena).await?;
    Ok((sealed, keys))
}

/// Keys of the store that neither seal it nor authenticate the trail.
pub(super) struct OtherKeys {
    pub marker_key: ArenaSecret,
    pub session_key: ArenaSecret,
}

/// Opens the store's own keys, made if it is empty.
pub(super) async fn opened_keys(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
) -> Result<(Sealed, trail::Keys, OtherKeys), OpenError> {
    let StoreKeys {
        store_id,
        seal_keys,
        name_key,
        audit_key,
        marker_key,
        session_key,
    } = store_keys(&*store, root, arena).await?;
    let mut seal_keys: Vec<SealKey> = seal_keys
        .into_iter()
        .map(|(id, version, key)| SealKey::new(SealKeyId { id, version }, key))
        .collect::<Result<_, _>>()?;
    let current = seal_keys.pop().ok_or(OpenError::NoKeyring)?;
    let seal = Arc::new(SealKeys::new(store_id, current, seal_keys, name_key)?);
    let keys = trail::Keys {
        seal: Arc::clone(&seal),
        chain: Chain::new(ChainId::only(store_id), Arc::new(audit_key)),
    };
    let rest = OtherKeys {
        marker_key,
        session_key,
    };
    Ok((Sealed::new(store, seal), keys, rest))
}
