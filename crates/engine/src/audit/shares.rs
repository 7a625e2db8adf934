//! Which accounts get an event of a request, apart from the caller's: each account whose resource
//! it was allowed to use has an event of its own, and one `sharedEventID` is in all of them.
//!
//! A denial is recorded for the caller's account only.

use keyward_crypto::random;
use keyward_types::account::AccountId;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::{caller::Caller, gate::evaluation::Evaluation};

/// The other accounts that learn of one request, each with the id of its event.
#[derive(Debug, Default)]
pub struct Shares {
    id: Uuid,
    owners: SmallVec<[(AccountId, Uuid); 1]>,
}

impl Shares {
    /// The owners of what the caller was allowed to use. A service that calls on its own behalf has
    /// no account: its event is recorded for the first of them.
    pub fn of(caller: &Caller, evaluations: &[Evaluation]) -> Self {
        let mut shares = Self::default();
        let first = || evaluations.first().map(|first| first.about.account());
        let own = caller.principal().account().or_else(first);
        for evaluation in evaluations {
            let owner = evaluation.about.account();
            if Some(owner) == own || !evaluation.is_allowed() || shares.event_of(owner).is_some() {
                continue;
            }
            if shares.owners.is_empty() {
                shares.id = new_id();
            }
            shares.owners.push((owner, new_id()));
        }
        shares
    }

    /// `sharedEventID`, if there is another account.
    pub fn id(&self) -> Option<Uuid> {
        Some(self.id).filter(|_| !self.owners.is_empty())
    }

    /// The other accounts, each with the id of its event.
    pub fn owners(&self) -> &[(AccountId, Uuid)] {
        &self.owners
    }

    /// The id of an account's own event.
    pub fn event_of(&self, account: AccountId) -> Option<Uuid> {
        let mut owners = self.owners.iter();
        let found = owners.find(|(owner, _)| *owner == account);
        found.map(|(_, event)| *event)
    }
}

fn new_id() -> Uuid {
    uuid::Builder::from_random_bytes(random::public()).into_uuid()
}
