//! The parties of grants between what requests and listings say and what grants hold.

use keyward_engine::{directory::ReadError, policy::principal::PrincipalRef};
use keyward_types::{
    account::AccountId,
    arn::ArnParts,
    partition::Partition,
    unique_id::{UniqueId, UniqueIdKind},
};

use crate::{Cx, grants::party::Party};

impl Cx<'_> {
    /// The party that an ARN names today. `None` if there is none such, or the ARN is none of a
    /// principal. A service can name itself, and nobody else a service.
    ///
    /// # Errors
    /// When it cannot be looked up.
    pub async fn party(&self, text: &str) -> Result<Option<Party>, ReadError> {
        if self.is_own_service(text) {
            return Ok(Some(Party::Service {
                name: text.to_owned(),
                as_principal: true,
            }));
        }
        let (Some(named), Some(parts)) = (PrincipalRef::parse_aws(text), ArnParts::parse(text))
        else {
            return Ok(None);
        };
        let (partition, Ok(account)) = (self.partition(), AccountId::parse(parts.account)) else {
            return Ok(None);
        };
        if Partition::parse(parts.partition) != Some(partition) {
            return Ok(None);
        }
        let name = parts.resource.rsplit('/').next().unwrap_or_default();
        let directory = self.directory();
        Ok(match named {
            PrincipalRef::User(arn) => {
                let id = directory.id_of_arn(partition, arn).await?;
                id.map(|id| Party::User { account, id })
            }
            PrincipalRef::Role(arn) => {
                let id = directory.id_of_arn(partition, arn).await?;
                id.map(|id| Party::Role { account, id })
            }
            PrincipalRef::Session { role, .. } => {
                let found = directory.role_by_name((partition, account), role).await?;
                // Names are unique without regard to case, ARNs are exact.
                let found = found.filter(|found| found.record().name == role);
                found.map(|found| Party::Session {
                    account,
                    role: found.record().id.clone(),
                    session: name.to_owned(),
                })
            }
            PrincipalRef::Account { .. } | PrincipalRef::FederatedUser(_) => {
                let exists = directory.account(partition, account).await?.is_some();
                exists.then(|| match named {
                    PrincipalRef::FederatedUser(_) => Party::FederatedUser {
                        account,
                        name: name.to_owned(),
                    },
                    _ => Party::Account { account },
                })
            }
            PrincipalRef::Everyone
            | PrincipalRef::Unique(_)
            | PrincipalRef::Service(_)
            | PrincipalRef::Federated(_)
            | PrincipalRef::CanonicalUser(_) => None,
        })
    }

    /// Whether the text is a name of the service whose call this is.
    pub fn is_own_service(&self, text: &str) -> bool {
        self.caller.service().is_some_and(|service| {
            text == service.regional_name(self.region) || text == service.global_name()
        })
    }

    /// The path segment for the party that a filter names: by its ARN or, as listings show one that
    /// is gone, by its unique id.
    ///
    /// # Errors
    /// When it cannot be looked up.
    pub async fn party_segment(&self, text: &str) -> Result<Option<String>, ReadError> {
        if let Ok(id) = UniqueId::parse(text) {
            let kind = id.kind();
            let principal = matches!(kind, Some(UniqueIdKind::User | UniqueIdKind::Role));
            return Ok(principal.then(|| id.to_string()));
        }
        let party = self.party(text).await?;
        Ok(party.map(|party| party.segment(self.directory().reader())))
    }

    /// The party as listings show it: by its ARN of today or, if it is gone, by its bare id.
    ///
    /// # Errors
    /// When it cannot be looked up.
    pub async fn shown_party(&self, party: &Party) -> Result<String, ReadError> {
        let partition = self.partition();
        Ok(match party {
            Party::Account { account } => format!("arn:{partition}:iam::{account}:root"),
            Party::User { id, .. } | Party::Role { id, .. } => {
                let arn = self.directory().arn_of_id(id).await?;
                arn.unwrap_or_else(|| id.to_string())
            }
            Party::Session {
                account,
                role,
                session,
            } => {
                let found = self.directory().role((partition, *account), role).await?;
                found.map_or_else(
                    || format!("{role}:{session}"),
                    |found| found.session(session).arn().to_owned(),
                )
            }
            Party::FederatedUser { account, name } => {
                format!("arn:{partition}:sts::{account}:federated-user/{name}")
            }
            Party::Service { name, .. } => name.clone(),
        })
    }
}
