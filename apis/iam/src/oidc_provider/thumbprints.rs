//! `UpdateOpenIDConnectProviderThumbprint`: replaces the whole list, which decides nothing here.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateOpenIDConnectProviderThumbprint.html>

use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_wire::query::Params;

use crate::{
    Cx, Iam,
    fault::IamFault,
    oidc_provider::{ProviderArn, ProviderLookup, checked_thumbprints, read_thumbprints},
};

/// `UpdateOpenIDConnectProviderThumbprint`
#[derive(Debug)]
pub struct UpdateOpenIDConnectProviderThumbprint {
    arn: ProviderArn,
    thumbprints: Vec<String>,
}

keyward_types::action!("iam": UpdateOpenIDConnectProviderThumbprint = "iam:UpdateOpenIDConnectProviderThumbprint");

impl Operation for UpdateOpenIDConnectProviderThumbprint {
    const NAME: &'static str = "UpdateOpenIDConnectProviderThumbprint";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("OpenIDConnectProviderArn"), texts("ThumbprintList")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = ProviderLookup;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let arn = ProviderArn::read(&mut m);
        let thumbprints = read_thumbprints(&mut m);
        if thumbprints.is_none() {
            m.strings("ThumbprintList").required();
        }
        m.finish()?;
        Ok(Self {
            arn,
            thumbprints: checked_thumbprints(thumbprints.unwrap_or_default())?,
        })
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
            provider.thumbprints = self.thumbprints.clone();
            Ok(())
        })
    }
}
