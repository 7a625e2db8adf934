//! Where a simulation's policies come from: texts given with the request, and those of a user,
//! group or role.

use std::{collections::BTreeMap, sync::Arc};

use keyward_policy::{
    document::{Document, PolicyError, PolicyKind},
    permit::Permit,
    policy::Policy,
    position::{self, Position},
    principal::Bindings,
    request::{Attached, Name},
};
use keyward_types::{
    account::AccountId, action::Action, arn::ArnParts, partition::Partition, principal::Principal,
    tag::Tag,
};

use crate::{
    context::Context,
    directory::{
        records::identity::ManagedPolicyRef,
        units::identity::{GroupUnit, ManagedPolicyUnit, RoleUnit, UserUnit},
    },
    fault::Internal,
    gate::{Denied, Gate},
    iam::{
        entity::{Asked, Entity},
        fault::IamFault,
        shape,
        simulation::excluded::Excluded,
    },
};

/// The session that stands for a simulated role.
pub const SESSION: &str = "simulated";

/// What a policy of a simulation is, as far as exclusions tell policies apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Given with the request.
    Given,
    /// Embedded in a user, group or role.
    Inline {
        /// Its name.
        name: String,
        /// `user`, `group` or `role`.
        noun: &'static str,
        /// Whose it is.
        of: String,
    },
    /// A managed policy that is attached.
    Managed {
        /// Its ARN.
        arn: String,
    },
    /// The permissions boundary.
    Boundary,
}

impl Place {
    /// The `PolicyType` that names it; none has the empty one.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Given => "",
            Self::Inline { .. } => "inline",
            Self::Managed { arn } => {
                let account = ArnParts::parse(arn).map(|parts| parts.account);
                match account {
                    Some("aws") => "aws-managed",
                    Some(_) | None => "user-managed",
                }
            }
            Self::Boundary => "permission-boundary",
        }
    }
}

/// A policy with what it is called.
#[derive(Debug)]
pub struct Source {
    /// What it is called in answers.
    pub id: String,
    /// Where it comes from.
    pub place: Place,
    /// Where its statements begin and end in its text.
    pub positions: Vec<(Position, Position)>,
    document: Document,
    policy: Policy,
}

impl Source {
    /// A policy that is called `id`.
    ///
    /// # Errors
    /// `InvalidInput` if it is malformed.
    pub fn of(id: String, text: &str, kind: PolicyKind) -> Result<Self, IamFault> {
        Self::bound(id, (text, kind), &Bindings::default())
    }

    /// A policy with principals, of whom some are known.
    ///
    /// # Errors
    /// `InvalidInput` if it is malformed.
    pub fn bound(
        id: String,
        (text, kind): (&str, PolicyKind),
        bindings: &Bindings,
    ) -> Result<Self, IamFault> {
        let document = Document::parse(text, kind).map_err(invalid)?;
        Ok(Self::read(id, text, (document, bindings)))
    }

    /// A policy that is stored, and may be longer than one that is given.
    ///
    /// # Errors
    /// `ServiceFailure` if it cannot be read.
    pub fn stored(id: String, text: &str, kind: PolicyKind) -> Result<Self, IamFault> {
        let document = Document::parse_stored(text, kind);
        let document = document.map_err(|error| IamFault::Internal(Internal::new(error)))?;
        Ok(Self::read(id, text, (document, &Bindings::default())))
    }

    fn read(id: String, text: &str, (document, bindings): (Document, &Bindings)) -> Self {
        let policy = Policy::compile(&document, bindings);
        Self {
            id,
            place: Place::Given,
            positions: position::of_statements(text),
            document,
            policy,
        }
    }

    /// As the evaluator takes it.
    pub fn attached(&self) -> Attached<'_> {
        Attached {
            policy: &self.policy,
            name: Name::Inline(&self.id),
        }
    }

    /// Compiled.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// What is wrong with a policy that is only tried out.
pub fn invalid(error: PolicyError) -> IamFault {
    IamFault::invalid(error.to_string())
}

