//! The compiled policy: what is kept in memory and evaluated, without parsing.

use std::{cell::OnceCell, sync::Arc};

use keyward_types::principal::Principal;

use crate::{
    attributes::Scope,
    condition::Condition,
    decision::Text,
    document::{Document, Effect, Listed, PolicyKind, Statement as Source, principal},
    json::raw,
    pattern::{Glob, Token},
    principal::{Bindings, Class, Grantee, Principals},
    variable::{Malformed, Template},
    work::Work,
};

/// A policy ready to be evaluated. Immutable; evaluating it neither parses nor, unless a
/// variable is in play, allocates.
#[derive(Clone, Debug)]
pub struct Policy {
    statements: Box<[Statement]>,
    source: Option<Arc<PolicySource>>,
}

/// What a policy was compiled from, kept for explanations.
#[derive(Debug)]
pub(crate) struct PolicySource {
    /// The statements as written, in the order of the compiled ones.
    pub(crate) statements: Vec<Source>,
    /// The line on which each begins, from 1.
    pub(crate) lines: Vec<u32>,
    /// Whether `${…}` is a variable.
    pub(crate) variables: bool,
}

impl Policy {
    /// A policy without statements, which allows nothing and denies nothing.
    pub fn empty() -> Self {
        Self {
            statements: Box::default(),
            source: None,
        }
    }

    /// Compiles a document. A user or role that is not in `bindings` matches nobody.
    pub fn compile(document: &Document, bindings: &Bindings) -> Self {
        let statements = document
            .statements
            .iter()
            .map(|source| Statement::compile(source, document, bindings))
            .collect();
        let source = None;
        Self { statements, source }
    }

    /// Compiles a document and keeps its source, so that explanations can show it; `text` is what
    /// the document was read from. For policies that are explained, not for those kept in memory to
    /// be evaluated: it needs several times as much.
    pub fn compile_with_source(document: &Document, bindings: &Bindings, text: &str) -> Self {
        let mut policy = Self::compile(document, bindings);
        policy.source = Some(Arc::new(PolicySource {
            statements: document.statements.clone(),
            lines: raw::statement_lines(text),
            variables: document.has_variables(),
        }));
        policy
    }

    pub(crate) fn source(&self) -> Option<&PolicySource> {
        self.source.as_deref()
    }

    /// This policy and those statements after its own.
    pub(crate) fn followed_by(&self, more: &Self) -> Self {
        let both = self.statements.iter().chain(&more.statements);
        let statements = both.cloned().collect();
        let source = None;
        Self { statements, source }
    }

    /// This policy without one statement. The others keep their order, not their places.
    pub(crate) fn without(&self, index: usize) -> Self {
        let kept = self.statements.iter().enumerate();
        let kept = kept.filter(|(place, _)| *place != index);
        let statements = kept.map(|(_, statement)| statement.clone()).collect();
        let source = None;
        Self { statements, source }
    }

    /// This policy with one more condition on one statement.
    pub(crate) fn with_condition(&self, index: usize, condition: Condition) -> Self {
        let mut policy = self.clone();
        if let Some(statement) = policy.statements.get_mut(index) {
            let conditions = std::mem::take(&mut statement.conditions);
            statement.conditions = conditions.into_iter().chain([condition]).collect();
        }
        policy
    }

    /// This policy without the conditions at these places of one statement.
    pub(crate) fn without_conditions(&self, index: usize, places: &[usize]) -> Self {
        let mut policy = self.clone();
        if let Some(statement) = policy.statements.get_mut(index) {
            let conditions = std::mem::take(&mut statement.conditions);
            let kept = conditions.into_iter().enumerate();
            let kept = kept.filter(|(place, _)| !places.contains(place));
            statement.conditions = kept.map(|(_, condition)| condition).collect();
        }
        policy
    }

    /// This policy with one statement that never applies. All statements keep their places.
    pub(crate) fn with_silent(&self, index: usize) -> Self {
        let mut policy = self.clone();
        if let Some(statement) = policy.statements.get_mut(index) {
            statement.actions = Actions {
                negated: false,
                patterns: Box::default(),
            };
        }
        policy
    }

    /// The compiled statements.
    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

/// A compiled statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) sid: Option<Text>,
    principals: Principals,
    actions: Actions,
    resources: Resources,
    conditions: Box<[Condition]>,
}

