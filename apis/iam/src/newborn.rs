//! What is to be created: the ARN that it will have, whether its name is free, and its boundary.

use std::sync::Arc;

use keyward_engine::{
    directory::units::identity::ManagedPolicyUnit,
    gate::{Denied, Gate, protected::IdentityOnly},
    policy::permit::Permit,
};
use keyward_types::{action::Action, tag::Tag};

use crate::{
    Cx, boundary, condition_keys,
    entity::{Entity, Record},
    fault::IamFault,
};

/// An entity that is to be created.
#[derive(Debug)]
pub struct New {
    arn: String,
    taken: bool,
}

impl New {
    /// Looks whether the name is free.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find<E: Entity>(
        cx: &Cx<'_>,
        (path, name): (&str, &str),
    ) -> Result<Self, IamFault> {
        let home = cx.caller.home();
        let id = cx.directory().id_of_name(E::Record::NAME_KIND, home, name);
        let taken = id.await?.is_some();
        let ((partition, account), noun) = (home, E::NOUN);
        let arn = format!("arn:{partition}:iam::{account}:{noun}{path}{name}");
        Ok(Self { arn, taken })
    }

    /// The ARN that it will have.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Refuses a name that is taken, in those words.
    ///
    /// # Errors
    /// `EntityAlreadyExists`.
    pub fn check_free(&self, message: impl FnOnce() -> String) -> Result<(), IamFault> {
        if self.taken {
            let message = message();
            return Err(IamFault::EntityAlreadyExists { message });
        }
        Ok(())
    }
}

/// A user or role that is to be created, with the permissions boundary that it is to have.
#[derive(Debug)]
pub struct NewIdentity {
    new: New,
    boundary: Option<Arc<ManagedPolicyUnit>>,
}

impl NewIdentity {
    /// Looks whether the name is free, and for the policy of that ARN.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn find<E: Entity>(
        cx: &Cx<'_>,
        path_and_name: (&str, &str),
        boundary: Option<&str>,
    ) -> Result<Self, IamFault> {
        let boundary = match boundary {
            Some(arn) => ManagedPolicyUnit::find(cx, arn).await?,
            None => None,
        };
        let new = New::find::<E>(cx, path_and_name).await?;
        Ok(Self { new, boundary })
    }

    /// Asks for a permit to create it with these tags and this boundary, and for one to tag it if
    /// there are tags.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn permits<A: Action, T: Action>(
        &self,
        gate: &Gate<'_>,
        (tags, boundary): (&[Tag], Option<&str>),
    ) -> Result<(Permit<A>, Option<Permit<T>>), Denied> {
        let on = IdentityOnly::new(self.new.arn());
        let create = gate.permit(&on, |supply| {
            supply.request_tags(tags);
            if let Some(boundary) = boundary {
                supply.text(condition_keys::PERMISSIONS_BOUNDARY, boundary);
            }
        })?;
        Ok((create, gate.tagging(&on, tags)?))
    }

    /// What is to be created.
    pub fn entity(&self) -> &New {
        &self.new
    }

    /// The boundary of that ARN, if it may be one.
    ///
    /// # Errors
    /// As [`boundary::usable`].
    pub fn boundary(&self, arn: Option<&str>) -> Result<Option<&Arc<ManagedPolicyUnit>>, IamFault> {
        arn.map(|arn| boundary::usable(&self.boundary, arn))
            .transpose()
    }
}
