//! The access keys of a user, and when each was last used.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccessKeys.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{
        purpose,
        records::{AccessKeyOwner, AccessKeyRecord, identity::CredentialUseRecord},
        units::AccessKeyUnit,
    },
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{time::Timestamp, unique_id::AccessKeyId};
use keyward_wire::{json::Members, query::Params, xml};

use crate::{
    Cx, Iam,
    access_key::{Owner, OwnerName},
    fault::IamFault,
    names,
    on_one::OnOne,
    page::{Page, Paging},
    paths,
};

/// `ListAccessKeys`
#[derive(Debug)]
pub struct ListAccessKeys {
    owner: OwnerName,
    paging: Paging,
}

/// A page of access keys, without their secrets.
#[derive(Debug)]
pub struct AccessKeys {
    user: Option<String>,
    page: Page<ShownKey>,
}

#[derive(Debug)]
struct ShownKey {
    id: AccessKeyId,
    active: bool,
    created: Timestamp,
}

keyward_types::action!("iam": ListAccessKeys = "iam:ListAccessKeys");

impl OnOne for ListAccessKeys {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("UserName"), text("Marker"), integer("MaxItems")];
    type Action = Self;
    type Operand = OwnerName;
    type Output = AccessKeys;

    fn read(m: &mut Members<'_>) -> Self {
        let owner = OwnerName::read(m);
        let paging = Paging::read(m);
        Self { owner, paging }
    }

    fn operand(&self) -> &OwnerName {
        &self.owner
    }

    async fn answer(&self, owner: &Owner, cx: &Cx<'_>) -> Result<Done<AccessKeys>, IamFault> {
        let mut keys = Vec::new();
        for id in owner.keys()? {
            let path = paths::access_key(id);
            let found = cx.directory().rare(&path, purpose::CREDENTIAL).await?;
            let record: Option<(AccessKeyRecord, _)> = found;
            keys.extend(record.map(|(record, _)| ShownKey {
                id: id.clone(),
                active: record.active,
                created: record.created,
            }));
        }
        let user = owner.user_name().map(str::to_owned);
        let filter = user.clone().unwrap_or_default();
        let page = self
            .paging
            .cut(cx, (Self::NAME, &filter), keys, |key| key.id.to_string())?;
        Ok(Done::unchanged(AccessKeys { user, page }))
    }
}

impl Output<Iam> for AccessKeys {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.page.render(out, "AccessKeyMetadata", |out, key| {
            if let Some(user) = &self.user {
                out.text("UserName", user);
            }
            out.text("AccessKeyId", key.id.as_str());
            out.text("Status", if key.active { "Active" } else { "Inactive" });
            out.timestamp("CreateDate", key.created);
        });
    }
}

/// `GetAccessKeyLastUsed`
#[derive(Debug)]
pub struct GetAccessKeyLastUsed {
    id: String,
}

/// A key of the caller's account, and the ARN of its owner; `None` if there is no such key.
#[derive(Debug)]
pub struct FoundKey {
    key: Option<Arc<AccessKeyUnit>>,
    user: Option<(String, String)>,
    arn: String,
}

/// When a key was last used.
#[derive(Debug)]
pub struct LastUsed {
    user: Option<String>,
    used: Option<CredentialUseRecord>,
}

keyward_types::action!("iam": GetAccessKeyLastUsed = "iam:GetAccessKeyLastUsed");

impl Operation for GetAccessKeyLastUsed {
    const NAME: &'static str = "GetAccessKeyLastUsed";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("AccessKeyId")];
    type Api = Iam;
    type Output = LastUsed;
    type Fault = IamFault;
    type Resolved = FoundKey;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let id = names::access_key_id(&mut m);
        m.finish()?;
        Ok(Self { id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<FoundKey, IamFault> {
        let (partition, account) = cx.caller.home();
        let key = match AccessKeyId::parse(&self.id) {
            Ok(id) => cx.directory().access_key(&id).await?,
            Err(_) => None,
        };
        // A key of another account is as if it were not.
        let key = key.filter(|key| (key.partition(), key.account()) == (partition, account));
        let mut user = None;
        if let Some(AccessKeyOwner::User(id)) = key.as_ref().map(|key| key.owner()) {
            let found = cx.directory().user(partition, account, id).await?;
            user = found.map(|user| {
                (
                    user.principal().arn().to_owned(),
                    user.record().name.clone(),
                )
            });
        }
        let arn = match &user {
            Some((arn, _)) => arn.clone(),
            None => format!("arn:{partition}:iam::{account}:root"),
        };
        Ok(FoundKey { key, user, arn })
    }

    fn authorize(&self, found: &FoundKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let shown = match &found.key {
            Some(_) => found.arn.clone(),
            None => format!("access key {}", self.id),
        };
        gate.permit(&IdentityOnly::new(&found.arn).shown_as(&shown), |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        found: &FoundKey,
        cx: &Cx<'_>,
    ) -> Result<Done<LastUsed>, IamFault> {
        // AWS tells callers with permission no more about a key that does not belong to the
        // account.
        let key = found.key.as_ref().ok_or_else(|| IamFault::Protected {
            message: format!(
                "User: {} is not authorized to perform iam:GetAccessKeyLastUsed on resource: \
                 access key {}",
                cx.caller.principal().arn(),
                self.id
            ),
        })?;
        let used = match cx.shared().access_key_usage().noted(key.id()) {
            Some(noted) => Some(noted.to_record()),
            None => {
                let path = paths::access_key_last_use(key.id());
                let read = cx.directory().rare(&path, purpose::LAST_USE).await?;
                read.map(|(used, _)| used)
            }
        };
        let user = found.user.as_ref().map(|(_, name)| name.clone());
        Ok(Done::unchanged(LastUsed { user, used }))
    }
}

impl Output<Iam> for LastUsed {
    fn render(&self, out: &mut xml::Writer<'_>) {
        if let Some(user) = &self.user {
            out.text("UserName", user);
        }
        out.element("AccessKeyLastUsed", |out| match &self.used {
            Some(used) => {
                out.timestamp("LastUsedDate", used.at);
                out.text("ServiceName", &used.service);
                out.text("Region", used.region.as_str());
            }
            None => {
                out.text("ServiceName", "N/A");
                out.text("Region", "N/A");
            }
        });
    }
}
