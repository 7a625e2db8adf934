//! The access keys of Cloudera's protocol, with which a user calls `environments` and `de`. The server keeps their public
//! keys alone.

use std::sync::Arc;

use keyward_altus::KeyId;
use keyward_engine::{
    directory::{
        paths, purpose,
        records::{
            self,
            cdp::{CdpAccessKey, CdpAccessKeysRecord},
        },
        units::identity::UserUnit,
    },
    fault::Internal,
    gate::{Denied, Gate, protected::IdentityOnly},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision, sealed::SealedBatch};
use keyward_types::action::Action;
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx,
    fault::{KeywardFault, cdp::CdpFault},
};

/// The most access keys that a user may have.
pub const MOST_KEYS: usize = 5;

/// The user that a request names, or the caller.
#[derive(Clone, Debug)]
pub struct UserName(Option<String>);

impl UserName {
    /// `UserName`, if it is there.
    pub fn read(m: &mut Members<'_>) -> Self {
        let legal = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
            text.bytes().all(plain)
        };
        let name = m.string("UserName").length(1, 64);
        let name = name.pattern("[\\w+=,.@-]+", legal).optional();
        Self(name.map(str::to_owned))
    }

    /// The user.
    ///
    /// # Errors
    /// When none is named and the caller is none, or it cannot be read.
    pub async fn find(&self, cx: &Cx<'_>) -> Result<OneUser, KeywardFault> {
        let home = cx.caller.home();
        let Some(name) = &self.0 else {
            let user = cx.caller.user().ok_or(CdpFault::NotAUser)?;
            return Ok(OneUser {
                arn: user.principal().arn().to_owned(),
                name: user.record().name.to_string(),
                found: Some(Arc::clone(user)),
            });
        };
        let found = cx.directory().user_by_name(home.0, home.1, name).await?;
        let arn = match &found {
            Some(user) => user.principal().arn().to_owned(),
            None => format!("arn:{}:iam::{}:user/{name}", home.0, home.1),
        };
        Ok(OneUser {
            arn,
            name: name.clone(),
            found,
        })
    }
}

/// A user that a request names, who may not be there.
#[derive(Debug)]
pub struct OneUser {
    arn: String,
    name: String,
    found: Option<Arc<UserUnit>>,
}

impl OneUser {
    /// A permit for something that is done to the user.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn permit<A: Action>(&self, gate: &Gate<'_>) -> Result<Permit<A>, Denied> {
        let tags = self
            .found
            .as_ref()
            .map(|user| user.record().tags.as_slice());
        let on = IdentityOnly::new(&self.arn).tagged(tags.unwrap_or_default());
        gate.permit(&on, |_| ())
    }

    /// The user.
    ///
    /// # Errors
    /// If it is not there.
    pub fn get(&self) -> Result<&UserUnit, KeywardFault> {
        let user = || self.name.clone();
        let found = self.found.as_deref();
        Ok(found.ok_or_else(|| CdpFault::NoSuchUser { user: user() })?)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Cx<'_> {
    /// The access keys of a user, and when they were last written; none if there are none.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn cdp_keys(
        &self,
        user: &UserUnit,
    ) -> Result<Option<(CdpAccessKeysRecord, Revision)>, KeywardFault> {
        let home = self.caller.home();
        let path = paths::cdp_access_keys(home.0, home.1, &user.record().id);
        let directory = self.directory();
        Ok(directory.rare(&path, purpose::CDP_ACCESS_KEYS).await?)
    }

    /// A batch after which a user has these access keys. Deleting the user meanwhile is a conflict.
    ///
    /// # Errors
    /// When the records are too large.
    pub fn put_cdp_keys(
        &self,
        batch: &mut SealedBatch,
        user: &UserUnit,
        keys: &CdpAccessKeysRecord,
        at: Precondition,
    ) -> Result<(), KeywardFault> {
        let home = self.caller.home();
        let id = &user.record().id;
        let path = paths::cdp_access_keys(home.0, home.1, id);
        if keys.keys.is_empty() {
            batch.delete(path, at).map_err(Internal::new)?;
        } else {
            let bytes = records::encode(keys).map_err(Internal::new)?;
            let put = batch.put(path, purpose::CDP_ACCESS_KEYS, &bytes, at);
            put.map_err(Internal::new)?;
        }
        let path = paths::user(home.0, home.1, id);
        batch
            .check(path, Precondition::At(user.revision()))
            .map_err(Internal::new)?;
        Ok(())
    }
}

/// `AccessKeyId`, which must be there. What is no id is the id of nobody's key.
pub fn key_id(m: &mut Members<'_>) -> String {
    let id = m.string("AccessKeyId").length(1, 64).required();
    id.to_owned()
}

/// The id, if the user has that key.
///
/// # Errors
/// If it has not.
pub fn of_user(text: &str, keys: &CdpAccessKeysRecord) -> Result<KeyId, KeywardFault> {
    let id = KeyId::parse(text).filter(|id| keys.has(id));
    let key = || text.to_owned();
    Ok(id.ok_or_else(|| CdpFault::NoSuchKey { key: key() })?)
}

/// Writes what is told of an access key.
pub fn write(out: &mut Writer<'_>, key: &CdpAccessKey) {
    out.string("AccessKeyId", &key.id);
    out.string("AuthMethod", &key.method);
    out.timestamp("CreateDate", key.created);
}
