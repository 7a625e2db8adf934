//! Credentials of the services that act for callers: given and taken away while the server is
//! stopped.

use std::sync::Arc;

use keyward_crypto::secret::{SecretBytes, arena::Arena};
use keyward_engine::directory::{
    paths, purpose,
    records::{self, AccessKeyOwner, AccessKeyRecord, ServiceRecord, V1},
};
use keyward_keys::root_key::RootKey;
use keyward_store::{
    batch::Precondition,
    sealed::{Sealed, SealedBatch},
    store::{MAX_RANGE, Store},
};
use keyward_types::{time::Clock, unique_id::AccessKeyId, via_service::ActingService};

use super::{
    FirstCredentials, OpenError,
    keys::open_sealed,
    trail::{FirstAccount, KEYWARD, put_event},
};

/// The services that have credentials.
///
/// # Errors
/// As [`super::open`].
pub async fn list(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
    (region, account): FirstAccount,
) -> Result<Vec<ServiceRecord>, OpenError> {
    let sealed = open_sealed(store, root, arena).await?;
    let prefix = paths::services(region.partition(), account);
    let found = sealed.range(&prefix, None, MAX_RANGE).await?.value;
    let mut services = Vec::new();
    for record in &found {
        services.push(records::decode(record.bytes_of(purpose::SERVICE)?)?);
    }
    Ok(services)
}

/// Gives a service credentials, in place of all it has. `draft` is told which access keys they
/// replace, and must have put them on disk before it answers; once this answers, they count.
///
/// # Errors
/// As [`super::open`].
pub async fn create(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
    clock: &dyn Clock,
    (service, place): (&ActingService, FirstAccount),
    draft: impl FnOnce(&FirstCredentials, &[AccessKeyId]) -> std::io::Result<()>,
) -> Result<(), OpenError> {
    let sealed = open_sealed(store, root, arena).await?;
    let (partition, account) = (place.0.partition(), place.1);
    let credentials = FirstCredentials::generate(account);
    let mut batch = sealed.batch();
    let had = take_away(&sealed, &mut batch, (service, place)).await?;
    let (precondition, replaced) = had.unwrap_or((Precondition::Absent, Vec::new()));
    draft(&credentials, &replaced).map_err(OpenError::Credentials)?;
    let record = ServiceRecord {
        version: V1,
        name: service.name().to_owned(),
        access_keys: vec![credentials.id.clone()],
    };
    let path = paths::service(partition, account, service.name())?;
    let bytes = records::encode(&record)?;
    batch.put(path, purpose::SERVICE, &bytes, precondition)?;
    let key = AccessKeyRecord {
        version: V1,
        id: credentials.id,
        account,
        partition,
        owner: AccessKeyOwner::Service(service.name().to_owned()),
        active: true,
        created: clock.now(),
        secret: credentials.secret,
    };
    let bytes = SecretBytes::from_vec(records::encode(&key)?);
    batch.put(
        paths::access_key(&key.id),
        purpose::CREDENTIAL,
        bytes.expose(),
        Precondition::Absent,
    )?;
    commit(
        &sealed,
        batch,
        clock,
        ("CreateServiceCredentials", service, place),
    )
    .await
}

/// Takes a service's credentials away; returns whether it had any. What it was granted stays, but
/// it cannot use it.
///
/// # Errors
/// As [`super::open`].
pub async fn delete(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
    clock: &dyn Clock,
    (service, place): (&ActingService, FirstAccount),
) -> Result<bool, OpenError> {
    let sealed = open_sealed(store, root, arena).await?;
    let mut batch = sealed.batch();
    let Some((at, _)) = take_away(&sealed, &mut batch, (service, place)).await? else {
        return Ok(false);
    };
    let path = paths::service(place.0.partition(), place.1, service.name())?;
    batch.delete(path, at)?;
    let what = ("DeleteServiceCredentials", service, place);
    commit(&sealed, batch, clock, what).await?;
    Ok(true)
}

/// Deletes the access keys of a service; answers the precondition of its record and the keys, if it
/// has any.
async fn take_away(
    sealed: &Sealed,
    batch: &mut SealedBatch,
    (service, (region, account)): (&ActingService, FirstAccount),
) -> Result<Option<(Precondition, Vec<AccessKeyId>)>, OpenError> {
    let path = paths::service(region.partition(), account, service.name())?;
    let Some(read) = sealed.get(&path).await?.value else {
        return Ok(None);
    };
    let record: ServiceRecord = records::decode(read.bytes_of(purpose::SERVICE)?)?;
    for key in &record.access_keys {
        batch.delete(paths::access_key(key), Precondition::Any)?;
    }
    let at = Precondition::At(read.revision);
    Ok(Some((at, record.access_keys)))
}

/// Commits the changes with their event.
async fn commit(
    sealed: &Sealed,
    mut batch: SealedBatch,
    clock: &dyn Clock,
    (name, service, place): (&str, &ActingService, FirstAccount),
) -> Result<(), OpenError> {
    put_event(&mut batch, (name, KEYWARD), (place, clock), |details| {
        details.string("service", &service.global_name());
    })?;
    sealed.commit(batch).await?;
    Ok(())
}
