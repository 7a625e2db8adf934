//! Where the values of condition keys come from: the caller, the connection, the clock, the
//! resource, and what the operation supplied. Asked only for keys that a statement names.

use std::borrow::Cow;

use keyward_policy::attributes::{Attributes, Values, is_key};
use keyward_types::{
    account::AccountId,
    principal::{Principal, PrincipalKind},
    tag::Tag,
    via_service::ActingService,
};

use crate::{
    caller::{Bearer, Caller},
    context::Context,
    directory::units::organization::Membership,
    gate::{
        protected::Protected,
        supply::{ConditionKey, Supplied, SuppliedValue},
    },
    session::{Federation, SessionUnit},
};

/// The condition values of one question.
#[derive(Debug)]
pub struct RequestAttributes<'a> {
    cx: &'a Context<'a>,
    on: &'a dyn Protected,
    account: AccountId,
    /// The place of the resource's account in an organization.
    owner: Option<&'a Membership>,
    supplied: &'a Supplied,
}

impl<'a> RequestAttributes<'a> {
    /// The values for a question about a resource of that account, which may be in an organization.
    pub fn new(
        cx: &'a Context<'a>,
        on: &'a dyn Protected,
        (account, owner): (AccountId, Option<&'a Membership>),
        supplied: &'a Supplied,
    ) -> Self {
        Self {
            cx,
            on,
            account,
            owner,
            supplied,
        }
    }

    fn caller_values(&self, key: &str) -> Option<Values<'_>> {
        let caller = self.cx.caller;
        let principal = caller.principal();
        let values = match key {
            "aws:principalarn" if principal.principal_arn().is_empty() => Values::Absent,
            "aws:principalarn" => Values::one(principal.principal_arn()),
            // The account is the role's: the caller has none.
            "aws:principalaccount" | "aws:userid" if caller.web_identity().is_some() => {
                Values::Absent
            }
            "aws:principalaccount" => account_of(principal),
            "aws:principaltype" => match principal.kind() {
                PrincipalKind::Root => Values::one("Account"),
                PrincipalKind::User { .. } => Values::one("User"),
                PrincipalKind::RoleSession { .. } => Values::one("AssumedRole"),
                PrincipalKind::FederatedUser { .. } => Values::one("FederatedUser"),
                PrincipalKind::WebIdentity { .. } | PrincipalKind::Anonymous => {
                    Values::one("Anonymous")
                }
                PrincipalKind::Service { .. } => Values::Absent,
            },
            "aws:principalorgid" => org_id(organization_of(caller)),
            "aws:principalorgpaths" => org_paths(organization_of(caller)),
            "aws:userid" if principal.account().is_none() => Values::Absent,
            "aws:userid" => Values::one(caller.user_id()),
            "aws:username" => match principal.kind() {
                PrincipalKind::User { name, .. } => Values::one(name.as_str()),
                PrincipalKind::Root
                | PrincipalKind::RoleSession { .. }
                | PrincipalKind::FederatedUser { .. }
                | PrincipalKind::WebIdentity { .. }
                | PrincipalKind::Anonymous
                | PrincipalKind::Service { .. } => Values::Absent,
            },
            "aws:principalservicename" => match self.own_service() {
                Some(service) => Values::one(service.global_name()),
                None => Values::Absent,
            },
            "aws:principalservicenameslist" => match self.own_service() {
                Some(service) => {
                    Values::many([service.global_name(), service.regional_name(self.cx.region)])
                }
                None => Values::Absent,
            },
            "aws:principalisawsservice" => {
                let service = matches!(principal.kind(), PrincipalKind::Service { .. });
                Values::one(if service { "true" } else { "false" })
            }
            _ => {
                if let Some(name) = key.strip_prefix("aws:principaltag/") {
                    return Some(tagged(caller.tags(), name));
                }
                if let Some(identity) = caller.web_identity() {
                    return claimed(&identity.federation, key);
                }
                return session_values(caller.session()?, key);
            }
        };
        Some(values)
    }