/// An element of a statement that the request does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    Action,
    Principal,
    Resource,
    /// The condition at that place.
    Condition(usize),
}

/// Hears which elements of a statement fail.
pub(crate) trait Recorder {
    /// Notes a failed element; returns whether the others are to be looked at too.
    fn failed(&mut self, element: Element) -> bool;
}

/// Nobody hears, and the first failure settles the matter.
pub(crate) struct Unrecorded;

impl Recorder for Unrecorded {
    fn failed(&mut self, _: Element) -> bool {
        false
    }
}

/// What statements are compared with, prepared once for all of them.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) caller: &'a Principal,
    /// Whether the caller has a permissions boundary.
    pub(crate) bounded: bool,
    /// The ARN that Resource elements are compared with.
    pub(crate) resource: &'a str,
    /// The action's two halves in lower case.
    pub(crate) service: &'a str,
    pub(crate) action: &'a str,
    /// The resource's ARN split at the first five colons, once a pattern needs it.
    pub(crate) parts: OnceCell<Option<[&'a str; 6]>>,
    pub(crate) scope: Scope<'a>,
}

impl<'a> Request<'a> {
    fn parts(&self) -> &Option<[&'a str; 6]> {
        self.parts.get_or_init(|| {
            let mut parts = self.resource.splitn(6, ':');
            let mut next = || parts.next();
            Some([next()?, next()?, next()?, next()?, next()?, next()?])
        })
    }
}

impl Statement {
    fn compile(source: &Source, document: &Document, bindings: &Bindings) -> Self {
        let variables = document.has_variables();
        let conditions = source.conditions.iter().map(|c| {
            // Documents are refused if a variable in them is malformed.
            Condition::compile(c.operator, &c.key, &c.values, variables)
                .unwrap_or_else(|Malformed| Condition::unknown())
        });
        let principals = match &source.principals {
            None => Principals::Bearer,
            Some(listed) => {
                let entries = listed
                    .values
                    .iter()
                    .filter_map(|(kind, text)| principal(*kind, text))
                    .map(|principal| Grantee::compile(&principal, bindings))
                    .collect();
                if listed.negated {
                    Principals::Not(entries)
                } else {
                    Principals::Named(entries)
                }
            }
        };
        Self {
            effect: source.effect,
            sid: source.sid.as_deref().map(Into::into),
            principals,
            actions: Actions::compile(source.actions.as_ref()),
            resources: Resources::compile(source.resources.as_ref(), document),
            conditions: conditions.collect(),
        }
    }

    /// How the statement names the caller, if it applies to the request.
    pub(crate) fn applies(
        &self,
        request: &Request<'_>,
        recorder: &mut impl Recorder,
    ) -> Option<Class> {
        let work = request.scope.work;
        let denies = self.effect == Effect::Deny;
        if !work.charge(1) {
            return None;
        }
        let mut whole = true;
        if !self.actions.match_request(request) {
            whole = false;
            if !recorder.failed(Element::Action) {
                return None;
            }
        }
        if !work.charge(self.principals.len()) {
            return None;
        }
        let class = self
            .principals
            .reach(request.caller, request.bounded, denies);
        if class.is_none() && !recorder.failed(Element::Principal) {
            return None;
        }
        if !self.resources.match_request(request) {
            whole = false;
            if !recorder.failed(Element::Resource) {
                return None;
            }
        }
        for (index, condition) in self.conditions.iter().enumerate() {
            if !condition.holds(&request.scope, denies) {
                whole = false;
                if !recorder.failed(Element::Condition(index)) {
                    return None;
                }
            }
        }
        class.filter(|_| whole)
    }
}

/// `Action` or `NotAction`.
#[derive(Clone, Debug)]
struct Actions {
    negated: bool,
    patterns: Box<[ActionPattern]>,
}

#[derive(Clone, Debug)]
enum ActionPattern {
    Any,
    Of {
        service: Box<str>,
        name: Glob,
    },
    /// No service: of no action.
    Nothing,
}

impl Actions {
    fn compile(listed: Option<&Listed<String>>) -> Self {
        let values = listed.map_or(&[][..], |listed| &listed.values);
        let patterns = values.iter().map(|text| match text.split_once(':') {
            Some((service, name)) => ActionPattern::Of {
                service: service.to_ascii_lowercase().into(),
                name: Glob::parse(&name.to_ascii_lowercase()),
            },
            None if text == "*" => ActionPattern::Any,
            None => ActionPattern::Nothing,
        });
        Self {
            negated: listed.is_some_and(|listed| listed.negated),
            patterns: patterns.collect(),
        }
    }

