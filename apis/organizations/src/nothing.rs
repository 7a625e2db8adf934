//! Read operations for what an organization of Keyward cannot have: delegated administrators,
//! invitations, a resource policy. They answer as AWS does if there are none.

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, integer, structure, text},
    directory::units::organization::OrganizationUnit,
    gate::{Denied, Gate, supply::Supply},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{account::AccountId, organization::PolicyTarget};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Organizations,
    condition_keys::SERVICE_PRINCIPAL,
    fault::OrganizationsFault,
    managed::Ask,
    members,
    page::{Paged, Pagination},
    standing::Thing,
};

/// An empty list, under its name.
#[derive(Debug)]
pub struct NoneListed {
    name: &'static str,
    page: Paged<()>,
}

impl NoneListed {
    /// The requested page. A token of another page was never issued.
    fn of(
        name: &'static str,
        page: &Pagination,
        (operation, filter): (&str, &str),
        cx: &Cx<'_>,
    ) -> Result<Done<Self>, OrganizationsFault> {
        let page = page.cut(cx, (operation, filter), [], |()| "")?;
        Ok(Done::unchanged(Self { name, page }))
    }
}

impl Output<Organizations> for NoneListed {
    fn render(&self, out: &mut Writer<'_>) {
        self.page.render(out, self.name, |(), _| ());
    }
}

/// `ListDelegatedAdministrators`
#[derive(Debug)]
pub struct ListDelegatedAdministrators {
    service: Option<String>,
    page: Pagination,
}

keyward_types::action!("organizations": ListDelegatedAdministrators = "organizations:ListDelegatedAdministrators");

impl Ask for ListDelegatedAdministrators {
    const NAME: &'static str = "ListDelegatedAdministrators";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("ServicePrincipal"),
        text("NextToken"),
        integer("MaxResults"),
    ];
    type Action = Self;
    type Output = NoneListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        Some(Self {
            service: members::optional_service_principal(m),
            page: Pagination::read(m),
        })
    }

    fn supply(&self, supply: &mut Supply) {
        if let Some(service) = &self.service {
            supply.text(SERVICE_PRINCIPAL, service);
        }
    }

    fn answer(
        &self,
        _organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<NoneListed>, OrganizationsFault> {
        let asked = (Self::NAME, self.service.as_deref().unwrap_or_default());
        NoneListed::of("DelegatedAdministrators", &self.page, asked, cx)
    }
}

/// `ListDelegatedServicesForAccount`
#[derive(Debug)]
pub struct ListDelegatedServicesForAccount {
    account: AccountId,
}

keyward_types::action!("organizations": ListDelegatedServicesForAccount = "organizations:ListDelegatedServicesForAccount");

impl Ask for ListDelegatedServicesForAccount {
    const NAME: &'static str = "ListDelegatedServicesForAccount";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("AccountId"), text("NextToken"), integer("MaxResults")];
    type Action = Self;
    type Output = NoneListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let account = members::account(m, "AccountId");
        Pagination::read(m);
        Some(Self { account: account? })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(PolicyTarget::Account(self.account))]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        _cx: &Cx<'_>,
    ) -> Result<Done<NoneListed>, OrganizationsFault> {
        if organization.accounts().contains_key(&self.account) {
            Err(OrganizationsFault::AccountNotRegistered)
        } else {
            Err(OrganizationsFault::AccountNotFound)
        }
    }
}

/// What the audit trail shows of a filter.
const FILTER: &[Parameter] = &[text("ActionType"), text("ParentHandshakeId")];

/// Which handshakes are requested.
#[derive(Debug)]
struct Handshakes {
    filter: String,
    page: Pagination,
}

impl Handshakes {
    fn read(m: &mut Members<'_>) -> Self {
        let filter = m.structure("Filter", |filter| {
            let action = filter
                .enumeration("ActionType", members::HANDSHAKES)
                .optional();
            (action, members::optional_handshake(filter))
        });
        let (action, parent) = filter.optional().unwrap_or_default();
        Self {
            filter: format!("{action:?} {parent:?}"),
            page: Pagination::read(m),
        }
    }

    fn none(&self, operation: &str, cx: &Cx<'_>) -> Result<Done<NoneListed>, OrganizationsFault> {
        NoneListed::of("Handshakes", &self.page, (operation, &self.filter), cx)
    }
}

/// `ListHandshakesForOrganization`
#[derive(Debug)]
pub struct ListHandshakesForOrganization(Handshakes);

keyward_types::action!("organizations": ListHandshakesForOrganization = "organizations:ListHandshakesForOrganization");

impl Ask for ListHandshakesForOrganization {
    const NAME: &'static str = "ListHandshakesForOrganization";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        structure("Filter", FILTER),
        text("NextToken"),
        integer("MaxResults"),
    ];
    type Action = Self;
    type Output = NoneListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        Some(Self(Handshakes::read(m)))
    }

    fn answer(
        &self,
        _organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<NoneListed>, OrganizationsFault> {
        self.0.none(Self::NAME, cx)
    }
}

/// `ListHandshakesForAccount`: every account may ask, of an organization or not.
#[derive(Debug)]
pub struct ListHandshakesForAccount(Handshakes);

keyward_types::action!("organizations": ListHandshakesForAccount = "organizations:ListHandshakesForAccount");

impl Operation for ListHandshakesForAccount {
    const NAME: &'static str = "ListHandshakesForAccount";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        structure("Filter", FILTER),
        text("NextToken"),
        integer("MaxResults"),
    ];
    type Api = Organizations;
    type Output = NoneListed;
    type Fault = OrganizationsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, OrganizationsFault> {
        let mut m = Members::of(body);
        let asked = Handshakes::read(&mut m);
        m.finish()?;
        Ok(Self(asked))
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), OrganizationsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<NoneListed>, OrganizationsFault> {
        self.0.none(Self::NAME, cx)
    }
}

/// `DescribeResourcePolicy`
#[derive(Debug)]
pub struct DescribeResourcePolicy;

keyward_types::action!("organizations": DescribeResourcePolicy = "organizations:DescribeResourcePolicy");

impl Ask for DescribeResourcePolicy {
    const NAME: &'static str = "DescribeResourcePolicy";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Action = Self;
    type Output = Empty;

    fn read(_m: &mut Members<'_>) -> Option<Self> {
        Some(Self)
    }

    fn answer(
        &self,
        _organization: &Arc<OrganizationUnit>,
        _cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        Err(OrganizationsFault::ResourcePolicyNotFound)
    }
}
