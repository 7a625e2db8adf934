//! Tags of users, roles and managed policies.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagUser.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text, texts},
    directory::units::identity::{InstanceProfileUnit, ManagedPolicyUnit, RoleUnit, UserUnit},
    gate::supply::Supply,
    operation::{Done, Empty, Output},
};
use keyward_types::tag::Tag;
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam,
    entity::{Entity, EntityAction, EntityName, Record, entity_actions},
    facets::Tagged,
    fault::IamFault,
    names,
    on_one::{On, OnOne},
    page::{Page, Paging},
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
        text(A::Entity::MEMBER),
        structures("Tags", names::SHOWN_TAG),
    ];
    type Action = A;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let tags = names::required_tags(m);
        Self { of, tags }
    }

    fn checked(self) -> Result<Self, IamFault> {
        let tags = <A::Entity as Entity>::Record::KEYS.checked(self.tags)?;
        Ok(Self { tags, ..self })
    }

    fn subject(&self) -> &EntityName<A> {
        &self.of
    }

    fn supply(&self, _of: &On<Self>, supply: &mut Supply) {
        supply.request_tags(&self.tags);
    }

    async fn answer(&self, of: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let of = of.get()?;
        let mut record = of.edit_by::<A>(cx)?;
        <A::Entity as Entity>::Record::KEYS.add(record.tags_mut(), &self.tags)?;
        let mut batch = cx.batch();
        record.put(cx, &mut batch, of.written())?;
        Ok(Done::changed(Empty, batch))
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
    const PARAMETERS: &'static [Parameter] = &[text(A::Entity::MEMBER), texts("TagKeys")];
    type Action = A;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let keys = names::tag_keys(m);
        Self { of, keys }
    }

    fn subject(&self) -> &EntityName<A> {
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
        <A::Entity as Entity>::Record::KEYS.remove(record.tags_mut(), &self.keys);
        let mut batch = cx.batch();
        record.put(cx, &mut batch, of.written())?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `ListUserTags`, `ListRoleTags`, `ListPolicyTags`
#[derive(Debug)]
pub struct ListTags<A> {
    of: EntityName<A>,
    paging: Paging,
}

/// A page of tags.
#[derive(Debug)]
pub struct Tags(Page<Tag>);

impl<A: EntityAction> OnOne for ListTags<A> {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text(A::Entity::MEMBER), text("Marker"), integer("MaxItems")];
    type Action = A;
    type Output = Tags;

    fn read(m: &mut Members<'_>) -> Self {
        let of = EntityName::read(m);
        let paging = Paging::read(m);
        Self { of, paging }
    }

    fn subject(&self) -> &EntityName<A> {
        &self.of
    }

    async fn answer(&self, of: &On<Self>, cx: &Cx<'_>) -> Result<Done<Tags>, IamFault> {
        let mut tags = of.get()?.tags().to_vec();
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        // A key may be longer than a marker can be, so the marker holds its place in the order.
        let numbered = tags.into_iter().enumerate().collect();
        let filter = (Self::NAME, self.of.name.as_str());
        let page = self
            .paging
            .cut(cx, filter, numbered, |(at, _)| format!("{at:02}"))?;
        Ok(Done::unchanged(Tags(page.map(|(_, tag)| tag))))
    }
}

impl Output<Iam> for Tags {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Tags", shape::tag);
    }
}
