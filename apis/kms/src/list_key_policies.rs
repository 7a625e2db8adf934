//! `ListKeyPolicies`: the names of a key's policies, of which there is one.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeyPolicies.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey};

/// The input.
#[derive(Debug)]
pub struct ListKeyPolicies {
    key_id: String,
}

/// The output.
#[derive(Debug)]
pub struct KeyPolicies;

keyward_types::action!("kms": ListKeyPolicies = "kms:ListKeyPolicies");

impl Operation for ListKeyPolicies {
    const NAME: &'static str = "ListKeyPolicies";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), integer("Limit"), text("Marker")];
    type Api = Kms;
    type Output = KeyPolicies;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        // There is one policy, so that no page is ever followed by another.
        members::paging(&mut m, 100, 1000);
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
        _permit: &Self::Permits,
        _key: &ResolvedKey,
        _cx: &Cx<'_>,
    ) -> Result<Done<KeyPolicies>, KmsFault> {
        Ok(Done::unchanged(KeyPolicies))
    }
}

impl Output<Kms> for KeyPolicies {
    fn render(&self, out: &mut Writer<'_>) {
        out.strings("PolicyNames", ["default"]);
        out.boolean("Truncated", false);
    }
}
