//! IAM users.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html>

use std::{collections::BTreeMap, sync::Arc};

use keyward_crypto::random;
use keyward_policy::permit::Permit;
use keyward_store::batch::Precondition;
use keyward_types::{
    action,
    tag::Tag,
    unique_id::{UniqueId, UniqueIdKind},
};
use keyward_wire::{json, query::Params, xml};

use crate::{
    context::Context,
    counts::Counted,
    directory::{
        identities::Named,
        paths, purpose,
        records::{self, UserRecord, V1, identity::NameRecord},
        units::identity::UserUnit,
    },
    gate::{Denied, Gate},
    iam::{Iam, fault::IamFault, names},
    operation::{Done, Empty, Operation, Output},
};

/// `CreateUser`
#[derive(Debug)]
pub struct CreateUser {
    name: String,
    path: String,
    tags: Vec<Tag>,
}

/// The ARN that the new user will have, and whether the name is taken.
#[derive(Debug)]
pub struct NewUser {
    arn: String,
    taken: bool,
}

/// The output of CreateUser.
#[derive(Debug)]
pub struct UserCreated {
    arn: String,
    record: UserRecord,
}

impl Operation for CreateUser {
    const NAME: &'static str = "CreateUser";
    const READ_ONLY: bool = false;
    type Api = Iam;
    type Output = UserCreated;
    type Fault = IamFault;
    type Resolved = NewUser;
    type Permits = Permit<action::CreateUser>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let path = names::path(&mut m);
        let name = names::name(&mut m, "UserName", 64);
        let boundary = m
            .string("PermissionsBoundary")
            .length(20, 2048)
            .optional()
            .is_some();
        let tags = names::tags(&mut m);
        m.finish()?;
        if boundary {
            let message = "Permissions boundaries are not supported by this version of Keyward.";
            return Err(IamFault::InvalidInput {
                message: message.to_owned(),
            });
        }
        Ok(Self {
            name,
            path,
            tags: names::checked_tags(tags)?,
        })
    }

    async fn resolve(&self, cx: &Context<'_>) -> Result<NewUser, IamFault> {
        let directory = cx.directory();
        let found = directory
            .user_by_name(cx.partition(), cx.account(), &self.name)
            .await?;
        Ok(NewUser {
            arn: names::user_arn(cx, &self.path, &self.name),
            taken: found.is_some(),
        })
    }

    fn authorize(&self, new: &NewUser, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.iam(&new.arn, &[], |supply| supply.request_tags(&self.tags))
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        new: &NewUser,
        cx: &Context<'_>,
    ) -> Result<Done<UserCreated>, IamFault> {
        if new.taken {
            let message = format!("User with name {} already exists.", self.name);
            return Err(IamFault::EntityAlreadyExists { message });
        }
        let counted = Counted::Users(cx.account());
        if cx
            .shared
            .counts
            .get(counted)
            .is_some_and(|count| count >= cx.shared.quotas.users)
        {
            let message = format!(
                "Cannot exceed quota for UsersPerAccount: {}",
                cx.shared.quotas.users
            );
            return Err(IamFault::LimitExceeded { message });
        }
        let record = UserRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::User, random::array()),
            name: self.name.clone(),
            path: self.path.clone(),
            created: cx.now,
            tags: self.tags.clone(),
            access_keys: Vec::new(),
            inline_policies: BTreeMap::new(),
            attached_policies: Vec::new(),
            boundary: None,
            groups: Vec::new(),
        };
        let leads = NameRecord {
            version: V1,
            id: record.id.clone(),
            name: self.name.clone(),
        };
        let home = cx.caller.home();
        let mut batch = cx.batch();
        let absent = Precondition::Absent;
        let path = cx.directory().name_path(Named::User, home, &self.name)?;
        batch.put(path, purpose::USER_NAME, &records::encode(&leads)?, absent)?;
        names::put_principal_id(&mut batch, home, &record.id)?;
        let path = paths::user(cx.partition(), cx.account(), &record.id)?;
        batch.put(path, purpose::USER, &records::encode(&record)?, absent)?;
        cx.shared.counts.made(counted);
        Ok(Done::changed(
            UserCreated {
                arn: new.arn.clone(),
                record,
            },
            batch,
        ))
    }

    fn describe(&self, parameters: &mut json::Writer<'_>) {
        parameters.string("userName", &self.name);
        parameters.string("path", &self.path);
    }
}

impl Output<Iam> for UserCreated {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("User", |user| {
            user.text("Path", &self.record.path);
            user.text("UserName", &self.record.name);
            user.text("UserId", self.record.id.as_str());
            user.text("Arn", &self.arn);
            user.timestamp("CreateDate", self.record.created);
            if !self.record.tags.is_empty() {
                user.list("Tags", &self.record.tags, |member, tag| {
                    member.text("Key", &tag.key);
                    member.text("Value", &tag.value);
                });
            }
        });
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        elements.object("user", |user| {
            user.string("path", &self.record.path);
            user.string("userName", &self.record.name);
            user.string("userId", self.record.id.as_str());
            user.string("arn", &self.arn);
            user.string("createDate", &self.record.created.iso8601());
        });
    }
}

/// `DeleteUser`
#[derive(Debug)]
pub struct DeleteUser {
    name: String,
}

impl Operation for DeleteUser {
    const NAME: &'static str = "DeleteUser";
    const READ_ONLY: bool = false;
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Arc<UserUnit>;
    type Permits = Permit<action::DeleteUser>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let name = names::name(&mut m, "UserName", 128);
        m.finish()?;
        Ok(Self { name })
    }

    async fn resolve(&self, cx: &Context<'_>) -> Result<Arc<UserUnit>, IamFault> {
        names::user(cx, &self.name).await
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
        let record = user.record();
        if !record.inline_policies.is_empty() {
            let message = "Cannot delete entity, must delete policies first.";
            return Err(IamFault::DeleteConflict { message });
        }
        if !record.access_keys.is_empty() {
            let message = "Cannot delete entity, must delete access keys first.";
            return Err(IamFault::DeleteConflict { message });
        }
        let mut batch = cx.batch();
        let path = paths::user(cx.partition(), cx.account(), &record.id)?;
        batch.delete(path, Precondition::At(user.revision()))?;
        let home = cx.caller.home();
        let path = cx.directory().name_path(Named::User, home, &record.name)?;
        batch.delete(path, Precondition::Any)?;
        batch.delete(paths::principal_id(&record.id)?, Precondition::Any)?;
        Ok(Done::changed(Empty, batch))
    }

    fn describe(&self, parameters: &mut json::Writer<'_>) {
        parameters.string("userName", &self.name);
    }
}
