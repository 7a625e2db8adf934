//! The tree: roots, parents and children.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListRoots.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{
        records::organization::OrganizationalUnitRecord,
        units::organization::{Member, OrganizationUnit},
    },
    operation::{Done, Output},
};
use keyward_types::organization::{Parent, PolicyTarget};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Organizations,
    account::{AccountsListed, ShownAccount},
    fault::OrganizationsFault,
    managed::Ask,
    members,
    page::{Paged, Pagination},
    render,
    standing::Thing,
};

/// Refuses a parent that is not there.
fn check_parent(
    organization: &OrganizationUnit,
    parent: &Parent,
) -> Result<(), OrganizationsFault> {
    if organization.has(&parent.clone().into()) {
        Ok(())
    } else {
        Err(OrganizationsFault::ParentNotFound)
    }
}

/// The organizational units below a parent, by id.
fn units_below<'o>(
    organization: &'o OrganizationUnit,
    parent: &'o Parent,
) -> impl Iterator<Item = &'o OrganizationalUnitRecord> {
    let below = move |unit: &&OrganizationalUnitRecord| unit.parent == *parent;
    organization.units().values().filter(below)
}

fn root_id(organization: &Arc<OrganizationUnit>) -> &str {
    organization.record().root.as_str()
}

/// `ListRoots`: there is one.
#[derive(Debug)]
pub struct ListRoots {
    page: Pagination,
}

/// The output of ListRoots.
#[derive(Debug)]
pub struct RootsListed(Paged<Arc<OrganizationUnit>>);

keyward_types::action!("organizations": ListRoots = "organizations:ListRoots");

impl Ask for ListRoots {
    const NAME: &'static str = "ListRoots";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("NextToken"), integer("MaxResults")];
    type Action = Self;
    type Output = RootsListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let page = Pagination::read(m);
        Some(Self { page })
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<RootsListed>, OrganizationsFault> {
        let root = [Arc::clone(organization)];
        let page = self.page.cut(cx, (Self::NAME, ""), root, root_id)?;
        Ok(Done::unchanged(RootsListed(page)))
    }
}

impl Output<Organizations> for RootsListed {
    fn render(&self, out: &mut Writer<'_>) {
        self.0.render(out, "Roots", |organization, entry| {
            render::root(organization, entry);
        });
    }
}

/// `ListAccountsForParent`
#[derive(Debug)]
pub struct ListAccountsForParent {
    parent: Parent,
    page: Pagination,
}

keyward_types::action!("organizations": ListAccountsForParent = "organizations:ListAccountsForParent");

