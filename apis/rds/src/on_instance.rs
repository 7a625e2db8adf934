//! What most operations on one DB instance do alike: they name it, need one permit on it, fetch nothing else before
//! they are allowed, and answer the instance as it is then.

use std::future::Future;

use keyward_engine::{
    audit::parameters::Parameter,
    gate::{Denied, Gate},
    operation::{Done, Operation},
    policy::permit::Permit,
};
use keyward_types::action::Action;
use keyward_wire::{json::Members, query::Params};

use crate::{
    Cx, Rds,
    fault::RdsFault,
    instance::{Instance, OneInstance},
    members::{self, Unserved},
    shown::Described,
};

/// An operation on one DB instance, beside the member that names that.
pub trait OnInstance: Action + Sized {
    /// Every member of its input, and what the audit trail shows of it.
    const PARAMETERS: &'static [Parameter];
    /// The members that are not served.
    const UNSERVED: Unserved;

    /// Reads the other members.
    fn read(m: &mut Members<'_>) -> Self;

    /// Checks what the model does not say.
    ///
    /// # Errors
    /// The fault.
    fn checked(self) -> Result<Self, RdsFault> {
        Ok(self)
    }

    /// Does the work.
    fn answer(
        &self,
        found: &Instance,
        cx: &Cx<'_>,
    ) -> impl Future<Output = Result<Done<Described>, RdsFault>> + Send;
}

/// Such an operation, for the pipeline.
#[derive(Debug)]
pub struct On<O> {
    named: String,
    asked: O,
}

impl<O: OnInstance> Operation for On<O> {
    const NAME: &'static str = O::OPERATION;
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = O::PARAMETERS;
    type Api = Rds;
    type Output = Described;
    type Fault = RdsFault;
    type Resolved = OneInstance;
    type Permits = Permit<O>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let named = m.string("DBInstanceIdentifier").length(0, 255).optional();
        let asked = O::read(&mut m);
        m.finish()?;
        let named = members::required(named, "DBInstanceIdentifier")?;
        members::check_unserved(params.object(), O::UNSERVED)?;
        let asked = asked.checked()?;
        Ok(Self { named, asked })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneInstance, RdsFault> {
        cx.named_instance(&self.named).await
    }

    fn authorize(&self, one: &OneInstance, gate: &Gate<'_>) -> Result<Permit<O>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<O>,
        one: &OneInstance,
        cx: &Cx<'_>,
    ) -> Result<Done<Described>, RdsFault> {
        self.asked.answer(one.get()?, cx).await
    }
}
