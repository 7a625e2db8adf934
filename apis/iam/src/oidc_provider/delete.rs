//! `DeleteOpenIDConnectProvider`: roles that trust it keep their trust policies and let nobody in
//! by it any more; sessions that were made go on.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteOpenIDConnectProvider.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::paths,
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_wire::query::Params;

use crate::{
    Cx, Iam,
    fault::IamFault,
    oidc_provider::{ProviderArn, ProviderLookup},
};

/// The input.
#[derive(Debug)]
pub struct DeleteOpenIDConnectProvider(ProviderArn);

keyward_types::action!("iam": DeleteOpenIDConnectProvider = "iam:DeleteOpenIDConnectProvider");

impl Operation for DeleteOpenIDConnectProvider {
    const NAME: &'static str = "DeleteOpenIDConnectProvider";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("OpenIDConnectProviderArn")];
    type Api = Iam;
    type Output = Empty;
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
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        // The text differs from that of every other operation.
        let unit = asked.found().ok_or_else(|| {
            let arn = asked.arn();
            IamFault::missing(format!("OpenId connect Provider {arn} cannot be found."))
        })?;
        let home = (cx.partition(), cx.account());
        let provider = unit.record();
        let hash = cx
            .directory()
            .oidc_provider_hash(home, &provider.host_and_path);
        let path = paths::oidc_provider(cx.partition(), cx.account(), &hash);
        let mut batch = cx.batch();
        batch.delete(path, Precondition::At(unit.revision()))?;
        Ok(Done::changed(Empty, batch))
    }
}
