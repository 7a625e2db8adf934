//! Accounts and the access keys of their root users: at the first start, and by commands of a stopped
//! server.

use std::sync::Arc;

use keyward_api_kms::state::AccountKeys;
use keyward_api_organizations::create_account::{is_account_name, is_email};
use keyward_crypto::{
    random,
    secret::{SecretBytes, arena::Arena},
};
use keyward_engine::directory::{
    accounts as directory_accounts,
    organizations::email_hash,
    paths, purpose,
    records::{
        self, AccessKeyOwner, AccessKeyRecord, AccountRecord, SecretText, V1,
        organization::EmailRecord,
    },
    scopes::scopes_of,
};
use keyward_keys::root_key::RootKey;
use keyward_store::{
    batch::Precondition,
    path::Prefix,
    sealed::{Sealed, SealedBatch},
    store::Store,
};
use keyward_types::{
    account::AccountId, partition::Partition, region::Region, time::Clock, unique_id::AccessKeyId,
};

use super::{OpenOptions, error::OpenError, keys::open_sealed, trail::put_event};

/// The root user's first access key, before it is kept.
#[derive(Debug)]
pub struct FirstCredentials {
    /// The id.
    pub id: AccessKeyId,
    /// The secret.
    pub secret: SecretText,
}

impl FirstCredentials {
    /// A new random access key of an account's root user.
    pub fn generate(account: AccountId) -> Self {
        let id = AccessKeyId::long_term(account, random::array());
        Self {
            id,
            secret: SecretText::generate(),
        }
    }

    /// As a profile of AWS's shared credentials file.
    pub fn profile(&self, name: &str) -> SecretText {
        // Room enough for any: growing would leave a copy of the secret behind.
        let mut text = String::with_capacity(1024);
        for part in [
            "[",
            name,
            "]\naws_access_key_id = ",
            self.id.as_str(),
            "\naws_secret_access_key = ",
            self.secret.expose(),
            "\n",
        ] {
            text.push_str(part);
        }
        SecretText::new(text)
    }
}

/// An account that is to be made.
#[derive(Debug)]
pub struct NewAccount {
    /// Its id.
    pub account: AccountId,
    /// A Region of the partition it is to live in.
    pub region: Region,
    /// Its name.
    pub name: Option<String>,
    /// Its e-mail address.
    pub email: Option<String>,
}

/// Whether a store has an access key, of whomever.
///
/// # Errors
/// As [`super::open`].
pub async fn has_access_key(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
    id: &AccessKeyId,
) -> Result<bool, OpenError> {
    let sealed = open_sealed(store, root, arena).await?;
    Ok(sealed.get(&paths::access_key(id)).await?.value.is_some())
}

/// The account's root access keys; the account is made if there is none.
pub(super) async fn account(
    sealed: &Sealed,
    root: &RootKey,
    clock: &dyn Clock,
    options: &OpenOptions<'_>,
    first: impl FnOnce() -> std::io::Result<FirstCredentials>,
) -> Result<Vec<AccessKeyId>, OpenError> {
    let (partition, account) = (options.region.partition(), options.account);
    let path = paths::account(partition, account);
    if let Some(record) = sealed.get(&path).await?.value {
        let record: AccountRecord = records::decode(record.bytes_of(purpose::ACCOUNT)?)?;
        return Ok(record.root_access_keys);
    }
    // Only the keyring is in a store whose account was never made.
    if sealed
        .store()
        .range(&Prefix::all(), None, 2)
        .await?
        .value
        .len()
        > 1
    {
        return Err(OpenError::OtherAccount { account, partition });
    }
    let credentials = first().map_err(OpenError::Credentials)?;
    let mut batch = sealed.batch();
    let record = AccountRecord {
        version: V1,
        account,
        partition,
        created: clock.now(),
        root_access_keys: vec![credentials.id.clone()],
        inactive_root_access_keys: Vec::new(),
        root_replaced: None,
        name: None,
        email: None,
    };
    let keys = AccountKeys(root.in_store(sealed.store_id()));
    directory_accounts::put(&mut batch, &record, None, &keys)
        .map_err(|error| OpenError::Form(error.chain()))?;
    put_root_credentials(
        &mut batch,
        credentials,
        (partition, account),
        options.region,
        clock,
    )?;
    sealed.commit(batch).await?;
    Ok(record.root_access_keys)
}

fn put_root_credentials(
    batch: &mut SealedBatch,
    credentials: FirstCredentials,
    (partition, account): (Partition, AccountId),
    region: Region,
    clock: &dyn Clock,
) -> Result<(), OpenError> {
    let record = AccessKeyRecord {
        version: V1,
        id: credentials.id,
        account,
        partition,
        owner: AccessKeyOwner::Root,
        active: true,
        created: clock.now(),
        secret: credentials.secret,
    };
    let bytes = SecretBytes::from_vec(records::encode(&record)?);
    batch.put(
        paths::access_key(&record.id),
        purpose::CREDENTIAL,
        bytes.expose(),
        Precondition::Any,
    )?;
    let name = ("CreateRootAccessKey", "iam.amazonaws.com");
    put_event(batch, name, ((region, account), clock), |details| {
        details.string("accessKeyId", record.id.as_str());
    })
}

