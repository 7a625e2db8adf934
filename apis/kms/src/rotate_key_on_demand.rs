//! `RotateKeyOnDemand`: new material now; what was encrypted with older material can still be
//! decrypted.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_RotateKeyOnDemand.html>
//!
//! AWS rotates a little later; here the new material is current when the answer leaves. The
//! `RotateKey` service event that follows at AWS is in the same batch.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::Done,
    policy::permit::Permit,
};
use keyward_types::{action, key_spec::RotationType};
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::KmsFault,
    on_key::{KeyNamed, OnKey},
    service_events,
    units::KeyUnit,
};

/// The input.
#[derive(Debug)]
pub struct RotateKeyOnDemand;

impl OnKey for RotateKeyOnDemand {
    const NAME: &'static str = "RotateKeyOnDemand";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Action = action::RotateKeyOnDemand;
    type Output = KeyNamed;

    fn read(_m: &mut Members<'_>) -> Result<Self, KmsFault> {
        Ok(Self)
    }

    async fn answer(
        &self,
        permit: &Permit<Self::Action>,
        key: &KeyUnit,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyNamed>, KmsFault> {
        let record = cx
            .state()
            .ring()
            .rotate_on_demand(permit, key.key(), cx.now)
            .await?;
        let batch = cx.change_key(key, &record)?;
        let event = service_events::rotation(key.record(), &record, RotationType::OnDemand);
        Ok(Done::changed(KeyNamed(key.arn().clone()), batch).with_event(event))
    }
}
