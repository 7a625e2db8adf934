//! `DescribeCertificates`: the authorities that sign for the databases of agents, one of each agent.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeCertificates.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::storage::AgentId;
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Rds,
    certificate::Certificate,
    fault::RdsFault,
    members,
    page::{AskedPage, Listed},
    protected::Named,
};

/// The name of the authority of an agent.
pub fn name_of(agent: &AgentId) -> String {
    format!("rds-ca-{agent}")
}

/// The input.
#[derive(Debug)]
pub struct DescribeCertificates {
    name: Option<String>,
    page: AskedPage,
}

/// An authority as it is told.
#[derive(Debug)]
pub struct Authority {
    name: String,
    arn: String,
    certificate: Certificate,
}

keyward_types::action!("rds": DescribeCertificates = "rds:DescribeCertificates");

impl Operation for DescribeCertificates {
    const NAME: &'static str = "DescribeCertificates";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("CertificateIdentifier"),
        structures("Filters", members::SHOWN_FILTER),
        integer("MaxRecords"),
        text("Marker"),
    ];
    type Api = Rds;
    type Output = Listed<Authority>;
    type Fault = RdsFault;
    type Resolved = Named;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let name = m.string("CertificateIdentifier").length(0, 255).optional();
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        let filters = members::filters(&mut m);
        let page = AskedPage::read(&mut m);
        m.finish()?;
        members::known(filters, &[])?;
        Ok(Self {
            name,
            page: page.checked()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Named, RdsFault> {
        Ok(Named::new(cx, "cert", self.name.as_deref().unwrap_or("*")))
    }

    fn authorize(&self, named: &Named, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(named, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        _named: &Named,
        cx: &Cx<'_>,
    ) -> Result<Done<Listed<Authority>>, RdsFault> {
        let agents = cx.database_agents().await?.into_iter();
        let authority = |agent: &AgentId, pem: &str| {
            let name = name_of(agent);
            Some(Authority {
                arn: Named::new(cx, "cert", &name).arn().to_owned(),
                certificate: Certificate::parse(pem)?,
                name,
            })
        };
        let found = agents.filter_map(|(agent, _)| {
            let pem = agent.database_authority.as_deref()?;
            authority(&agent.id, pem)
        });
        let mut found: Vec<Authority> = found.collect();
        if let Some(name) = &self.name {
            found.retain(|authority| authority.name == *name);
            if found.is_empty() {
                let name = name.clone();
                return Err(RdsFault::CertificateNotFound { name });
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        let list = (Self::NAME, self.name.as_deref().unwrap_or_default());
        let name = |authority: &Authority| authority.name.clone();
        Ok(Done::unchanged(self.page.of(found, name, list, cx)?))
    }
}

impl Output<Rds> for Listed<Authority> {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.write(out, ("Certificates", "Certificate"), |out, authority| {
            out.text("CertificateIdentifier", &authority.name);
            out.text("CertificateType", "CA");
            out.text("Thumbprint", &authority.certificate.thumbprint);
            out.timestamp("ValidFrom", authority.certificate.from);
            out.timestamp("ValidTill", authority.certificate.until);
            out.text("CertificateArn", &authority.arn);
            out.boolean("CustomerOverride", false);
        });
    }
}
