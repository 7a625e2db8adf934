//! The policies on the caller's side, as the evaluator takes them.

use std::sync::Arc;

use keyward_policy::{
    document::{Document, PolicyKind},
    policy::Policy,
    principal::Bindings,
    request::{Attached, Name, Policies},
};
use smallvec::SmallVec;

use super::{Bearer, Caller};
use crate::{
    directory::{
        ReadError,
        units::{
            identity::ManagedPolicyUnit,
            organization::{ControlPolicy, Membership},
        },
    },
    session::SessionUnit,
};

impl Caller {
    /// The policies on the caller's side, for one question.
    pub fn in_play(&self) -> InPlay<'_> {
        let own: &[(String, Policy)] = match &self.bearer {
            Bearer::Root | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => &[],
            Bearer::User(user) => user.policies(),
            Bearer::Role(role) => role.policies(),
        };
        let groups = self.groups.iter().flat_map(|group| group.policies());
        let inline = own.iter().chain(groups).map(|(name, policy)| Attached {
            policy,
            name: Name::Inline(name),
        });
        let attached = self.managed.iter().map(|policy| managed(policy));
        let session = self.session().and_then(SessionUnit::policies);
        InPlay {
            identity: inline.chain(attached).collect(),
            boundary: self.boundary.as_deref().map(managed),
            session: session.map(|policies| {
                let inline = policies.inline.iter().map(|policy| Attached {
                    policy,
                    name: Name::Inline("session"),
                });
                let named = self.session_managed.iter().map(|policy| managed(policy));
                let void = self.session_void.iter().map(|void| Attached {
                    policy: &void.policy,
                    name: Name::Arn(&void.arn),
                });
                inline.chain(named).chain(void).collect()
            }),
            scps: self
                .limits()
                .iter()
                .map(|level| level.iter().map(|policy| control(policy)).collect())
                .collect(),
        }
    }

    /// The service control policies over the caller, by level: over principals of its account, to
    /// which neither services nor callers without an identity belong.
    fn limits(&self) -> &[Vec<Arc<ControlPolicy>>] {
        match &self.bearer {
            Bearer::Root | Bearer::User(_) | Bearer::Role(_) => self
                .membership
                .as_ref()
                .map(Membership::scps)
                .unwrap_or_default(),
            Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => &[],
        }
    }
}

/// A managed policy that a session was created with and that was deleted. What it denied is not
/// known any more, so it denies everything.
#[derive(Debug)]
pub(super) struct Void {
    arn: String,
    policy: Policy,
}

impl Void {
    pub(super) fn of(arn: &str) -> Result<Self, ReadError> {
        const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        let document = Document::parse(NOTHING, PolicyKind::ManagedIdentity);
        let document = document.map_err(ReadError::other)?;
        Ok(Self {
            arn: arn.to_owned(),
            policy: Policy::compile(&document, &Bindings::default()),
        })
    }
}

fn managed(policy: &ManagedPolicyUnit) -> Attached<'_> {
    Attached {
        policy: policy.policy(),
        name: Name::Arn(policy.arn()),
    }
}

/// An organization's policy, as the evaluator takes it.
pub(crate) fn control(policy: &ControlPolicy) -> Attached<'_> {
    Attached {
        policy: policy.policy(),
        name: Name::Arn(policy.arn()),
    }
}

/// The policies on the caller's side, for one question.
#[derive(Debug)]
pub struct InPlay<'a> {
    identity: SmallVec<[Attached<'a>; 8]>,
    boundary: Option<Attached<'a>>,
    session: Option<SmallVec<[Attached<'a>; 4]>>,
    /// By level.
    scps: Vec<SmallVec<[Attached<'a>; 2]>>,
}

impl InPlay<'_> {
    /// The service control policies by level, as the evaluator takes them.
    pub fn levels(&self) -> Vec<&[Attached<'_>]> {
        self.scps.iter().map(SmallVec::as_slice).collect()
    }

    /// As the evaluator takes them, with what applies on both sides: service control policies by
    /// level, and the resource control policies.
    pub fn policies<'p>(
        &'p self,
        scps: &'p [&'p [Attached<'p>]],
        rcps: &'p [Attached<'p>],
    ) -> Policies<'p> {
        Policies {
            identity: &self.identity,
            boundary: self.boundary,
            session: self.session.as_deref(),
            scps,
            rcps,
            endpoint: None,
        }
    }
}
