//! `ListResourceTags`: the tags of a key, page by page.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListResourceTags.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    operation::{Done, Output},
    page::{Page, Paging},
    policy::permit::Permit,
};
use keyward_types::tag::Tag;
use keyward_wire::json::{Members, Writer};

use crate::{Cx, Kms, fault::KmsFault, members, on_key::OnKey, units::KeyUnit};

/// The input.
#[derive(Debug)]
pub struct ListResourceTags {
    paging: Paging,
}

/// The output.
#[derive(Debug)]
pub struct ResourceTags(Page<Tag>);

keyward_types::action!("kms": ListResourceTags = "kms:ListResourceTags");

impl OnKey for ListResourceTags {
    const NAME: &'static str = "ListResourceTags";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), integer("Limit"), text("Marker")];
    type Action = Self;
    type Output = ResourceTags;

    fn read(m: &mut Members<'_>) -> Result<Self, KmsFault> {
        let paging = members::paging(m, 50, 50);
        Ok(Self { paging })
    }

    async fn answer(
        &self,
        _permit: &Permit<Self::Action>,
        key: &KeyUnit,
        cx: &Cx<'_>,
    ) -> Result<Done<ResourceTags>, KmsFault> {
        let list = (Self::NAME, key.arn().as_str());
        let after = self.paging.after(cx, list)?;
        // Pages go by the tags' keys, so that a tag set meanwhile shifts nothing.
        let mut tags = key.record().tags.clone();
        tags.sort();
        tags.retain(|tag| after.as_ref().is_none_or(|key| tag.key > *key));
        let page = self.paging.cut(cx, list, tags, |tag| tag.key.clone())?;
        Ok(Done::unchanged(ResourceTags(page)))
    }
}

impl Output<Kms> for ResourceTags {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("Tags", |list| {
            for tag in &self.0.items {
                list.object(|pair| {
                    pair.string("TagKey", &tag.key);
                    pair.string("TagValue", &tag.value);
                });
            }
        });
        members::render_page(out, self.0.next.as_deref());
    }
}
