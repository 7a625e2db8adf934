//! `TagResource`: sets tags, over those of the same keys.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_TagResource.html>

use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    gate::{Denied, Gate},
    operation::{Done, KeyChanged, Operation},
    policy::permit::Permit,
};
use keyward_types::{action, tag::Tag};
use keyward_wire::json::{Members, Object};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey};

/// The input.
#[derive(Debug)]
pub struct TagResource {
    key_id: String,
    tags: Vec<Tag>,
}

impl Operation for TagResource {
    const NAME: &'static str = "TagResource";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("KeyId"), structures("Tags", members::SHOWN_TAG)];
    type Api = Kms;
    type Output = KeyChanged;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::TagResource>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let tags = members::tags(&mut m);
        members::require_tags(&mut m);
        m.finish()?;
        Ok(Self {
            key_id,
            tags: tags.checked()?.unwrap_or_default(),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |supply| supply.request_tags(&self.tags))
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let key = key.unit()?;
        let record = cx.state().ring().tag(permit, key.key(), &self.tags)?;
        if record.tags.len() > members::MAX_TAGS {
            return Err(KmsFault::Tag {
                message: "Too many tags",
            });
        }
        Ok(Done::changed(
            KeyChanged(key.arn().clone()),
            cx.change_key(key, &record)?,
        ))
    }
}
