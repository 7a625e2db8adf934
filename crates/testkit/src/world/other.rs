//! The other account, which has nobody but its root user until a test makes somebody.

use keyward_engine::directory::records::AccountRecord;

use super::*;

impl World {
    pub(super) fn other_account(&self, root_access_keys: Vec<AccessKeyId>) -> AccountRecord {
        AccountRecord {
            version: V1,
            account: account(OTHER),
            partition: Partition::Aws,
            created: self.hands.now(),
            root_access_keys,
            inactive_root_access_keys: Vec::new(),
            root_replaced: None,
            name: None,
            email: None,
        }
    }

    /// The root user of the other account.
    pub async fn other_root(&self) -> Key {
        let mut batch = self.workers.batch();
        let key = self.put_key(&mut batch, OTHER, AccessKeyOwner::Root);
        let record = self.other_account(vec![AccessKeyId::parse(&key.id).unwrap()]);
        let path = paths::account(Partition::Aws, account(OTHER));
        let any = Precondition::Any;
        put(&mut batch, path, purpose::ACCOUNT, &record, any);
        self.workers.commit(batch).await.unwrap();
        key
    }
}
