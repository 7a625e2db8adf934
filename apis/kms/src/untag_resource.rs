//! `UntagResource`: removes tags; those that are not there are passed over.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_UntagResource.html>

use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    gate::{Denied, Gate},
    operation::{Done, KeyChanged, Operation},
    policy::permit::Permit,
};
use keyward_types::action;
use keyward_wire::json::{Members, Object};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey};

/// The input.
#[derive(Debug)]
pub struct UntagResource {
    key_id: String,
    tag_keys: Vec<String>,
}

impl Operation for UntagResource {
    const NAME: &'static str = "UntagResource";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), texts("TagKeys")];
    type Api = Kms;
    type Output = KeyChanged;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::UntagResource>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let keys = m.strings("TagKeys").each_length(1, 128).required();
        let tag_keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
        m.finish()?;
        Ok(Self { key_id, tag_keys })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |supply| supply.tag_keys(&self.tag_keys))
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let key = key.unit()?;
        if self.tag_keys.iter().any(|key| members::is_reserved(key)) {
            return Err(KmsFault::Tag {
                message: "Tags beginning with aws: are reserved",
            });
        }
        let record = cx.state().ring().untag(permit, key.key(), &self.tag_keys)?;
        Ok(Done::changed(
            KeyChanged(key.arn().clone()),
            cx.change_key(key, &record)?,
        ))
    }
}
