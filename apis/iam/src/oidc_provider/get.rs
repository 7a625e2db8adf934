//! `GetOpenIDConnectProvider`
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetOpenIDConnectProvider.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::units::identity::OidcProviderUnit,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Iam,
    fault::IamFault,
    oidc_provider::{ProviderArn, ProviderLookup},
    shape,
};

/// The input.
#[derive(Debug)]
pub struct GetOpenIDConnectProvider(ProviderArn);

/// The output.
#[derive(Debug)]
pub struct Provider(Arc<OidcProviderUnit>);

keyward_types::action!("iam": GetOpenIDConnectProvider = "iam:GetOpenIDConnectProvider");

impl Operation for GetOpenIDConnectProvider {
    const NAME: &'static str = "GetOpenIDConnectProvider";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("OpenIDConnectProviderArn")];
    type Api = Iam;
    type Output = Provider;
    type Fault = IamFault;
    type Resolved = ProviderLookup;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let arn = ProviderArn::read(&mut m);
        m.finish()?;
        Ok(Self(arn))
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ProviderLookup, IamFault> {
        self.0.find(cx).await
    }

    fn authorize(&self, asked: &ProviderLookup, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        asked.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        asked: &ProviderLookup,
        _cx: &Cx<'_>,
    ) -> Result<Done<Provider>, IamFault> {
        Ok(Done::unchanged(Provider(Arc::clone(asked.get()?))))
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
