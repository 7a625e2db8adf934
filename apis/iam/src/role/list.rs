//! The roles of an account.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{records::identity::RoleRecord, units::identity::RoleUnit},
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Iam,
    by_path::ByPath,
    entity::Record,
    fault::IamFault,
    page::Page,
    role::show,
    shape::{self, ShownRole},
};

/// `ListRoles`
#[derive(Debug)]
pub struct ListRoles(ByPath);

/// A page of roles.
#[derive(Debug)]
pub struct Roles(Page<ShownRole>);

keyward_types::action!("iam": ListRoles = "iam:ListRoles");

impl Operation for ListRoles {
    const NAME: &'static str = "ListRoles";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")];
    type Api = Iam;
    type Output = Roles;
    type Fault = IamFault;
    /// What the list is of, as a resource.
    type Resolved = String;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        ByPath::parse(params).map(Self)
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<String, IamFault> {
        Ok(self.0.resource::<RoleUnit>(cx))
    }

    fn authorize(&self, arn: &String, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&IdentityOnly::new(arn), |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        _arn: &String,
        cx: &Cx<'_>,
    ) -> Result<Done<Roles>, IamFault> {
        let page = self.0.page::<RoleRecord>(cx, Self::NAME).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for record in &page.items {
            let arn = Record::arn(record, cx.caller.home());
            items.push(show(cx, (&arn, record), None).await?);
        }
        let marker = page.marker;
        Ok(Done::unchanged(Roles(Page { items, marker })))
    }
}

impl Output<Iam> for Roles {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Roles", shape::role_in_list);
    }
}
