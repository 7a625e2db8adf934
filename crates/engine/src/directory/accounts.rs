//! New accounts: their records, and what APIs keep for each.

use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{account::AccountId, partition::Partition};

use crate::{
    directory::{
        paths, purpose,
        records::{
            self, AccountRecord, V1,
            organization::{InOrganization, MembershipRecord},
        },
    },
    fault::Internal,
};

/// What an API keeps for every account, from its beginning.
pub trait OfAccounts: std::fmt::Debug + Send + Sync {
    /// Adds it to the batch that creates an account.
    ///
    /// # Errors
    /// When it cannot be created, or the batch has no room for it.
    fn put(
        &self,
        batch: &mut SealedBatch,
        partition: Partition,
        account: AccountId,
    ) -> Result<(), Internal>;
}

/// Writes a new account with what APIs keep for it, and which organization it is in.
///
/// # Errors
/// When a key cannot be created, or the batch has no room.
pub fn put(
    batch: &mut SealedBatch,
    record: &AccountRecord,
    organization: Option<InOrganization>,
    of_accounts: &dyn OfAccounts,
) -> Result<(), Internal> {
    let (partition, account) = (record.partition, record.account);
    let absent = Precondition::Absent;
    let bytes = records::encode(record).map_err(Internal::new)?;
    let path = paths::account(partition, account);
    let written = batch.put(path, purpose::ACCOUNT, &bytes, absent);
    written.map_err(Internal::new)?;
    of_accounts.put(batch, partition, account)?;
    // Every account has one, also in no organization: that it is missing is found.
    let membership = MembershipRecord {
        version: V1,
        organization,
    };
    let bytes = records::encode(&membership).map_err(Internal::new)?;
    let path = paths::membership(partition, account);
    let written = batch.put(path, purpose::ORGANIZATION_MEMBERSHIP, &bytes, absent);
    written.map_err(Internal::new)?;
    Ok(())
}
