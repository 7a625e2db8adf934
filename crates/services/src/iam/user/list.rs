//! The users of an account.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html>

use keyward_policy::permit::Permit;
use keyward_types::action;
use keyward_wire::{query::Params, xml};

use crate::{
    context::Context,
    directory::{paths, purpose, records::UserRecord},
    gate::{Denied, Gate},
    iam::{
        Iam,
        fault::IamFault,
        names,
        page::{Page, Paging},
        shape,
    },
    operation::{Done, Operation, Output},
};

/// `ListUsers`
#[derive(Debug)]
pub struct ListUsers {
    path_prefix: String,
    paging: Paging,
}

/// A page of users.
#[derive(Debug)]
pub struct Users(pub Page<(String, UserRecord)>);

impl Operation for ListUsers {
    const NAME: &'static str = "ListUsers";
    const READ_ONLY: bool = true;
    type Api = Iam;
    type Output = Users;
    type Fault = IamFault;
    /// What the list is of, as a resource.
    type Resolved = String;
    type Permits = Permit<action::ListUsers>;

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
            "arn:{partition}:iam::{account}:user{}",
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
    ) -> Result<Done<Users>, IamFault> {
        let (partition, account) = cx.caller.home();
        let prefix = paths::users(partition, account)?;
        let users: Vec<UserRecord> = cx.directory().every(&prefix, purpose::USER).await?;
        let within = users
            .into_iter()
            .filter(|user| user.path.starts_with(&self.path_prefix));
        let shown = within
            .map(|user| (user.arn(partition, account), user))
            .collect();
        let filter = (Self::NAME, self.path_prefix.as_str());
        let page = self
            .paging
            .cut(cx, filter, shown, |(_, user)| user.name.clone())?;
        Ok(Done::unchanged(Users(page)))
    }
}

impl Output<Iam> for Users {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Users", |out, (arn, user)| {
            shape::user_in_list(out, (arn, user))
        });
    }
}
