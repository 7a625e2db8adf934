//! Tags of DB instances, DB snapshots and DB subnet groups.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_AddTagsToResource.html>

use keyward_engine::{
    audit::parameters::{Parameter, structures, text, texts},
    gate::{Denied, Gate, protected::Protected},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{arn::ArnParts, tag::Tag};
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Rds,
    fault::RdsFault,
    instance::{OneInstance, own_name},
    members,
    protected::{Named, Traits},
    snapshot::OneSnapshot,
    subnet_group::{DEFAULT, SubnetGroup},
};

/// A resource that has tags.
#[derive(Debug)]
pub enum Tagged {
    /// A DB instance.
    Instance(Box<OneInstance>),
    /// A DB snapshot.
    Snapshot(Box<OneSnapshot>),
    /// A DB subnet group, and its name.
    Group(Named, Option<Box<SubnetGroup>>, String),
}

impl Tagged {
    /// The resource of that ARN.
    async fn named(named: &str, cx: &Cx<'_>) -> Result<Self, RdsFault> {
        let wrong = || {
            RdsFault::InvalidParameterValue(format!(
                "Invalid resource name: {named}. Use the ARN of a DB instance, a DB snapshot or a DB subnet group of your account and Region."
            ))
        };
        let parts = ArnParts::parse(named).ok_or_else(wrong)?;
        let (kind, _) = parts.resource.split_once(':').ok_or_else(wrong)?;
        let name = own_name(named, kind, cx).ok_or_else(wrong)?;
        match kind {
            "db" => Ok(Self::Instance(Box::new(cx.named_instance(&name).await?))),
            "snapshot" => Ok(Self::Snapshot(Box::new(cx.named_snapshot(&name).await?))),
            "subgrp" => {
                let (resource, found) = cx.named_group(&name).await?;
                Ok(Self::Group(resource, found.map(Box::new), name))
            }
            _ => Err(wrong()),
        }
    }

    /// With the tags that a request gives it.
    fn with_request_tags(self, tags: &[Tag]) -> Self {
        match self {
            Self::Instance(one) => Self::Instance(Box::new(one.with_request_tags(tags))),
            Self::Snapshot(one) => Self::Snapshot(Box::new(one.with_request_tags(tags))),
            Self::Group(named, found, name) => {
                let traits = Traits {
                    request_tags: tags.to_vec(),
                    ..Default::default()
                };
                Self::Group(named.used_for(&traits), found, name)
            }
        }
    }

    fn protected(&self) -> &dyn Protected {
        match self {
            Self::Instance(one) => &**one,
            Self::Snapshot(one) => &**one,
            Self::Group(named, ..) => named,
        }
    }

    /// Its tags.
    fn get(&self) -> Result<&[Tag], RdsFault> {
        match self {
            Self::Instance(one) => Ok(&one.get()?.record.tags),
            Self::Snapshot(one) => Ok(&one.get()?.record.tags),
            Self::Group(_, found, name) => Ok(&group(found.as_deref(), name)?.record.tags),
        }
    }

    /// A batch after which it has these tags.
    fn put(&self, tags: Vec<Tag>, cx: &Cx<'_>) -> Result<SealedBatch, RdsFault> {
        let mut batch = cx.batch();
        match self {
            Self::Instance(one) => {
                let found = one.get()?;
                let mut record = found.record.clone();
                record.tags = tags;
                cx.put_instance(&mut batch, &record, Precondition::At(found.revision))?;
            }
            Self::Snapshot(one) => {
                let found = one.get()?;
                let mut record = found.record.clone();
                record.tags = tags;
                cx.put_snapshot(&mut batch, &record, Precondition::At(found.revision))?;
            }
            Self::Group(_, found, name) => {
                let found = group(found.as_deref(), name)?;
                let mut record = found.record.clone();
                if record.name == DEFAULT {
                    let message = "The default DB subnet group has no tags.".to_owned();
                    return Err(RdsFault::InvalidParameterValue(message));
                }
                record.tags = tags;
                cx.put_subnet_group(&mut batch, &record, Precondition::At(found.revision))?;
            }
        }
        Ok(batch)
    }
}

/// A DB subnet group.
fn group<'g>(found: Option<&'g SubnetGroup>, name: &str) -> Result<&'g SubnetGroup, RdsFault> {
    found.ok_or_else(|| RdsFault::DbSubnetGroupNotFound {
        name: name.to_owned(),
    })
}