impl Ask for ListAccountsForParent {
    const NAME: &'static str = "ListAccountsForParent";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("ParentId"), text("NextToken"), integer("MaxResults")];
    type Action = Self;
    type Output = AccountsListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let parent = members::parent(m, "ParentId");
        let page = Pagination::read(m);
        Some(Self {
            parent: parent?,
            page,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(self.parent.clone().into())]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<AccountsListed>, OrganizationsFault> {
        check_parent(organization, &self.parent)?;
        let all = ShownAccount::all(organization, Some(&self.parent));
        let asked = (Self::NAME, self.parent.as_str());
        let page = self.page.cut(cx, asked, all, ShownAccount::id)?;
        Ok(Done::unchanged(AccountsListed(page)))
    }
}

/// `ListOrganizationalUnitsForParent`
#[derive(Debug)]
pub struct ListOrganizationalUnitsForParent {
    parent: Parent,
    page: Pagination,
}

/// The output of ListOrganizationalUnitsForParent.
#[derive(Debug)]
pub struct UnitsListed {
    organization: Arc<OrganizationUnit>,
    page: Paged<OrganizationalUnitRecord>,
}

keyward_types::action!("organizations": ListOrganizationalUnitsForParent = "organizations:ListOrganizationalUnitsForParent");

impl Ask for ListOrganizationalUnitsForParent {
    const NAME: &'static str = "ListOrganizationalUnitsForParent";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("ParentId"), text("NextToken"), integer("MaxResults")];
    type Action = Self;
    type Output = UnitsListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let parent = members::parent(m, "ParentId");
        let page = Pagination::read(m);
        Some(Self {
            parent: parent?,
            page,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(self.parent.clone().into())]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<UnitsListed>, OrganizationsFault> {
        check_parent(organization, &self.parent)?;
        let units = units_below(organization, &self.parent).cloned();
        let asked = (Self::NAME, self.parent.as_str());
        let page = self.page.cut(cx, asked, units, |unit| unit.id.as_str())?;
        Ok(Done::unchanged(UnitsListed {
            organization: Arc::clone(organization),
            page,
        }))
    }
}

impl Output<Organizations> for UnitsListed {
    fn render(&self, out: &mut Writer<'_>) {
        self.page.render(out, "OrganizationalUnits", |unit, entry| {
            render::unit(&self.organization, unit, entry);
        });
    }
}

/// `ListParents`: a child has one.
#[derive(Debug)]
pub struct ListParents {
    child: PolicyTarget,
    page: Pagination,
}

/// The output of ListParents.
#[derive(Debug)]
pub struct ParentsListed(Paged<Parent>);

keyward_types::action!("organizations": ListParents = "organizations:ListParents");

impl Ask for ListParents {
    const NAME: &'static str = "ListParents";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("ChildId"), text("NextToken"), integer("MaxResults")];
    type Action = Self;
    type Output = ParentsListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let child = members::child(m, "ChildId");
        let page = Pagination::read(m);
        Some(Self {
            child: child?,
            page,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(self.child.clone())]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<ParentsListed>, OrganizationsFault> {
        let parent = match &self.child {
            PolicyTarget::Root(_) => None,
            PolicyTarget::Unit(unit) => organization.units().get(unit).map(|unit| &unit.parent),
            PolicyTarget::Account(account) => {
                let member = organization.accounts().get(account);
                member.map(|member| &member.record().parent)
            }
        };
        let parent = [parent.ok_or(OrganizationsFault::ChildNotFound)?.clone()];
        let asked = (Self::NAME, self.child.as_str());
        let page = self.page.cut(cx, asked, parent, Parent::as_str)?;
        Ok(Done::unchanged(ParentsListed(page)))
    }
}

impl Output<Organizations> for ParentsListed {
    fn render(&self, out: &mut Writer<'_>) {
        self.0.render(out, "Parents", |parent, entry| {
            entry.string("Id", parent.as_str());
            entry.string("Type", parent.kind());
        });
    }
}

/// `ListChildren`
#[derive(Debug)]
pub struct ListChildren {
    parent: Parent,
    kind: &'static str,
    page: Pagination,
}

/// The output of ListChildren.
#[derive(Debug)]
pub struct ChildrenListed(Paged<PolicyTarget>);

keyward_types::action!("organizations": ListChildren = "organizations:ListChildren");

impl Ask for ListChildren {
    const NAME: &'static str = "ListChildren";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("ParentId"),
        text("ChildType"),
        text("NextToken"),
        integer("MaxResults"),
    ];
    type Action = Self;
    type Output = ChildrenListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let parent = members::parent(m, "ParentId");
        let kinds = &["ACCOUNT", "ORGANIZATIONAL_UNIT"];
        let kind = m.enumeration("ChildType", kinds).required();
        let page = Pagination::read(m);
        Some(Self {
            parent: parent?,
            kind,
            page,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(self.parent.clone().into())]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<ChildrenListed>, OrganizationsFault> {
        check_parent(organization, &self.parent)?;
        let children: Vec<PolicyTarget> = if self.kind == "ACCOUNT" {
            let below = |(_, member): &(_, &Arc<_>)| is_below(member, &self.parent);
            let accounts = organization.accounts().iter().filter(below);
            accounts.map(|(id, _)| PolicyTarget::Account(*id)).collect()
        } else {
            let units = units_below(organization, &self.parent);
            units
                .map(|unit| PolicyTarget::Unit(unit.id.clone()))
                .collect()
        };
        let filter = format!("{} {}", self.kind, self.parent.as_str());
        let asked = (Self::NAME, filter.as_str());
        let page = self.page.cut(cx, asked, children, PolicyTarget::as_str)?;
        Ok(Done::unchanged(ChildrenListed(page)))
    }
}

fn is_below(member: &Member, parent: &Parent) -> bool {
    member.record().parent == *parent
}

impl Output<Organizations> for ChildrenListed {
    fn render(&self, out: &mut Writer<'_>) {
        self.0.render(out, "Children", |child, entry| {
            entry.string("Id", child.as_str());
            entry.string("Type", child.kind());
        });
    }
}
