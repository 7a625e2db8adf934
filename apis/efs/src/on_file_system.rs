//! What most operations on one file system do alike: they name it, need one permit on it, and fetch nothing
//! else before they are allowed.

use std::future::Future;

use keyward_engine::{
    audit::parameters::Parameter,
    gate::{Denied, Gate, supply::Supply},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::action::Action;
use keyward_wire::json::{Members, Object};

use crate::{Cx, Efs, fault::EfsFault, file_system::OneFileSystem, members};

/// An operation on one file system, without the member that names it.
pub trait OnFileSystem: Action + Sized {
    /// Whether the audit trail calls it read-only.
    const READ_ONLY: bool;
    /// Every member of its input, and what the audit trail shows of it.
    const PARAMETERS: &'static [Parameter];
    /// What it answers.
    type Output: Output<Efs>;

    /// Reads the other members.
    fn read(m: &mut Members<'_>) -> Self;

    /// Checks what the model does not say.
    ///
    /// # Errors
    /// The fault.
    fn checked(self) -> Result<Self, EfsFault> {
        Ok(self)
    }

    /// Supplies condition values.
    fn supply(&self, _supply: &mut Supply) {}

    /// Does the work.
    fn answer(
        &self,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> impl Future<Output = Result<Done<Self::Output>, EfsFault>> + Send;
}

/// Such an operation, for the pipeline.
#[derive(Debug)]
pub struct On<O> {
    id: String,
    asked: O,
}

impl<O: OnFileSystem> Operation for On<O> {
    const NAME: &'static str = O::OPERATION;
    const READ_ONLY: bool = O::READ_ONLY;
    const PARAMETERS: &'static [Parameter] = O::PARAMETERS;
    type Api = Efs;
    type Output = O::Output;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<O>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
        let asked = O::read(&mut m);
        m.finish()?;
        let asked = asked.checked()?;
        Ok(Self { id, asked })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<O>, Denied> {
        gate.permit(one, |supply| self.asked.supply(supply))
    }

    async fn call(
        &self,
        _permit: &Permit<O>,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<O::Output>, EfsFault> {
        self.asked.answer(one, cx).await
    }
}
