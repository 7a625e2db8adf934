//! The users of an account.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html>

use keyward_engine::{directory::records::UserRecord, operation::Output};
use keyward_wire::xml;

use crate::{Cx, Iam, by_path::ListAction, entity::Record, fault::IamFault, page::Page, shape};

/// A page of users.
#[derive(Debug)]
pub struct Users(Page<(String, UserRecord)>);

keyward_types::actions! { "iam": ListUsers = "iam:ListUsers", }

impl ListAction for ListUsers {
    type Record = UserRecord;
    type Output = Users;

    async fn answer(page: Page<UserRecord>, cx: &Cx<'_>) -> Result<Users, IamFault> {
        let home = cx.caller.home();
        let shown = |user: UserRecord| (user.arn_in(home), user);
        Ok(Users(page.map(shown)))
    }
}

impl Output<Iam> for Users {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Users", |out, (arn, user)| {
            shape::user_in_list(out, (arn, user))
        });
    }
}
