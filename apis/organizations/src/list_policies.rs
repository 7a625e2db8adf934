//! Policies, listed.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListPolicies.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::units::organization::{ControlPolicy, OrganizationUnit, full_access},
    gate::supply::Supply,
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Organizations,
    condition_keys::POLICY_TYPE,
    fault::OrganizationsFault,
    managed::Ask,
    members::{self, PolicyType},
    page::{Paged, Pagination},
    render,
};

/// A policy's id.
pub fn policy_id(policy: &Arc<ControlPolicy>) -> &str {
    policy.record().id.as_str()
}

/// `ListPolicies`
#[derive(Debug)]
pub struct ListPolicies {
    kind: PolicyType,
    page: Pagination,
}

/// A page of policies.
#[derive(Debug)]
pub struct PoliciesListed(pub Paged<Arc<ControlPolicy>>);

keyward_types::action!("organizations": ListPolicies = "organizations:ListPolicies");

impl Ask for ListPolicies {
    const NAME: &'static str = "ListPolicies";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("Filter"), text("NextToken"), integer("MaxResults")];
    type Action = Self;
    type Output = PoliciesListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let kind = members::policy_type(m, "Filter");
        let page = Pagination::read(m);
        Some(Self { kind, page })
    }

    fn supply(&self, supply: &mut Supply) {
        supply.one(POLICY_TYPE, self.kind.0);
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<PoliciesListed>, OrganizationsFault> {
        // There are none of a type that is not supported.
        let kind = self.kind.served();
        let own = organization.policies().values().cloned();
        let full = kind.and_then(|kind| full_access(organization.partition(), kind));
        let all = own.chain(full);
        let mut all: Vec<Arc<ControlPolicy>> = all
            .filter(|policy| Some(policy.record().kind) == kind)
            .collect();
        all.sort_by(|a, b| a.record().id.cmp(&b.record().id));
        let asked = (Self::NAME, self.kind.0);
        let page = self.page.cut(cx, asked, all, policy_id)?;
        Ok(Done::unchanged(PoliciesListed(page)))
    }
}

impl Output<Organizations> for PoliciesListed {
    fn render(&self, out: &mut Writer<'_>) {
        self.0.render(out, "Policies", |policy, entry| {
            render::summary(policy, entry);
        });
    }
}
