//! `AddClientIDToOpenIDConnectProvider`, `RemoveClientIDFromOpenIDConnectProvider`: the audiences
//! that tokens may be for. Adding one that is there and removing one that is not change nothing.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_wire::query::Params;

use crate::{
    Cx, Iam,
    fault::IamFault,
    oidc_provider::{MAX_CLIENT_IDS, ProviderArn, ProviderLookup, too_many_client_ids},
};

/// `AddClientIDToOpenIDConnectProvider`
#[derive(Debug)]
pub struct AddClientIDToOpenIDConnectProvider {
    arn: ProviderArn,
    client_id: String,
}

keyward_types::action!("iam": AddClientIDToOpenIDConnectProvider = "iam:AddClientIDToOpenIDConnectProvider");

impl Operation for AddClientIDToOpenIDConnectProvider {
    const NAME: &'static str = "AddClientIDToOpenIDConnectProvider";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("OpenIDConnectProviderArn"), text("ClientID")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = ProviderLookup;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let arn = ProviderArn::read(&mut m);
        let client_id = m.string("ClientID").length(1, 255).required().to_owned();
        m.finish()?;
        Ok(Self { arn, client_id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ProviderLookup, IamFault> {
        self.arn.find(cx).await
    }

    fn authorize(&self, asked: &ProviderLookup, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        asked.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        asked: &ProviderLookup,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        asked.change(cx, |provider| {
            if !provider.client_ids.contains(&self.client_id) {
                provider.client_ids.push(self.client_id.clone());
            }
            if provider.client_ids.len() > MAX_CLIENT_IDS {
                return Err(too_many_client_ids());
            }
            Ok(())
        })
    }
}

/// `RemoveClientIDFromOpenIDConnectProvider`
#[derive(Debug)]
pub struct RemoveClientIDFromOpenIDConnectProvider {
    arn: ProviderArn,
    client_id: String,
}

keyward_types::action!("iam": RemoveClientIDFromOpenIDConnectProvider = "iam:RemoveClientIDFromOpenIDConnectProvider");

impl Operation for RemoveClientIDFromOpenIDConnectProvider {
    const NAME: &'static str = "RemoveClientIDFromOpenIDConnectProvider";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("OpenIDConnectProviderArn"), text("ClientID")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = ProviderLookup;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let arn = ProviderArn::read(&mut m);
        let client_id = m.string("ClientID").length(1, 255).required().to_owned();
        m.finish()?;
        Ok(Self { arn, client_id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ProviderLookup, IamFault> {
        self.arn.find(cx).await
    }

    fn authorize(&self, asked: &ProviderLookup, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        asked.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        asked: &ProviderLookup,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        asked.change(cx, |provider| {
            provider.client_ids.retain(|id| *id != self.client_id);
            Ok(())
        })
    }
}
