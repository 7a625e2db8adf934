//! `ArnEquals`, which is `ArnLike`, and their negations: six parts, each a pattern of its own.

use crate::{
    attributes::Scope,
    pattern::{Glob, Token},
    variable::{Malformed, Template},
};

/// A listed value.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Fixed(Box<[Glob; 6]>),
    Template(Template),
    /// Fewer than six parts: no ARN.
    Nothing,
}

impl Pattern {
    pub(super) fn compile(text: &str, variables: bool) -> Result<Self, Malformed> {
        let template = Template::parse(text, variables)?;
        Ok(match template.fixed_pattern() {
            Some(tokens) => globs(&tokens).map_or(Self::Nothing, |g| Self::Fixed(Box::new(g))),
            None => Self::Template(template),
        })
    }

    pub(super) fn matches(&self, parts: &[&str; 6], scope: &Scope<'_>) -> bool {
        let all = |globs: &[Glob; 6]| {
            globs
                .iter()
                .zip(parts)
                .all(|(glob, part)| glob.matches(part, scope.work))
        };
        match self {
            Self::Fixed(globs) => all(globs),
            // What is substituted may be a whole ARN, so its colons part it.
            Self::Template(template) => template
                .pattern(scope)
                .and_then(|tokens| globs(&tokens))
                .is_some_and(|globs| all(&globs)),
            Self::Nothing => {
                scope.work.charge(1);
                false
            }
        }
    }
}

fn globs(tokens: &[Token]) -> Option<[Glob; 6]> {
    let parts: Vec<Glob> = tokens
        .splitn(6, |token| *token == Token::Char(':'))
        .map(Glob::new)
        .collect();
    parts.try_into().ok()
}

/// The six parts of a request's ARN.
pub(super) fn split(text: &str) -> Option<[&str; 6]> {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next();
    let parts = [next()?, next()?, next()?, next()?, next()?, next()?];
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::{BUDGET, Work};

    fn like(pattern: &str, arn: &str) -> bool {
        let work = Work::new(BUDGET);
        let pattern = Pattern::compile(pattern, true).unwrap();
        split(arn).is_some_and(|parts| pattern.matches(&parts, &Scope::nothing(&work)))
    }

    #[test]
    fn a_star_stays_within_its_part() {
        let arn = "arn:aws:sns:us-east-1:111122223333:topic:sub";
        assert!(like("arn:aws:sns:*:*:topic:*", arn));
        assert!(like("arn:aws:sns:*:111122223333:*", arn));
        assert!(!like("arn:aws:sns:*:topic:sub", arn));
        assert!(!like("arn:aws:*:topic:sub", arn));
        assert!(!like("*", arn));
        assert!(!like("arn:aws:sns:*:*:Topic:*", arn));
    }

    #[test]
    fn fewer_than_six_parts_is_no_arn() {
        assert!(!like(
            "arn:aws:sns:*:*:*",
            "arn:aws:sns:us-east-1:111122223333"
        ));
    }
}
