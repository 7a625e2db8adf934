//! What a grant lets its grantee do: operations under constraints. Pure.
//!
//! A constraint has a *shape*, what it looks at, and a *bucket*, which values it wants there. A
//! request that a shape applies to falls into one bucket of it, and then exactly the constraints of
//! that shape and bucket hold. The index consists of these.

use keyward_types::{
    encryption_context::EncryptionContext,
    grant::{GrantOperation, GrantOperations},
};
use serde::{Deserialize, Serialize};

/// What a grant lets its grantee do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The operations.
    pub operations: GrantOperations,
    /// What must hold for them.
    pub constraint: Constraint,
}

/// What must hold for the operations of a grant: all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// On the encryption context.
    pub context: ContextConstraint,
    /// On `aws:SourceArn`, which only calls of services have: the whole ARN, compared exactly.
    pub source_arn: Option<String>,
}

/// A constraint on the encryption context. Names and values are compared exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ContextConstraint {
    /// Any context will do.
    #[default]
    None,
    /// The context must be this one.
    Equals(EncryptionContext),
    /// The context must have these pairs.
    Subset(EncryptionContext),
}

/// What a request asks of grants.
#[derive(Clone, Copy, Debug)]
pub struct GrantQuestion<'a> {
    /// What is to be done.
    pub act: Act<'a>,
    /// The `aws:SourceArn` of the call, which only a service's has.
    pub source_arn: Option<&'a str>,
}

/// What is to be done by virtue of a grant.
#[derive(Clone, Copy, Debug)]
pub enum Act<'a> {
    /// An operation with that encryption context; one that has none has the empty one.
    Use(GrantOperation, &'a EncryptionContext),
    /// CreateGrant with these terms: its grant must not allow more than the one that it is created
    /// with.
    Child(&'a Terms),
}

impl Terms {
    /// Whether a grant with these terms lets its grantee do that.
    pub fn allow(&self, asked: &GrantQuestion<'_>) -> bool {
        let listed = match asked.act {
            Act::Use(operation, _) => self.operations.contains(operation),
            Act::Child(child) => {
                self.operations.contains(GrantOperation::CreateGrant)
                    && child.operations.is_subset_of(&self.operations)
            }
        };
        listed && self.constraint.holds(asked)
    }
}

impl Constraint {
    fn holds(&self, asked: &GrantQuestion<'_>) -> bool {
        let context = match &self.context {
            ContextConstraint::None => true,
            _ if !asked.act.operation().is_constrained_by_context() => true,
            ContextConstraint::Equals(wanted) => asked.act.whole_context() == Some(wanted),
            ContextConstraint::Subset(wanted) => {
                let has = asked.act.pairs();
                wanted.pairs().iter().all(|pair| has.contains(pair))
            }
        };
        let source = match &self.source_arn {
            None => true,
            // For services alone it ends a grant whatever the source.
            Some(_) if asked.act.operation() == GrantOperation::RetireGrant => true,
            Some(wanted) => asked.source_arn() == Some(wanted),
        };
        context && source
    }

    /// The pairs of the constraint on the context.
    pub fn pairs(&self) -> &[(String, String)] {
        match &self.context {
            ContextConstraint::None => &[],
            ContextConstraint::Equals(pairs) | ContextConstraint::Subset(pairs) => pairs.pairs(),
        }
    }

    /// What the constraint looks at for that operation.
    pub fn shape(&self, operation: GrantOperation) -> Shape {
        let names = |pairs: &EncryptionContext| {
            pairs.pairs().iter().map(|(name, _)| name.clone()).collect()
        };
        let context = match &self.context {
            _ if !operation.is_constrained_by_context() => ContextShape::None,
            ContextConstraint::None => ContextShape::None,
            ContextConstraint::Equals(_) => ContextShape::Equals,
            ContextConstraint::Subset(pairs) => ContextShape::Subset(names(pairs)),
        };
        Shape {
            context,
            source_arn: self.source_arn.is_some(),
        }
    }

    /// The values that it wants there.
    pub fn bucket(&self, operation: GrantOperation) -> Bucket {
        let pairs = if operation.is_constrained_by_context() {
            self.pairs()
        } else {
            &[]
        };
        Bucket::new(pairs.iter(), self.source_arn.as_deref())
    }
}

/// What a constraint looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// In the encryption context.
    pub context: ContextShape,
    /// Whether it looks at `aws:SourceArn`.
    pub source_arn: bool,
}

