//! Tags of accounts, organizational units, policies and the root.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_TagResource.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, structures, text, texts},
    directory::units::organization::OrganizationUnit,
    gate::supply::Supply,
    operation::{Done, Empty, Output},
};
use keyward_types::{organization::PolicyTarget, tag::Tag};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Organizations,
    change::OrganizationChange,
    fault::{IMMUTABLE, OrganizationsFault},
    managed::{self, Ask},
    members,
    page::{Paged, Pagination},
    standing::{Thing, tags_of},
};

/// Refuses something that is not there, or has no tags because it is AWS's own.
fn check(organization: &OrganizationUnit, thing: &Thing) -> Result<(), OrganizationsFault> {
    let there = match thing {
        Thing::PolicyTarget(target) => organization.has(target),
        Thing::Policy(id) => match organization.policy(id) {
            Some(policy) if policy.is_aws_managed() => {
                return Err(OrganizationsFault::invalid(IMMUTABLE));
            }
            found => found.is_some(),
        },
    };
    if there {
        Ok(())
    } else {
        Err(OrganizationsFault::TargetNotFound)
    }
}

/// A change after which something has these tags.
fn put(
    organization: &OrganizationUnit,
    thing: &Thing,
    tags: Vec<Tag>,
    cx: &Cx<'_>,
) -> Result<Done<Empty>, OrganizationsFault> {
    let mut head = organization.record().clone();
    if let Thing::PolicyTarget(PolicyTarget::Root(_)) = thing {
        head.root_tags.clone_from(&tags);
    }
    let mut change = OrganizationChange::with_head(organization, &head, cx)?;
    match thing {
        Thing::PolicyTarget(PolicyTarget::Root(_)) => {}
        Thing::PolicyTarget(PolicyTarget::Unit(id)) => {
            if let Some(unit) = organization.units().get(id) {
                let mut unit = unit.clone();
                unit.tags = tags;
                change.put_unit(&unit)?;
            }
        }
        Thing::PolicyTarget(PolicyTarget::Account(id)) => {
            if let Some(member) = organization.accounts().get(id) {
                let mut member = member.record().clone();
                member.tags = tags;
                change.put_account(&member)?;
            }
        }
        Thing::Policy(id) => {
            if let Some(policy) = organization.policies().get(id) {
                let mut policy = policy.record().clone();
                policy.tags = tags;
                change.put_policy(&policy)?;
            }
        }
    }
    Ok(Done::changed(Empty, change.into_batch()))
}

fn id_of(thing: &Thing) -> &str {
    match thing {
        Thing::PolicyTarget(target) => target.as_str(),
        Thing::Policy(id) => id.as_str(),
    }
}

/// `TagResource`
#[derive(Debug)]
pub struct TagResource {
    thing: Thing,
    tags: Vec<Tag>,
}

impl Ask for TagResource {
    const NAME: &'static str = "TagResource";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("ResourceId"), structures("Tags", members::SHOWN_TAG)];
    type Action = managed::TagResource;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let thing = members::tagged(m, "ResourceId");
        let tags = members::required_tags(m);
        Some(Self {
            thing: thing?,
            tags,
        })
    }

    fn check(&self) -> Result<(), OrganizationsFault> {
        members::check_tags(&self.tags)
    }

    fn things(&self) -> Vec<Thing> {
        vec![self.thing.clone()]
    }

    fn supply(&self, supply: &mut Supply) {
        supply.request_tags(&self.tags);
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        check(organization, &self.thing)?;
        let mut tags = tags_of(organization, &self.thing).to_vec();
        for tag in &self.tags {
            match tags.iter_mut().find(|old| old.key == tag.key) {
                Some(old) => old.value.clone_from(&tag.value),
                None => tags.push(tag.clone()),
            }
        }
        members::check_tags(&tags)?;
        put(organization, &self.thing, tags, cx)
    }
}

/// `UntagResource`
#[derive(Debug)]
pub struct UntagResource {
    thing: Thing,
    keys: Vec<String>,
}

keyward_types::action!("organizations": UntagResource = "organizations:UntagResource");

impl Ask for UntagResource {
    const NAME: &'static str = "UntagResource";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("ResourceId"), texts("TagKeys")];
    type Action = Self;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let thing = members::tagged(m, "ResourceId");
        let keys = members::tag_keys(m);
        Some(Self {
            thing: thing?,
            keys,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![self.thing.clone()]
    }

    fn supply(&self, supply: &mut Supply) {
        supply.tag_keys(&self.keys);
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        check(organization, &self.thing)?;
        let mut tags = tags_of(organization, &self.thing).to_vec();
        tags.retain(|tag| !self.keys.contains(&tag.key));
        put(organization, &self.thing, tags, cx)
    }
}

/// `ListTagsForResource`
#[derive(Debug)]
pub struct ListTagsForResource {
    thing: Thing,
    page: Pagination,
}

/// The output of ListTagsForResource.
#[derive(Debug)]
pub struct TagsListed(Paged<Tag>);

keyward_types::action!("organizations": ListTagsForResource = "organizations:ListTagsForResource");

impl Ask for ListTagsForResource {
    const NAME: &'static str = "ListTagsForResource";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("ResourceId"), text("NextToken")];
    type Action = Self;
    type Output = TagsListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let thing = members::tagged(m, "ResourceId");
        // All tags are on one page.
        let page = Pagination::read_token(m, 50);
        Some(Self {
            thing: thing?,
            page,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![self.thing.clone()]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<TagsListed>, OrganizationsFault> {
        match check(organization, &self.thing) {
            // AWS's own policies have none.
            Ok(()) | Err(OrganizationsFault::InvalidInput { .. }) => {}
            Err(fault) => return Err(fault),
        }
        let mut tags = tags_of(organization, &self.thing).to_vec();
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        let asked = (Self::NAME, id_of(&self.thing));
        let page = self.page.cut(cx, asked, tags, |tag| tag.key.as_str())?;
        Ok(Done::unchanged(TagsListed(page)))
    }
}

impl Output<Organizations> for TagsListed {
    fn render(&self, out: &mut Writer<'_>) {
        self.0.render(out, "Tags", |tag, entry| {
            entry.string("Key", &tag.key);
            entry.string("Value", &tag.value);
        });
    }
}
