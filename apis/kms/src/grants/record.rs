//! A grant as it is stored.

use keyward_engine::directory::records::V1;
use keyward_types::{
    account::AccountId,
    grant::GrantId,
    key_id::{KeyArn, KeyId},
    region::Region,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::grants::{
    party::Party,
    terms::{Shape, Terms},
};

/// A grant. It is never changed: it ends when it is retired or revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRecord {
    /// The record's version.
    pub version: V1,
    /// The grant's id.
    pub id: GrantId,
    /// The key's Region.
    pub region: Region,
    /// The key's account.
    pub account: AccountId,
    /// The key.
    pub key: KeyId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// When it was created.
    pub created: Timestamp,
    /// The account that made it.
    pub issuing_account: AccountId,
    /// Who may use it.
    pub grantee: Party,
    /// Who else may retire it.
    pub retiring: Option<Party>,
    /// What it lets the grantee do.
    pub terms: Terms,
}

impl GrantRecord {
    /// The ARN of its key.
    pub fn key_arn(&self) -> KeyArn {
        KeyArn::new(self.region, self.account, self.key.clone())
    }
}

/// The grant that a name leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantNameRecord {
    /// The record's version.
    pub version: V1,
    /// The grant's id.
    pub id: GrantId,
}

/// A shape that constraints of a grantee's grants on a key have, or had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantShapeRecord {
    /// The record's version.
    pub version: V1,
    /// The shape.
    pub shape: Shape,
}
