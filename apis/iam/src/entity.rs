//! What users, groups, roles and managed policies have in common: they are found by a name, have an
//! ARN and tags, and are stored in a record of their own.

use std::{fmt, future::Future, marker::PhantomData, sync::Arc};

use keyward_engine::{
    directory::{
        ReadError,
        identities::{Home, NameKind},
        records,
    },
    gate::{Denied, Gate, protected::IdentityOnly, supply::Supply},
    policy::permit::Permit,
    server::Quotas,
};
use keyward_store::{
    batch::Precondition,
    path::{Path, Segment},
    revision::Revision,
    sealed::{Purpose, SealedBatch},
};
use keyward_types::{action::Action, tag::Tag, unique_id::UniqueId};
use keyward_wire::{json::Members, query::Params};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Cx, fault::IamFault, names, paths, tag_keys::Keys};

/// A noun of IAM.
pub trait Entity: fmt::Debug + Send + Sync + Sized + 'static {
    /// The record in which it is stored.
    type Record: Record;
    /// What is the same for all of them.
    const NOUN: Noun = Self::Record::NOUN;

    /// Reads the member that names it, which has that many characters at most.
    fn read_name(m: &mut Members<'_>, most: usize) -> String {
        names::name(m, Self::NOUN.member, most)
    }

    /// Finds it in the caller's account.
    fn find(
        cx: &Cx<'_>,
        name: &str,
    ) -> impl Future<Output = Result<Option<Arc<Self>>, ReadError>> + Send;

    /// Its ARN.
    fn arn(&self) -> &str;

    /// Its tags.
    fn tags(&self) -> &[Tag] {
        &[]
    }

    /// The ARN of its permissions boundary.
    fn boundary(&self) -> Option<&str> {
        None
    }

    /// Its record.
    ///
    /// # Errors
    /// When it has none, since it is AWS's own.
    fn stored(&self) -> Result<&Self::Record, IamFault>;

    /// When its record was last written, if it has one: the precondition of a change.
    fn written(&self) -> Option<Revision>;

    /// The batch of a change that writes its record again.
    ///
    /// # Errors
    /// When the batch is full.
    fn rewrite(&self, cx: &Cx<'_>, record: &Self::Record) -> Result<SealedBatch, IamFault> {
        let mut batch = cx.batch();
        record.put(cx, &mut batch, self.written())?;
        Ok(batch)
    }

    /// The record, to be changed by a caller of that account.
    ///
    /// # Errors
    /// When no caller may change it.
    fn edit(&self, _cx: &Cx<'_>) -> Result<Self::Record, IamFault> {
        self.stored().cloned()
    }

    /// The same, for a denial that names the action.
    ///
    /// # Errors
    /// When no caller may change it.
    fn edit_by<A: Action>(&self, cx: &Cx<'_>) -> Result<Self::Record, IamFault> {
        self.edit(cx)
    }

    /// The fault for one that is not there.
    fn missing(name: &str) -> IamFault;

    /// Its ARN if it were there, and how denials show that.
    fn stand_in(cx: &Cx<'_>, name: &str) -> (String, String) {
        let (partition, account) = cx.caller.home();
        let word = Self::NOUN.word;
        let arn = format!("arn:{partition}:iam::{account}:{word}/{name}");
        (arn, format!("{word} {name}"))
    }
}

/// What is the same for all entities of one noun of IAM.
#[derive(Clone, Copy, Debug)]
pub struct Noun {
    /// The noun in ARNs and messages, such as `user`.
    pub word: &'static str,
    /// The member that names one, such as `UserName`.
    pub member: &'static str,
    /// The path segment for its records.
    pub kind: Segment<'static>,
    /// The purpose of its records.
    pub purpose: Purpose,
    /// What its names are hashed as.
    pub names: NameKind,
    /// How the keys of its tags are compared, if it has tags.
    pub tag_keys: Keys,
    /// How many an account may have.
    pub most: fn(&Quotas) -> u64,
    /// AWS's name for that quota.
    pub quota: &'static str,
    /// The message about a name that is taken.
    pub taken: fn(&str) -> String,
}

/// What the records of all nouns have.
#[derive(Clone, Copy, Debug)]
pub struct Head<'r> {
    /// The unique id.
    pub id: &'r UniqueId,
    /// The name.
    pub name: &'r str,
    /// The path, `/` at both ends.
    pub path: &'r str,
}

/// The record of an [`Entity`].
pub trait Record:
    fmt::Debug + Clone + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The noun.
    const NOUN: Noun;

    /// What every record has.
    fn head(&self) -> Head<'_>;

    /// Its unique id.
    fn id(&self) -> &UniqueId {
        self.head().id
    }

    /// Its name.
    fn name(&self) -> &str {
        self.head().name
    }

    /// Its ARN in that account.
    fn arn_in(&self, (partition, account): Home) -> String {
        let (word, Head { name, path, .. }) = (Self::NOUN.word, self.head());
        format!("arn:{partition}:iam::{account}:{word}{path}{name}")
    }

    /// Where it is stored.
    fn place(&self, cx: &Cx<'_>) -> Path {
        paths::of_kind(cx.caller.home(), Self::NOUN.kind, self.id())
    }

    /// Overwrites the record that was read at that revision, or creates it if there is none.
    ///
    /// # Errors
    /// When the batch is full.
    fn put(
        &self,
        cx: &Cx<'_>,
        batch: &mut SealedBatch,
        read: Option<Revision>,
    ) -> Result<(), IamFault> {
        let precondition = read.map_or(Precondition::Absent, Precondition::At);
        let bytes = records::encode(self)?;
        batch.put(self.place(cx), Self::NOUN.purpose, &bytes, precondition)?;
        Ok(())
    }
}

