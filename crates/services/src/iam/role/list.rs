//! The roles of an account.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html>

use keyward_policy::permit::Permit;
use keyward_types::action;
use keyward_wire::{query::Params, xml};

use crate::{
    context::Context,
    directory::{paths, purpose, records::identity::RoleRecord},
    gate::{Denied, Gate},
    iam::{
        Iam,
        fault::IamFault,
        names,
        page::{Page, Paging},
        role::show,
        shape::{self, ShownRole},
    },
    operation::{Done, Operation, Output},
};

/// `ListRoles`
#[derive(Debug)]
pub struct ListRoles {
    path_prefix: String,
    paging: Paging,
}

/// A page of roles.
#[derive(Debug)]
pub struct Roles(Page<ShownRole>);

impl Operation for ListRoles {
    const NAME: &'static str = "ListRoles";
    const READ_ONLY: bool = true;
    type Api = Iam;
    type Output = Roles;
    type Fault = IamFault;
    /// What the list is of, as a resource.
    type Resolved = String;
    type Permits = Permit<action::ListRoles>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let path_prefix = names::path_prefix(&mut m);
        let paging = Paging::read(&mut m);
        m.finish()?;
        Ok(Self {
            path_prefix,
            paging,
        })
    }

    async fn resolve(&self, cx: &Context<'_>) -> Result<String, IamFault> {
        let (partition, account) = cx.caller.home();
        Ok(format!(
            "arn:{partition}:iam::{account}:role{}",
            self.path_prefix
        ))
    }

    fn authorize(&self, arn: &String, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.iam(arn, &[], |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        _arn: &String,
        cx: &Context<'_>,
    ) -> Result<Done<Roles>, IamFault> {
        let (partition, account) = cx.caller.home();
        let prefix = paths::roles(partition, account)?;
        let roles: Vec<RoleRecord> = cx.directory().every(&prefix, purpose::ROLE).await?;
        let within = roles
            .into_iter()
            .filter(|role| role.path.starts_with(&self.path_prefix));
        let filter = (Self::NAME, self.path_prefix.as_str());
        let page = self
            .paging
            .cut(cx, filter, within.collect(), |role| role.name.clone())?;
        let mut items = Vec::with_capacity(page.items.len());
        for record in &page.items {
            items.push(show(cx, (&record.arn(partition, account), record), None).await?);
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
