//! Where the records of Organizations are stored. Those that decide about requests are stored where
//! [`keyward_engine::directory::paths`] says.

use keyward_engine::directory::paths::{ORGANIZATION, below_global, global};
pub use keyward_engine::directory::paths::{
    account_email, membership, policy_attachment, principal_id, role,
};
use keyward_store::path::{Path, Prefix, Segment};
use keyward_types::{
    account::AccountId, organization::CreateAccountRequestId, partition::Partition,
};

/// The path segment for the head of an organization.
const HEAD: Segment<'static> = Segment::word("head");
/// The path segment for requests to create accounts.
const CREATE_ACCOUNT: Segment<'static> = Segment::word("create-account");

/// The head of an organization's unit.
pub fn organization_head(partition: Partition, management: AccountId) -> Path {
    global(partition, management, [ORGANIZATION, HEAD])
}

/// A request to create an account.
pub fn create_account(
    partition: Partition,
    management: AccountId,
    id: &CreateAccountRequestId,
) -> Path {
    global(partition, management, [CREATE_ACCOUNT, id.into()])
}

/// Every request of an organization to create an account.
pub fn create_accounts(partition: Partition, management: AccountId) -> Prefix {
    below_global(partition, management, [CREATE_ACCOUNT])
}
