//! An explanation as text for somebody who has to do something about it.

mod why;

use std::fmt::Write as _;

use super::{
    Explanation, Finding, GrantReport, LayerReport, LayerVerdict, Mismatch, PolicyReport,
    RequestValue, StatementReport,
    change::{At, ProposedChange, StatementTarget},
};
use crate::{decision::Layer, grant::Unmet, principal::Class};

/// The most values of a list that are shown.
const MOST_SHOWN: usize = 6;

/// The explanation, its lines ended.
pub fn render(explanation: &Explanation) -> String {
    let mut text = Text {
        it: explanation,
        out: String::new(),
    };
    // Writing to a String does not fail.
    let _ = text.verdict();
    let _ = text.policies();
    let _ = text.suggestions();
    let _ = text.warnings();
    text.out
}

struct Text<'e> {
    it: &'e Explanation,
    out: String,
}

impl Text<'_> {
    fn warnings(&mut self) -> std::fmt::Result {
        if self.it.warnings.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "\nWarnings:")?;
        for warning in &self.it.warnings {
            writeln!(self.out, "  - {warning}")?;
        }
        Ok(())
    }

    fn policies(&mut self) -> std::fmt::Result {
        writeln!(self.out, "\nPolicies that take part:")?;
        for report in &self.it.layers {
            // If something need not allow, its absence is not shown.
            let optional = matches!(
                report.layer,
                Layer::Scp | Layer::Rcp | Layer::Endpoint | Layer::Boundary | Layer::Session
            );
            if report.verdict == LayerVerdict::Absent && optional {
                continue;
            }
            let setting = self.it.setting;
            if report.layer == Layer::Resource && !setting.guarded && !setting.shared {
                continue;
            }
            self.layer(report)?;
        }
        for grant in &self.it.grants {
            self.grant(grant)?;
        }
        Ok(())
    }

    fn layer(&mut self, report: &LayerReport) -> std::fmt::Result {
        let name = match report.layer {
            Layer::Scp => "service control policies",
            Layer::Rcp => "resource control policies",
            Layer::Endpoint => "VPC endpoint policy",
            Layer::Resource if self.it.setting.shared => "file system policy",
            Layer::Resource => "key policy",
            Layer::Identity => "identity policies",
            Layer::Boundary => "permissions boundary",
            Layer::Session => "session policies",
        };
        write!(self.out, "  {name}")?;
        if let Some(level) = report.level {
            write!(self.out, ", level {level}")?;
        }
        let several = matches!(
            report.layer,
            Layer::Scp | Layer::Rcp | Layer::Identity | Layer::Session
        );
        let verdict = match (report.verdict, report.layer) {
            (LayerVerdict::Absent, Layer::Resource) if self.it.setting.retires => {
                "has no effect on kms:RetireGrant"
            }
            (LayerVerdict::Absent, _) => "none",
            (LayerVerdict::NotInPlay, Layer::Scp) => {
                "do not limit services and service-linked roles"
            }
            (LayerVerdict::NotInPlay, _) => "do not limit this call",
            (LayerVerdict::Denies, _) if several => "deny",
            (LayerVerdict::Denies, _) => "denies",
            (LayerVerdict::Allows(Class::Account), Layer::Resource) => {
                "allows the account: its identity policies decide"
            }
            (LayerVerdict::Allows(Class::Base), Layer::Resource) => {
                "allows the caller's role or user, within its boundary and session policies"
            }
            (LayerVerdict::Allows(_), _) if several => "allow",
            (LayerVerdict::Allows(_), _) => "allows",
            (LayerVerdict::Silent, Layer::Rcp) => "do not deny",
            (LayerVerdict::Silent, _) if several => "do not allow",
            (LayerVerdict::Silent, _) => "does not allow",
        };
        writeln!(self.out, ": {verdict}")?;
        for policy in &report.policies {
            for statement in &policy.statements {
                self.statement(report.layer, policy, statement)?;
            }
        }
        Ok(())
    }

    fn statement(
        &mut self,
        layer: Layer,
        policy: &PolicyReport,
        statement: &StatementReport,
    ) -> std::fmt::Result {
        let place = place((layer, self.it.setting.shared), policy, statement);
        let effect = if statement.denies { "Deny" } else { "Allow" };
        if statement.applies.is_some() {
            writeln!(self.out, "    {place}: {effect}, applies")?;
        } else {
            writeln!(self.out, "    {place}: {effect}, does not apply")?;
        }
        for finding in statement.failed.iter().chain(&statement.met) {
            writeln!(self.out, "      {}", found(finding))?;
        }
        Ok(())
    }

    fn grant(&mut self, grant: &GrantReport) -> std::fmt::Result {
        write!(self.out, "  {} to {}: ", grant.id, grant.grantee)?;
        match &grant.outcome {
            Ok(Class::Account) => {
                writeln!(self.out, "allows the account: its identity policies decide")
            }
            Ok(_) => writeln!(self.out, "allows"),
            Err(unmet) => {
                writeln!(self.out, "does not allow")?;
                for what in unmet {
                    writeln!(self.out, "      {}", self.unmet(what))?;
                }
                Ok(())
            }
        }
    }

    fn unmet(&self, what: &Unmet) -> String {
        match what {
            Unmet::Grantee => "the caller is not the grantee".to_owned(),
            Unmet::Operation => format!("it does not list the operation of {}", self.it.action),
            Unmet::Equals => {
                "the encryption context is not the same as its EncryptionContextEquals".to_owned()
            }
            Unmet::Subset(name, value) => {
                format!(
                    "the encryption context does not have {name}={value}, which its \
                         EncryptionContextSubset requires"
                )
            }
            Unmet::SourceArn => "the call is not made for its SourceArn".to_owned(),
            Unmet::Standing => "the caller is not one of those who can retire it".to_owned(),
            Unmet::Widens => "the new grant would allow more than this one".to_owned(),
        }
    }

    fn suggestions(&mut self) -> std::fmt::Result {
        if self.it.decision.is_allow() {
            return Ok(());
        }
        if self.it.suggestions.is_empty() {
            return writeln!(self.out, "\nNo policy change would allow it.");
        }
        writeln!(self.out, "\nWhat would allow it:")?;
        for (index, suggestion) in self.it.suggestions.iter().enumerate() {
            let mut lead = if index == 0 { "  - " } else { "  - or " };
            for change in &suggestion.changes {
                writeln!(self.out, "{lead}{}", self.change(change))?;
                if let ProposedChange::AddStatement(_, statement) = change {
                    writeln!(self.out, "      {}", statement.to_json())?;
                }
                lead = "    and ";
            }
        }
        Ok(())
    }

    fn change(&self, change: &ProposedChange) -> String {
        match change {
            ProposedChange::AddStatement(target, _) => format!("add to {}:", self.target(target)),
            ProposedChange::ExceptCaller(at, arn) => format!(
                "exempt the caller from {} with the condition \"StringNotEquals\": \
                 {{\"aws:PrincipalArn\": {arn:?}}}",
                at_place(at, self.it.setting.shared)
            ),
            ProposedChange::RemoveStatement(at) => {
                format!("remove {}", at_place(at, self.it.setting.shared))
            }
            ProposedChange::SupplyPair {
                name,
                value,
                instead_of,
            } => {
                let instead = match instead_of {
                    Some(other) => format!(" instead of {name}={other}"),
                    None => String::new(),
                };
                format!("call with {name}={value}{instead} in the encryption context")
            }
            ProposedChange::CreateGrant { grantee, operation } => {
                format!("create a grant of {operation} on the key to {grantee}")
            }
        }
    }

    fn target(&self, target: &StatementTarget) -> String {
        let named = |name: &Option<String>| match name {
            // Where there is only one, its kind is enough.
            Some(name) if !["boundary", "sessionPolicy"].contains(&name.as_str()) => {
                format!(" ({name})")
            }
            Some(_) | None => String::new(),
        };
        match (target.layer, target.policy) {
            (Layer::Resource, _) => format!("the {}", kind(target.layer, self.it.setting.shared)),
            (Layer::Identity, _) => "an identity policy of the caller's user or role".to_owned(),
            (Layer::Boundary, _) => format!("the permissions boundary{}", named(&target.name)),
            (Layer::Session, None) => "a session policy, when the session is created".to_owned(),
            (Layer::Session, Some(_)) => format!("the session policy{}", named(&target.name)),
            (Layer::Scp, _) => format!(
                "a service control policy of level {}{}",
                target.level.unwrap_or(0),
                named(&target.name)
            ),
            (layer, _) => format!("the {}", kind(layer, self.it.setting.shared)),
        }
    }
}

