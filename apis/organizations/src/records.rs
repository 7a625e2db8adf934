//! What Organizations stores, apart from the records that decide about requests, which the engine
//! reads.

use keyward_engine::directory::records::V1;
use keyward_types::{
    account::AccountId,
    organization::{CreateAccountRequestId, OrganizationId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// A request to create an account, and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAccountRecord {
    /// The record's version.
    pub version: V1,
    /// `car-…`.
    pub id: CreateAccountRequestId,
    /// The organization for which it was requested.
    pub organization: OrganizationId,
    /// The requested name.
    pub account_name: String,
    /// When it was requested and, at the same time, done.
    pub at: Timestamp,
    /// The account; `None` if it could not be made.
    pub account: Option<AccountId>,
}
