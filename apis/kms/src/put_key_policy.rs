//! `PutKeyPolicy`: replaces a key's policy.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html>
//!
//! Unless it is bypassed, the lockout check makes the whole decision again under the new policy:
//! whoever puts it must be able to put the next one.

use keyward_engine::{
    audit::parameters::{Parameter, boolean, text},
    gate::{Denied, Gate, supply::Supply},
    operation::{Done, KeyChanged, Operation},
    policy::permit::Permit,
};
use keyward_types::action;
use keyward_wire::json::{Members, Object};

use crate::{
    Cx, Kms, condition_keys, fault::KmsFault, members, policies::DEFAULT_POLICY_NAME,
    resolved::ResolvedKey,
};

/// The text of a policy that locks its owner out.
pub const LOCKED_OUT: &str =
    "The new key policy will not allow you to update the key policy in the future.";

/// The input.
#[derive(Debug)]
pub struct PutKeyPolicy {
    key_id: String,
    policy: String,
    policy_name: Option<String>,
    bypass: Option<bool>,
}

impl PutKeyPolicy {
    fn supply(&self, supply: &mut Supply) {
        let name = self.policy_name.as_deref().unwrap_or(DEFAULT_POLICY_NAME);
        supply.text(condition_keys::POLICY_NAME, name);
        if let Some(bypass) = self.bypass {
            supply.boolean(condition_keys::BYPASS_LOCKOUT, bypass);
        }
    }
}

impl Operation for PutKeyPolicy {
    const NAME: &'static str = "PutKeyPolicy";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("KeyId"),
        text("PolicyName"),
        text("Policy"),
        boolean("BypassPolicyLockoutSafetyCheck"),
    ];
    type Api = Kms;
    type Output = KeyChanged;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::PutKeyPolicy>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let policy_name = members::policy_name(&mut m);
        let policy = members::required_policy(&mut m);
        let bypass = m.boolean("BypassPolicyLockoutSafetyCheck").optional();
        m.finish()?;
        Ok(Self {
            key_id,
            policy,
            policy_name,
            bypass,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |supply| self.supply(supply))
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        found: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        match self.policy_name.as_deref() {
            None | Some(DEFAULT_POLICY_NAME) => {}
            Some("AWS_RAM") => {
                let text = "The AWS_RAM policy can only be managed by the RAM service.";
                return Err(KmsFault::validation(text));
            }
            Some(_) => {
                return Err(KmsFault::NotFound {
                    message: "No such policy exists".to_owned(),
                });
            }
        }
        let key = found.unit()?;
        // The principals in the policy are looked up only for callers who may put one.
        let policy = cx.check_policy(&self.policy).await??;
        let supply = |supply: &mut Supply| self.supply(supply);
        let keeps_control = self.bypass == Some(true)
            || cx.would_allow::<action::PutKeyPolicy>(&found.with_policy(&policy.policy), supply);
        if !keeps_control {
            return Err(KmsFault::MalformedPolicyDocument {
                message: LOCKED_OUT.to_owned(),
            });
        }
        let record = cx
            .state()
            .ring()
            .put_policy(permit, key.key(), policy.record)?;
        cx.key_changed(key, &record)
    }
}
