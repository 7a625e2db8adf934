//! `GetCallerIdentity`: who the caller is. No policy can deny it.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>

use keyward_engine::{
    audit::parameters::Parameter,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
};
use keyward_wire::{query::Params, xml};

use crate::{Cx, Sts, fault::StsFault};

/// The input, which is empty.
#[derive(Debug)]
pub struct GetCallerIdentity;

/// The output.
#[derive(Debug)]
pub struct CallerIdentity {
    user_id: String,
    account: String,
    arn: String,
}

impl Operation for GetCallerIdentity {
    const NAME: &'static str = "GetCallerIdentity";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Api = Sts;
    type Output = CallerIdentity;
    type Fault = StsFault;
    type Resolved = ();
    type Permits = ();

    fn parse(_params: &Params<'_>) -> Result<Self, StsFault> {
        Ok(Self)
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), StsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), _gate: &Gate<'_>) -> Result<(), Denied> {
        Ok(())
    }

    async fn call(&self, (): &(), (): &(), cx: &Cx<'_>) -> Result<Done<CallerIdentity>, StsFault> {
        Ok(Done::unchanged(CallerIdentity {
            user_id: cx.caller.user_id().into_owned(),
            account: cx.caller.principal().account_text().to_owned(),
            arn: cx.caller.principal().arn().to_owned(),
        }))
    }
}

impl Output<Sts> for CallerIdentity {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text("Arn", &self.arn);
        out.text("UserId", &self.user_id);
        out.text("Account", &self.account);
    }
}
