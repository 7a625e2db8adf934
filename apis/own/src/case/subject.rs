//! A possible caller, with every policy that applies to it today.

use std::collections::BTreeMap;

use keyward_engine::{
    directory::{
        identities::Home,
        records::identity::ManagedPolicyRef,
        units::identity::{RoleUnit, UserUnit},
    },
    fault::Internal,
    policy::principal::PrincipalRef,
};
use keyward_types::{account::AccountId, principal::Principal, unique_id::UniqueIdKind};

use super::{CaseCaller, Titled};
use crate::{Cx, fault::KeywardFault};

/// Whoever has no credentials, as AWS's denials name them.
const ANONYMOUS: &str = "anonymous";

/// The session that represents all sessions of a role.
const ANY_SESSION: &str = "any-session";

impl Cx<'_> {
    /// Somebody of the caller's own account, by ARN or unique id, or a service by its name; `None`
    /// if there is nobody like that here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn subject(
        &self,
        text: &str,
        issuer: Option<&str>,
    ) -> Result<Option<CaseCaller>, KeywardFault> {
        let home = self.caller.home();
        let directory = self.directory();
        let named = PrincipalRef::parse_aws(text).or_else(|| PrincipalRef::parse_service(text));
        let own = |account: AccountId| account == home.1;
        if text == ANONYMOUS {
            return Ok(Some(plain(Principal::anonymous(home.0))));
        }
        match named {
            Some(PrincipalRef::Account { account, .. }) if own(account) => {
                let principal = Principal::root(home.0, home.1);
                self.of_principal(principal).await.map(Some)
            }
            Some(PrincipalRef::User(arn)) => match directory.id_of_arn(home.0, arn).await? {
                Some(id) => match directory.user(home.0, home.1, &id).await? {
                    Some(user) => self.of_user(&user).await.map(Some),
                    None => Ok(None),
                },
                None => Ok(None),
            },
            Some(PrincipalRef::Role(arn)) => match directory.id_of_arn(home.0, arn).await? {
                Some(id) => match directory.role(home, &id).await? {
                    Some(role) => self.of_role(&role, ANY_SESSION).await.map(Some),
                    None => Ok(None),
                },
                None => Ok(None),
            },
            Some(PrincipalRef::Session { arn, account, role }) if own(account) => {
                let session = arn.rsplit('/').next().unwrap_or_default();
                match directory.role_by_name(home, role).await? {
                    Some(role) => self.of_role(&role, session).await.map(Some),
                    None => Ok(None),
                }
            }
            Some(PrincipalRef::Unique(id)) if directory.home_of(&id).await? == Some(home) => {
                match id.kind() {
                    Some(UniqueIdKind::User) => match directory.user(home.0, home.1, &id).await? {
                        Some(user) => self.of_user(&user).await.map(Some),
                        None => Ok(None),
                    },
                    Some(UniqueIdKind::Role) => match directory.role(home, &id).await? {
                        Some(role) => self.of_role(&role, ANY_SESSION).await.map(Some),
                        None => Ok(None),
                    },
                    Some(
                        UniqueIdKind::Group
                        | UniqueIdKind::ManagedPolicy
                        | UniqueIdKind::InstanceProfile,
                    )
                    | None => Ok(None),
                }
            }
            Some(PrincipalRef::FederatedUser(arn)) => self.federated(arn, issuer).await,
            Some(PrincipalRef::Service(name)) => {
                let principal = Principal::service(home.0, name);
                Ok(Some(plain(principal)))
            }
            Some(
                PrincipalRef::Everyone
                | PrincipalRef::Account { .. }
                | PrincipalRef::Session { .. }
                | PrincipalRef::Unique(_)
                | PrincipalRef::Federated(_)
                | PrincipalRef::CanonicalUser(_),
            )
            | None => Ok(None),
        }
    }

    /// A federated user's session, made by `issuer`: a user, or root if none is named.
    async fn federated(
        &self,
        arn: &str,
        issuer: Option<&str>,
    ) -> Result<Option<CaseCaller>, KeywardFault> {
        let home = self.caller.home();
        let own = format!("arn:{}:sts::{}:federated-user/", home.0, home.1);
        let Some(name) = arn.strip_prefix(&own) else {
            return Ok(None);
        };
        let maker = match issuer {
            None => None,
            Some(issuer) => match self.directory().id_of_arn(home.0, issuer).await? {
                Some(id) => self.directory().user(home.0, home.1, &id).await?,
                None => return Ok(None),
            },
        };
        let mut subject = match &maker {
            Some(user) => self.of_user(user).await?,
            None => {
                let principal = Principal::root(home.0, home.1);
                self.of_principal(principal).await?
            }
        };
        let id = maker.as_ref().map(|user| user.record().id.clone());
        subject.principal = Principal::federated_user(home.0, home.1, name, id);
        let root = format!("arn:{}:iam::{}:root", home.0, home.1);
        subject.issuer = Some(issuer.map_or(root, str::to_owned));
        Ok(Some(subject))
    }

    /// The root user, or a caller without policies.
    pub(crate) async fn of_principal(
        &self,
        principal: Principal,
    ) -> Result<CaseCaller, KeywardFault> {
        let mut subject = plain(principal);
        self.add_organization(&mut subject).await?;
        Ok(subject)
    }

    /// A user.
    pub(crate) async fn of_user(&self, user: &UserUnit) -> Result<CaseCaller, KeywardFault> {
        let record = user.record();
        let home = self.caller.home();
        let mut subject = plain(user.principal().as_ref().clone());
        subject.principal_id = Some(record.id.to_string());
        subject.tags = tags(&record.tags);
        let owner = format!("the user \"{}\"", record.name);
        subject.add_inline(&owner, &record.inline_policies)?;
        self.add_attached(&mut subject, home, &owner, &record.attached_policies)
            .await?;
        for id in &record.groups {
            let group = self.directory().group_of_user(home, id).await?;
            let group = group.record();
            let owner = format!("the group \"{}\"", group.name);
            subject.add_inline(&owner, &group.inline_policies)?;
            self.add_attached(&mut subject, home, &owner, &group.attached_policies)
                .await?;
        }
        if let Some(boundary) = &record.boundary {
            subject.boundary = Some(self.managed(home, boundary, "permissions boundary").await?);
        }
        self.add_organization(&mut subject).await?;
        Ok(subject)
    }

    /// A session of a role.
    pub(crate) async fn of_role(
        &self,
        role: &RoleUnit,
        session: &str,
    ) -> Result<CaseCaller, KeywardFault> {
        let record = role.record();
        let home = self.caller.home();
        let mut subject = plain(role.session(session));
        subject.principal_id = Some(record.id.to_string());
        subject.role_arn = Some(role.arn().to_owned());
        subject.tags = tags(&record.tags);
        let owner = format!("the role \"{}\"", record.name);
        subject.add_inline(&owner, &record.inline_policies)?;
        self.add_attached(&mut subject, home, &owner, &record.attached_policies)
            .await?;
        if let Some(boundary) = &record.boundary {
            subject.boundary = Some(self.managed(home, boundary, "permissions boundary").await?);
        }
        self.add_organization(&mut subject).await?;
        Ok(subject)
    }

    async fn add_attached(
        &self,
        subject: &mut CaseCaller,
        home: Home,
        owner: &str,
        attached: &[ManagedPolicyRef],
    ) -> Result<(), KeywardFault> {
        for policy in attached {
            let what = format!("attached to {owner}:");
            subject
                .identity
                .push(self.managed(home, policy, &what).await?);
        }
        Ok(())
    }

    /// A managed policy, the version that decides.
    pub(crate) async fn managed(
        &self,
        home: Home,
        policy: &ManagedPolicyRef,
        what: &str,
    ) -> Result<Titled, KeywardFault> {
        let title = format!("{what} {}", policy.arn);
        let unit = self.directory().attached_policy(home, policy).await?;
        let text = unit.default_text();
        let text = text.ok_or_else(|| Internal::new("a managed policy has no default version"))?;
        Titled::new(title, text)
    }

    async fn add_organization(&self, subject: &mut CaseCaller) -> Result<(), KeywardFault> {
        let Some(account) = subject.principal.account() else {
            return Ok(());
        };
        let home = (subject.principal.partition(), account);
        let Some(membership) = self.directory().membership(home).await? else {
            return Ok(());
        };
        for level in membership.scps() {
            let titled = level.iter().map(|policy| {
                Titled::new(
                    format!("service control policy {}", policy.arn()),
                    &policy.record().text,
                )
            });
            subject.scps.push(titled.collect::<Result<_, _>>()?);
        }
        subject.org = Some((
            membership.id().to_string(),
            vec![membership.member().path().to_owned()],
        ));
        Ok(())
    }
}

impl CaseCaller {
    /// The unique id of the user, or of the role.
    pub fn principal_id(&self) -> Option<&str> {
        self.principal_id.as_deref()
    }

    fn add_inline(
        &mut self,
        owner: &str,
        policies: &BTreeMap<String, String>,
    ) -> Result<(), KeywardFault> {
        for (name, text) in policies {
            let title = format!("inline policy \"{name}\" of {owner}");
            self.identity.push(Titled::new(title, text)?);
        }
        Ok(())
    }
}

pub(crate) fn plain(principal: Principal) -> CaseCaller {
    CaseCaller {
        principal,
        principal_id: None,
        role_arn: None,
        issuer: None,
        tags: Vec::new(),
        identity: Vec::new(),
        boundary: None,
        session: None,
        scps: Vec::new(),
        org: None,
    }
}

fn tags(tags: &[keyward_types::tag::Tag]) -> Vec<(String, String)> {
    let pairs = tags.iter().map(|tag| (tag.key.clone(), tag.value.clone()));
    pairs.collect()
}
