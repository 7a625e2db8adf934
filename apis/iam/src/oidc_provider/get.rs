//! `GetOpenIDConnectProvider`
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetOpenIDConnectProvider.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::units::identity::OidcProviderUnit,
    operation::{Done, Output},
};
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam,
    fault::IamFault,
    oidc_provider::{ProviderArn, ProviderLookup},
    on_one::{NamedOperand, OnOne},
    shape,
};

/// The input.
#[derive(Debug)]
pub struct GetOpenIDConnectProvider(ProviderArn);

/// The output.
#[derive(Debug)]
pub struct Provider(Arc<OidcProviderUnit>);

keyward_types::action!("iam": GetOpenIDConnectProvider = "iam:GetOpenIDConnectProvider");

impl OnOne for GetOpenIDConnectProvider {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("OpenIDConnectProviderArn")];
    type Action = Self;
    type Operand = ProviderArn;
    type Output = Provider;

    fn read(m: &mut Members<'_>) -> Self {
        Self(ProviderArn::read(m))
    }

    fn operand(&self) -> &ProviderArn {
        &self.0
    }

    async fn answer(
        &self,
        found: &ProviderLookup,
        _cx: &Cx<'_>,
    ) -> Result<Done<Provider>, IamFault> {
        Ok(Done::unchanged(Provider(Arc::clone(found.get()?))))
    }
}

impl Output<Iam> for Provider {
    fn render(&self, out: &mut xml::Writer<'_>) {
        let record = self.0.record();
        out.text("Url", &record.host_and_path);
        out.texts("ClientIDList", &record.client_ids);
        out.texts("ThumbprintList", &record.thumbprints);
        out.timestamp("CreateDate", record.created);
        out.list("Tags", &record.tags, shape::tag);
    }
}
