//! `ListOpenIDConnectProviders`: all of the account's, which are few.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListOpenIDConnectProviders.html>

use keyward_engine::{
    audit::parameters::Parameter,
    directory::{purpose, records::identity::OidcProviderRecord},
    operation::{Done, Output},
};
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam,
    fault::IamFault,
    on_one::{AllBelow, OnOne},
    paths,
};

/// `ListOpenIDConnectProviders`
#[derive(Debug)]
pub struct ListOpenIDConnectProviders(AllBelow);

/// The output: ARNs in order.
#[derive(Debug)]
pub struct Providers(Vec<String>);

keyward_types::action!("iam": ListOpenIDConnectProviders = "iam:ListOpenIDConnectProviders");

impl OnOne for ListOpenIDConnectProviders {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Action = Self;
    type Operand = AllBelow;
    type Output = Providers;

    fn read(_m: &mut Members<'_>) -> Self {
        Self(AllBelow::new("oidc-provider", "/*"))
    }

    fn operand(&self) -> &AllBelow {
        &self.0
    }

    async fn answer(&self, _arn: &String, cx: &Cx<'_>) -> Result<Done<Providers>, IamFault> {
        let (partition, account) = cx.caller.home();
        let all = paths::all_of_kind((partition, account), paths::OIDC_PROVIDER);
        let found: Vec<OidcProviderRecord> =
            cx.directory().every(&all, purpose::OIDC_PROVIDER).await?;
        let arns = found
            .iter()
            .map(|provider| provider.arn(partition, account));
        let mut arns: Vec<String> = arns.collect();
        arns.sort();
        Ok(Done::unchanged(Providers(arns)))
    }
}

impl Output<Iam> for Providers {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.list("OpenIDConnectProviderList", &self.0, |member, arn| {
            member.text("Arn", arn);
        });
    }
}
