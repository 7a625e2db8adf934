//! Counts keys and IAM's nouns for the quotas, a page at a time.

use keyward_store::sealed::SealedError;

use crate::{
    counts::Counted,
    directory::{counting::count_prefix, paths, scopes::scopes},
    server::Shared,
};

/// Counts everything once.
pub async fn count(shared: &Shared) {
    shared.counts.forget_grants();
    if let Err(error) = count_all(shared).await {
        tracing::warn!(%error, "keys and users cannot be counted");
    }
}

async fn count_all(shared: &Shared) -> Result<(), SealedError> {
    for scope in scopes(shared).await? {
        let (partition, account) = (scope.partition, scope.account);
        let counted = match scope.region {
            Some(region) => vec![(Counted::Keys(account, region), paths::keys(region, account))],
            None => vec![
                (Counted::Users(account), paths::users(partition, account)),
                (Counted::Roles(account), paths::roles(partition, account)),
                (Counted::Groups(account), paths::groups(partition, account)),
                (
                    Counted::Policies(account),
                    paths::policies(partition, account),
                ),
                (
                    Counted::InstanceProfiles(account),
                    paths::instance_profiles(partition, account),
                ),
            ],
        };
        for (counted, prefix) in counted {
            let count = count_prefix(shared, &prefix).await?;
            shared.counts.gathered(counted, count);
        }
    }
    Ok(())
}
