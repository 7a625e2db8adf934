//! Lists of all that an account has of one noun, below a path.

use std::{future::Future, marker::PhantomData};

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    operation::{Done, Output},
};
use keyward_types::action::Action;
use keyward_wire::json::Members;

use crate::{
    Cx, Iam,
    entity::{Record, every},
    fault::IamFault,
    names,
    on_one::{AllBelow, OnOne},
    page::{Page, Paging},
};

/// The action of listing a noun.
pub trait ListAction: Action {
    /// Its records.
    type Record: Record;
    /// What is answered.
    type Output: Output<Iam>;

    /// A page as it is answered.
    ///
    /// # Errors
    /// When what the records lead to cannot be read.
    fn answer(
        page: Page<Self::Record>,
        cx: &Cx<'_>,
    ) -> impl Future<Output = Result<Self::Output, IamFault>> + Send;
}

/// `ListUsers`, `ListGroups`, `ListRoles`, `ListInstanceProfiles`
#[derive(Debug)]
pub struct ByPath<A> {
    all: AllBelow,
    paging: Paging,
    action: PhantomData<fn() -> A>,
}

impl<A: ListAction> OnOne for ByPath<A> {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[text("PathPrefix"), text("Marker"), integer("MaxItems")];
    type Action = A;
    type Operand = AllBelow;
    type Output = A::Output;

    fn read(m: &mut Members<'_>) -> Self {
        let all = AllBelow::new(A::Record::NOUN.word, names::path_prefix(m));
        let (paging, action) = (Paging::read(m), PhantomData);
        Self {
            all,
            paging,
            action,
        }
    }

    fn operand(&self) -> &AllBelow {
        &self.all
    }

    async fn answer(&self, _arn: &String, cx: &Cx<'_>) -> Result<Done<A::Output>, IamFault> {
        let mut found: Vec<A::Record> = every(cx).await?;
        found.retain(|record| record.head().path.starts_with(self.all.path()));
        let filter = (Self::NAME, self.all.path());
        let name = |record: &A::Record| record.name().to_owned();
        let page = self.paging.cut(cx, filter, found, name)?;
        Ok(Done::unchanged(A::answer(page, cx).await?))
    }
}
