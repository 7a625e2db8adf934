//! `UntagResource`: removes tags, and ignores those that do not exist.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_UntagResource.html>

use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    gate::supply::Supply,
    operation::{Done, KeyChanged},
    policy::permit::Permit,
};
use keyward_types::action;
use keyward_wire::json::Members;

use crate::{Cx, fault::KmsFault, members, on_key::OnKey, units::KeyUnit};

/// The input.
#[derive(Debug)]
pub struct UntagResource {
    tag_keys: Vec<String>,
}

impl OnKey for UntagResource {
    const NAME: &'static str = "UntagResource";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), texts("TagKeys")];
    type Action = action::UntagResource;
    type Output = KeyChanged;

    fn read(m: &mut Members<'_>) -> Result<Self, KmsFault> {
        let keys = m.strings("TagKeys").each_length(1, 128).required();
        Ok(Self {
            tag_keys: keys.into_iter().map(str::to_owned).collect(),
        })
    }

    fn supply(&self, supply: &mut Supply) {
        supply.tag_keys(&self.tag_keys);
    }

    async fn answer(
        &self,
        permit: &Permit<Self::Action>,
        key: &KeyUnit,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        if self.tag_keys.iter().any(|key| members::is_reserved(key)) {
            return Err(KmsFault::Tag {
                message: "Tags beginning with aws: are reserved",
            });
        }
        let record = cx.state().ring().untag(permit, key.key(), &self.tag_keys)?;
        cx.key_changed(key, &record)
    }
}
