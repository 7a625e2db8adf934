//! A principal that can, and why.

use keyward_engine::policy::{
    case,
    explain::{self, Explanation, Finding},
};
use keyward_wire::json::Writer;

use crate::{case::Written, explain_decision::is_settled};

/// A principal that can.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// Their ARN.
    pub principal: String,
    through: String,
    sid: Option<String>,
    /// Clauses after "if".
    conditions: Vec<String>,
    /// Clauses after "unless".
    exceptions: Vec<String>,
}

impl Allowed {
    /// From a decision.
    pub fn of(answer: &case::CaseAnswer, explanation: &Explanation, written: &Written) -> Self {
        let by = answer.by.as_ref();
        Self {
            principal: explanation.caller.clone(),
            through: through(by, written),
            sid: by.and_then(|by| by.sid.clone()),
            conditions: by.map_or_else(Vec::new, |by| met_conditions(explanation, by)),
            exceptions: explain::exceptions(&explanation.layers, is_settled),
        }
    }

    /// In one of the ways in which another request would be allowed.
    pub fn by(way: case::Way, principal: &str, written: &Written) -> Self {
        Self {
            principal: principal.to_owned(),
            through: through(way.by.as_ref(), written),
            sid: way.by.and_then(|by| by.sid),
            conditions: way.conditions,
            exceptions: way.exceptions,
        }
    }

    /// Writes the entry.
    pub fn render(&self, out: &mut Writer<'_>) {
        out.string("Principal", &self.principal);
        out.string("Through", &self.through);
        if let Some(sid) = &self.sid {
            out.string("Sid", sid);
        }
        out.strings("Conditions", &self.conditions);
        out.strings("Exceptions", &self.exceptions);
    }
}

/// What lets somebody in, as people call it.
fn through(by: Option<&case::By>, written: &Written) -> String {
    let Some(by) = by else {
        return "as the root user".to_owned();
    };
    let title = written.titles.iter().find(|(place, _)| *place == by.policy);
    let title = title.map_or(by.policy.as_str(), |(_, title)| title.as_str());
    match by.statement {
        Some(index) => format!("{title}, Statement[{index}]"),
        None => format!("{title} (grant)"),
    }
}

/// The conditions of the statement that allows, and of every other statement of the key policy that
/// applies.
fn met_conditions(explanation: &Explanation, by: &case::By) -> Vec<String> {
    let policies = explanation.layers.iter().flat_map(|layer| &layer.policies);
    let of_decider = policies.filter(|policy| {
        let name = policy.name.as_deref().unwrap_or("keyPolicy");
        name == by.policy || name == "keyPolicy"
    });
    let applying = of_decider
        .flat_map(|policy| &policy.statements)
        .filter(|statement| statement.applies.is_some() && !statement.denies);
    let mut shown: Vec<String> = applying
        .flat_map(|statement| &statement.met)
        .filter_map(|finding| match finding {
            Finding::Condition {
                operator,
                key,
                listed,
                ..
            } => Some(explain::condition(operator, key, listed)),
            Finding::Action(_) | Finding::Principal(_) | Finding::Resource(_) => None,
        })
        .collect();
    shown.dedup();
    shown
}
