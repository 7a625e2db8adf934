//! `TagResource`: sets tags, over those of the same keys.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_TagResource.html>

use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    gate::supply::Supply,
    operation::{Done, KeyChanged},
    policy::permit::Permit,
};
use keyward_types::{action, tag::Tag};
use keyward_wire::json::Members;

use crate::{Cx, fault::KmsFault, members, on_key::OnKey, units::KeyUnit};

/// The input.
#[derive(Debug)]
pub struct TagResource {
    tags: Vec<Tag>,
}

impl OnKey for TagResource {
    const NAME: &'static str = "TagResource";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("KeyId"), structures("Tags", members::SHOWN_TAG)];
    type Action = action::TagResource;
    type Output = KeyChanged;

    fn read(m: &mut Members<'_>) -> Result<Self, KmsFault> {
        let tags = members::tags(m);
        members::require_tags(m);
        Ok(Self {
            tags: tags.checked()?.unwrap_or_default(),
        })
    }

    fn supply(&self, supply: &mut Supply) {
        supply.request_tags(&self.tags);
    }

    async fn answer(
        &self,
        permit: &Permit<Self::Action>,
        key: &KeyUnit,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let record = cx.state().ring().tag(permit, key.key(), &self.tags)?;
        if record.tags.len() > members::MAX_TAGS {
            return Err(KmsFault::Tag {
                message: "Too many tags",
            });
        }
        cx.key_changed(key, &record)
    }
}
