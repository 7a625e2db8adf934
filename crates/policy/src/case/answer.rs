//! What is answered to a case.

use super::read::{Case, Malformed};
use crate::{
    decision::{Decision, DecisionType, Evidence, Layer, PolicyName, Reason, StatementRef},
    json::write_string,
};

/// The answer to one case; [`CaseAnswer::write`] makes the line of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseAnswer {
    /// The case's id, if it has one.
    pub id: Option<String>,
    /// What is decided; `None` if the case cannot be.
    pub decision: Option<DecisionType>,
    /// The kind of policy that turned an allow into a denial.
    pub blocked_by: Option<&'static str>,
    /// What the decision is based on.
    pub by: Option<By>,
    /// What is wrong with the case or its policies. If there is a decision, it was made on the safe
    /// side.
    pub errors: Vec<String>,
    /// What is valid in the policies, but probably not what their author meant.
    pub warnings: Vec<String>,
    /// What the case expects.
    pub expected: Option<DecisionType>,
}

/// What a decision is based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The policy's or grant's place in the case, such as `identityPolicies[0]`.
    pub policy: String,
    /// The statement's place in the policy, from 0; `None` for a grant.
    pub statement: Option<usize>,
    /// The statement's Sid.
    pub sid: Option<String>,
}

impl By {
    /// What an allow is based on; `None` for a root user where no policy is needed.
    pub(super) fn evidence(evidence: &Evidence) -> Option<Self> {
        match evidence {
            Evidence::Statement(statement) => Some(Self::statement(statement)),
            Evidence::Grant(id) => Some(Self {
                policy: id.as_str().to_owned(),
                statement: None,
                sid: None,
            }),
            Evidence::RootUser => None,
        }
    }

    fn statement(statement: &StatementRef) -> Self {
        let policy = match &statement.policy {
            Some(PolicyName::Inline(name) | PolicyName::Arn(name)) => name.as_str(),
            None => "keyPolicy",
        };
        Self {
            policy: policy.to_owned(),
            statement: Some(statement.index),
            sid: statement.sid.as_ref().map(|sid| sid.as_str().to_owned()),
        }
    }
}

impl CaseAnswer {
    pub(super) fn of(decision: &Decision, blocked_by: Option<Layer>, case: &Case<'_>) -> Self {
        let by = match decision {
            Decision::Allow(evidence) => By::evidence(evidence),
            Decision::Deny(denial) => match &denial.reason {
                Reason::Explicit(statement) => Some(By::statement(statement)),
                Reason::Missing(_) | Reason::OwnAccountOnly | Reason::OverBudget => None,
            },
        };
        Self {
            id: case.id.as_deref().map(str::to_owned),
            decision: Some(DecisionType::of(decision)),
            blocked_by: blocked_by.map(Layer::word),
            by,
            errors: Vec::new(),
            warnings: Vec::new(),
            expected: case.expect,
        }
    }

    pub(super) fn malformed(malformed: Malformed) -> Self {
        Self {
            id: malformed.id,
            errors: malformed.errors,
            expected: malformed.expect,
            ..Self::default()
        }
    }

    /// The answer to a line that is longer than [`super::MAX_CASE`] bytes.
    pub fn too_long() -> Self {
        Self {
            errors: vec![format!("the line is longer than {} bytes", super::MAX_CASE)],
            ..Self::default()
        }
    }

    /// Writes the answer as one object, without the end of the line.
    pub fn write(&self, out: &mut String) {
        out.push_str("{\"id\":");
        match &self.id {
            Some(id) => write_string(id, out),
            None => out.push_str("null"),
        }
        out.push_str(",\"decision\":");
        match self.decision {
            Some(decision) => write_string(decision.as_str(), out),
            None => out.push_str("null"),
        }
        if let Some(kind) = self.blocked_by {
            out.push_str(",\"blockedBy\":");
            write_string(kind, out);
        }
        if let Some(by) = &self.by {
            out.push_str(",\"by\":{\"policy\":");
            write_string(&by.policy, out);
            if let Some(statement) = by.statement {
                out.push_str(",\"statement\":");
                out.push_str(&statement.to_string());
            }
            if let Some(sid) = &by.sid {
                out.push_str(",\"sid\":");
                write_string(sid, out);
            }
            out.push('}');
        }
        for (name, list) in [("errors", &self.errors), ("warnings", &self.warnings)] {
            if list.is_empty() {
                continue;
            }
            out.push(',');
            write_string(name, out);
            out.push_str(":[");
            for (index, text) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(text, out);
            }
            out.push(']');
        }
        out.push('}');
    }
}