/// Every record of a noun that the caller's account has.
///
/// # Errors
/// When one cannot be read.
pub async fn every<R: Record>(cx: &Cx<'_>) -> Result<Vec<R>, IamFault> {
    let all = paths::all_of_kind(cx.caller.home(), R::NOUN.kind);
    Ok(cx.directory().every(&all, R::NOUN.purpose).await?)
}

/// What an action of IAM is done to.
pub trait EntityAction: Action {
    /// The noun.
    type Entity: Entity;
    /// The most characters of the member that names it. The model has several for users.
    const LONGEST: usize;
}

/// Makes an operation the marker of its own action on an entity, with the maximum length of the member
/// that names it.
macro_rules! entity_action {
    ($operation:ty = $text:literal, $entity:ty, $longest:expr) => {
        keyward_types::action!("iam": $operation = $text);

        impl $crate::entity::EntityAction for $operation {
            type Entity = $entity;
            const LONGEST: usize = $longest;
        }
    };
}
pub(crate) use entity_action;

/// Declares markers for actions that are done to an entity; with the most characters of the member
/// that names it.
macro_rules! entity_actions {
    ($($entity:ty, $longest:expr => $($name:ident = $text:literal,)*;)*) => {
        keyward_types::actions! { "iam": $($($name = $text,)*)* }

        $($(impl $crate::entity::EntityAction for $name {
            type Entity = $entity;
            const LONGEST: usize = $longest;
        })*)*
    };
}
pub(crate) use entity_actions;

/// The name of the entity of an operation, as requested.
pub struct EntityName<A> {
    /// The name, or for managed policies the ARN.
    pub name: String,
    action: PhantomData<fn() -> A>,
}

impl<A> fmt::Debug for EntityName<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subject").field(&self.name).finish()
    }
}

impl<A: EntityAction> EntityName<A> {
    /// Reads the member that names it.
    pub fn read(m: &mut Members<'_>) -> Self {
        Self::named(A::Entity::read_name(m, A::LONGEST))
    }

    /// One of that name.
    pub fn named(name: String) -> Self {
        let action = PhantomData;
        Self { name, action }
    }

    /// Reads an input that has no other member.
    ///
    /// # Errors
    /// `ValidationError`.
    pub fn parse_alone(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let subject = Self::read(&mut m);
        m.finish()?;
        Ok(subject)
    }

    /// Looks for it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find(&self, cx: &Cx<'_>) -> Result<Lookup<A::Entity>, IamFault> {
        Lookup::find(cx, &self.name).await
    }
}

/// A requested entity, which may not exist; callers without permission do not learn whether it
/// does.
#[derive(Debug)]
pub struct Lookup<E> {
    name: String,
    found: Option<Arc<E>>,
    arn: String,
    shown: String,
}

impl<E: Entity> Lookup<E> {
    /// Looks for it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find(cx: &Cx<'_>, name: &str) -> Result<Self, IamFault> {
        Ok(match E::find(cx, name).await? {
            Some(found) => Self::of(name, found),
            None => Self::absent(cx, name),
        })
    }

    fn absent(cx: &Cx<'_>, name: &str) -> Self {
        let (arn, shown) = E::stand_in(cx, name);
        let (name, found) = (name.to_owned(), None);
        Self {
            name,
            found,
            arn,
            shown,
        }
    }

    /// Only if that is its ARN; otherwise as if it were not there.
    #[must_use]
    pub fn only_at(self, cx: &Cx<'_>, arn: &str) -> Self {
        match self.found.as_ref().filter(|found| found.arn() != arn) {
            Some(_) => Self::absent(cx, &self.name),
            None => self,
        }
    }

    /// One that is there.
    pub fn of(name: &str, found: Arc<E>) -> Self {
        Self {
            name: name.to_owned(),
            arn: found.arn().to_owned(),
            shown: found.arn().to_owned(),
            found: Some(found),
        }
    }

    /// Asks for a permit on it.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn permit<A: Action>(
        &self,
        gate: &Gate<'_>,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let tags = self.found.as_ref().map(|found| found.tags());
        gate.permit(
            &IdentityOnly::new(&self.arn)
                .tagged(tags.unwrap_or_default())
                .shown_as(&self.shown),
            supply,
        )
    }

    /// The entity.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn get(&self) -> Result<&Arc<E>, IamFault> {
        self.found.as_ref().ok_or_else(|| E::missing(&self.name))
    }

    /// The entity, if it is there.
    pub fn found(&self) -> Option<&Arc<E>> {
        self.found.as_ref()
    }
}
