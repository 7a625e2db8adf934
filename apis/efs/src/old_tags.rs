//! The older operations for tags of file systems, which AWS has for clients of before 2019.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_CreateTags.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation, Output},
    page::Paging,
    policy::permit::Permit,
};
use keyward_types::tag::Tag;
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Efs,
    fault::EfsFault,
    file_system::OneFileSystem,
    members,
    tags::{Tags, more},
};

/// `CreateTags`: more tags, or other values for those of the same keys.
#[derive(Debug)]
pub struct CreateTags {
    id: String,
    tags: Vec<Tag>,
}

keyward_types::action!("elasticfilesystem": CreateTags = "elasticfilesystem:CreateTags");

impl Operation for CreateTags {
    const NAME: &'static str = "CreateTags";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("FileSystemId"), structures("Tags", members::SHOWN_TAG)];
    type Api = Efs;
    type Output = Empty;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
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

/// `DeleteTags`: without the tags of these keys.
#[derive(Debug)]
pub struct DeleteTags {
    id: String,
    keys: Vec<String>,
}

keyward_types::action!("elasticfilesystem": DeleteTags = "elasticfilesystem:DeleteTags");

impl Operation for DeleteTags {
    const NAME: &'static str = "DeleteTags";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("FileSystemId"), texts("TagKeys")];
    type Api = Efs;
    type Output = Empty;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
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

/// `DescribeTags`
#[derive(Debug)]
pub struct DescribeTags {
    id: String,
    marker: Option<String>,
    paging: Paging,
}

/// The tags of a file system, as this operation tells them.
#[derive(Debug)]
pub struct OldTags {
    marker: Option<String>,
    tags: Tags,
}

keyward_types::action!("elasticfilesystem": DescribeTags = "elasticfilesystem:DescribeTags");

impl Operation for DescribeTags {
    const NAME: &'static str = "DescribeTags";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[integer("MaxItems"), text("Marker"), text("FileSystemId")];
    type Api = Efs;
    type Output = OldTags;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
        let (marker, most) = members::page(&mut m, ("Marker", "MaxItems"));
        m.finish()?;
        Ok(Self {
            id,
            paging: Paging::new(marker.clone(), most),
            marker,
        })
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
    ) -> Result<Done<OldTags>, EfsFault> {
        Ok(Done::unchanged(OldTags {
            marker: self.marker.clone(),
            tags: Tags::page(
                (&one.id, &one.get()?.record.tags),
                cx,
                (&self.paging, Self::NAME),
            )?,
        }))
    }
}

impl Output<Efs> for OldTags {
    fn render(&self, out: &mut Writer<'_>) {
        if let Some(marker) = &self.marker {
            out.string("Marker", marker);
        }
        self.tags.write(out, "NextMarker");
    }
}
