//! `UpdateOpenIDConnectProviderThumbprint`: replaces the whole list, which decides nothing here.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateOpenIDConnectProviderThumbprint.html>

use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    operation::{Done, Empty},
};
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::IamFault,
    oidc_provider::{ProviderArn, ProviderLookup, check_thumbprints, read_thumbprints},
    on_one::{NamedOperand, OnOne},
};

/// `UpdateOpenIDConnectProviderThumbprint`
#[derive(Debug)]
pub struct UpdateOpenIDConnectProviderThumbprint {
    arn: ProviderArn,
    thumbprints: Vec<String>,
}

keyward_types::action!("iam": UpdateOpenIDConnectProviderThumbprint = "iam:UpdateOpenIDConnectProviderThumbprint");

impl OnOne for UpdateOpenIDConnectProviderThumbprint {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("OpenIDConnectProviderArn"), texts("ThumbprintList")];
    type Action = Self;
    type Operand = ProviderArn;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let arn = ProviderArn::read(m);
        let thumbprints = read_thumbprints(m);
        if thumbprints.is_none() {
            m.strings("ThumbprintList").required();
        }
        let thumbprints = thumbprints.unwrap_or_default();
        Self { arn, thumbprints }
    }

    fn checked(self) -> Result<Self, IamFault> {
        check_thumbprints(&self.thumbprints)?;
        Ok(self)
    }

    fn operand(&self) -> &ProviderArn {
        &self.arn
    }

    async fn answer(&self, found: &ProviderLookup, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        found.change(cx, |provider| {
            provider.thumbprints = self.thumbprints.clone();
            Ok(())
        })
    }
}
