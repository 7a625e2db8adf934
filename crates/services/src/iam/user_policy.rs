//! Inline policies of users.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html>

use std::sync::Arc;

use keyward_policy::{
    document::{Document, PolicyKind},
    permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_types::action;
use keyward_wire::{json, query::Params};

use crate::{
    context::Context,
    directory::{
        paths, purpose,
        records::{self, UserRecord},
        units::identity::UserUnit,
    },
    gate::{Denied, Gate},
    iam::{Iam, fault::IamFault, names},
    operation::{Done, Empty, Operation},
};

/// The most characters, white space not counted, of all inline policies of a user.
const MAX_INLINE: usize = 2048;

/// `PutUserPolicy`
#[derive(Debug)]
pub struct PutUserPolicy {
    user: String,
    policy_name: String,
    document: String,
}

impl Operation for PutUserPolicy {
    const NAME: &'static str = "PutUserPolicy";
    const READ_ONLY: bool = false;
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Arc<UserUnit>;
    type Permits = Permit<action::PutUserPolicy>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let user = names::name(&mut m, "UserName", 128);
        let policy_name = names::name(&mut m, "PolicyName", 128);
        let document = m
            .string("PolicyDocument")
            .length(1, 131_072)
            .required()
            .to_owned();
        m.finish()?;
        Ok(Self {
            user,
            policy_name,
            document,
        })
    }

    async fn resolve(&self, cx: &Context<'_>) -> Result<Arc<UserUnit>, IamFault> {
        names::user(cx, &self.user).await
    }

    fn authorize(&self, user: &Arc<UserUnit>, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.iam(user.principal().arn(), &user.record().tags, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        user: &Arc<UserUnit>,
        cx: &Context<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        Document::parse(&self.document, PolicyKind::Identity)?;
        let mut record: UserRecord = user.record().clone();
        record
            .inline_policies
            .insert(self.policy_name.clone(), self.document.clone());
        let size: usize = record
            .inline_policies
            .values()
            .map(|text| Document::size(text))
            .sum();
        if size > MAX_INLINE {
            let message = format!(
                "Maximum policy size of {MAX_INLINE} bytes exceeded for user {}",
                self.user
            );
            return Err(IamFault::LimitExceeded { message });
        }
        put_user(cx, user, &record)
    }

    fn describe(&self, parameters: &mut json::Writer<'_>) {
        parameters.string("userName", &self.user);
        parameters.string("policyName", &self.policy_name);
        parameters.string("policyDocument", &self.document);
    }
}

/// `DeleteUserPolicy`
#[derive(Debug)]
pub struct DeleteUserPolicy {
    user: String,
    policy_name: String,
}

impl Operation for DeleteUserPolicy {
    const NAME: &'static str = "DeleteUserPolicy";
    const READ_ONLY: bool = false;
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Arc<UserUnit>;
    type Permits = Permit<action::DeleteUserPolicy>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let user = names::name(&mut m, "UserName", 128);
        let policy_name = names::name(&mut m, "PolicyName", 128);
        m.finish()?;
        Ok(Self { user, policy_name })
    }

    async fn resolve(&self, cx: &Context<'_>) -> Result<Arc<UserUnit>, IamFault> {
        names::user(cx, &self.user).await
    }

    fn authorize(&self, user: &Arc<UserUnit>, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.iam(user.principal().arn(), &user.record().tags, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        user: &Arc<UserUnit>,
        cx: &Context<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let mut record: UserRecord = user.record().clone();
        if record.inline_policies.remove(&self.policy_name).is_none() {
            let message = format!(
                "The user policy with name {} cannot be found.",
                self.policy_name
            );
            return Err(IamFault::NoSuchEntity { message });
        }
        put_user(cx, user, &record)
    }

    fn describe(&self, parameters: &mut json::Writer<'_>) {
        parameters.string("userName", &self.user);
        parameters.string("policyName", &self.policy_name);
    }
}

fn put_user(
    cx: &Context<'_>,
    user: &UserUnit,
    record: &UserRecord,
) -> Result<Done<Empty>, IamFault> {
    let mut batch = cx.batch();
    let path = paths::user(cx.partition(), cx.account(), &record.id)?;
    let bytes = records::encode(record)?;
    batch.put(
        path,
        purpose::USER,
        &bytes,
        Precondition::At(user.revision()),
    )?;
    Ok(Done::changed(Empty, batch))
}
