//! Where a simulation's policies come from: texts given with the request, and those of a user,
//! group or role.

use std::collections::BTreeMap;

use keyward_engine::{
    directory::{records::identity::ManagedPolicyRef, units::identity::ManagedPolicyUnit},
    fault::Internal,
    policy::{
        document::{Document, PolicyError, PolicyKind},
        policy::Policy,
        position::{self, Position},
        principal::Bindings,
        request::{Attached, Name},
    },
};
use keyward_types::{arn::ArnParts, principal::Principal, tag::Tag};

use crate::{Cx, entity::Entity as _, fault::IamFault, shape};

/// The session that represents a simulated role.
pub const SESSION: &str = "simulated";

/// The type of a policy in a simulation, as far as exclusions distinguish types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyOrigin {
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

impl PolicyOrigin {
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

/// A policy with its name.
#[derive(Debug)]
pub struct Source {
    /// What it is called in answers.
    pub id: String,
    /// Where it comes from.
    pub place: PolicyOrigin,
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

    /// A policy with principals, some of which exist.
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
            place: PolicyOrigin::Given,
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
    /// The user, or a session of the role; `None` for a group or for policies alone.
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
    /// The sources of a user, group or role, initially none.
    pub fn of_principal() -> Self {
        Self {
            is_of_principal: true,
            ..Self::default()
        }
    }

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

    /// Leaves out policies of the caller's side, and those of the organization.
    pub fn leave_out(&mut self, out: impl Fn(&Source) -> bool, organization: bool) {
        self.identity.retain(|source| !out(source));
        self.boundary.take_if(|source| out(source));
        self.without_organization = organization;
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

    /// Adds the inline policies of a user, group or role.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn add_inline(
        &mut self,
        (noun, name): (&'static str, &str),
        policies: &BTreeMap<String, String>,
    ) -> Result<(), IamFault> {
        for (policy, text) in policies {
            let id = format!("{noun}_{name}_{policy}");
            let mut source = Source::of(id, text, PolicyKind::Identity)?;
            source.place = PolicyOrigin::Inline {
                name: policy.clone(),
                noun,
                of: name.to_owned(),
            };
            self.identity.push(source);
        }
        Ok(())
    }

    /// Adds attached managed policies.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn add_attached(
        &mut self,
        cx: &Cx<'_>,
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

/// An attached managed policy, or one that is a permissions boundary.
///
/// # Errors
/// When it cannot be read.
pub async fn managed(
    cx: &Cx<'_>,
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
        true => PolicyOrigin::Boundary,
        false => PolicyOrigin::Managed {
            arn: policy.arn.clone(),
        },
    };
    Ok(source)
}