/// `AddTagsToResource`: more tags, or other values for those of the same keys.
#[derive(Debug)]
pub struct AddTagsToResource {
    named: String,
    tags: Vec<Tag>,
}

keyward_types::action!("rds": AddTagsToResource = "rds:AddTagsToResource");

impl Operation for AddTagsToResource {
    const NAME: &'static str = "AddTagsToResource";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("ResourceName"), structures("Tags", members::SHOWN_TAG)];
    type Api = Rds;
    type Output = Empty;
    type Fault = RdsFault;
    type Resolved = Tagged;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let named = m.string("ResourceName").length(0, 512).optional();
        let tags = members::tags(&mut m).unwrap_or_default();
        m.finish()?;
        let named = members::required(named, "ResourceName")?;
        let tags = members::checked(tags)?;
        Ok(Self { named, tags })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Tagged, RdsFault> {
        let tagged = Tagged::named(&self.named, cx).await?;
        Ok(tagged.with_request_tags(&self.tags))
    }

    fn authorize(&self, tagged: &Tagged, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(tagged.protected(), |supply| supply.request_tags(&self.tags))
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        tagged: &Tagged,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, RdsFault> {
        let mut tags = tagged.get()?.to_vec();
        for tag in &self.tags {
            match tags.iter_mut().find(|old| old.key == tag.key) {
                Some(old) => old.value.clone_from(&tag.value),
                None => tags.push(tag.clone()),
            }
        }
        let tags = members::checked(tags)?;
        Ok(Done::changed(Empty, tagged.put(tags, cx)?))
    }
}

/// `RemoveTagsFromResource`: without the tags of these keys.
#[derive(Debug)]
pub struct RemoveTagsFromResource {
    named: String,
    keys: Vec<String>,
}

keyward_types::action!("rds": RemoveTagsFromResource = "rds:RemoveTagsFromResource");

impl Operation for RemoveTagsFromResource {
    const NAME: &'static str = "RemoveTagsFromResource";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("ResourceName"), texts("TagKeys")];
    type Api = Rds;
    type Output = Empty;
    type Fault = RdsFault;
    type Resolved = Tagged;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let named = m.string("ResourceName").length(0, 512).optional();
        let keys = m.strings("TagKeys").count(0, members::MAX_TAGS);
        let keys = keys.each_length(1, 128).optional().unwrap_or_default();
        m.finish()?;
        let named = members::required(named, "ResourceName")?;
        let keys = keys.into_iter().map(str::to_owned).collect();
        Ok(Self { named, keys })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Tagged, RdsFault> {
        Tagged::named(&self.named, cx).await
    }

    fn authorize(&self, tagged: &Tagged, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(tagged.protected(), |supply| supply.tag_keys(&self.keys))
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        tagged: &Tagged,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, RdsFault> {
        let mut tags = tagged.get()?.to_vec();
        tags.retain(|tag| !self.keys.contains(&tag.key));
        Ok(Done::changed(Empty, tagged.put(tags, cx)?))
    }
}

/// `ListTagsForResource`
#[derive(Debug)]
pub struct ListTagsForResource {
    named: String,
}

/// The tags of a resource.
#[derive(Debug)]
pub struct Tags(Vec<Tag>);

keyward_types::action!("rds": ListTagsForResource = "rds:ListTagsForResource");

impl Operation for ListTagsForResource {
    const NAME: &'static str = "ListTagsForResource";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("ResourceName"),
        structures("Filters", members::SHOWN_FILTER),
    ];
    type Api = Rds;
    type Output = Tags;
    type Fault = RdsFault;
    type Resolved = Tagged;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let named = m.string("ResourceName").length(0, 512).optional();
        let filters = members::filters(&mut m);
        m.finish()?;
        members::known(filters, &[])?;
        let named = members::required(named, "ResourceName")?;
        Ok(Self { named })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Tagged, RdsFault> {
        Tagged::named(&self.named, cx).await
    }

    fn authorize(&self, tagged: &Tagged, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(tagged.protected(), |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        tagged: &Tagged,
        _cx: &Cx<'_>,
    ) -> Result<Done<Tags>, RdsFault> {
        Ok(Done::unchanged(Tags(tagged.get()?.to_vec())))
    }
}

impl Output<Rds> for Tags {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.list_of(("TagList", "Tag"), &self.0, |out, tag| {
            out.text("Key", &tag.key);
            out.text("Value", &tag.value);
        });
    }
}
