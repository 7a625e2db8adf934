//! The roles of an account.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html>

use keyward_engine::{directory::records::identity::RoleRecord, operation::Output};
use keyward_wire::xml;

use crate::{
    Cx, Iam,
    by_path::ListAction,
    entity::Record,
    fault::IamFault,
    page::Page,
    role::show,
    shape::{self, ShownRole},
};

/// A page of roles.
#[derive(Debug)]
pub struct Roles(Page<ShownRole>);

keyward_types::actions! { "iam": ListRoles = "iam:ListRoles", }

impl ListAction for ListRoles {
    type Record = RoleRecord;
    type Output = Roles;

    async fn answer(page: Page<RoleRecord>, cx: &Cx<'_>) -> Result<Roles, IamFault> {
        let mut items = Vec::with_capacity(page.items.len());
        for record in &page.items {
            let arn = record.arn_in(cx.caller.home());
            items.push(show(cx, (&arn, record), None).await?);
        }
        let marker = page.marker;
        Ok(Roles(Page { items, marker }))
    }
}

impl Output<Iam> for Roles {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Roles", shape::role_in_list);
    }
}