/// What a kind of policy is called, without article.
fn kind(layer: Layer, shared: bool) -> &'static str {
    match layer {
        Layer::Resource if shared => "file system policy",
        Layer::Resource => "key policy",
        Layer::Identity => "identity policy",
        Layer::Scp | Layer::Rcp | Layer::Endpoint | Layer::Boundary | Layer::Session => {
            layer.as_str()
        }
    }
}

fn place(
    (layer, shared): (Layer, bool),
    policy: &PolicyReport,
    statement: &StatementReport,
) -> String {
    let name = policy
        .name
        .as_deref()
        .unwrap_or_else(|| kind(layer, shared));
    let mut place = format!("{name} Statement[{}]", statement.index);
    if let Some(sid) = &statement.sid {
        let _ = write!(place, " {sid:?}");
    }
    if let Some(line) = statement.line {
        let _ = write!(place, " (line {line})");
    }
    place
}

fn at_place(at: &At, shared: bool) -> String {
    let name = at.target.name.as_deref();
    let name = name.unwrap_or_else(|| kind(at.target.layer, shared));
    match &at.sid {
        Some(sid) => format!("{name} Statement[{}] {sid:?}", at.index),
        None => format!("{name} Statement[{}]", at.index),
    }
}

fn found(finding: &Finding) -> String {
    match finding {
        Finding::Action(it) => element("Action", it, "the call is"),
        Finding::Principal(it) => element("Principal", it, "the caller is"),
        Finding::Resource(it) => element("Resource", it, "the resource is"),
        Finding::Condition {
            operator,
            key,
            listed,
            found,
            note,
        } => {
            let values = list(listed);
            let met = match found {
                RequestValue::Absent => "the request has none".to_owned(),
                RequestValue::One(value) => format!("the request has {value:?}"),
                RequestValue::Many(values) => format!("the request has the list {}", list(values)),
                RequestValue::Clash(values) => format!(
                    "the request has {} under names that differ only in case",
                    list(values)
                ),
            };
            let note = noted(*note);
            format!("Condition {operator} {key}: {values}; {met}{note}")
        }
    }
}

fn element(name: &str, it: &Mismatch, met: &str) -> String {
    let not = if it.negated { "Not" } else { "" };
    let note = noted(it.note);
    format!("{not}{name}: {}; {met} {}{note}", list(&it.listed), it.met)
}

fn noted(note: Option<&str>) -> String {
    note.map_or_else(String::new, |note| format!(" ({note})"))
}

fn list(values: &[String]) -> String {
    let shown = values
        .iter()
        .take(MOST_SHOWN)
        .map(|value| format!("{value:?}"));
    let mut out = shown.collect::<Vec<_>>().join(", ");
    if values.len() > MOST_SHOWN {
        let _ = write!(out, " and {} more", values.len() - MOST_SHOWN);
    }
    match values {
        [] => "nothing".to_owned(),
        [_] => out,
        _ => format!("[{out}]"),
    }
}
