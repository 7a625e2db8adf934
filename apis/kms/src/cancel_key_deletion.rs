//! `CancelKeyDeletion`: takes a scheduled deletion back; the key is then Disabled.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{action, key_id::KeyArn};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey};

/// The input.
#[derive(Debug)]
pub struct CancelKeyDeletion {
    key_id: String,
}

/// The output.
#[derive(Debug)]
pub struct DeletionCancelled {
    key: KeyArn,
}

impl Operation for CancelKeyDeletion {
    const NAME: &'static str = "CancelKeyDeletion";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Api = Kms;
    type Output = DeletionCancelled;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::CancelKeyDeletion>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        m.finish()?;
        Ok(Self { key_id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |_| ())
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<DeletionCancelled>, KmsFault> {
        let key = key.unit()?;
        let record = cx.state().ring().cancel_deletion(permit, key.key())?;
        Ok(Done::changed(
            DeletionCancelled {
                key: key.arn().clone(),
            },
            cx.change_key(key, &record)?,
        ))
    }
}

impl Output<Kms> for DeletionCancelled {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("KeyId", self.key.as_str());
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("keyId", self.key.as_str());
    }
}
