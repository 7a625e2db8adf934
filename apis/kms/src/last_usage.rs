//! A key with the time of its last use, for the operations that policies may bind to it.

use keyward_engine::directory::{
    ReadError, purpose,
    records::{self, LastUseRecord},
};
use keyward_types::{
    key_id::KeyArn,
    time::{DAY_MILLIS, Timestamp},
};

use crate::{Cx, fault::KmsFault, paths, resolved::ResolvedKey};

/// A key and how long ago it was used.
#[derive(Debug)]
pub struct KeyWithUse {
    /// The key.
    pub key: ResolvedKey,
    /// Whole days since its last use, or since it was created.
    pub trailing_days: i64,
}

impl KeyWithUse {
    /// Finds both.
    ///
    /// # Errors
    /// As for every key that is managed.
    pub async fn resolve(key_id: &str, cx: &Cx<'_>) -> Result<Self, KmsFault> {
        let key = cx.key_to_manage(key_id).await?;
        let Some(unit) = key.found_unit() else {
            return Ok(Self {
                key,
                trailing_days: 0,
            });
        };
        let last = cx.last_use(unit.arn()).await?.map(|usage| usage.at);
        let since: Timestamp = last.unwrap_or(unit.record().created);
        let trailing_days = cx.now.millis_since(since).max(0) / DAY_MILLIS;
        Ok(Self { key, trailing_days })
    }
}

impl Cx<'_> {
    /// The last successful use of a key, if there was one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn last_use(&self, key: &KeyArn) -> Result<Option<LastUseRecord>, ReadError> {
        if let Some(noted) = self.shared().usage().noted(key) {
            return Ok(Some(noted.to_record()));
        }
        let path = paths::last_use(key);
        let record = self.directory().reader().get(&path).await?.value;
        match record {
            Some(record) => Ok(Some(records::decode(record.bytes_of(purpose::LAST_USE)?)?)),
            None => Ok(None),
        }
    }
}
