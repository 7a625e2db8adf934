//! Changes of the policies of an inquiry, as suggestions make them.

use std::borrow::Cow;

use keyward_types::principal::{Principal, PrincipalKind};

use super::{NamedPolicy, World};
use crate::{
    attributes::is_key,
    condition::{Condition, operator::Operator},
    decision::Layer,
    document::{Document, PolicyKind},
    explain::change::{At, NewStatement, ProposedChange, StatementTarget},
    grant::{Constraints, Grant, Party},
    policy::Policy,
    principal::Bindings,
    request::Name,
};

/// What a new policy is called.
const NEW: Name<'static> = Name::Inline("new policy");

impl World<'_> {
    /// Makes a change. False if it cannot be created.
    pub(in crate::explain) fn apply(&mut self, change: &ProposedChange) -> bool {
        match change {
            ProposedChange::AddStatement(target, statement) => self.add(target, statement),
            ProposedChange::ExceptCaller(at, arn) => {
                let values = [arn.clone()];
                let operator = Operator::parse("StringNotEquals");
                let condition = operator
                    .and_then(|op| Condition::compile(op, "aws:PrincipalArn", &values, false).ok());
                condition.is_some_and(|condition| {
                    self.edit(at, |policy| policy.with_condition(at.index, condition))
                })
            }
            ProposedChange::RemoveStatement(at) => self.edit(at, |policy| policy.without(at.index)),
            ProposedChange::SupplyPair { name, value, .. } => {
                let pair = (name.clone(), value.clone());
                let lower = name.to_lowercase();
                self.pairs.retain(|(known, _)| !is_key(known, &lower));
                self.pairs.push(pair.clone());
                self.supplied.push(pair);
                true
            }
            ProposedChange::CreateGrant { grantee, operation } => {
                let party = Party::parse(grantee, &bindings(self.caller()));
                party.is_some_and(|grantee| {
                    self.grants.push(Grant {
                        id: "new grant".to_owned(),
                        grantee,
                        operations: vec![operation.clone()],
                        constraints: Constraints::default(),
                        retiring: None,
                        issuer: None,
                    });
                    true
                })
            }
        }
    }

    /// Leaves out conditions of a statement.
    pub(in crate::explain) fn without_conditions(&mut self, at: &At, places: &[usize]) {
        self.edit(at, |policy| policy.without_conditions(at.index, places));
    }

    /// Lets a statement never apply.
    pub(in crate::explain) fn silence(&mut self, at: &At) {
        self.edit(at, |policy| policy.with_silent(at.index));
    }

    /// Leaves out the constraints of a grant.
    pub(in crate::explain) fn unconstrained(&mut self, index: usize) {
        if let Some(grant) = self.grants.get_mut(index) {
            grant.constraints = Constraints::default();
        }
    }

    fn add(&mut self, target: &StatementTarget, statement: &NewStatement) -> bool {
        let kind = match target.layer {
            Layer::Resource => self.own_kind(),
            Layer::Endpoint => PolicyKind::Endpoint,
            Layer::Scp => PolicyKind::Scp,
            Layer::Rcp => PolicyKind::Rcp,
            Layer::Identity => PolicyKind::Identity,
            Layer::Boundary => PolicyKind::Boundary,
            Layer::Session => PolicyKind::Session,
        };
        let json = statement.to_json();
        let text = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{json}]}}");
        let Ok(document) = Document::parse_stored(&text, kind) else {
            return false;
        };
        let bindings = bindings(self.caller());
        let new = Policy::compile_with_source(&document, &bindings, &text);
        if target.policy.is_some() {
            let at = At {
                target: target.clone(),
                index: 0,
                sid: None,
            };
            return self.edit(&at, |policy| policy.followed_by(&new));
        }
        let held = NamedPolicy {
            policy: Cow::Owned(new),
            name: NEW,
        };
        match target.layer {
            Layer::Resource => self.own = Some(held.policy),
            Layer::Identity => self.identity.push(held),
            Layer::Boundary => self.boundary = Some(held),
            Layer::Session => self.session.get_or_insert_default().push(held),
            Layer::Scp => {
                let level = target.level.and_then(|level| self.scps.get_mut(level));
                match level {
                    Some(level) => level.push(held),
                    None => return false,
                }
            }
            Layer::Rcp => self.rcps.push(held),
            Layer::Endpoint => self.endpoint = Some(held),
        }
        true
    }

    fn edit(&mut self, at: &At, edit: impl FnOnce(&Policy) -> Policy) -> bool {
        let place = at.target.policy.unwrap_or(0);
        let held = match at.target.layer {
            Layer::Resource => {
                let edited = self.own.as_deref().map(edit);
                self.own = edited.map(Cow::Owned);
                return self.own.is_some();
            }
            Layer::Scp => {
                let level = at.target.level.and_then(|level| self.scps.get_mut(level));
                level.and_then(|level| level.get_mut(place))
            }
            Layer::Rcp => self.rcps.get_mut(place),
            Layer::Endpoint => self.endpoint.as_mut(),
            Layer::Identity => self.identity.get_mut(place),
            Layer::Boundary => self.boundary.as_mut(),
            Layer::Session => self.session.as_mut().and_then(|list| list.get_mut(place)),
        };
        let Some(held) = held else {
            return false;
        };
        held.policy = Cow::Owned(edit(&held.policy));
        true
    }
}

/// The caller's user or role with its unique id, by which new statements name it.
fn bindings(caller: &Principal) -> Bindings {
    let mut bindings = Bindings::new();
    match caller.kind() {
        PrincipalKind::User { id, .. } => bindings.bind(caller.arn(), id.clone()),
        PrincipalKind::RoleSession { role_id, .. } => {
            bindings.bind(caller.principal_arn(), role_id.clone());
        }
        PrincipalKind::Root
        | PrincipalKind::FederatedUser { .. }
        | PrincipalKind::WebIdentity { .. }
        | PrincipalKind::Anonymous
        | PrincipalKind::Service { .. } => {}
    }
    bindings
}