/// The policies of a simulation, and who is simulated.
#[derive(Debug, Default)]
pub struct Sources {
    /// Identity policies.
    pub identity: Vec<Source>,
    /// The permissions boundary.
    pub boundary: Option<Source>,
    /// Service control policies by level.
    pub organization: Vec<Vec<Source>>,
    /// The user, or a session of the role; none for a group or for policies alone.
    pub principal: Option<Principal>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Whether they are a user's, group's or role's, and not given alone.
    pub is_of_principal: bool,
    /// Whether the service control policies over the account are left out.
    pub without_organization: bool,
    inputs: usize,
}

impl Sources {
    /// Adds a policy of the request.
    ///
    /// # Errors
    /// `InvalidInput` if it is malformed.
    pub fn add_input(&mut self, text: &str) -> Result<(), IamFault> {
        self.inputs += 1;
        let id = format!("PolicyInputList.{}", self.inputs);
        self.identity
            .push(Source::of(id, text, PolicyKind::Identity)?);
        Ok(())
    }

    /// Leaves out what is excluded.
    pub fn exclude(&mut self, excluded: &[Excluded]) {
        let out = |source: &Source| excluded.iter().any(|excluded| excluded.matches(source));
        self.identity.retain(|source| !out(source));
        self.boundary.take_if(|source| out(source));
        self.without_organization = excluded.iter().any(Excluded::is_organization);
    }

    /// Every policy.
    fn all(&self) -> impl Iterator<Item = &Source> {
        let organization = self.organization.iter().flatten();
        self.identity
            .iter()
            .chain(&self.boundary)
            .chain(organization)
    }

    /// The condition keys that the policies ask for, sorted.
    pub fn context_keys(&self) -> Vec<String> {
        context_keys(self.all())
    }

    fn add_inline(
        &mut self,
        (noun, name): (&'static str, &str),
        policies: &BTreeMap<String, String>,
    ) -> Result<(), IamFault> {
        for (policy, text) in policies {
            let id = format!("{noun}_{name}_{policy}");
            let mut source = Source::of(id, text, PolicyKind::Identity)?;
            source.place = Place::Inline {
                name: policy.clone(),
                noun,
                of: name.to_owned(),
            };
            self.identity.push(source);
        }
        Ok(())
    }

    async fn add_attached(
        &mut self,
        cx: &Context<'_>,
        policies: &[ManagedPolicyRef],
    ) -> Result<(), IamFault> {
        for policy in policies {
            let source = managed(cx, policy, false).await?;
            self.identity.push(source);
        }
        Ok(())
    }
}

/// The condition keys that policies ask for, sorted.
pub fn context_keys<'s>(sources: impl Iterator<Item = &'s Source>) -> Vec<String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for key in sources.flat_map(|source| source.document.context_keys()) {
        found.entry(key.to_lowercase()).or_insert(key);
    }
    found.into_values().collect()
}

async fn managed(
    cx: &Context<'_>,
    policy: &ManagedPolicyRef,
    boundary: bool,
) -> Result<Source, IamFault> {
    let unit = cx
        .directory()
        .attached_policy(cx.caller.home(), policy)
        .await?;
    let text = unit.default_text();
    let text = text.ok_or_else(|| ManagedPolicyUnit::missing(&policy.arn))?;
    let id = shape::name_of(&policy.arn).to_owned();
    let mut source = Source::stored(id, text, PolicyKind::ManagedIdentity)?;
    source.place = match boundary {
        true => Place::Boundary,
        false => Place::Managed {
            arn: policy.arn.clone(),
        },
    };
    Ok(source)
}

/// Whose policies a simulation is of.
#[derive(Debug)]
pub enum Found {
    /// A user's, with its groups'.
    User(Asked<UserUnit>),
    /// A group's.
    Group(Asked<GroupUnit>),
    /// A role's.
    Role(Asked<RoleUnit>),
}

