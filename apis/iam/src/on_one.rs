//! What most operations have in common: they name one entity, need one permit on it, and fetch
//! nothing else before they are allowed.

use std::{fmt, future::Future, marker::PhantomData};

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate, protected::IdentityOnly, supply::Supply},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::action::Action;
use keyward_wire::{json::Members, query::Params};

use crate::{
    Cx, Iam,
    entity::{Entity, EntityAction, EntityName, Lookup},
    fault::IamFault,
    page::{Page, Paging},
};

/// What an operation is done to, as the request names it.
pub trait Operand: Send + Sync + 'static {
    /// It as it was found, or that it was not.
    type Found: Send + Sync;

    /// Looks for it.
    ///
    /// # Errors
    /// When it cannot be read, or is not named as it must be.
    fn find(&self, cx: &Cx<'_>) -> impl Future<Output = Result<Self::Found, IamFault>> + Send;

    /// Asks for a permit on it.
    ///
    /// # Errors
    /// When the policies deny.
    fn permit<A: Action>(
        &self,
        found: &Self::Found,
        gate: &Gate<'_>,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied>;
}

/// An operand that a single member names.
pub trait NamedOperand: Operand + fmt::Debug {
    /// The member.
    const MEMBER: &'static str;

    /// Reads the member.
    fn read(m: &mut Members<'_>) -> Self;

    /// The name.
    fn name(&self) -> &str;
}

/// What such an operation is done to, which may not be there.
pub type On<O> = <<O as OnOne>::Operand as Operand>::Found;

/// An operation on one operand.
pub trait OnOne: Sized + Send + Sync + 'static {
    /// Its name on the wire: that of its action.
    const NAME: &'static str = Self::Action::OPERATION;
    /// Whether the audit trail calls it read-only.
    const READ_ONLY: bool;
    /// Every member of its input, and what the audit trail shows of it.
    const PARAMETERS: &'static [Parameter];
    /// The action it needs a permit for.
    type Action: Action;
    /// What it is done to.
    type Operand: Operand;
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

    /// What it is done to.
    fn operand(&self) -> &Self::Operand;

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
        self.0.operand().find(cx).await
    }

    fn authorize(&self, on: &On<O>, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let operand = self.0.operand();
        operand.permit(on, gate, |supply| self.0.supply(on, supply))
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

impl<A: EntityAction> Operand for EntityName<A> {
    type Found = Lookup<A::Entity>;

    async fn find(&self, cx: &Cx<'_>) -> Result<Lookup<A::Entity>, IamFault> {
        Lookup::find(cx, &self.name).await
    }

    fn permit<P: Action>(
        &self,
        found: &Lookup<A::Entity>,
        gate: &Gate<'_>,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<P>, Denied> {
        found.permit(gate, supply)
    }
}

impl<A: EntityAction> NamedOperand for EntityName<A> {
    const MEMBER: &'static str = A::Entity::NOUN.member;

    fn read(m: &mut Members<'_>) -> Self {
        EntityName::read(m)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// The account at large.
#[derive(Clone, Copy, Debug)]
pub struct WholeAccount;

impl Operand for WholeAccount {
    type Found = ();

    async fn find(&self, _cx: &Cx<'_>) -> Result<(), IamFault> {
        Ok(())
    }

    fn permit<A: Action>(
        &self,
        (): &(),
        gate: &Gate<'_>,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        gate.global_account(supply)
    }
}

/// All that an account has of a noun, below a path.
#[derive(Debug)]
pub struct AllBelow {
    word: &'static str,
    path: String,
    shown: Option<String>,
}

impl AllBelow {
    /// All of the noun with that word in ARNs, below that path.
    pub fn new(word: &'static str, path: impl Into<String>) -> Self {
        Self {
            word,
            path: path.into(),
            shown: None,
        }
    }

    /// The same, which denials show like this.
    #[must_use]
    pub fn shown_as(self, shown: String) -> Self {
        let shown = Some(shown);
        Self { shown, ..self }
    }

    /// The path.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Operand for AllBelow {
    /// The ARN.
    type Found = String;

    async fn find(&self, cx: &Cx<'_>) -> Result<String, IamFault> {
        let ((partition, account), word) = (cx.caller.home(), self.word);
        Ok(format!(
            "arn:{partition}:iam::{account}:{word}{}",
            self.path
        ))
    }

    fn permit<A: Action>(
        &self,
        arn: &String,
        gate: &Gate<'_>,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let on = IdentityOnly::new(arn);
        let shown = self.shown.as_deref();
        gate.permit(&shown.map_or(on, |shown| on.shown_as(shown)), supply)
    }
}

/// An entity that an action is done to, and another one that it needs for that. The permit is on the first.
#[derive(Debug)]
pub struct Pair<A, E> {
    /// The name of the first.
    pub on: EntityName<A>,
    /// The name of the other, or its ARN.
    pub with: String,
    other: PhantomData<fn() -> E>,
}

impl<A: EntityAction, E: Entity> Pair<A, E> {
    /// These two.
    pub fn new(on: EntityName<A>, with: String) -> Self {
        let other = PhantomData;
        Self { on, with, other }
    }
}

impl<A: EntityAction, E: Entity> Operand for Pair<A, E> {
    type Found = (Lookup<A::Entity>, Lookup<E>);

    async fn find(&self, cx: &Cx<'_>) -> Result<Self::Found, IamFault> {
        let on = Lookup::find(cx, &self.on.name).await?;
        Ok((on, Lookup::find(cx, &self.with).await?))
    }

    fn permit<P: Action>(
        &self,
        (on, _): &Self::Found,
        gate: &Gate<'_>,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<P>, Denied> {
        on.permit(gate, supply)
    }
}

/// A list of what belongs to one operand, in pages.
pub trait Listing: Send + Sync + 'static {
    /// The action it needs a permit for.
    type Action: Action;
    /// Whose list it is.
    type Operand: NamedOperand;
    /// What is in it.
    type Item: Send;
    /// What is answered.
    type Output: Output<Iam>;

    /// All that is in it.
    ///
    /// # Errors
    /// When it cannot be read, or the operand is not there.
    fn items(
        of: &<Self::Operand as Operand>::Found,
        cx: &Cx<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Item>, IamFault>> + Send;

    /// What the list is in the order of.
    fn key(item: &Self::Item) -> String;

    /// A page of it as it is answered.
    ///
    /// # Errors
    /// When it cannot be read.
    fn answer(
        of: &<Self::Operand as Operand>::Found,
        page: Page<Self::Item>,
        cx: &Cx<'_>,
    ) -> impl Future<Output = Result<Self::Output, IamFault>> + Send;
}

/// The operation that returns a page of such a list.
#[derive(Debug)]
pub struct ListOf<L: Listing> {
    of: L::Operand,
    paging: Paging,
}

impl<L: Listing> OnOne for ListOf<L> {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text(<L::Operand as NamedOperand>::MEMBER),
        text("Marker"),
        integer("MaxItems"),
    ];
    type Action = L::Action;
    type Operand = L::Operand;
    type Output = L::Output;

    fn read(m: &mut Members<'_>) -> Self {
        let of = L::Operand::read(m);
        let paging = Paging::read(m);
        Self { of, paging }
    }

    fn operand(&self) -> &L::Operand {
        &self.of
    }

    async fn answer(&self, of: &On<Self>, cx: &Cx<'_>) -> Result<Done<L::Output>, IamFault> {
        let items = L::items(of, cx).await?;
        let filter = (Self::NAME, self.of.name());
        let page = self.paging.cut(cx, filter, items, L::key)?;
        Ok(Done::unchanged(L::answer(of, page, cx).await?))
    }
}
