//! From the principals that a policy or a grant names to unique ids, and back.

use std::collections::BTreeMap;

use keyward_policy::{
    document::{Document, PolicyError},
    principal::{Bindings, PrincipalRef},
};
use keyward_types::{
    account::AccountId,
    arn::ArnParts,
    partition::Partition,
    unique_id::{UniqueId, UniqueIdKind},
};

use crate::directory::{Directory, ReadError, identities::Home};

/// What a principal of a document is found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalBinding {
    /// A user or role, which the ARN must be bound to.
    Bound(UniqueId),
    /// Something that needs no binding.
    Plain,
    /// Nothing.
    Missing,
}

impl Directory {
    /// Looks a principal up, as it is in a document of that partition.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find_principal(
        &self,
        partition: Partition,
        principal: &PrincipalRef<'_>,
    ) -> Result<PrincipalBinding, ReadError> {
        let plain = |exists: bool| {
            if exists {
                PrincipalBinding::Plain
            } else {
                PrincipalBinding::Missing
            }
        };
        Ok(match principal {
            PrincipalRef::User(arn) | PrincipalRef::Role(arn) => {
                match self.id_of_arn(partition, arn).await? {
                    Some(id) => PrincipalBinding::Bound(id),
                    None => PrincipalBinding::Missing,
                }
            }
            PrincipalRef::Unique(id) => plain(self.arn_of_id(id).await?.is_some()),
            PrincipalRef::Session { arn, account, role } => {
                let same = is_of(arn, partition);
                let role = self.role_by_name((partition, *account), role).await?;
                plain(same && role.is_some())
            }
            // The session may come later; its account must be there.
            PrincipalRef::FederatedUser(arn) => {
                let account = ArnParts::parse(arn).and_then(|p| AccountId::parse(p.account).ok());
                match account.filter(|_| is_of(arn, partition)) {
                    Some(account) => plain(self.account(partition, account).await?.is_some()),
                    None => PrincipalBinding::Missing,
                }
            }
            PrincipalRef::Account {
                partition: named,
                account,
            } => {
                let same = named.is_none_or(|named| named == partition);
                plain(same && self.account(partition, *account).await?.is_some())
            }
            PrincipalRef::Everyone
            | PrincipalRef::Service(_)
            | PrincipalRef::Federated(_)
            | PrincipalRef::CanonicalUser(_) => PrincipalBinding::Plain,
        })
    }

    /// The unique ids of all users and roles that a document names, by ARN; or the first
    /// principal that does not exist, as the document's own error.
    ///
    /// # Errors
    /// When those it names cannot be looked up.
    pub async fn bind_principals(
        &self,
        partition: Partition,
        document: &Document,
    ) -> Result<Result<Bindings, PolicyError>, ReadError> {
        let mut bound = Bindings::new();
        for principal in document.principals() {
            match (
                self.find_principal(partition, &principal).await?,
                &principal,
            ) {
                (
                    PrincipalBinding::Bound(id),
                    PrincipalRef::User(arn) | PrincipalRef::Role(arn),
                ) => {
                    bound.bind(arn, id);
                }
                (PrincipalBinding::Bound(_) | PrincipalBinding::Plain, _) => {}
                (PrincipalBinding::Missing, _) => {
                    return Ok(Err(document.unknown_principal(&principal)));
                }
            }
        }
        Ok(Ok(bound))
    }

    /// The unique id of the user or role with that very ARN.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn id_of_arn(
        &self,
        partition: Partition,
        arn: &str,
    ) -> Result<Option<UniqueId>, ReadError> {
        let Some((home, kind, name)) = identity_of(arn) else {
            return Ok(None);
        };
        if home.0 != partition {
            return Ok(None);
        }
        // Names are unique without regard to case and path, ARNs are exact.
        Ok(match kind {
            "user" => self
                .user_by_name(home.0, home.1, name)
                .await?
                .filter(|user| user.principal().arn() == arn)
                .map(|user| user.record().id.clone()),
            "role" => self
                .role_by_name(home, name)
                .await?
                .filter(|role| role.arn() == arn)
                .map(|role| role.record().id.clone()),
            _ => None,
        })
    }

    /// Today's ARNs of all users and roles that a stored document means: those that it was bound
    /// to, and those that it names by their unique ids. Deleted ones are not among them.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn arns_today(
        &self,
        document: &Document,
        bound: &Bindings,
    ) -> Result<BTreeMap<UniqueId, String>, ReadError> {
        let mut ids: Vec<UniqueId> = bound.ids().cloned().collect();
        ids.extend(
            document
                .principals()
                .filter_map(|principal| match principal {
                    PrincipalRef::Unique(id) => Some(id),
                    PrincipalRef::Everyone
                    | PrincipalRef::Account { .. }
                    | PrincipalRef::User(_)
                    | PrincipalRef::Role(_)
                    | PrincipalRef::Session { .. }
                    | PrincipalRef::FederatedUser(_)
                    | PrincipalRef::Service(_)
                    | PrincipalRef::Federated(_)
                    | PrincipalRef::CanonicalUser(_) => None,
                }),
        );
        let mut today = BTreeMap::new();
        for id in ids {
            if let Some(arn) = self.arn_of_id(&id).await? {
                today.insert(id, arn);
            }
        }
        Ok(today)
    }

    /// Today's ARN of the user or role with that unique id; `None` if it is gone.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn arn_of_id(&self, id: &UniqueId) -> Result<Option<String>, ReadError> {
        let Some(home) = self.home_of(id).await? else {
            return Ok(None);
        };
        Ok(match id.kind() {
            Some(UniqueIdKind::User) => self
                .user(home.0, home.1, id)
                .await?
                .map(|user| user.principal().arn().to_owned()),
            Some(UniqueIdKind::Role) => {
                self.role(home, id).await?.map(|role| role.arn().to_owned())
            }
            Some(
                UniqueIdKind::Group | UniqueIdKind::ManagedPolicy | UniqueIdKind::InstanceProfile,
            )
            | None => None,
        })
    }
}

fn is_of(arn: &str, partition: Partition) -> bool {
    ArnParts::parse(arn).and_then(|parts| Partition::parse(parts.partition)) == Some(partition)
}

/// Home, kind and name in an ARN of IAM.
fn identity_of(arn: &str) -> Option<(Home, &str, &str)> {
    let parts = ArnParts::parse(arn)?;
    let partition = Partition::parse(parts.partition)?;
    let account = AccountId::parse(parts.account).ok()?;
    let (kind, rest) = parts.resource.split_once('/')?;
    let name = rest.rsplit('/').next()?;
    (parts.service == "iam" && !name.is_empty()).then_some(((partition, account), kind, name))
}
