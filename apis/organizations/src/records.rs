//! What Organizations keeps beside what decides, whose records the engine reads.

use keyward_engine::directory::records::V1;
use keyward_types::{
    account::AccountId,
    organization::{CreateAccountRequestId, OrganizationId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// A request to create an account, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAccountRecord {
    /// The record's version.
    pub version: V1,
    /// `car-…`.
    pub id: CreateAccountRequestId,
    /// The organization that it was asked for.
    pub organization: OrganizationId,
    /// The name that was asked for.
    pub account_name: String,
    /// When it was asked for and done, at once.
    pub at: Timestamp,
    /// The account; `None` if it could not be made.
    pub account: Option<AccountId>,
}
