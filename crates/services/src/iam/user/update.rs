//! Renaming users and moving them to other paths. The unique id stays, so stored policies follow.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html>

use keyward_policy::permit::Permit;
use keyward_types::action;
use keyward_wire::{json, query::Params};

use crate::{
    context::Context,
    directory::{identities::Named, records::UserRecord, units::identity::UserUnit},
    gate::{Denied, Gate},
    iam::{
        Iam,
        entity::{Asked, Entity, Record, Subject},
        fault::IamFault,
        names, naming,
    },
    operation::{Done, Empty, Operation},
};

/// `UpdateUser`
#[derive(Debug)]
pub struct UpdateUser {
    of: Subject<action::UpdateUser>,
    new_path: Option<String>,
    new_name: Option<String>,
}

/// A user, and what it will be.
#[derive(Debug)]
pub struct Change {
    user: Asked<UserUnit>,
    new: Option<UserRecord>,
    new_arn: Option<String>,
    taken: bool,
}

impl Operation for UpdateUser {
    const NAME: &'static str = "UpdateUser";
    const READ_ONLY: bool = false;
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Change;
    /// On the user as it is and as it will be.
    type Permits = (
        Permit<action::UpdateUser>,
        Option<Permit<action::UpdateUser>>,
    );

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let of = Subject::read(&mut m);
        let new_path = names::optional_path(&mut m, "NewPath");
        let new_name = names::optional_name(&mut m, "NewUserName", 64);
        m.finish()?;
        Ok(Self {
            of,
            new_path,
            new_name,
        })
    }

    async fn resolve(&self, cx: &Context<'_>) -> Result<Change, IamFault> {
        let (partition, account) = cx.caller.home();
        let user = self.of.find(cx).await?;
        let (mut new, mut taken) = (None, false);
        if let Some(found) = user.found() {
            let mut record = found.record().clone();
            if let Some(path) = &self.new_path {
                record.path.clone_from(path);
            }
            if let Some(name) = &self.new_name {
                let bearer = UserUnit::find(cx, name).await?;
                taken = bearer.is_some_and(|bearer| bearer.record().id != record.id);
                record.name.clone_from(name);
            }
            new = Some(record);
        }
        let new_arn = new.as_ref().map(|record| record.arn(partition, account));
        Ok(Change {
            user,
            new,
            new_arn,
            taken,
        })
    }

    fn authorize(&self, change: &Change, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let old = change.user.permit(gate, |_| ())?;
        let found = change.user.found();
        let new = match (&change.new_arn, found) {
            (Some(arn), Some(found)) if *arn != found.arn() => {
                Some(gate.iam(arn, found.tags(), |_| ())?)
            }
            _ => None,
        };
        Ok((old, new))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        change: &Change,
        cx: &Context<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let user = change.user.get()?;
        let Some(new) = change.new.as_ref().filter(|new| *new != user.record()) else {
            return Ok(Done::unchanged(Empty));
        };
        if change.taken {
            let message = format!("User with name {} already exists.", new.name);
            return Err(IamFault::EntityAlreadyExists { message });
        }
        let mut batch = cx.batch();
        let old_name = &user.record().name;
        if new.name != *old_name {
            let of = (Named::User, &new.id);
            naming::change(cx, &mut batch, of, (old_name, &new.name))?;
        }
        new.put(cx, &mut batch, Some(user.revision()))?;
        Ok(Done::changed(Empty, batch))
    }

    fn describe(&self, parameters: &mut json::Writer<'_>) {
        self.of.describe(parameters);
        if let Some(path) = &self.new_path {
            parameters.string("newPath", path);
        }
        if let Some(name) = &self.new_name {
            parameters.string("newUserName", name);
        }
    }
}
