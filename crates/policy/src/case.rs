//! Policies under test: one case, one decision, without a server.
//!
//! A case is a line of JSON that says who requests which action on which resource under which
//! policies (`docs/policy-cases.md` describes every member). [`Decider::answer`] decides it with
//! the same evaluator as the pipeline, [`explain`] says how the decision came about. Unlike in a
//! server, ARNs count as text here: a principal entry that is the ARN of the caller's user or role
//! names it; an `AIDA…` or `AROA…` only if the case gives the caller that id.

mod answer;
mod context;
mod grants;
mod policies;
mod principal;
mod read;
mod value;

pub use answer::{By, CaseAnswer};
use context::{CaseContext, GrantContext};
use policies::{Assembled, Cache, Names};
use read::{Case, Malformed};

use crate::{
    evaluate::evaluate_blocked,
    explain::{Explanation, Inquiry},
    request::{Policies, Question},
};

/// The most bytes of a case: several times as many as the largest policies within AWS's limits.
pub const MAX_CASE: usize = 1 << 20;

/// Decides cases. Keeps the policies it compiled, within bounds, so that those that repeat are
/// compiled once.
#[derive(Debug, Default)]
pub struct Decider {
    cache: Cache,
    names: Names,
}

impl Decider {
    /// One without any policies yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides one case. What is wrong with it is in the answer's errors; an answer without a
    /// decision means that the case cannot be decided.
    pub fn answer(&mut self, line: &[u8]) -> CaseAnswer {
        match self.decide(line) {
            Ok(answer) => answer,
            Err(malformed) => CaseAnswer::malformed(malformed),
        }
    }

    fn decide(&mut self, line: &[u8]) -> Result<CaseAnswer, Malformed> {
        let case = Case::read(line)?;
        self.cache.make_room();
        let assembled = Assembled::compile(&case, &mut self.cache)?;
        self.names.cover(&case);
        let (decision, blocked_by) = ask(&case, &assembled, &self.names, evaluate_blocked);
        let mut answer = CaseAnswer::of(&decision, blocked_by, &case);
        answer.errors = assembled.faults;
        answer.warnings = assembled.warnings;
        Ok(answer)
    }
}

/// Explains one case, in the words of [`crate::explain`].
///
/// # Errors
/// What is wrong with the case, if it cannot be decided.
pub fn explain(line: &[u8]) -> Result<Explanation, Vec<String>> {
    inquire(line, |inquiry, assembled| {
        let mut explanation = crate::explain::explain(inquiry);
        explanation.warnings.clone_from(&assembled.warnings);
        explanation
    })
}

/// A way in which requests are allowed if they have condition values that the case does not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What the allow is based on; `None` for a root user where no policy is needed.
    pub by: Option<By>,
    /// What the request must have, as clauses after "if".
    pub conditions: Vec<String>,
    /// What it must not have, as clauses after "unless".
    pub exceptions: Vec<String>,
}

/// Which ways there are for a case that is denied ([`crate::explain::ways`]).
///
/// # Errors
/// What is wrong with the case, if it cannot be decided.
pub fn ways(line: &[u8], is_known: fn(&str) -> bool) -> Result<Vec<Way>, Vec<String>> {
    inquire(line, |inquiry, _| {
        let ways = crate::explain::ways(inquiry, is_known).into_iter();
        let told = ways.map(|way| Way {
            by: By::evidence(&way.evidence),
            conditions: way.conditions,
            exceptions: way.exceptions,
        });
        told.collect()
    })
}

/// Puts the case as an inquiry.
fn inquire<T>(
    line: &[u8],
    look: impl FnOnce(&Inquiry<'_>, &Assembled) -> T,
) -> Result<T, Vec<String>> {
    let asked = Case::read(line).and_then(|case| {
        let assembled = Assembled::compile(&case, &mut Cache::keeping_sources())?;
        let mut names = Names::default();
        names.cover(&case);
        let of_grants = GrantContext::new(&CaseContext::new(&case, &assembled));
        Ok(ask(&case, &assembled, &names, |question| {
            let inquiry = Inquiry {
                question,
                grants: &assembled.grants,
                usage: of_grants.usage(),
            };
            look(&inquiry, &assembled)
        }))
    });
    asked.map_err(|malformed| malformed.errors)
}

/// Puts the case as a question.
fn ask<T>(
    case: &Case<'_>,
    assembled: &Assembled,
    names: &Names,
    look: impl FnOnce(&Question<'_>) -> T,
) -> T {
    let context = CaseContext::new(case, assembled);
    let matching = if assembled.grants.is_empty() {
        Vec::new()
    } else {
        assembled.matching_grants(case, &GrantContext::new(&context).usage())
    };
    let attached = names.attach(assembled);
    let levels: Vec<_> = attached.scps.iter().map(Vec::as_slice).collect();
    let question = Question {
        caller: &assembled.caller,
        action: &case.action,
        resource: case
            .resource
            .resource(assembled.own())
            .with_grants(&matching),
        context: &context,
        policies: Policies {
            identity: &attached.identity,
            boundary: attached.boundary,
            session: attached.session.as_deref(),
            scps: &levels,
            rcps: &attached.rcps,
            endpoint: None,
        },
    };
    look(&question)
}
