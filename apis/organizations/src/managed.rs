//! What nearly all operations have in common: only the management account may call them, they need
//! only the organization's unit, and a change rewrites its head.

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::Parameter,
    directory::units::organization::OrganizationUnit,
    gate::{Denied, Gate, supply::Supply},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{action::Action, tag::Tag};
use keyward_wire::json::{Members, Object};

use crate::{
    Cx, Organizations,
    fault::OrganizationsFault,
    standing::{Standing, Thing},
};

keyward_types::actions! {
    "organizations":
    TagResource = "organizations:TagResource",
}

/// An operation that the management account alone may ask.
pub trait Ask: Sized + Send + Sync + 'static {
    /// The operation's name on the wire.
    const NAME: &'static str;
    /// Whether the audit trail calls it read-only.
    const READ_ONLY: bool;
    /// Every member of its input, and what the audit trail shows of it.
    const PARAMETERS: &'static [Parameter];
    /// The action it needs a permit for.
    type Action: Action;
    /// What it answers.
    type Output: Output<Organizations>;

    /// Reads the members; `None` only if one of them violated its constraints, which the members
    /// have noted.
    fn read(m: &mut Members<'_>) -> Option<Self>;

    /// Checks what the model does not say.
    ///
    /// # Errors
    /// The fault.
    fn check(&self) -> Result<(), OrganizationsFault> {
        Ok(())
    }

    /// What it is about; nothing if it is about the organization at large.
    fn things(&self) -> Vec<Thing> {
        Vec::new()
    }

    /// The tags of what it creates, which it needs a permit to tag.
    fn created_with(&self) -> &[Tag] {
        &[]
    }

    /// Supplies condition values.
    fn supply(&self, _supply: &mut Supply) {}

    /// Does the work.
    ///
    /// # Errors
    /// The fault.
    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<Self::Output>, OrganizationsFault>;
}

/// Such an operation, for the pipeline.
#[derive(Debug)]
pub struct Managed<A>(A);

impl<A: Ask> Operation for Managed<A> {
    const NAME: &'static str = A::NAME;
    const READ_ONLY: bool = A::READ_ONLY;
    const PARAMETERS: &'static [Parameter] = A::PARAMETERS;
    type Api = Organizations;
    type Output = A::Output;
    type Fault = OrganizationsFault;
    type Resolved = Standing;
    type Permits = (Vec<Permit<A::Action>>, Vec<Permit<TagResource>>);

    fn parse(body: &Object<'_>) -> Result<Self, OrganizationsFault> {
        let mut m = Members::of(body);
        let asked = A::read(&mut m);
        m.finish()?;
        let unread = || OrganizationsFault::internal("a member was read that is not valid");
        let asked = asked.ok_or_else(unread)?;
        asked.check()?;
        Ok(Self(asked))
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Standing, OrganizationsFault> {
        Standing::of(cx).await
    }

    fn authorize(&self, standing: &Standing, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let things = self.0.things();
        let permits = standing.permits(gate, &things, |supply| self.0.supply(supply))?;
        let tags = self.0.created_with();
        if tags.is_empty() {
            return Ok((permits, Vec::new()));
        }
        let tagging = standing.permits(gate, &things, |supply| supply.request_tags(tags))?;
        Ok((permits, tagging))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        standing: &Standing,
        cx: &Cx<'_>,
    ) -> Result<Done<A::Output>, OrganizationsFault> {
        self.0.answer(standing.managed()?, cx)
    }
}
