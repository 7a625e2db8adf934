//! The older operations for tags of file systems, which AWS has for clients of before 2019.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_CreateTags.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text, texts},
    gate::supply::Supply,
    operation::{Done, Empty},
};
use keyward_types::{action::Action as _, tag::Tag};
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::EfsFault,
    file_system::OneFileSystem,
    members,
    on_file_system::OnFileSystem,
    page::{AskedPage, Listed, Style},
    tags::{more, sorted},
};

/// `CreateTags`: more tags, or other values for those of the same keys.
#[derive(Debug)]
pub struct CreateTags {
    tags: Vec<Tag>,
}

keyward_types::action!("elasticfilesystem": CreateTags = "elasticfilesystem:CreateTags");

impl OnFileSystem for CreateTags {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("FileSystemId"), structures("Tags", members::SHOWN_TAG)];
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let tags = members::required_tags(m);
        Self { tags }
    }

    fn checked(self) -> Result<Self, EfsFault> {
        let tags = members::checked(self.tags)?;
        Ok(Self { tags })
    }

    fn supply(&self, supply: &mut Supply) {
        supply.request_tags(&self.tags);
    }

    async fn answer(&self, one: &OneFileSystem, cx: &Cx<'_>) -> Result<Done<Empty>, EfsFault> {
        let found = one.get()?;
        let mut record = found.record.clone();
        record.tags = more(&record.tags, &self.tags)?;
        Ok(Done::changed(Empty, cx.put(found, &record)?))
    }
}

/// `DeleteTags`: without the tags of these keys.
#[derive(Debug)]
pub struct DeleteTags {
    keys: Vec<String>,
}

keyward_types::action!("elasticfilesystem": DeleteTags = "elasticfilesystem:DeleteTags");

impl OnFileSystem for DeleteTags {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("FileSystemId"), texts("TagKeys")];
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let keys = m.strings("TagKeys").count(1, 50).each_length(1, 128);
        let keys = keys.required().into_iter().map(str::to_owned).collect();
        Self { keys }
    }

    fn supply(&self, supply: &mut Supply) {
        supply.tag_keys(&self.keys);
    }

    async fn answer(&self, one: &OneFileSystem, cx: &Cx<'_>) -> Result<Done<Empty>, EfsFault> {
        let found = one.get()?;
        let mut record = found.record.clone();
        record.tags.retain(|tag| !self.keys.contains(&tag.key));
        Ok(Done::changed(Empty, cx.put(found, &record)?))
    }
}

/// `DescribeTags`
#[derive(Debug)]
pub struct DescribeTags(AskedPage);

keyward_types::action!("elasticfilesystem": DescribeTags = "elasticfilesystem:DescribeTags");

impl OnFileSystem for DescribeTags {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[integer("MaxItems"), text("Marker"), text("FileSystemId")];
    type Output = Listed<Tag>;

    fn read(m: &mut Members<'_>) -> Self {
        Self(AskedPage::read(m, Style::Marker))
    }

    async fn answer(
        &self,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<Tag>>, EfsFault> {
        let list = (Self::OPERATION, one.id.as_str());
        let tags = sorted(&one.get()?.record.tags);
        Ok(Done::unchanged(self.0.numbered(tags, list, cx)?))
    }
}
