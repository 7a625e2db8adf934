//! `StringEquals`, `StringEqualsIgnoreCase`, `StringLike` and their negations.

use crate::{
    attributes::Scope,
    pattern::Glob,
    variable::{Malformed, Template},
};

/// A listed value without wildcards.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Fixed(Box<str>),
    Template(Template),
}

impl Text {
    pub(super) fn compile(text: &str, variables: bool) -> Result<Self, Malformed> {
        let template = Template::parse(text, variables)?;
        Ok(match template.fixed_text() {
            Some(text) => Self::Fixed(text.into()),
            None => Self::Template(template),
        })
    }

    /// The text with its variables replaced by `look`; `None` if a variable has no value.
    pub(super) fn with<T>(&self, scope: &Scope<'_>, look: impl FnOnce(&str) -> T) -> Option<T> {
        match self {
            Self::Fixed(text) => scope.work.charge(1 + text.len() / 16).then(|| look(text)),
            Self::Template(template) => template.text(scope).map(|text| look(&text)),
        }
    }

    pub(super) fn equals(&self, value: &str, scope: &Scope<'_>) -> bool {
        self.with(scope, |text| text == value) == Some(true)
    }

    pub(super) fn equals_ignoring_case(&self, value: &str, scope: &Scope<'_>) -> bool {
        let equal = |text: &str| {
            text.eq_ignore_ascii_case(value)
                || !(text.is_ascii() && value.is_ascii())
                    && text
                        .chars()
                        .flat_map(char::to_lowercase)
                        .eq(value.chars().flat_map(char::to_lowercase))
        };
        scope.work.charge(value.len()) && self.with(scope, equal) == Some(true)
    }
}

/// A listed value with wildcards.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Fixed(Glob),
    Template(Template),
}

impl Pattern {
    pub(super) fn compile(text: &str, variables: bool) -> Result<Self, Malformed> {
        let template = Template::parse(text, variables)?;
        Ok(match template.fixed_pattern() {
            Some(tokens) => Self::Fixed(Glob::new(&tokens)),
            None => Self::Template(template),
        })
    }

    pub(super) fn matches(&self, value: &str, scope: &Scope<'_>) -> bool {
        match self {
            Self::Fixed(glob) => glob.matches(value, scope.work),
            Self::Template(template) => template
                .pattern(scope)
                .is_some_and(|tokens| Glob::new(&tokens).matches(value, scope.work)),
        }
    }
}
