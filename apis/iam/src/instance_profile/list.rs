//! The instance profiles of an account, and of a role.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfiles.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{
        records::identity::InstanceProfileRecord,
        units::identity::{InstanceProfileUnit, RoleUnit},
    },
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{json::Members, query::Params, xml};

use crate::{
    Cx, Iam,
    by_path::ByPath,
    entity::{EntityName, entity_action},
    fault::IamFault,
    instance_profile::show,
    names,
    on_one::{On, OnOne},
    page::{Page, Paging},
    shape::{self, ShownProfile},
};

/// A page of instance profiles.
#[derive(Debug)]
pub struct Profiles(Page<ShownProfile>);

impl Profiles {
    async fn show(cx: &Cx<'_>, page: Page<InstanceProfileRecord>) -> Result<Self, IamFault> {
        let mut items = Vec::with_capacity(page.items.len());
        for record in &page.items {
            items.push(show(cx, record).await?);
        }
        let marker = page.marker;
        Ok(Self(Page { items, marker }))
    }
}

impl Output<Iam> for Profiles {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0
            .render(out, "InstanceProfiles", shape::profile_in_list);
    }
}

/// `ListInstanceProfiles`
#[derive(Debug)]
pub struct ListInstanceProfiles(ByPath);

keyward_types::action!("iam": ListInstanceProfiles = "iam:ListInstanceProfiles");

impl Operation for ListInstanceProfiles {
    const NAME: &'static str = "ListInstanceProfiles";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")];
    type Api = Iam;
    type Output = Profiles;
    type Fault = IamFault;
    /// What the list is of, as a resource.
    type Resolved = String;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        ByPath::parse(params).map(Self)
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<String, IamFault> {
        Ok(self.0.resource::<InstanceProfileUnit>(cx))
    }

    fn authorize(&self, arn: &String, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&IdentityOnly::new(arn), |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        _arn: &String,
        cx: &Cx<'_>,
    ) -> Result<Done<Profiles>, IamFault> {
        let page = self.0.page(cx, Self::NAME).await?;
        Ok(Done::unchanged(Profiles::show(cx, page).await?))
    }
}

/// `ListInstanceProfilesForRole`
#[derive(Debug)]
pub struct ListInstanceProfilesForRole {
    role: EntityName<Self>,
    paging: Paging,
}

entity_action!(
    ListInstanceProfilesForRole = "iam:ListInstanceProfilesForRole",
    RoleUnit,
    names::ROLE
);

impl OnOne for ListInstanceProfilesForRole {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("RoleName"), text("Marker"), integer("MaxItems")];
    type Action = Self;
    type Output = Profiles;

    fn read(m: &mut Members<'_>) -> Self {
        let role = EntityName::read(m);
        let paging = Paging::read(m);
        Self { role, paging }
    }

    fn subject(&self) -> &EntityName<Self> {
        &self.role
    }

    async fn answer(&self, role: &On<Self>, cx: &Cx<'_>) -> Result<Done<Profiles>, IamFault> {
        let id = &role.get()?.record().id;
        let home = cx.caller.home();
        let found = cx.directory().instance_profiles_of(home, id).await?;
        let found = found.iter().map(|profile| profile.record().clone());
        let filter = (Self::NAME, self.role.name.as_str());
        let page = self
            .paging
            .cut(cx, filter, found.collect(), |profile| profile.name.clone())?;
        Ok(Done::unchanged(Profiles::show(cx, page).await?))
    }
}
