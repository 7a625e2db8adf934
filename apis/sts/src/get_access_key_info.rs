//! `GetAccessKeyInfo`: the account of an access key. It does not say whether the key exists: the id
//! itself contains the account, except for ids that were chosen at the first start.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{account::AccountId, unique_id::AccessKeyId};
use keyward_wire::{query::Params, xml};

use crate::{Cx, Sts, fault::StsFault};

/// The input.
#[derive(Debug)]
pub struct GetAccessKeyInfo {
    id: String,
}

/// The output.
#[derive(Debug)]
pub struct AccessKeyInfo {
    account: AccountId,
}

keyward_types::action!("sts": GetAccessKeyInfo = "sts:GetAccessKeyInfo");

impl Operation for GetAccessKeyInfo {
    const NAME: &'static str = "GetAccessKeyInfo";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("AccessKeyId")];
    type Api = Sts;
    type Output = AccessKeyInfo;
    type Fault = StsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, StsFault> {
        let mut m = params.members_with_values();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let id = m
            .string("AccessKeyId")
            .length(16, 128)
            .pattern("[\\w]*", |text| text.chars().all(word))
            .required()
            .to_owned();
        m.finish()?;
        Ok(Self { id })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), StsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<AccessKeyInfo>, StsFault> {
        let found = match AccessKeyId::parse(&self.id) {
            Ok(id) if !id.is_temporary() => cx.directory().access_key(&id).await?,
            Ok(_) | Err(_) => None,
        };
        let carried = || AccessKeyId::parse(&self.id).ok()?.account();
        let account = found.as_ref().map(|key| key.account()).or_else(carried);
        match account {
            Some(account) => Ok(Done::unchanged(AccessKeyInfo { account })),
            None => Err(StsFault::Validation {
                message: format!("{} is invalid", self.id),
            }),
        }
    }
}

impl Output<Sts> for AccessKeyInfo {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text("Account", self.account.as_str());
    }
}
