//! The condition keys in policies, so that a simulation can give them.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetContextKeysForPrincipalPolicy.html>

use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Iam,
    fault::IamFault,
    names,
    simulation::{found::SimulatedIdentity, source::Sources},
};

/// The names of condition keys.
#[derive(Debug)]
pub struct ContextKeys(Vec<String>);

impl Output<Iam> for ContextKeys {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.texts("ContextKeyNames", &self.0);
    }
}

/// `GetContextKeysForCustomPolicy`
#[derive(Debug)]
pub struct GetContextKeysForCustomPolicy {
    policies: Vec<String>,
}

keyward_types::action!("iam": GetContextKeysForCustomPolicy = "iam:GetContextKeysForCustomPolicy");

impl Operation for GetContextKeysForCustomPolicy {
    const NAME: &'static str = "GetContextKeysForCustomPolicy";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[texts("PolicyInputList")];
    type Api = Iam;
    type Output = ContextKeys;
    type Fault = IamFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        if !m.has("PolicyInputList") {
            // SimulatedQuestion for as required, so that it is missed.
            m.strings("PolicyInputList").required();
        }
        let policies = names::documents(&mut m, "PolicyInputList").unwrap_or_default();
        m.finish()?;
        Ok(Self { policies })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), IamFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.global_account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        _cx: &Cx<'_>,
    ) -> Result<Done<ContextKeys>, IamFault> {
        let mut sources = Sources::default();
        for text in &self.policies {
            sources.add_input(text)?;
        }
        Ok(Done::unchanged(ContextKeys(sources.context_keys())))
    }
}

/// `GetContextKeysForPrincipalPolicy`
#[derive(Debug)]
pub struct GetContextKeysForPrincipalPolicy {
    of: String,
    policies: Vec<String>,
}

keyward_types::action!("iam": GetContextKeysForPrincipalPolicy = "iam:GetContextKeysForPrincipalPolicy");

impl Operation for GetContextKeysForPrincipalPolicy {
    const NAME: &'static str = "GetContextKeysForPrincipalPolicy";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("PolicySourceArn"), texts("PolicyInputList")];
    type Api = Iam;
    type Output = ContextKeys;
    type Fault = IamFault;
    type Resolved = SimulatedIdentity;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let of = names::arn(&mut m, "PolicySourceArn");
        let policies = names::documents(&mut m, "PolicyInputList").unwrap_or_default();
        m.finish()?;
        Ok(Self { of, policies })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<SimulatedIdentity, IamFault> {
        SimulatedIdentity::find(cx, &self.of).await
    }

    fn authorize(
        &self,
        found: &SimulatedIdentity,
        gate: &Gate<'_>,
    ) -> Result<Self::Permits, Denied> {
        found.permit(gate)
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        found: &SimulatedIdentity,
        cx: &Cx<'_>,
    ) -> Result<Done<ContextKeys>, IamFault> {
        let mut sources = found.sources(cx).await?;
        for text in &self.policies {
            sources.add_input(text)?;
        }
        Ok(Done::unchanged(ContextKeys(sources.context_keys())))
    }
}
