//! Policies embedded in users, groups and roles.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html>

use std::marker::PhantomData;

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::units::identity::{GroupUnit, RoleUnit, UserUnit},
    gate::supply::Supply,
    operation::{Done, Empty, Output},
    policy::document::{Document, PolicyError, PolicyKind},
};
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam,
    attachment::supply_boundary,
    entity::{Entity, EntityAction, EntityName, Lookup, entity_actions},
    facets::Holder,
    fault::IamFault,
    names,
    on_one::{Listing, On, OnOne},
    page::Page,
    stored,
};

entity_actions! {
    UserUnit, names::EXISTING_USER => DeleteUserPolicy = "iam:DeleteUserPolicy", GetUserPolicy = "iam:GetUserPolicy", ListUserPolicies = "iam:ListUserPolicies", PutUserPolicy = "iam:PutUserPolicy",;
    GroupUnit, names::GROUP => DeleteGroupPolicy = "iam:DeleteGroupPolicy", GetGroupPolicy = "iam:GetGroupPolicy", ListGroupPolicies = "iam:ListGroupPolicies", PutGroupPolicy = "iam:PutGroupPolicy",;
    RoleUnit, names::ROLE => DeleteRolePolicy = "iam:DeleteRolePolicy", GetRolePolicy = "iam:GetRolePolicy", ListRolePolicies = "iam:ListRolePolicies", PutRolePolicy = "iam:PutRolePolicy",;
}

/// `PutUserPolicy`, `PutGroupPolicy`, `PutRolePolicy`
#[derive(Debug)]
pub struct Put<A> {
    into: EntityName<A>,
    policy_name: String,
    document: String,
}

impl<A> OnOne for Put<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Holder,
{
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text(A::Entity::NOUN.member),
        text("PolicyName"),
        text("PolicyDocument"),
    ];
    type Action = A;
    type Operand = EntityName<A>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let into = EntityName::read(m);
        let policy_name = names::name(m, "PolicyName", 128);
        let document = names::document(m, "PolicyDocument");
        Self {
            into,
            policy_name,
            document,
        }
    }

    fn operand(&self) -> &EntityName<A> {
        &self.into
    }

    fn supply(&self, into: &On<Self>, supply: &mut Supply) {
        supply_boundary(into, supply);
    }

    async fn answer(&self, into: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        type Of<A> = <<A as EntityAction>::Entity as Entity>::Record;
        let into = into.get()?;
        let mut record = into.edit(cx)?;
        let most = Of::<A>::MAX_INLINE;
        let too_long = || {
            let (noun, name) = (A::Entity::NOUN.word, &self.into.name);
            let message = format!("Maximum policy size of {most} bytes exceeded for {noun} {name}");
            IamFault::LimitExceeded { message }
        };
        let document =
            Document::parse(&self.document, PolicyKind::Identity).map_err(|error| match error {
                // One document alone is over the limit for all of them together.
                PolicyError::TooLong(_) => too_long(),
                PolicyError::Malformed(_) | PolicyError::Characters => error.into(),
            })?;
        record.inline_mut().remove(&self.policy_name);
        let others: usize = record.inline().values().map(String::len).sum();
        let text = stored::text(&document, &self.document, others)?;
        record.inline_mut().insert(self.policy_name.clone(), text);
        let size: usize = record
            .inline()
            .values()
            .map(|text| Document::size(text))
            .sum();
        if size > most {
            return Err(too_long());
        }
        Ok(Done::changed(Empty, into.rewrite(cx, &record)?))
    }
}

/// An embedded policy that a request names.
#[derive(Debug)]
struct Within<A> {
    of: EntityName<A>,
    policy_name: String,
}

impl<A: EntityAction> Within<A> {
    const PARAMETERS: &'static [Parameter] = &[text(A::Entity::NOUN.member), text("PolicyName")];

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let policy_name = names::name(m, "PolicyName", 128);
        Self { of, policy_name }
    }

    fn missing(&self) -> IamFault {
        let (word, policy) = (A::Entity::NOUN.word, &self.policy_name);
        IamFault::missing(format!(
            "The {word} policy with name {policy} cannot be found."
        ))
    }
}

/// `DeleteUserPolicy`, `DeleteGroupPolicy`, `DeleteRolePolicy`
#[derive(Debug)]
pub struct Delete<A>(Within<A>);

impl<A> OnOne for Delete<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Holder,
{
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = Within::<A>::PARAMETERS;
    type Action = A;
    type Operand = EntityName<A>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(Within::read(m))
    }

    fn operand(&self) -> &EntityName<A> {
        &self.0.of
    }

    fn supply(&self, from: &On<Self>, supply: &mut Supply) {
        supply_boundary(from, supply);
    }

    async fn answer(&self, from: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let from = from.get()?;
        let mut record = from.edit(cx)?;
        if record.inline_mut().remove(&self.0.policy_name).is_none() {
            return Err(self.0.missing());
        }
        Ok(Done::changed(Empty, from.rewrite(cx, &record)?))
    }
}

/// `GetUserPolicy`, `GetGroupPolicy`, `GetRolePolicy`
#[derive(Debug)]
pub struct Get<A>(Within<A>);

/// An embedded policy.
#[derive(Debug)]
pub struct Embedded {
    member: &'static str,
    of: String,
    name: String,
    document: String,
}

impl<A> OnOne for Get<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Holder,
{
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = Within::<A>::PARAMETERS;
    type Action = A;
    type Operand = EntityName<A>;
    type Output = Embedded;

    fn read(m: &mut Members<'_>) -> Self {
        Self(Within::read(m))
    }

    fn operand(&self) -> &EntityName<A> {
        &self.0.of
    }

    async fn answer(&self, of: &On<Self>, _cx: &Cx<'_>) -> Result<Done<Embedded>, IamFault> {
        let Within {
            of: name,
            policy_name,
        } = &self.0;
        let found = of.get()?.stored()?.inline().get(policy_name);
        let document = found.ok_or_else(|| self.0.missing())?;
        Ok(Done::unchanged(Embedded {
            member: A::Entity::NOUN.member,
            of: name.name.clone(),
            name: policy_name.clone(),
            document: document.clone(),
        }))
    }
}

impl Output<Iam> for Embedded {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text(self.member, &self.of);
        out.text("PolicyName", &self.name);
        out.url_encoded("PolicyDocument", &self.document);
    }
}

/// The list of `ListUserPolicies`, `ListGroupPolicies`, `ListRolePolicies`.
#[derive(Debug)]
pub struct NamesOf<A>(PhantomData<fn() -> A>);

/// A page of the names of embedded policies.
#[derive(Debug)]
pub struct PolicyNames(Page<String>);

impl<A> Listing for NamesOf<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Holder,
{
    type Action = A;
    type Operand = EntityName<A>;
    type Item = String;
    type Output = PolicyNames;

    async fn items(of: &Lookup<A::Entity>, _cx: &Cx<'_>) -> Result<Vec<String>, IamFault> {
        Ok(of.get()?.stored()?.inline().keys().cloned().collect())
    }

    // Names of embedded policies are case-sensitive, so the case is kept to distinguish them.
    fn key(name: &String) -> String {
        name.clone()
    }

    async fn answer(
        _of: &Lookup<A::Entity>,
        page: Page<String>,
        _cx: &Cx<'_>,
    ) -> Result<PolicyNames, IamFault> {
        Ok(PolicyNames(page))
    }
}

impl Output<Iam> for PolicyNames {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render_end(out);
        out.texts("PolicyNames", &self.0.items);
    }
}