    fn match_request(&self, request: &Request<'_>) -> bool {
        let listed = self.patterns.iter().any(|pattern| match pattern {
            ActionPattern::Any => true,
            ActionPattern::Nothing => false,
            ActionPattern::Of { service, name } => {
                **service == *request.service && name.matches(request.action, request.scope.work)
            }
        });
        listed != self.negated
    }
}

/// `Resource` or `NotResource`.
#[derive(Clone, Debug)]
struct Resources {
    negated: bool,
    patterns: Box<[ResourcePattern]>,
}

#[derive(Clone, Debug)]
enum ResourcePattern {
    Any,
    Exact(Box<str>),
    Parts(Box<[Glob; 5]>, Tail),
    /// Not an ARN, or with a variable before the fifth colon.
    Nothing,
}

#[derive(Clone, Debug)]
enum Tail {
    Fixed(Glob),
    Template(Template),
}

impl Resources {
    fn compile(listed: Option<&Listed<String>>, document: &Document) -> Self {
        let Some(listed) = listed else {
            // A trust policy is about the role that it is attached to. A stored statement of
            // another kind without resources has no effect.
            let patterns = match document.kind() {
                PolicyKind::Trust | PolicyKind::FileSystem => [ResourcePattern::Any].into(),
                PolicyKind::Key
                | PolicyKind::Identity
                | PolicyKind::ManagedIdentity
                | PolicyKind::Boundary
                | PolicyKind::Session
                | PolicyKind::Scp
                | PolicyKind::Rcp
                | PolicyKind::Endpoint => Box::default(),
            };
            let negated = false;
            return Self { negated, patterns };
        };
        // In a key policy `*` is this key; another pattern counts if it matches the key's ARN.
        let compile = |text: &String| ResourcePattern::compile(text, document.has_variables());
        Self {
            negated: listed.negated,
            patterns: listed.values.iter().map(compile).collect(),
        }
    }

    fn match_request(&self, request: &Request<'_>) -> bool {
        let listed = self.patterns.iter().any(|pattern| pattern.matches(request));
        listed != self.negated
    }
}

impl ResourcePattern {
    fn compile(text: &str, variables: bool) -> Self {
        if text == "*" {
            return Self::Any;
        }
        let Ok(template) = Template::parse(text, variables) else {
            return Self::Nothing;
        };
        let Some((heads, tail)) = template.split_parts(5) else {
            return Self::Nothing;
        };
        let plain = |tokens: &[Token]| tokens.iter().all(|t| matches!(t, Token::Char(_)));
        let fixed = tail.fixed_pattern();
        if let Some(tokens) = &fixed
            && plain(tokens)
            && heads.iter().all(|head| plain(head))
            && let Some(text) = template.fixed_text()
        {
            return Self::Exact(text.into());
        }
        let heads: Vec<Glob> = heads.iter().map(|head| Glob::new(head)).collect();
        let Ok(heads) = <[Glob; 5]>::try_from(heads) else {
            return Self::Nothing;
        };
        let tail = match fixed {
            Some(tokens) => Tail::Fixed(Glob::new(&tokens)),
            None => Tail::Template(tail),
        };
        Self::Parts(Box::new(heads), tail)
    }

    fn matches(&self, request: &Request<'_>) -> bool {
        let work: &Work = request.scope.work;
        match self {
            Self::Any => true,
            Self::Exact(arn) => work.charge(1 + arn.len() / 16) && **arn == *request.resource,
            Self::Parts(heads, tail) => {
                let Some([arn, partition, service, region, account, last]) = request.parts() else {
                    return false;
                };
                heads
                    .iter()
                    .zip([arn, partition, service, region, account])
                    .all(|(glob, part)| glob.matches(part, work))
                    && tail.matches(last, &request.scope)
            }
            Self::Nothing => false,
        }
    }
}

impl Tail {
    fn matches(&self, text: &str, scope: &Scope<'_>) -> bool {
        match self {
            Self::Fixed(glob) => glob.matches(text, scope.work),
            Self::Template(template) => template
                .pattern(scope)
                .is_some_and(|tokens| Glob::new(&tokens).matches(text, scope.work)),
        }
    }
}
