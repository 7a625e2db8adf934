//! The policies of cases, compiled once as long as they repeat.

use std::{collections::HashMap, rc::Rc};

use keyward_types::{
    principal::Principal,
    unique_id::{UniqueId, UniqueIdKind},
};

use super::read::{Case, CaseResourceKind, Malformed};
use crate::{
    document::{Document, PolicyKind},
    grant::{Grant, GrantUse},
    policy::Policy,
    principal::{Bindings, PrincipalRef},
    request::{Attached, GrantMatch, Name},
};

/// The bytes of policy text after which everything compiled is forgotten. Compiled policies take
/// a few times as much.
const MOST_TEXT: usize = 8 << 20;

/// A compiled policy, and the parts of it that are decided on the safe side.
#[derive(Debug)]
struct Compiled {
    policy: Policy,
    faults: Vec<String>,
    warnings: Vec<String>,
}

/// Policies by kind and text, and the unique ids that stand in for ARNs.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// One map a kind, in the order of [`place`].
    policies: [HashMap<Box<str>, Rc<Compiled>>; 9],
    /// Policies with principals, compiled for a caller whose unique id the case gives: by its
    /// ARN, the id and the text, a line each.
    bound: HashMap<String, Rc<Compiled>>,
    ids: HashMap<Box<str>, UniqueId>,
    text: usize,
    /// Whether the text of a policy is kept, for explanations.
    keeps_sources: bool,
}

/// The place of a kind among the maps.
fn place(kind: PolicyKind) -> usize {
    match kind {
        PolicyKind::Key => 0,
        PolicyKind::Trust => 1,
        PolicyKind::Endpoint => 2,
        PolicyKind::FileSystem => 3,
        PolicyKind::Identity | PolicyKind::ManagedIdentity => 4,
        PolicyKind::Boundary => 5,
        PolicyKind::Session => 6,
        PolicyKind::Scp => 7,
        PolicyKind::Rcp => 8,
    }
}

fn has_principals(kind: PolicyKind) -> bool {
    place(kind) < 4
}

impl Cache {
    /// One whose policies can be explained.
    pub(super) fn keeping_sources() -> Self {
        Self {
            keeps_sources: true,
            ..Self::default()
        }
    }

    /// Forgets everything if it has grown too large. Not to be called while a case is decided: its
    /// stand-in ids must be those of its policies.
    pub(super) fn make_room(&mut self) {
        if self.text > MOST_TEXT {
            *self = Self::default();
        }
    }

    /// The unique id that stands in for a user's or role's ARN.
    fn id(&mut self, arn: &str, kind: UniqueIdKind) -> UniqueId {
        if let Some(id) = self.ids.get(arn) {
            return id.clone();
        }
        let number = u64::try_from(self.ids.len()).unwrap_or(u64::MAX);
        let id = UniqueId::stand_in(kind, number);
        self.text += arn.len();
        self.ids.insert(arn.into(), id.clone());
        id
    }

    fn policy(
        &mut self,
        kind: PolicyKind,
        text: &str,
        caller: Option<(&str, &UniqueId)>,
    ) -> Result<Rc<Compiled>, String> {
        let caller = caller.filter(|_| has_principals(kind));
        let bound = caller.map(|(arn, id)| format!("{}\n{arn}\n{id}\n{text}", place(kind)));
        let known = match &bound {
            Some(name) => self.bound.get(name),
            None => self.policies.get(place(kind)).and_then(|map| map.get(text)),
        };
        if let Some(known) = known {
            return Ok(Rc::clone(known));
        }
        let (document, bindings) = self.read(kind, text, caller)?;
        let compiled = Rc::new(Compiled {
            policy: if self.keeps_sources {
                Policy::compile_with_source(&document, &bindings, text)
            } else {
                Policy::compile(&document, &bindings)
            },
            faults: document.faults().to_vec(),
            warnings: document.warnings(),
        });
        self.text += text.len();
        let kept = Rc::clone(&compiled);
        match bound {
            Some(name) => {
                self.bound.insert(name, kept);
            }
            None => {
                if let Some(map) = self.policies.get_mut(place(kind)) {
                    map.insert(text.into(), kept);
                }
            }
        }
        Ok(compiled)
    }

