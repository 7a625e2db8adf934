//! The users of an account.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{records::UserRecord, units::identity::UserUnit},
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{Cx, Iam, by_path::ByPath, entity::Record, fault::IamFault, page::Page, shape};

/// `ListUsers`
#[derive(Debug)]
pub struct ListUsers(ByPath);

/// A page of users.
#[derive(Debug)]
pub struct Users(pub Page<(String, UserRecord)>);

keyward_types::action!("iam": ListUsers = "iam:ListUsers");

impl Operation for ListUsers {
    const NAME: &'static str = "ListUsers";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")];
    type Api = Iam;
    type Output = Users;
    type Fault = IamFault;
    /// What the list is of, as a resource.
    type Resolved = String;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        ByPath::parse(params).map(Self)
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<String, IamFault> {
        Ok(self.0.resource::<UserUnit>(cx))
    }

    fn authorize(&self, arn: &String, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&IdentityOnly::new(arn), |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        _arn: &String,
        cx: &Cx<'_>,
    ) -> Result<Done<Users>, IamFault> {
        let page = self.0.page(cx, Self::NAME).await?;
        let home = cx.caller.home();
        let shown = |user: UserRecord| (Record::arn(&user, home), user);
        Ok(Done::unchanged(Users(page.map(shown))))
    }
}

impl Output<Iam> for Users {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Users", |out, (arn, user)| {
            shape::user_in_list(out, (arn, user))
        });
    }
}
