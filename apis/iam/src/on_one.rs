//! What most operations do alike: they name one entity, need one permit on it, and fetch nothing else
//! before they are allowed.

use std::future::Future;

use keyward_engine::{
    audit::parameters::Parameter,
    gate::{Denied, Gate, supply::Supply},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::action::Action;
use keyward_wire::{json::Members, query::Params};

use crate::{
    Cx, Iam,
    entity::{EntityAction, EntityName, Lookup},
    fault::IamFault,
};

/// The entity that such an operation names, which may not be there.
pub type On<O> = Lookup<<<O as OnOne>::Action as EntityAction>::Entity>;

/// An operation on one entity.
pub trait OnOne: Sized + Send + Sync + 'static {
    /// Its name on the wire: that of its action.
    const NAME: &'static str = Self::Action::OPERATION;
    /// Whether the audit trail calls it read-only.
    const READ_ONLY: bool;
    /// Every member of its input, and what the audit trail shows of it.
    const PARAMETERS: &'static [Parameter];
    /// The action it needs a permit for.
    type Action: EntityAction;
    /// What it answers.
    type Output: Output<Iam>;

    /// Reads the members.
    fn read(m: &mut Members<'_>) -> Self;

    /// Checks what the model does not say.
    ///
    /// # Errors
    /// The fault.
    fn checked(self) -> Result<Self, IamFault> {
        Ok(self)
    }

    /// The entity's name.
    fn subject(&self) -> &EntityName<Self::Action>;

    /// Supplies condition values.
    fn supply(&self, _on: &On<Self>, _supply: &mut Supply) {}

    /// Does the work.
    fn answer(
        &self,
        on: &On<Self>,
        cx: &Cx<'_>,
    ) -> impl Future<Output = Result<Done<Self::Output>, IamFault>> + Send;
}

/// Such an operation, for the pipeline.
#[derive(Debug)]
pub struct One<O>(O);

impl<O: OnOne> Operation for One<O> {
    const NAME: &'static str = O::NAME;
    const READ_ONLY: bool = O::READ_ONLY;
    const PARAMETERS: &'static [Parameter] = O::PARAMETERS;
    type Api = Iam;
    type Output = O::Output;
    type Fault = IamFault;
    type Resolved = On<O>;
    type Permits = Permit<O::Action>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let asked = O::read(&mut m);
        m.finish()?;
        asked.checked().map(Self)
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<On<O>, IamFault> {
        self.0.subject().find(cx).await
    }

    fn authorize(&self, on: &On<O>, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        on.permit(gate, |supply| self.0.supply(on, supply))
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        on: &On<O>,
        cx: &Cx<'_>,
    ) -> Result<Done<O::Output>, IamFault> {
        self.0.answer(on, cx).await
    }
}
