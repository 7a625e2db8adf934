//! Tags of file systems.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_TagResource.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation, Output},
    page::{Page, Paging},
    policy::permit::Permit,
};
use keyward_types::tag::Tag;
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Efs, fault::EfsFault, file_system::OneFileSystem, members};

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
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::resource_id(&mut m);
        let tags = members::required_tags(&mut m);
        m.finish()?;
        let tags = members::checked(tags)?;
        Ok(Self { id, tags })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |supply| supply.request_tags(&self.tags))
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, EfsFault> {
        let found = one.get()?;
        let mut record = found.record.clone();
        record.tags = more(&record.tags, &self.tags)?;
        Ok(Done::changed(Empty, cx.put(found, &record)?))
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
    type Resolved = OneFileSystem;
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

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |supply| supply.tag_keys(&self.keys))
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, EfsFault> {
        let found = one.get()?;
        let mut record = found.record.clone();
        record.tags.retain(|tag| !self.keys.contains(&tag.key));
        Ok(Done::changed(Empty, cx.put(found, &record)?))
    }
}

/// `ListTagsForResource`
#[derive(Debug)]
pub struct ListTagsForResource {
    id: String,
    paging: Paging,
}

/// The tags of a file system.
#[derive(Debug)]
pub struct Tags(Page<Tag>);

keyward_types::action!("elasticfilesystem": ListTagsForResource = "elasticfilesystem:ListTagsForResource");

impl Operation for ListTagsForResource {
    const NAME: &'static str = "ListTagsForResource";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("ResourceId"), integer("MaxResults"), text("NextToken")];
    type Api = Efs;
    type Output = Tags;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::resource_id(&mut m);
        let (marker, most) = members::page(&mut m, ("NextToken", "MaxResults"));
        m.finish()?;
        let paging = Paging::new(marker, most);
        Ok(Self { id, paging })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<Tags>, EfsFault> {
        let tags = Tags::page(one, cx, (&self.paging, Self::NAME))?;
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

impl Tags {
    /// A page of the tags of a file system.
    ///
    /// # Errors
    /// If the file system is not there, or the marker is of another list.
    pub fn page(
        one: &OneFileSystem,
        cx: &Cx<'_>,
        (paging, operation): (&Paging, &str),
    ) -> Result<Self, EfsFault> {
        let mut tags = one.get()?.record.tags.clone();
        tags.sort();
        let list = (operation, one.id.as_str());
        // By number, since a marker may be no longer than 128 characters, as a key may be.
        let after = paging.after(cx, list)?;
        let after = after.and_then(|after| after.parse::<usize>().ok());
        let rest = (1..).zip(tags).skip(after.unwrap_or(0));
        let rest: Vec<(usize, Tag)> = rest.collect();
        let page = paging.cut(cx, list, rest, |(at, _)| at.to_string())?;
        Ok(Self(page.map(|(_, tag)| tag)))
    }

    /// Writes them, with the marker of the next page under that name.
    pub fn write(&self, out: &mut Writer<'_>, next: &'static str) {
        out.array("Tags", |list| {
            for tag in &self.0.items {
                list.object(|out| {
                    out.string("Key", &tag.key);
                    out.string("Value", &tag.value);
                });
            }
        });
        if let Some(marker) = &self.0.next {
            out.string(next, marker);
        }
    }
}

impl Output<Efs> for Tags {
    fn render(&self, out: &mut Writer<'_>) {
        self.write(out, "NextToken");
    }
}
