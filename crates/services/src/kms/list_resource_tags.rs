//! `ListResourceTags`: the tags of a key, page by page.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListResourceTags.html>

use keyward_policy::permit::Permit;
use keyward_types::{action, tag::Tag};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    gate::{Denied, Gate},
    kms::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey},
    operation::{Done, Operation, Output},
};

/// The input.
#[derive(Debug)]
pub struct ListResourceTags {
    key_id: String,
    limit: usize,
    marker: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct ResourceTags {
    tags: Vec<Tag>,
    next: Option<String>,
}

impl Operation for ListResourceTags {
    const NAME: &'static str = "ListResourceTags";
    const READ_ONLY: bool = true;
    type Api = Kms;
    type Output = ResourceTags;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::ListResourceTags>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let limit = members::limit(&mut m, 50, 50);
        let marker = members::marker(&mut m);
        m.finish()?;
        Ok(Self {
            key_id,
            limit,
            marker,
        })
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
        let filter = key.arn().as_str();
        let after = match &self.marker {
            Some(marker) => Some(cx.open_marker(Self::NAME, filter, marker)?),
            None => None,
        };
        // Pages go by the tags' keys, so that a tag set meanwhile shifts nothing.
        let mut tags = key.record().tags.clone();
        tags.sort();
        let rest = tags
            .into_iter()
            .filter(|tag| after.as_ref().is_none_or(|key| tag.key > *key));
        let mut tags: Vec<Tag> = rest.take(self.limit + 1).collect();
        let more = tags.len() > self.limit;
        tags.truncate(self.limit);
        let next = match tags.last().filter(|_| more) {
            Some(last) => Some(cx.seal_marker(Self::NAME, filter, &last.key)?),
            None => None,
        };
        Ok(Done::unchanged(ResourceTags { tags, next }))
    }
}

impl Output<Kms> for ResourceTags {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("Tags", |list| {
            for tag in &self.tags {
                list.object(|pair| {
                    pair.string("TagKey", &tag.key);
                    pair.string("TagValue", &tag.value);
                });
            }
        });
        members::render_page(out, self.next.as_deref());
    }
}