    /// Reads a policy and binds the users and roles it names to ids: the caller's to the id that
    /// the case gives, every other to its stand-in.
    fn read(
        &mut self,
        kind: PolicyKind,
        text: &str,
        caller: Option<(&str, &UniqueId)>,
    ) -> Result<(Document, Bindings), String> {
        let document = Document::parse_stored(text, kind).map_err(|what| what.to_string())?;
        let mut bindings = Bindings::new();
        for principal in document.principals() {
            let (arn, kind) = match principal {
                PrincipalRef::User(arn) => (arn, UniqueIdKind::User),
                PrincipalRef::Role(arn) => (arn, UniqueIdKind::Role),
                PrincipalRef::Everyone
                | PrincipalRef::Account { .. }
                | PrincipalRef::Session { .. }
                | PrincipalRef::FederatedUser(_)
                | PrincipalRef::Unique(_)
                | PrincipalRef::Service(_)
                | PrincipalRef::Federated(_)
                | PrincipalRef::CanonicalUser(_) => continue,
            };
            let id = match caller {
                Some((own, id)) if own == arn => id.clone(),
                Some(_) | None => self.id(arn, kind),
            };
            bindings.bind(arn, id);
        }
        Ok((document, bindings))
    }
}

/// A case with its policies compiled and its caller known to them.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) caller: Principal,
    own: Option<Rc<Compiled>>,
    identity: Vec<Rc<Compiled>>,
    boundary: Option<Rc<Compiled>>,
    session: Option<Vec<Rc<Compiled>>>,
    scps: Vec<Vec<Rc<Compiled>>>,
    rcps: Vec<Vec<Rc<Compiled>>>,
    pub(super) grants: Vec<Grant>,
    /// What of the policies counts on the safe side, and where.
    pub(super) faults: Vec<String>,
    /// What in them is probably not what their author meant, and where.
    pub(super) warnings: Vec<String>,
}

impl Assembled {
    pub(super) fn compile(case: &Case<'_>, cache: &mut Cache) -> Result<Self, Malformed> {
        let base = case.identity.base();
        let id = match base {
            Some((_, _, Some(id))) => id.clone(),
            Some((arn, kind, None)) => cache.id(arn, kind),
            None => UniqueId::stand_in(UniqueIdKind::User, u64::MAX),
        };
        let given = base.and_then(|(arn, _, id)| Some((arn, id?)));
        let mut reading = Reading {
            cache,
            given,
            faults: Vec::new(),
            warnings: Vec::new(),
            errors: Vec::new(),
        };
        let kind = match case.resource.kind {
            CaseResourceKind::Key | CaseResourceKind::Alias | CaseResourceKind::Account => {
                PolicyKind::Key
            }
            CaseResourceKind::Role => PolicyKind::Trust,
            CaseResourceKind::FileSystem => PolicyKind::FileSystem,
            CaseResourceKind::Other => PolicyKind::Endpoint,
        };
        let named = |name: &'static str| move || name.to_owned();
        let own = case.key_policy;
        let own = own.and_then(|text| reading.one(kind, text, named("keyPolicy")));
        let identity = reading.list(PolicyKind::Identity, &case.identity_policies, identity_name);
        let boundary = case.boundary;
        let boundary =
            boundary.and_then(|text| reading.one(PolicyKind::Boundary, text, named("boundary")));
        let session = case.session.as_deref();
        let session = session.map(|texts| reading.list(PolicyKind::Session, texts, session_name));
        let scps = reading.levels(PolicyKind::Scp, "scps", &case.scps);
        let rcps = reading.levels(PolicyKind::Rcp, "rcps", &case.rcps);
        let Reading {
            faults,
            warnings,
            errors,
            ..
        } = reading;
        if !errors.is_empty() {
            return Err(Malformed {
                id: case.id.as_deref().map(str::to_owned),
                errors,
                expect: case.expect,
            });
        }

        let mut bindings = Bindings::new();
        if let Some((arn, _, _)) = base {
            bindings.bind(arn, id.clone());
        }
        let grants = case.grants.iter().enumerate();
        let grants = grants.filter_map(|(index, grant)| grant.grant(index, &bindings));
        // A key policy has no effect on RetireGrant.
        let retires = case.action.eq_ignore_ascii_case("kms:RetireGrant");
        Ok(Self {
            caller: case.identity.principal(id, case.resource.partition),
            own: own.filter(|_| !retires),
            identity,
            boundary,
            session,
            scps,
            rcps,
            grants: grants.collect(),
            faults,
            warnings,
        })
    }

    /// The resource's own policy.
    pub(super) fn own(&self) -> Option<&Policy> {
        self.own.as_ref().map(|compiled| &compiled.policy)
    }

    /// The grants that allow what the case is about.
    pub(super) fn matching_grants(
        &self,
        case: &Case<'_>,
        usage: &GrantUse<'_>,
    ) -> Vec<GrantMatch<'_>> {
        let matching = self.grants.iter().filter_map(|grant| {
            let class = grant.check(&self.caller, &case.action, usage).ok()?;
            let id = grant.id.as_str();
            Some(GrantMatch { id, class })
        });
        matching.collect()
    }
}

