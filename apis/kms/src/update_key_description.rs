//! `UpdateKeyDescription`: gives a key another description.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdateKeyDescription.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, KeyChanged},
    policy::permit::Permit,
};
use keyward_types::action;
use keyward_wire::json::Members;

use crate::{Cx, fault::KmsFault, on_key::OnKey, units::KeyUnit};

/// The input.
#[derive(Debug)]
pub struct UpdateKeyDescription {
    description: String,
}

impl OnKey for UpdateKeyDescription {
    const NAME: &'static str = "UpdateKeyDescription";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), text("Description")];
    type Action = action::UpdateKeyDescription;
    type Output = KeyChanged;

    fn read(m: &mut Members<'_>) -> Result<Self, KmsFault> {
        let description = m.string("Description").length(0, 8192).required();
        Ok(Self {
            description: description.to_owned(),
        })
    }

    async fn answer(
        &self,
        permit: &Permit<Self::Action>,
        key: &KeyUnit,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let record = cx
            .state()
            .ring()
            .describe(permit, key.key(), &self.description)?;
        cx.key_changed(key, &record)
    }
}
