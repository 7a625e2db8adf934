//! `AddClientIDToOpenIDConnectProvider`, `RemoveClientIDFromOpenIDConnectProvider`: the audiences
//! that tokens may be for. Adding one that is there and removing one that is not change nothing.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Empty},
};
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::IamFault,
    oidc_provider::{MAX_CLIENT_IDS, ProviderArn, ProviderLookup, too_many_client_ids},
    on_one::{NamedOperand, OnOne},
};

/// A provider, and an audience of its tokens.
#[derive(Debug)]
struct ClientId {
    arn: ProviderArn,
    id: String,
}

impl ClientId {
    const PARAMETERS: &'static [Parameter] = &[text("OpenIDConnectProviderArn"), text("ClientID")];

    fn read(m: &mut Members<'_>) -> Self {
        let arn = ProviderArn::read(m);
        let id = m.string("ClientID").length(1, 255).required().to_owned();
        Self { arn, id }
    }
}

/// `AddClientIDToOpenIDConnectProvider`
#[derive(Debug)]
pub struct AddClientIDToOpenIDConnectProvider(ClientId);

keyward_types::action!("iam": AddClientIDToOpenIDConnectProvider = "iam:AddClientIDToOpenIDConnectProvider");

impl OnOne for AddClientIDToOpenIDConnectProvider {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = ClientId::PARAMETERS;
    type Action = Self;
    type Operand = ProviderArn;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(ClientId::read(m))
    }

    fn operand(&self) -> &ProviderArn {
        &self.0.arn
    }

    async fn answer(&self, found: &ProviderLookup, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        found.change(cx, |provider| {
            if !provider.client_ids.contains(&self.0.id) {
                provider.client_ids.push(self.0.id.clone());
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
pub struct RemoveClientIDFromOpenIDConnectProvider(ClientId);

keyward_types::action!("iam": RemoveClientIDFromOpenIDConnectProvider = "iam:RemoveClientIDFromOpenIDConnectProvider");

impl OnOne for RemoveClientIDFromOpenIDConnectProvider {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = ClientId::PARAMETERS;
    type Action = Self;
    type Operand = ProviderArn;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(ClientId::read(m))
    }

    fn operand(&self) -> &ProviderArn {
        &self.0.arn
    }

    async fn answer(&self, found: &ProviderLookup, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        found.change(cx, |provider| {
            provider.client_ids.retain(|id| *id != self.0.id);
            Ok(())
        })
    }
}