/// Compiles a case's policies and gathers what is wrong with them.
struct Reading<'r> {
    cache: &'r mut Cache,
    /// The ARN and the unique id that the case gives the caller.
    given: Option<(&'r str, &'r UniqueId)>,
    faults: Vec<String>,
    warnings: Vec<String>,
    errors: Vec<String>,
}

impl Reading<'_> {
    fn one(
        &mut self,
        kind: PolicyKind,
        text: &str,
        name: impl Fn() -> String,
    ) -> Option<Rc<Compiled>> {
        match self.cache.policy(kind, text, self.given) {
            Ok(compiled) => {
                let placed = |what: &String| format!("{}: {what}", name());
                self.faults.extend(compiled.faults.iter().map(placed));
                self.warnings.extend(compiled.warnings.iter().map(placed));
                Some(compiled)
            }
            Err(error) => {
                self.errors.push(format!("{}: {error}", name()));
                None
            }
        }
    }

    fn list(
        &mut self,
        kind: PolicyKind,
        texts: &[&str],
        name: impl Fn(usize) -> String,
    ) -> Vec<Rc<Compiled>> {
        let texts = texts.iter().enumerate();
        texts
            .filter_map(|(index, text)| self.one(kind, text, || name(index)))
            .collect()
    }

    fn levels(
        &mut self,
        kind: PolicyKind,
        name: &str,
        levels: &[Vec<&str>],
    ) -> Vec<Vec<Rc<Compiled>>> {
        let levels = levels.iter().enumerate();
        levels
            .map(|(level, texts)| self.list(kind, texts, |index| level_name(name, level, index)))
            .collect()
    }
}

fn identity_name(index: usize) -> String {
    format!("identityPolicies[{index}]")
}

fn session_name(index: usize) -> String {
    match index {
        0 => "sessionPolicy".to_owned(),
        _ => format!("sessionPolicy[{index}]"),
    }
}

fn level_name(name: &str, level: usize, index: usize) -> String {
    format!("{name}[{level}][{index}]")
}

/// The names of policies in answers, made once.
#[derive(Debug, Default)]
pub(super) struct Names {
    identity: Vec<String>,
    session: Vec<String>,
    scps: Vec<Vec<String>>,
    rcps: Vec<Vec<String>>,
}

impl Names {
    /// Makes the names that the case's policies need.
    pub(super) fn cover(&mut self, case: &Case<'_>) {
        cover(
            &mut self.identity,
            case.identity_policies.len(),
            identity_name,
        );
        let sessions = case.session.as_ref().map_or(0, Vec::len);
        cover(&mut self.session, sessions, session_name);
        for (name, names, levels) in [
            ("scps", &mut self.scps, &case.scps),
            ("rcps", &mut self.rcps, &case.rcps),
        ] {
            if names.len() < levels.len() {
                names.resize_with(levels.len(), Vec::new);
            }
            for (level, (names, policies)) in names.iter_mut().zip(levels).enumerate() {
                cover(names, policies.len(), |index| {
                    level_name(name, level, index)
                });
            }
        }
    }

    /// The policies under their names.
    pub(super) fn attach<'q>(&'q self, assembled: &'q Assembled) -> AttachedAll<'q> {
        let levels = |names: &'q [Vec<String>], levels: &'q [Vec<Rc<Compiled>>]| {
            let levels = names.iter().zip(levels);
            levels.map(|(names, level)| attach(names, level)).collect()
        };
        let rcps: Vec<Vec<Attached<'q>>> = levels(&self.rcps, &assembled.rcps);
        AttachedAll {
            identity: attach(&self.identity, &assembled.identity),
            boundary: assembled.boundary.as_ref().map(|compiled| Attached {
                policy: &compiled.policy,
                name: Name::Inline("boundary"),
            }),
            session: assembled
                .session
                .as_ref()
                .map(|policies| attach(&self.session, policies)),
            scps: levels(&self.scps, &assembled.scps),
            rcps: rcps.concat(),
        }
    }
}

fn cover(names: &mut Vec<String>, count: usize, name: impl Fn(usize) -> String) {
    for index in names.len()..count {
        names.push(name(index));
    }
}

fn attach<'q>(names: &'q [String], policies: &'q [Rc<Compiled>]) -> Vec<Attached<'q>> {
    let named = names.iter().zip(policies);
    named
        .map(|(name, compiled)| Attached {
            policy: &compiled.policy,
            name: Name::Inline(name),
        })
        .collect()
}

/// A case's policies under their names.
pub(super) struct AttachedAll<'q> {
    pub(super) identity: Vec<Attached<'q>>,
    pub(super) boundary: Option<Attached<'q>>,
    pub(super) session: Option<Vec<Attached<'q>>>,
    pub(super) scps: Vec<Vec<Attached<'q>>>,
    pub(super) rcps: Vec<Attached<'q>>,
}
