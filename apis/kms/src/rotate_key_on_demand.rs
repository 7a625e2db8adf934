//! `RotateKeyOnDemand`: new material now; what older material made still opens.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_RotateKeyOnDemand.html>
//!
//! AWS rotates a little later; here the new material is current when the answer leaves. The
//! `RotateKey` service event that follows at AWS stands in the same batch.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{action, key_id::KeyArn, key_spec::RotationType};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey, service_events};

/// The input.
#[derive(Debug)]
pub struct RotateKeyOnDemand {
    key_id: String,
}

/// The output.
#[derive(Debug)]
pub struct Rotated {
    key: KeyArn,
}

impl Operation for RotateKeyOnDemand {
    const NAME: &'static str = "RotateKeyOnDemand";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Api = Kms;
    type Output = Rotated;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::RotateKeyOnDemand>;

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
    ) -> Result<Done<Rotated>, KmsFault> {
        let key = key.unit()?;
        let record = cx
            .state()
            .ring()
            .rotate_on_demand(permit, key.key(), cx.now)
            .await?;
        let batch = cx.change_key(key, &record)?;
        let event = service_events::rotation(key.record(), &record, RotationType::OnDemand);
        let key = key.arn().clone();
        Ok(Done::changed(Rotated { key }, batch).with_event(event))
    }
}

impl Output<Kms> for Rotated {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("KeyId", self.key.as_str());
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("keyId", self.key.as_str());
    }
}