/// Gives the root user a new access key in place of all it has, for owners who lost theirs. The
/// server must not be running.
///
/// # Errors
/// As [`open`].
pub async fn replace_root_credentials(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
    clock: &dyn Clock,
    (region, account): (Region, AccountId),
    first: impl FnOnce() -> std::io::Result<FirstCredentials>,
) -> Result<(), OpenError> {
    let sealed = open_sealed(store, root, arena).await?;
    let partition = region.partition();
    let path = paths::account(partition, account);
    let Some(read) = sealed.get(&path).await?.value else {
        return Err(OpenError::OtherAccount { account, partition });
    };
    let record: AccountRecord = records::decode(read.bytes_of(purpose::ACCOUNT)?)?;
    let credentials = first().map_err(OpenError::Credentials)?;
    let mut batch = sealed.batch();
    for old in record
        .root_access_keys
        .iter()
        .filter(|old| **old != credentials.id)
    {
        batch.delete(paths::access_key(old), Precondition::Any)?;
    }
    let record = AccountRecord {
        root_access_keys: vec![credentials.id.clone()],
        inactive_root_access_keys: Vec::new(),
        root_replaced: Some(clock.now()),
        ..record
    };
    let at = Precondition::At(read.revision);
    batch.put(path, purpose::ACCOUNT, &records::encode(&record)?, at)?;
    put_root_credentials(&mut batch, credentials, (partition, account), region, clock)?;
    sealed.commit(batch).await?;
    Ok(())
}

/// Makes an account and an access key of its root user. The server must not be running. `first`
/// must have put the credentials on disk before it answers; once this answers, they count.
///
/// # Errors
/// As [`open`], and when id or e-mail address are another account's.
pub async fn create_account(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
    clock: &dyn Clock,
    new: NewAccount,
    first: impl FnOnce() -> std::io::Result<FirstCredentials>,
) -> Result<(), OpenError> {
    let NewAccount {
        account,
        region,
        name,
        email,
    } = new;
    let named = |name: &String| name.len() <= 50 && is_account_name(name);
    if !name.as_ref().is_none_or(named) {
        return Err(OpenError::AccountName);
    }
    let addressed = |email: &String| (6..=64).contains(&email.len()) && is_email(email);
    if !email.as_ref().is_none_or(addressed) {
        return Err(OpenError::Email);
    }
    let sealed = open_sealed(store, root, arena).await?;
    let partition = region.partition();
    let path = paths::account(partition, account);
    if sealed.get(&path).await?.value.is_some() {
        return Err(OpenError::AccountExists(account));
    }
    let mut batch = sealed.batch();
    if let Some(email) = &email {
        let path = paths::account_email(partition, &email_hash(&sealed, partition, email));
        if let Some(record) = sealed.get(&path).await?.value {
            let bytes = record.bytes_of(purpose::ACCOUNT_EMAIL)?;
            let taken: EmailRecord = records::decode(bytes)?;
            return Err(OpenError::EmailTaken(taken.account));
        }
        let record = EmailRecord {
            version: V1,
            account,
        };
        let bytes = records::encode(&record)?;
        batch.put(path, purpose::ACCOUNT_EMAIL, &bytes, Precondition::Absent)?;
    }
    let credentials = first().map_err(OpenError::Credentials)?;
    let record = AccountRecord {
        version: V1,
        account,
        partition,
        created: clock.now(),
        root_access_keys: vec![credentials.id.clone()],
        inactive_root_access_keys: Vec::new(),
        root_replaced: None,
        name,
        email,
    };
    let keys = AccountKeys(root.in_store(sealed.store_id()));
    directory_accounts::put(&mut batch, &record, None, &keys)
        .map_err(|error| OpenError::Form(error.chain()))?;
    put_root_credentials(&mut batch, credentials, (partition, account), region, clock)?;
    sealed.commit(batch).await?;
    Ok(())
}

/// Every account of a store, by id. The server must not be running.
///
/// # Errors
/// As [`open`].
pub async fn accounts(
    store: Arc<dyn Store>,
    root: &RootKey,
    arena: &Arena,
) -> Result<Vec<AccountRecord>, OpenError> {
    let scopes = scopes_of(&*store).await?;
    let sealed = open_sealed(store, root, arena).await?;
    let mut accounts = Vec::new();
    for scope in scopes.iter().filter(|scope| scope.region.is_none()) {
        let path = paths::account(scope.partition, scope.account);
        if let Some(record) = sealed.get(&path).await?.value {
            accounts.push(records::decode(record.bytes_of(purpose::ACCOUNT)?)?);
        }
    }
    Ok(accounts)
}
