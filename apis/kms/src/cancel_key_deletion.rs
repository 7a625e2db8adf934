//! `CancelKeyDeletion`: cancels a scheduled deletion; the key is then Disabled.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::Done,
    policy::permit::Permit,
};
use keyward_types::action;
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::KmsFault,
    on_key::{KeyNamed, OnKey},
    units::KeyUnit,
};

/// The input.
#[derive(Debug)]
pub struct CancelKeyDeletion;

impl OnKey for CancelKeyDeletion {
    const NAME: &'static str = "CancelKeyDeletion";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Action = action::CancelKeyDeletion;
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
        let record = cx.state().ring().cancel_deletion(permit, key.key())?;
        Ok(Done::changed(
            KeyNamed(key.arn().clone()),
            cx.change_key(key, &record)?,
        ))
    }
}
