//! What is created and deleted alike: the name is taken and given back, it is counted, and who creates
//! needs a permit for the ARN that it will have, with its tags and its boundary.

use std::{future::Future, sync::Arc};

use keyward_engine::{
    audit::parameters::Parameter,
    counts::Counted,
    directory::{identities::NameKind, units::identity::ManagedPolicyUnit},
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{action::Action, tag::Tag};
use keyward_wire::{json::Members, query::Params};

use crate::{
    Cx, Iam, boundary, condition_keys,
    entity::{Entity, Head, Noun, Record},
    fault::IamFault,
    naming, paths, reserved,
};

/// What a request contains for anything that it creates.
#[derive(Debug)]
pub struct Particulars {
    /// The name.
    pub name: String,
    /// The path, `/` at both ends.
    pub path: String,
    /// The ARN of its permissions boundary.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// An operation that creates an entity.
pub trait Creates: Action + Sized {
    /// Every member of its input, and what the audit trail shows of it.
    const PARAMETERS: &'static [Parameter];
    /// Whether there are paths and names that AWS keeps for itself.
    const RESERVED: bool = true;
    /// The noun.
    type Entity: Entity;
    /// The action of giving it tags; the operation itself if it has none.
    type Tagging: Action;
    /// What it answers.
    type Output: Output<Iam>;

    /// Reads the members.
    fn read(m: &mut Members<'_>) -> Self;

    /// What is to be created.
    fn wanted(&self) -> &Particulars;

    /// How denials show it; its ARN if this is empty.
    fn shown(&self) -> Option<String> {
        None
    }

    /// Creates it.
    fn create(
        &self,
        new: &New,
        cx: &Cx<'_>,
    ) -> impl Future<Output = Result<Done<Self::Output>, IamFault>> + Send;
}

/// Such an operation, for the pipeline.
#[derive(Debug)]
pub struct Creation<O>(O);

impl<O: Creates> Operation for Creation<O> {
    const NAME: &'static str = O::OPERATION;
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = O::PARAMETERS;
    type Api = Iam;
    type Output = O::Output;
    type Fault = IamFault;
    type Resolved = New;
    type Permits = (Permit<O>, Option<Permit<O::Tagging>>);

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let asked = O::read(&mut m);
        m.finish()?;
        let Particulars {
            name, path, tags, ..
        } = asked.wanted();
        if O::RESERVED {
            reserved::check(Some(path), Some(name))?;
        }
        O::Entity::NOUN.tag_keys.check(tags)?;
        Ok(Self(asked))
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<New, IamFault> {
        New::find::<O::Entity>(cx, self.0.wanted()).await
    }

    fn authorize(&self, new: &New, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let Particulars { tags, boundary, .. } = self.0.wanted();
        let shown = self.0.shown();
        let on = IdentityOnly::new(&new.arn);
        let on = shown.as_deref().map_or(on, |shown| on.shown_as(shown));
        let create = gate.permit(&on, |supply| {
            supply.request_tags(tags);
            if let Some(boundary) = boundary {
                supply.text(condition_keys::PERMISSIONS_BOUNDARY, &**boundary);
            }
        })?;
        Ok((create, gate.tagging(&on, tags)?))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        new: &New,
        cx: &Cx<'_>,
    ) -> Result<Done<O::Output>, IamFault> {
        self.0.create(new, cx).await
    }
}

/// An entity that is to be created: the ARN that it will have, whether its name is taken, and the policy
/// that is to be its boundary.
#[derive(Debug)]
pub struct New {
    arn: String,
    name: String,
    taken: bool,
    boundary: Option<(String, Option<Arc<ManagedPolicyUnit>>)>,
}

impl New {
    async fn find<E: Entity>(cx: &Cx<'_>, wanted: &Particulars) -> Result<Self, IamFault> {
        let boundary = match &wanted.boundary {
            Some(arn) => Some((arn.clone(), ManagedPolicyUnit::find(cx, arn).await?)),
            None => None,
        };
        let (home, Noun { names, word, .. }) = (cx.caller.home(), E::NOUN);
        let Particulars { name, path, .. } = wanted;
        let taken = cx.directory().id_of_name(names, home, name).await?;
        let (partition, account) = home;
        Ok(Self {
            arn: format!("arn:{partition}:iam::{account}:{word}{path}{name}"),
            name: name.clone(),
            taken: taken.is_some(),
            boundary,
        })
    }

    /// The ARN that it will have.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Refuses a name that is taken.
    ///
    /// # Errors
    /// `EntityAlreadyExists`.
    pub fn check_free(&self, noun: Noun) -> Result<(), IamFault> {
        if self.taken {
            let message = (noun.taken)(&self.name);
            return Err(IamFault::EntityAlreadyExists { message });
        }
        Ok(())
    }

    /// The boundary, if the policy may be one.
    ///
    /// # Errors
    /// As [`boundary::usable`].
    pub fn boundary(&self) -> Result<Option<&Arc<ManagedPolicyUnit>>, IamFault> {
        let boundary = self.boundary.as_ref();
        boundary
            .map(|(arn, policy)| boundary::usable(policy.as_ref(), arn))
            .transpose()
    }
}

/// Whether policies may name it by its unique id.
fn is_principal(noun: Noun) -> bool {
    matches!(noun.names, NameKind::User | NameKind::Role)
}

/// Checks the quota of a new record, and reserves its name. Returns what must be counted once the record is
/// written.
///
/// # Errors
/// `LimitExceeded`.
pub fn enroll<R: Record>(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    record: &R,
) -> Result<Counted, IamFault> {
    let (partition, account) = cx.caller.home();
    let Noun { most, quota, .. } = R::NOUN;
    let (counted, most) = (
        Counted::global(R::NOUN.kind, partition, account),
        most(cx.shared().quotas()),
    );
    let count = cx.shared().counts().get(counted);
    if count.is_some_and(|count| count >= most) {
        return Err(IamFault::quota(quota, most));
    }
    let Head { id, name, .. } = record.head();
    naming::take(cx, batch, (R::NOUN.names, name, id))?;
    if is_principal(R::NOUN) {
        naming::put_principal_id(cx, batch, id)?;
    }
    Ok(counted)
}

/// Deletes an entity's record, and frees its name.
///
/// # Errors
/// When the batch is full.
pub fn unmake<E: Entity>(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    (entity, record): (&E, &E::Record),
) -> Result<(), IamFault> {
    let read = entity.written().map_or(Precondition::Any, Precondition::At);
    let Head { id, name, .. } = record.head();
    batch.delete(record.place(cx), read)?;
    naming::free(cx, batch, (E::NOUN.names, name))?;
    if is_principal(E::NOUN) {
        batch.delete(paths::principal_id(id), Precondition::Any)?;
    }
    Ok(())
}
