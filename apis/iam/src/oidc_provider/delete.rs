//! `DeleteOpenIDConnectProvider`: roles that trust it keep their trust policies, which then allow
//! nobody through it any more; existing sessions continue.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteOpenIDConnectProvider.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Empty},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::IamFault,
    oidc_provider::{ProviderArn, ProviderLookup, place},
    on_one::{NamedOperand, OnOne},
};

/// The input.
#[derive(Debug)]
pub struct DeleteOpenIDConnectProvider(ProviderArn);

keyward_types::action!("iam": DeleteOpenIDConnectProvider = "iam:DeleteOpenIDConnectProvider");

impl OnOne for DeleteOpenIDConnectProvider {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("OpenIDConnectProviderArn")];
    type Action = Self;
    type Operand = ProviderArn;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(ProviderArn::read(m))
    }

    fn operand(&self) -> &ProviderArn {
        &self.0
    }

    async fn answer(&self, found: &ProviderLookup, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        // The text differs from that of every other operation.
        let unit = found.found().ok_or_else(|| {
            let arn = found.arn();
            IamFault::missing(format!("OpenId connect Provider {arn} cannot be found."))
        })?;
        let path = place(cx, &unit.record().host_and_path);
        let mut batch = cx.batch();
        batch.delete(path, Precondition::At(unit.revision()))?;
        Ok(Done::changed(Empty, batch))
    }
}
