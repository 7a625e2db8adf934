//! `ListOpenIDConnectProviders`: all of the account's, which are few.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListOpenIDConnectProviders.html>

use keyward_engine::{
    audit::parameters::Parameter,
    directory::{
        ReadError, paths, purpose,
        records::{self, identity::OidcProviderRecord},
    },
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{Cx, Iam, fault::IamFault};

/// More than an account can have.
const LIMIT: usize = 1000;

/// The input, which is empty.
#[derive(Debug)]
pub struct ListOpenIDConnectProviders;

/// The output: ARNs in order.
#[derive(Debug)]
pub struct Providers(Vec<String>);

keyward_types::action!("iam": ListOpenIDConnectProviders = "iam:ListOpenIDConnectProviders");

impl Operation for ListOpenIDConnectProviders {
    const NAME: &'static str = "ListOpenIDConnectProviders";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Api = Iam;
    type Output = Providers;
    type Fault = IamFault;
    type Resolved = String;
    type Permits = Permit<Self>;

    fn parse(_params: &Params<'_>) -> Result<Self, IamFault> {
        Ok(Self)
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<String, IamFault> {
        Ok(format!(
            "arn:{}:iam::{}:oidc-provider/*",
            cx.partition(),
            cx.account()
        ))
    }

    fn authorize(&self, all: &String, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&IdentityOnly::new(all), |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        _all: &String,
        cx: &Cx<'_>,
    ) -> Result<Done<Providers>, IamFault> {
        let (partition, account) = cx.caller.home();
        let prefix = paths::oidc_providers(partition, account);
        let reader = cx.directory().reader();
        let found = reader
            .range(&prefix, None, LIMIT)
            .await
            .map_err(ReadError::from)?;
        let mut arns = Vec::new();
        for record in found.value {
            let bytes = record
                .bytes_of(purpose::OIDC_PROVIDER)
                .map_err(ReadError::from)?;
            let provider: OidcProviderRecord = records::decode(bytes)?;
            arns.push(provider.arn(partition, account));
        }
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
