//! `GetKeyPolicy`: a key policy, its principals as they are called today.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::supply::Supply,
    operation::{Done, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Kms, condition_keys, fault::KmsFault, members, on_key::OnKey,
    policies::DEFAULT_POLICY_NAME, units::KeyUnit,
};

/// The input.
#[derive(Debug)]
pub struct GetKeyPolicy {
    policy_name: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct KeyPolicy {
    policy: String,
}

keyward_types::action!("kms": GetKeyPolicy = "kms:GetKeyPolicy");

impl OnKey for GetKeyPolicy {
    const NAME: &'static str = "GetKeyPolicy";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), text("PolicyName")];
    type Action = Self;
    type Output = KeyPolicy;

    fn read(m: &mut Members<'_>) -> Result<Self, KmsFault> {
        let policy_name = members::policy_name(m);
        Ok(Self { policy_name })
    }

    fn supply(&self, supply: &mut Supply) {
        let name = self.policy_name.as_deref().unwrap_or(DEFAULT_POLICY_NAME);
        supply.text(condition_keys::POLICY_NAME, name);
    }

    async fn answer(
        &self,
        _permit: &Permit<Self::Action>,
        key: &KeyUnit,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyPolicy>, KmsFault> {
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