/// A user, group or role as an ARN names it.
#[derive(Clone, Copy, Debug)]
pub struct EntityArn<'a> {
    /// Its partition.
    pub partition: Partition,
    /// Its account.
    pub account: AccountId,
    /// `user`, `group` or `role`.
    pub noun: &'static str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> EntityArn<'a> {
    /// Reads the ARN of a user, group or role.
    ///
    /// # Errors
    /// `InvalidInput` for anything else, such as a session of a role.
    pub fn parse(arn: &'a str) -> Result<Self, IamFault> {
        let Some(parts) = ArnParts::parse(arn) else {
            return Err(IamFault::invalid("Invalid ARN:  Could not be parsed!"));
        };
        let entity = || {
            let partition = Partition::parse(parts.partition)?;
            let account = AccountId::parse(parts.account).ok()?;
            let (noun, rest) = parts.resource.split_once('/')?;
            let noun = ["user", "group", "role"]
                .into_iter()
                .find(|known| *known == noun)?;
            let name = shape::name_of(rest);
            let whole = parts.service == "iam" && parts.region.is_empty() && !name.is_empty();
            whole.then_some(Self {
                partition,
                account,
                noun,
                name,
            })
        };
        entity().ok_or_else(|| {
            IamFault::invalid(format!(
                "Invalid Entity Arn: {arn} does not clearly define entity type and name."
            ))
        })
    }
}

impl Found {
    /// Finds the user, group or role with that ARN.
    ///
    /// # Errors
    /// `InvalidInput` if it is no such ARN of the caller's account.
    pub async fn find(cx: &Context<'_>, arn: &str) -> Result<Self, IamFault> {
        let entity = EntityArn::parse(arn)?;
        if (entity.partition, entity.account) != cx.caller.home() {
            return Err(IamFault::invalid(format!("ARN {arn} is not valid.")));
        }
        match entity.noun {
            "user" => exact(cx, entity.name, arn).await.map(Self::User),
            "group" => exact(cx, entity.name, arn).await.map(Self::Group),
            _ => exact(cx, entity.name, arn).await.map(Self::Role),
        }
    }

    /// Asks for a permit on it.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn permit<A: Action>(&self, gate: &Gate<'_>) -> Result<Permit<A>, Denied> {
        match self {
            Self::User(user) => user.permit(gate, |_| ()),
            Self::Group(group) => group.permit(gate, |_| ()),
            Self::Role(role) => role.permit(gate, |_| ()),
        }
    }

    /// Its policies.
    ///
    /// # Errors
    /// `NoSuchEntity` if it is not there.
    pub async fn sources(&self, cx: &Context<'_>) -> Result<Sources, IamFault> {
        let mut sources = Sources {
            is_of_principal: true,
            ..Sources::default()
        };
        match self {
            Self::User(user) => {
                let user = user.get()?;
                let record = user.record();
                sources.principal = Some(Principal::clone(user.principal()));
                sources.tags.clone_from(&record.tags);
                sources.add_inline(("user", &record.name), &record.inline_policies)?;
                sources.add_attached(cx, &record.attached_policies).await?;
                for id in &record.groups {
                    let group = cx.directory().group_of_user(cx.caller.home(), id).await?;
                    add_group(cx, &mut sources, &group).await?;
                }
                if let Some(boundary) = &record.boundary {
                    sources.boundary = Some(managed(cx, boundary, true).await?);
                }
            }
            Self::Group(group) => add_group(cx, &mut sources, group.get()?).await?,
            Self::Role(role) => {
                let role = role.get()?;
                let record = role.record();
                sources.principal = Some(role.session(SESSION));
                sources.tags.clone_from(&record.tags);
                sources.add_inline(("role", &record.name), &record.inline_policies)?;
                sources.add_attached(cx, &record.attached_policies).await?;
                if let Some(boundary) = &record.boundary {
                    sources.boundary = Some(managed(cx, boundary, true).await?);
                }
            }
        }
        Ok(sources)
    }
}

async fn add_group(
    cx: &Context<'_>,
    sources: &mut Sources,
    group: &Arc<GroupUnit>,
) -> Result<(), IamFault> {
    let record = group.record();
    sources.add_inline(("group", &record.name), &record.inline_policies)?;
    sources.add_attached(cx, &record.attached_policies).await
}

/// What has that very name and ARN.
async fn exact<E: Entity>(cx: &Context<'_>, name: &str, arn: &str) -> Result<Asked<E>, IamFault> {
    // One with another path is as if it were not there, which only who may ask is told.
    let asked: Asked<E> = Asked::find(cx, name).await?;
    Ok(asked.only_at(cx, arn))
}
