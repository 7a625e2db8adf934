//! Tags of file systems and access points.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_TagResource.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text, texts},
    gate::{Denied, Gate, protected::Protected},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::tag::Tag;
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Efs,
    access_point::OneAccessPoint,
    fault::EfsFault,
    file_system::OneFileSystem,
    members,
    page::{AskedPage, Listed, Style},
};

/// A resource that has tags.
#[derive(Debug)]
pub enum Tagged {
    /// A file system.
    FileSystem(OneFileSystem),
    /// An access point.
    AccessPoint(OneAccessPoint),
}

impl Tagged {
    /// The resource of that id or ARN.
    async fn named(named: &str, cx: &Cx<'_>) -> Result<Self, EfsFault> {
        let id = named.rsplit('/').next().unwrap_or(named);
        match id.split_once('-') {
            Some(("fsap", _)) => Ok(Self::AccessPoint(cx.named_access_point(named).await?)),
            _ => Ok(Self::FileSystem(cx.named_file_system(named).await?)),
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::FileSystem(one) => &one.id,
            Self::AccessPoint(one) => &one.id,
        }
    }

    fn protected(&self) -> &dyn Protected {
        match self {
            Self::FileSystem(one) => one,
            Self::AccessPoint(one) => one,
        }
    }

    /// Its tags.
    fn get(&self) -> Result<&[Tag], EfsFault> {
        match self {
            Self::FileSystem(one) => Ok(&one.get()?.record.tags),
            Self::AccessPoint(one) => Ok(&one.get()?.0.tags),
        }
    }

    /// A batch after which it has these tags.
    fn put(&self, tags: Vec<Tag>, cx: &Cx<'_>) -> Result<SealedBatch, EfsFault> {
        match self {
            Self::FileSystem(one) => {
                let found = one.get()?;
                let mut record = found.record.clone();
                record.tags = tags;
                cx.put(found, &record)
            }
            Self::AccessPoint(one) => {
                let (record, revision) = one.get()?;
                let mut record = record.clone();
                record.tags = tags;
                let mut batch = cx.batch();
                cx.put_access_point(&mut batch, &record, Precondition::At(*revision))?;
                Ok(batch)
            }
        }
    }
}

/// `TagResource`: more tags, or other values for those of the same keys.
#[derive(Debug)]
pub struct TagResource {
    id: String,
    tags: Vec<Tag>,
}

keyward_types::action!("elasticfilesystem": TagResource = "elasticfilesystem:TagResource");

impl Operation for TagResource {
    const NAME: &'static str = "TagResource";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("ResourceId"), structures("Tags", members::SHOWN_TAG)];
    type Api = Efs;
    type Output = Empty;
    type Fault = EfsFault;
    type Resolved = Tagged;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::resource_id(&mut m);
        let tags = members::required_tags(&mut m);
        m.finish()?;
        let tags = members::checked(tags)?;
        Ok(Self { id, tags })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Tagged, EfsFault> {
        Tagged::named(&self.id, cx).await
    }

    fn authorize(&self, one: &Tagged, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one.protected(), |supply| supply.request_tags(&self.tags))
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &Tagged,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, EfsFault> {
        let tags = more(one.get()?, &self.tags)?;
        Ok(Done::changed(Empty, one.put(tags, cx)?))
    }
}

/// `UntagResource`: without the tags of these keys.
#[derive(Debug)]
pub struct UntagResource {
    id: String,
    keys: Vec<String>,
}

keyward_types::action!("elasticfilesystem": UntagResource = "elasticfilesystem:UntagResource");

impl Operation for UntagResource {
    const NAME: &'static str = "UntagResource";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("ResourceId"), texts("TagKeys")];
    type Api = Efs;
    type Output = Empty;
    type Fault = EfsFault;
    type Resolved = Tagged;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::resource_id(&mut m);
        let keys = m.strings("TagKeys").count(1, 50).each_length(1, 128);
        let keys = keys.required();
        m.finish()?;
        let keys = keys.into_iter().map(str::to_owned).collect();
        Ok(Self { id, keys })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Tagged, EfsFault> {
        Tagged::named(&self.id, cx).await
    }

    fn authorize(&self, one: &Tagged, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one.protected(), |supply| supply.tag_keys(&self.keys))
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &Tagged,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, EfsFault> {
        let mut tags = one.get()?.to_vec();
        tags.retain(|tag| !self.keys.contains(&tag.key));
        Ok(Done::changed(Empty, one.put(tags, cx)?))
    }
}

/// `ListTagsForResource`
#[derive(Debug)]
pub struct ListTagsForResource {
    id: String,
    page: AskedPage,
}

keyward_types::action!("elasticfilesystem": ListTagsForResource = "elasticfilesystem:ListTagsForResource");

impl Operation for ListTagsForResource {
    const NAME: &'static str = "ListTagsForResource";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("ResourceId"), integer("MaxResults"), text("NextToken")];
    type Api = Efs;
    type Output = Listed<Tag>;
    type Fault = EfsFault;
    type Resolved = Tagged;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::resource_id(&mut m);
        let page = AskedPage::read(&mut m, Style::Token);
        m.finish()?;
        Ok(Self { id, page })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Tagged, EfsFault> {
        Tagged::named(&self.id, cx).await
    }

    fn authorize(&self, one: &Tagged, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one.protected(), |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &Tagged,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<Tag>>, EfsFault> {
        let list = (Self::NAME, one.id());
        let tags = self.page.numbered(sorted(one.get()?), list, cx)?;
        Ok(Done::unchanged(tags))
    }
}

/// Tags with more of them, or with other values for those of the same keys.
///
/// # Errors
/// If there are too many then.
pub fn more(before: &[Tag], new: &[Tag]) -> Result<Vec<Tag>, EfsFault> {
    let mut tags = before.to_vec();
    for tag in new {
        match tags.iter_mut().find(|old| old.key == tag.key) {
            Some(old) => old.value.clone_from(&tag.value),
            None => tags.push(tag.clone()),
        }
    }
    members::checked(tags)
}

/// Tags in the order in which they are listed.
pub fn sorted(tags: &[Tag]) -> Vec<Tag> {
    let mut tags = tags.to_vec();
    tags.sort();
    tags
}

impl Output<Efs> for Listed<Tag> {
    fn render(&self, out: &mut Writer<'_>) {
        self.write(out, "Tags", |tag, out| {
            out.string("Key", &tag.key);
            out.string("Value", &tag.value);
        });
    }
}