    /// The service that calls on its own behalf.
    fn own_service(&self) -> Option<&'static ActingService> {
        match self.cx.caller.bearer() {
            Bearer::Service(service) => Some(service),
            Bearer::Root
            | Bearer::User(_)
            | Bearer::Role(_)
            | Bearer::Agent(_)
            | Bearer::Nobody => None,
        }
    }

    /// The services in `aws:CalledVia`, which few services support, the first one first.
    fn called_via(&self) -> impl DoubleEndedIterator<Item = String> {
        let acting = self.cx.caller.acting();
        acting
            .filter(|service| service.is_in_called_via())
            .map(ActingService::global_name)
    }

    fn request_values(&self, key: &str) -> Option<Values<'_>> {
        let cx = self.cx;
        let values = match key {
            "aws:currenttime" => Values::one(cx.now.iso8601().to_string()),
            "aws:epochtime" => Values::one(cx.now.seconds().to_string()),
            "aws:requestedregion" => Values::one(cx.region.as_str()),
            "aws:securetransport" => Values::one(if cx.peer.tls.is_some() {
                "true"
            } else {
                "false"
            }),
            // Behind a service the caller's own address is not known.
            "aws:sourceip" if cx.caller.service().is_some() => Values::Absent,
            "aws:sourceip" => Values::one(cx.peer.address()),
            "aws:sourcearn" => cx.source.arn.as_deref().map_or(Values::Absent, Values::one),
            "aws:sourceaccount" => {
                let account = cx.source.account.as_deref();
                account.map_or(Values::Absent, Values::one)
            }
            "aws:sourceorgid" => org_id(cx.source.organization.as_ref()),
            "aws:sourceorgpaths" => org_paths(cx.source.organization.as_ref()),
            "aws:useragent" if !cx.user_agent.is_empty() => Values::one(cx.user_agent),
            "aws:referer" if !cx.referer.is_empty() => Values::one(cx.referer),
            "aws:viaawsservice" => {
                let via = cx.caller.is_acted_for();
                Values::one(if via { "true" } else { "false" })
            }
            // The service that makes the call, whatever other services called it.
            "kms:viaservice" => match cx.caller.acting().next_back() {
                Some(service) => Values::one(service.regional_name(cx.region)),
                None => Values::Absent,
            },
            "aws:calledvia" => Values::many(self.called_via()),
            "aws:calledviafirst" => self.called_via().next().map_or(Values::Absent, Values::one),
            "aws:calledvialast" => {
                let last = self.called_via().next_back();
                last.map_or(Values::Absent, Values::one)
            }
            "aws:resourceaccount" => Values::one(self.account.to_string()),
            "aws:resourceorgid" => org_id(self.owner),
            "aws:resourceorgpaths" => org_paths(self.owner),
            "aws:tagkeys" if !self.supplied.request_tags.is_empty() => Values::many(
                self.supplied
                    .request_tags
                    .iter()
                    .map(|tag| tag.key.as_str()),
            ),
            "kms:encryptioncontextkeys" => {
                let names = self
                    .supplied
                    .context
                    .pairs()
                    .iter()
                    .map(|(name, _)| name.as_str());
                Values::many(names)
            }
            _ => {
                let name = key.strip_prefix("aws:requesttag/")?;
                tagged(&self.supplied.request_tags, name)
            }
        };
        Some(values)
    }

    /// `kms:EncryptionContext:…`.
    fn context_value(&self, name: &str) -> Values<'_> {
        let pairs = self.supplied.context.pairs().iter();
        let found = pairs.filter(|(pair, _)| is_key(pair, name));
        Values::found(found.map(|(_, value)| value.as_str()))
    }

    fn resource_values(&self, key: &str) -> Option<Values<'_>> {
        if let Some(name) = key.strip_prefix("aws:resourcetag/") {
            return Some(tagged(self.on.tags(), name));
        }
        if let Some(name) = key.strip_prefix("iam:resourcetag/") {
            let has = self.on.has_iam_tags();
            return has.then(|| tagged(self.on.tags(), name));
        }
        self.on.value(key, self.cx)
    }

    fn supplied_values(&self, key: &str) -> Option<Values<'_>> {
        let found = self
            .supplied
            .values
            .iter()
            .find(|(ConditionKey(name), _)| is_key(name, key));
        found.map(|(_, value)| match value {
            SuppliedValue::One(text) => Values::One(Cow::Borrowed(text)),
            SuppliedValue::Word(word) => Values::One(Cow::Borrowed(word)),
            SuppliedValue::Many(list) => Values::many(list.iter().map(String::as_str)),
        })
    }
}

/// What only temporary credentials have.
fn session_values<'s>(session: &'s SessionUnit, key: &str) -> Option<Values<'s>> {
    Some(match key {
        "aws:tokenissuetime" => Values::one(session.token_issued()?.iso8601().to_string()),
        // There are no devices, so no session was created with one.
        "aws:multifactorauthpresent" => {
            session.token_issued()?;
            Values::one("false")
        }
        "aws:sourceidentity" => Values::one(session.source_identity()?),
        "aws:federatedprovider" => Values::one(session.federation()?.provider_arn.as_str()),
        _ => return claimed(session.federation()?, key),
    })
}

/// What an identity provider vouched for, under the provider's own keys.
fn claimed<'s>(federation: &'s Federation, key: &str) -> Option<Values<'s>> {
    let mut claims = federation.claims.iter();
    let (_, values) = claims.find(|(name, _)| is_key(name, key))?;
    Some(match values.as_slice() {
        [one] => Values::one(one.as_str()),
        many => Values::many(many.iter().map(String::as_str)),
    })
}

impl Attributes for RequestAttributes<'_> {
    fn values(&self, key: &str) -> Values<'_> {
        // First, since key policies may have many statements about it.
        if let Some(name) = key.strip_prefix("kms:encryptioncontext:") {
            return self.context_value(name);
        }
        self.supplied_values(key)
            .or_else(|| self.caller_values(key))
            .or_else(|| self.request_values(key))
            .or_else(|| self.resource_values(key))
            .unwrap_or(Values::Absent)
    }
}

/// The account that a principal belongs to, as a condition value.
pub fn account_of<'v>(principal: &Principal) -> Values<'v> {
    match principal.account() {
        Some(account) => Values::one(account.to_string()),
        None => Values::Absent,
    }
}

/// A service is not in an organization, whatever account its credentials are stored in, and neither
/// is a caller without an identity here.
fn organization_of(caller: &Caller) -> Option<&Membership> {
    match caller.bearer() {
        Bearer::Root | Bearer::User(_) | Bearer::Role(_) => caller.membership(),
        Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => None,
    }
}

fn org_id(membership: Option<&Membership>) -> Values<'_> {
    membership.map_or(Values::Absent, |found| Values::one(found.id().as_str()))
}

fn org_paths(membership: Option<&Membership>) -> Values<'_> {
    membership.map_or(Values::Absent, |found| {
        Values::many([found.member().path()])
    })
}

fn tagged<'t>(tags: &'t [Tag], name: &str) -> Values<'t> {
    Values::found(
        tags.iter()
            .filter(|tag| is_key(&tag.key, name))
            .map(|tag| tag.value.as_str()),
    )
}
