//! `ListResourceTags`: the tags of a key, page by page.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListResourceTags.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    page::{Page, Paging},
    policy::permit::Permit,
};
use keyward_types::tag::Tag;
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey};

/// The input.
#[derive(Debug)]
pub struct ListResourceTags {
    key_id: String,
    paging: Paging,
}

/// The output.
#[derive(Debug)]
pub struct ResourceTags(Page<Tag>);

keyward_types::action!("kms": ListResourceTags = "kms:ListResourceTags");

impl Operation for ListResourceTags {
    const NAME: &'static str = "ListResourceTags";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), integer("Limit"), text("Marker")];
    type Api = Kms;
    type Output = ResourceTags;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let paging = members::paging(&mut m, 50, 50);
        m.finish()?;
        Ok(Self { key_id, paging })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<ResourceTags>, KmsFault> {
        let key = key.unit()?;
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