/// What a constraint looks at in the encryption context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ContextShape {
    /// Nothing.
    None,
    /// The whole.
    Equals,
    /// The pairs of these names, in their order.
    Subset(Vec<String>),
}

impl Shape {
    /// The bucket that the request falls into; `None` if no constraint of this shape can hold.
    pub fn bucket(&self, asked: &GrantQuestion<'_>) -> Option<Bucket> {
        let source = if self.source_arn {
            Some(asked.source_arn()?)
        } else {
            None
        };
        match &self.context {
            ContextShape::None => Some(Bucket::new([].iter(), source)),
            ContextShape::Equals => {
                let whole = asked.act.whole_context()?;
                Some(Bucket::new(whole.pairs().iter(), source))
            }
            ContextShape::Subset(names) => {
                let has = asked.act.pairs();
                let pair = |name: &String| has.iter().find(|(named, _)| named == name);
                let found: Option<Vec<_>> = names.iter().map(pair).collect();
                Some(Bucket::new(found?.into_iter(), source))
            }
        }
    }

    /// The shape as text that no other shape has.
    pub fn text(&self) -> String {
        let mut out = String::new();
        match &self.context {
            ContextShape::None => out.push('n'),
            ContextShape::Equals => out.push('e'),
            ContextShape::Subset(names) => {
                out.push('s');
                names.iter().for_each(|name| push(&mut out, name));
            }
        }
        if self.source_arn {
            out.push('a');
        }
        out
    }

    /// Whether it looks at nothing at all.
    pub fn is_none(&self) -> bool {
        self.context == ContextShape::None && !self.source_arn
    }
}

/// The values that a constraint wants, or that a request has, where a shape looks: text that is
/// equal within one shape exactly when the values are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket(String);

impl Bucket {
    fn new<'p>(
        pairs: impl Iterator<Item = &'p (String, String)>,
        source_arn: Option<&str>,
    ) -> Self {
        let mut out = String::new();
        for (name, value) in pairs {
            push(&mut out, name);
            push(&mut out, value);
        }
        if let Some(arn) = source_arn {
            out.push('a');
            push(&mut out, arn);
        }
        Self(out)
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Appends a text with its length before it, so that no two lists of texts look alike.
pub(super) fn push(out: &mut String, text: &str) {
    out.push_str(&text.len().to_string());
    out.push(':');
    out.push_str(text);
}

impl<'a> GrantQuestion<'a> {
    /// What the source constraint of a grant is compared with: a child must have the same one.
    fn source_arn(&self) -> Option<&'a str> {
        match self.act {
            Act::Use(..) => self.source_arn,
            Act::Child(child) => {
                let child = child.constraint.source_arn.as_deref();
                self.source_arn.filter(|arn| child == Some(*arn))
            }
        }
    }
}

impl<'a> Act<'a> {
    /// The operation that the grant must list.
    pub fn operation(&self) -> GrantOperation {
        match self {
            Self::Use(operation, _) => *operation,
            Self::Child(_) => GrantOperation::CreateGrant,
        }
    }

    /// The context, if it is known whole: a child's is when it must equal its constraint.
    fn whole_context(&self) -> Option<&'a EncryptionContext> {
        match self {
            Self::Use(_, context) => Some(context),
            Self::Child(terms) => match &terms.constraint.context {
                ContextConstraint::Equals(context) => Some(context),
                ContextConstraint::None | ContextConstraint::Subset(_) => None,
            },
        }
    }

    /// The pairs that the context has for certain.
    fn pairs(&self) -> &'a [(String, String)] {
        match self {
            Self::Use(_, context) => context.pairs(),
            Self::Child(terms) => terms.constraint.pairs(),
        }
    }
}

#[cfg(test)]
mod tests;
