//! Renaming users and groups and moving them to other paths. The unique id stays, so stored
//! policies and memberships follow.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html>
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateGroup.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::units::identity::{GroupUnit, UserUnit},
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_wire::query::Params;

use crate::{
    Cx, Iam,
    entity::{Entity, EntityAction, EntityName, Lookup, Record, entity_actions},
    facets::Renamed,
    fault::IamFault,
    names, naming, reserved,
};

entity_actions! {
    UserUnit, names::EXISTING_USER => UpdateUser = "iam:UpdateUser",;
    GroupUnit, names::GROUP => UpdateGroup = "iam:UpdateGroup",;
}

/// `UpdateUser`, `UpdateGroup`
#[derive(Debug)]
pub struct Update<A> {
    of: EntityName<A>,
    new_path: Option<String>,
    new_name: Option<String>,
}

/// A user or group, and what it will be.
#[derive(Debug)]
pub struct Renaming<E: Entity> {
    asked: Lookup<E>,
    new: Option<E::Record>,
    new_arn: Option<String>,
    taken: bool,
}

type Of<A> = <<A as EntityAction>::Entity as Entity>::Record;

impl<A: EntityAction> Operation for Update<A>
where
    Of<A>: Renamed,
{
    const NAME: &'static str = A::OPERATION;
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text(A::Entity::NOUN.member),
        text("NewPath"),
        text(Of::<A>::NEW_NAME),
    ];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Renaming<A::Entity>;
    /// On the old and on the new name.
    type Permits = (Permit<A>, Option<Permit<A>>);

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let of = EntityName::read(&mut m);
        let new_path = names::optional_path(&mut m, "NewPath");
        let new_name = names::optional_name(&mut m, Of::<A>::NEW_NAME, Of::<A>::LONGEST);
        m.finish()?;
        reserved::check(new_path.as_deref(), new_name.as_deref())?;
        Ok(Self {
            of,
            new_path,
            new_name,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, IamFault> {
        let asked = self.of.find(cx).await?;
        let (mut new, mut taken) = (None, false);
        if let Some(found) = asked.found() {
            let mut record = found.edit(cx)?;
            if let Some(path) = &self.new_path {
                record.names_mut().0.clone_from(path);
            }
            if let Some(name) = &self.new_name {
                if let Some(bearer) = A::Entity::find(cx, name).await? {
                    taken = bearer.edit(cx)?.id() != record.id();
                }
                record.names_mut().1.clone_from(name);
            }
            new = Some(record);
        }
        let new_arn = new.as_ref().map(|record| record.arn_in(cx.caller.home()));
        Ok(Renaming {
            asked,
            new,
            new_arn,
            taken,
        })
    }

    fn authorize(&self, change: &Self::Resolved, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let old = change.asked.permit(gate, |_| ())?;
        let new = match (&change.new_arn, change.asked.found()) {
            (Some(arn), Some(found)) if *arn != found.arn() => {
                Some(gate.permit(&IdentityOnly::new(arn).tagged(found.tags()), |_| ())?)
            }
            _ => None,
        };
        Ok((old, new))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        change: &Self::Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let found = change.asked.get()?;
        let old = found.edit(cx)?;
        let Some(new) = change.new.as_ref().filter(|new| **new != old) else {
            return Ok(Done::unchanged(Empty));
        };
        if change.taken {
            let message = (A::Entity::NOUN.taken)(new.name());
            return Err(IamFault::EntityAlreadyExists { message });
        }
        let mut batch = cx.batch();
        if new.name() != old.name() {
            let of = (A::Entity::NOUN.names, new.id());
            naming::change(cx, &mut batch, of, (old.name(), new.name()))?;
        }
        new.put(cx, &mut batch, found.written())?;
        Ok(Done::changed(Empty, batch))
    }
}
