//! Tags of users, roles and managed policies.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagUser.html>

use std::marker::PhantomData;

use keyward_engine::{
    audit::parameters::{Parameter, structures, text, texts},
    directory::units::identity::{ManagedPolicyUnit, RoleUnit, UserUnit},
    gate::supply::Supply,
    operation::{Done, Empty, Output},
};
use keyward_types::tag::Tag;
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam,
    entity::{Entity, EntityAction, EntityName, Lookup, entity_actions},
    facets::Tagged,
    fault::IamFault,
    names,
    nouns::instance_profile::InstanceProfileUnit,
    on_one::{Listing, On, OnOne},
    page::Page,
    shape,
};

entity_actions! {
    UserUnit, names::EXISTING_USER => ListUserTags = "iam:ListUserTags", TagUser = "iam:TagUser", UntagUser = "iam:UntagUser",;
    RoleUnit, names::ROLE => ListRoleTags = "iam:ListRoleTags", TagRole = "iam:TagRole", UntagRole = "iam:UntagRole",;
    InstanceProfileUnit, names::INSTANCE_PROFILE => ListInstanceProfileTags = "iam:ListInstanceProfileTags", TagInstanceProfile = "iam:TagInstanceProfile", UntagInstanceProfile = "iam:UntagInstanceProfile",;
    ManagedPolicyUnit, names::ARN => ListPolicyTags = "iam:ListPolicyTags", TagPolicy = "iam:TagPolicy", UntagPolicy = "iam:UntagPolicy",;
}

/// `TagUser`, `TagRole`, `TagPolicy`
#[derive(Debug)]
pub struct AddTags<A> {
    of: EntityName<A>,
    tags: Vec<Tag>,
}

impl<A> OnOne for AddTags<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Tagged,
{
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text(A::Entity::NOUN.member),
        structures("Tags", names::SHOWN_TAG),
    ];
    type Action = A;
    type Operand = EntityName<A>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let tags = names::required_tags(m);
        Self { of, tags }
    }

    fn checked(self) -> Result<Self, IamFault> {
        A::Entity::NOUN.tag_keys.check(&self.tags)?;
        Ok(self)
    }

    fn operand(&self) -> &EntityName<A> {
        &self.of
    }

    fn supply(&self, _of: &On<Self>, supply: &mut Supply) {
        supply.request_tags(&self.tags);
    }

    async fn answer(&self, of: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let of = of.get()?;
        let mut record = of.edit_by::<A>(cx)?;
        A::Entity::NOUN
            .tag_keys
            .add(record.tags_mut(), &self.tags)?;
        Ok(Done::changed(Empty, of.rewrite(cx, &record)?))
    }
}

/// `UntagUser`, `UntagRole`, `UntagPolicy`
#[derive(Debug)]
pub struct RemoveTags<A> {
    of: EntityName<A>,
    keys: Vec<String>,
}

impl<A> OnOne for RemoveTags<A>
where
    A: EntityAction,
    <A::Entity as Entity>::Record: Tagged,
{
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text(A::Entity::NOUN.member), texts("TagKeys")];
    type Action = A;
    type Operand = EntityName<A>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let keys = names::tag_keys(m);
        Self { of, keys }
    }

    fn operand(&self) -> &EntityName<A> {
        &self.of
    }

    fn supply(&self, _of: &On<Self>, supply: &mut Supply) {
        if !self.keys.is_empty() {
            supply.tag_keys(&self.keys);
        }
    }

    async fn answer(&self, of: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let of = of.get()?;
        let mut record = of.edit_by::<A>(cx)?;
        A::Entity::NOUN
            .tag_keys
            .remove(record.tags_mut(), &self.keys);
        Ok(Done::changed(Empty, of.rewrite(cx, &record)?))
    }
}

/// The list of `ListUserTags`, `ListRoleTags`, `ListPolicyTags`.
#[derive(Debug)]
pub struct TagsOf<A>(PhantomData<fn() -> A>);

/// A page of tags.
#[derive(Debug)]
pub struct Tags(Page<Tag>);

impl Tags {
    /// Tags in order, each with its position: a key may be longer than a marker can be, so the marker
    /// has the position.
    pub fn in_order(tags: &[Tag]) -> Vec<(usize, Tag)> {
        let mut tags = tags.to_vec();
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        tags.into_iter().enumerate().collect()
    }

    /// The content of markers.
    pub fn place((at, _): &(usize, Tag)) -> String {
        format!("{at:02}")
    }

    /// A page of such tags.
    pub fn page(page: Page<(usize, Tag)>) -> Self {
        Self(page.map(|(_, tag)| tag))
    }
}

impl<A: EntityAction> Listing for TagsOf<A> {
    type Action = A;
    type Operand = EntityName<A>;
    type Item = (usize, Tag);
    type Output = Tags;

    async fn items(of: &Lookup<A::Entity>, _cx: &Cx<'_>) -> Result<Vec<Self::Item>, IamFault> {
        Ok(Tags::in_order(of.get()?.tags()))
    }

    fn key(item: &Self::Item) -> String {
        Tags::place(item)
    }

    async fn answer(
        _of: &Lookup<A::Entity>,
        page: Page<Self::Item>,
        _cx: &Cx<'_>,
    ) -> Result<Tags, IamFault> {
        Ok(Tags::page(page))
    }
}

impl Output<Iam> for Tags {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Tags", shape::tag);
    }
}
