//! `GetKeyPolicy`: a key policy, its principals as they are called today.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Kms, condition_keys, fault::KmsFault, members, policies::DEFAULT_POLICY_NAME,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct GetKeyPolicy {
    key_id: String,
    policy_name: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct KeyPolicy {
    policy: String,
}

keyward_types::action!("kms": GetKeyPolicy = "kms:GetKeyPolicy");

impl Operation for GetKeyPolicy {
    const NAME: &'static str = "GetKeyPolicy";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), text("PolicyName")];
    type Api = Kms;
    type Output = KeyPolicy;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let policy_name = members::policy_name(&mut m);
        m.finish()?;
        Ok(Self {
            key_id,
            policy_name,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |supply| {
            let name = self.policy_name.as_deref().unwrap_or(DEFAULT_POLICY_NAME);
            supply.text(condition_keys::POLICY_NAME, name);
        })
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyPolicy>, KmsFault> {
        let key = key.unit()?;
        if self
            .policy_name
            .as_deref()
            .is_some_and(|name| name != DEFAULT_POLICY_NAME)
        {
            return Err(KmsFault::NotFound {
                message: "No such policy exists".to_owned(),
            });
        }
        let policy = cx.policy_for_display(key.record()).await?;
        Ok(Done::unchanged(KeyPolicy { policy }))
    }
}

impl Output<Kms> for KeyPolicy {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("Policy", &self.policy);
        out.string("PolicyName", DEFAULT_POLICY_NAME);
    }
}
