//! What an account of Keyward never has: a password policy, SAML providers, server certificates.
//! Lists of them are empty, and a single one does not exist.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountPasswordPolicy.html>

use std::marker::PhantomData;

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{action::Action, arn::ArnParts};
use keyward_wire::{json::Members, query::Params, xml};

use crate::{
    Cx, Iam,
    fault::IamFault,
    names,
    on_one::{AllBelow, OnOne, WholeAccount},
    page::{Page, Paging},
};

/// `GetAccountPasswordPolicy`
#[derive(Debug)]
pub struct GetAccountPasswordPolicy;

keyward_types::action!("iam": GetAccountPasswordPolicy = "iam:GetAccountPasswordPolicy");

impl OnOne for GetAccountPasswordPolicy {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Action = Self;
    type Operand = WholeAccount;
    type Output = Empty;

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    fn operand(&self) -> &WholeAccount {
        &WholeAccount
    }

    async fn answer(&self, (): &(), cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        Err(IamFault::missing(format!(
            "The Password Policy with domain name {} cannot be found.",
            cx.account()
        )))
    }
}

/// `ListSAMLProviders`
#[derive(Debug)]
pub struct ListSAMLProviders(AllBelow);

/// No SAML providers.
#[derive(Debug)]
pub struct NoProviders;

keyward_types::action!("iam": ListSAMLProviders = "iam:ListSAMLProviders");

impl OnOne for ListSAMLProviders {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Action = Self;
    type Operand = AllBelow;
    type Output = NoProviders;

    fn read(_m: &mut Members<'_>) -> Self {
        Self(AllBelow::new("saml-provider", "/*"))
    }

    fn operand(&self) -> &AllBelow {
        &self.0
    }

    async fn answer(&self, _arn: &String, _cx: &Cx<'_>) -> Result<Done<NoProviders>, IamFault> {
        Ok(Done::unchanged(NoProviders))
    }
}

impl Output<Iam> for NoProviders {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.list("SAMLProviderList", std::iter::empty::<()>(), |_, ()| ());
    }
}

/// `ListServerCertificates`
#[derive(Debug)]
pub struct ListServerCertificates(AllBelow);

/// No server certificates.
#[derive(Debug)]
pub struct NoCertificates;

keyward_types::action!("iam": ListServerCertificates = "iam:ListServerCertificates");

impl OnOne for ListServerCertificates {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")];
    type Action = Self;
    type Operand = AllBelow;
    type Output = NoCertificates;

    fn read(m: &mut Members<'_>) -> Self {
        let all = AllBelow::new("server-certificate", names::path_prefix(m));
        Paging::read(m);
        Self(all)
    }

    fn operand(&self) -> &AllBelow {
        &self.0
    }

    async fn answer(&self, _arn: &String, _cx: &Cx<'_>) -> Result<Done<NoCertificates>, IamFault> {
        Ok(Done::unchanged(NoCertificates))
    }
}

impl Output<Iam> for NoCertificates {
    fn render(&self, out: &mut xml::Writer<'_>) {
        Page::<()>::empty().render(out, "ServerCertificateMetadataList", |_, ()| ());
    }
}

keyward_types::actions! {
    "iam":
    GetSAMLProvider = "iam:GetSAMLProvider",
    GetServerCertificate = "iam:GetServerCertificate",
}

/// Something that a request names and that never exists.
pub trait NeverThere: Action {
    /// The member that names it.
    const MEMBER: &'static str;

    /// Reads that member.
    fn read(m: &mut Members<'_>) -> String;

    /// Its ARN if it were there.
    fn arn(cx: &Cx<'_>, name: &str) -> String;

    /// The fault.
    fn missing(name: &str) -> IamFault;
}

impl NeverThere for GetSAMLProvider {
    const MEMBER: &'static str = "SAMLProviderArn";

    fn read(m: &mut Members<'_>) -> String {
        names::arn(m, Self::MEMBER)
    }

    fn arn(_cx: &Cx<'_>, name: &str) -> String {
        name.to_owned()
    }

    fn missing(name: &str) -> IamFault {
        let provider = ArnParts::parse(name)
            .is_some_and(|arn| arn.service == "iam" && arn.resource.starts_with("saml-provider/"));
        if provider {
            IamFault::missing(format!("Manifest not found for arn {name}"))
        } else {
            IamFault::invalid(format!("Invalid ARN: {name}"))
        }
    }
}

impl NeverThere for GetServerCertificate {
    const MEMBER: &'static str = "ServerCertificateName";

    fn read(m: &mut Members<'_>) -> String {
        names::name(m, Self::MEMBER, 128)
    }

    fn arn(cx: &Cx<'_>, name: &str) -> String {
        let (partition, account) = cx.caller.home();
        format!("arn:{partition}:iam::{account}:server-certificate/{name}")
    }

    fn missing(name: &str) -> IamFault {
        IamFault::missing(format!(
            "The Server Certificate with name {name} cannot be found."
        ))
    }
}

/// `GetSAMLProvider`, `GetServerCertificate`
#[derive(Debug)]
pub struct Get<A> {
    name: String,
    action: PhantomData<fn() -> A>,
}

impl<A: NeverThere> Operation for Get<A> {
    const NAME: &'static str = A::OPERATION;
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text(A::MEMBER)];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    /// The ARN.
    type Resolved = String;
    type Permits = Permit<A>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let name = A::read(&mut m);
        m.finish()?;
        let action = PhantomData;
        Ok(Self { name, action })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<String, IamFault> {
        Ok(A::arn(cx, &self.name))
    }

    fn authorize(&self, arn: &String, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&IdentityOnly::new(arn), |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        _arn: &String,
        _cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        Err(A::missing(&self.name))
    }
}
