//! A small world: a root key, an account with domain keys, and permits that no policy gave.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use keyward_crypto::secret::arena::Arena;
use keyward_keys::{
    ciphertext_blob::CiphertextBlob,
    hierarchy::{AccountKey, AccountKeyRecord, DomainKey, DomainKeyRecord},
    key::Key,
    record::KeyRecord,
    ring::{KeyKind, NewKey, Ring, RingError},
    root_key::{RootKey, StoreRoot},
};
use keyward_policy::{
    permit::{Permit, assertion_for_tests},
    record::PolicyRecord,
};
use keyward_types::{
    account::AccountId,
    action::{self, Action},
    encryption_context::EncryptionContext,
    key_id::KeyArn,
    key_spec::EncryptionAlgorithm,
    region::Region,
    store_id::StoreId,
    time::Timestamp,
};

pub const CALLER: &str = "arn:aws:iam::111122223333:user/alice";
pub const SYMMETRIC: EncryptionAlgorithm = EncryptionAlgorithm::SymmetricDefault;
/// 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

pub struct World {
    pub root: RootKey,
    pub arena: Arena,
    pub ring: Ring,
    pub domain: Arc<DomainKey>,
}

/// The store of all that is in a world.
pub const STORE: StoreId = StoreId::from_bytes([0x5a; 16]);

pub fn account() -> AccountId {
    AccountId::parse("111122223333").unwrap()
}

pub fn region() -> Region {
    Region::parse("us-east-1").unwrap()
}

pub fn permit<A: Action>(arn: &KeyArn) -> Permit<A> {
    assertion_for_tests(CALLER, account(), arn.as_str())
}

pub fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    let pairs = pairs
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    EncryptionContext::new(pairs.collect()).unwrap()
}

/// What is ready at once, as all of the software backend's answers are.
pub fn ready<T>(work: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(work).poll(&mut context) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("this must not wait"),
    }
}

impl World {
    pub fn new() -> Self {
        Self::with_arena(1 << 16)
    }

    pub fn with_arena(bytes: usize) -> Self {
        let (arena, _) = Arena::new(bytes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = RootKey::create(&folder.path().join("root.key"), &arena).unwrap();
        let domain = domain(root.in_store(STORE), &arena, account(), region());
        Self {
            root,
            ring: Ring::new(arena.clone()),
            arena,
            domain,
        }
    }

    pub fn create(&self) -> Key {
        self.create_in(&self.domain)
    }

    pub fn create_in(&self, domain: &Arc<DomainKey>) -> Key {
        let (region, account) = (domain.region(), domain.account());
        let place = format!("arn:{}:kms:{region}:{account}:*", region.partition());
        let permit = assertion_for_tests::<action::CreateKey>(CALLER, account, &place);
        let policy = PolicyRecord::unbound("{}".to_owned());
        let new = NewKey {
            kind: KeyKind::SYMMETRIC,
            description: String::new(),
            policy,
            tags: Vec::new(),
        };
        let record = ready(self.ring.create(&permit, domain, new, START)).unwrap();
        self.ring.open(record, Arc::clone(domain))
    }

    /// The key as it is after its record was stored and read again.
    pub fn reopen(&self, record: KeyRecord) -> Key {
        let read = KeyRecord::parse(&record.to_bytes().unwrap()).unwrap();
        assert_eq!(read, record);
        self.ring.open(read, Arc::clone(&self.domain))
    }

    pub fn encrypt(&self, key: &Key, plaintext: &[u8], context: &EncryptionContext) -> Vec<u8> {
        let permit = permit(key.arn());
        ready(
            self.ring
                .encrypt(&permit, key, SYMMETRIC, plaintext, context),
        )
        .unwrap()
        .0
    }

    /// Decrypts and says why not. Bytes that do not parse fail as those that do not open.
    pub fn decrypt(
        &self,
        key: &Key,
        blob: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, RingError> {
        let parsed = CiphertextBlob::parse(blob);
        let of_key = key.parse_blob(blob);
        assert_eq!(parsed, of_key, "the same is read, whatever is known before");
        let blob = of_key?;
        let (plaintext, _) =
            ready(
                self.ring
                    .decrypt(&permit(key.arn()), key, SYMMETRIC, &blob, context),
            )?;
        Ok(plaintext.expose().to_vec())
    }
}

pub fn account_key(root: StoreRoot<'_>, arena: &Arena, account: AccountId) -> Arc<AccountKey> {
    let record = AccountKeyRecord::generate(root, account).unwrap();
    Arc::new(record.open(root, arena).unwrap())
}

pub fn domain(
    root: StoreRoot<'_>,
    arena: &Arena,
    account: AccountId,
    region: Region,
) -> Arc<DomainKey> {
    let record = DomainKeyRecord::generate(root, region, account).unwrap();
    let account_key = account_key(root, arena, account);
    Arc::new(record.open(root, account_key, arena).unwrap())
}
