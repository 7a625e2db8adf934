//! The first lines of an explanation: what the decision is, and why.

use std::fmt::Write as _;

use super::{Text, kind, place};
use crate::{
    decision::{Decision, Evidence, Layer, Reason},
    explain::{Finding, LayerVerdict},
    principal::Class,
};

impl Text<'_> {
    pub(super) fn verdict(&mut self) -> std::fmt::Result {
        let it = self.it;
        let word = match &it.decision {
            Decision::Allow(_) => "ALLOWED",
            Decision::Deny(denial) => match denial.reason {
                Reason::Explicit(_) => "DENIED EXPLICITLY",
                Reason::Missing(_) | Reason::OwnAccountOnly | Reason::OverBudget => "DENIED",
            },
        };
        writeln!(self.out, "{word}: {} on {}", it.action, it.resource)?;
        writeln!(self.out, "  for {}", it.caller)?;
        let why = match &it.decision {
            Decision::Allow(evidence) => self.allowed(evidence),
            Decision::Deny(denial) => self.denied(&denial.reason),
        };
        writeln!(self.out, "\nWhy: {why}")?;
        let Decision::Deny(denial) = &it.decision else {
            return Ok(());
        };
        match &denial.reason {
            Reason::Missing(layer) => {
                for place in self.close(*layer) {
                    writeln!(
                        self.out,
                        "Close to allowing it: {place}; only its conditions fail."
                    )?;
                }
            }
            Reason::Explicit(statement) if self.is_conditional(statement.layer) => {
                writeln!(
                    self.out,
                    "It applies because its conditions hold; a call that misses one is not denied \
                     by it."
                )?;
            }
            Reason::Explicit(_) | Reason::OwnAccountOnly | Reason::OverBudget => {}
        }
        Ok(())
    }

    /// Whether the first statement of that kind that denies has conditions.
    fn is_conditional(&self, layer: Layer) -> bool {
        let layers = self.it.layers.iter().filter(|r| r.layer == layer);
        let mut statements = layers
            .flat_map(|report| &report.policies)
            .flat_map(|policy| &policy.statements);
        let condition = |finding: &Finding| matches!(finding, Finding::Condition { .. });
        statements
            .find(|statement| statement.denies && statement.applies.is_some())
            .is_some_and(|statement| statement.met.iter().any(condition))
    }

    /// The statements that would allow but for conditions.
    fn close(&self, layer: Layer) -> Vec<String> {
        let layers = self.it.layers.iter().filter(|r| r.layer == layer);
        let mut close = Vec::new();
        for policy in layers.flat_map(|report| &report.policies) {
            for statement in &policy.statements {
                let mut failed = statement.failed.iter();
                let only = failed.all(|finding| matches!(finding, Finding::Condition { .. }));
                if !statement.denies && statement.applies.is_none() && only {
                    close.push(place((layer, self.it.setting.shared), policy, statement));
                }
            }
        }
        close
    }

    fn allowed(&self, evidence: &Evidence) -> String {
        match evidence {
            Evidence::Statement(statement) => match self.place_of(statement.layer, false) {
                Some(place) => format!("{place} allows it."),
                None => "a statement allows it.".to_owned(),
            },
            Evidence::Grant(id) => format!("{id} allows it."),
            Evidence::RootUser => {
                "the root user of the account may do anything that needs no key policy.".to_owned()
            }
        }
    }

    fn denied(&self, reason: &Reason) -> String {
        let action = &self.it.action;
        let setting = self.it.setting;
        match reason {
            Reason::Explicit(statement) => {
                let kind = kind(statement.layer, self.it.setting.shared);
                let place = self
                    .place_of(statement.layer, true)
                    .unwrap_or_else(|| format!("a {kind}"));
                let otherwise = match self.it.blocked_by {
                    Some(_) => "Without denies the call would be allowed.",
                    None => "Without it the call would still not be allowed.",
                };
                format!(
                    "{place} denies it, and one deny anywhere outweighs every allow. {otherwise}"
                )
            }
            Reason::OwnAccountOnly if setting.other_partition => {
                "the resource is of another partition, and partitions share nothing, whatever \
                 policies say."
                    .to_owned()
            }
            Reason::OwnAccountOnly => format!(
                "the resource is of another account, and {action} never reaches resources of \
                 other accounts, whatever policies say."
            ),
            Reason::OverBudget => "the policies take more work than is granted to one decision; \
                                   shorter patterns and fewer statements would not."
                .to_owned(),
            Reason::Missing(Layer::Resource) if setting.retires => {
                "a grant is retired by its retiring principal, by its grantee if it lists \
                 RetireGrant, or by the account that made it, and no grant here gives the caller \
                 that standing. Key policies have no effect on kms:RetireGrant."
                    .to_owned()
            }
            Reason::Missing(Layer::Resource) if setting.shared => format!(
                "the caller is no principal of the resource's account, and no statement of the \
                 file system policy that applies lets it in to {action}."
            ),
            Reason::Missing(Layer::Resource) if !setting.guarded => format!(
                "the resource is of another account and has no policy that could let the caller \
                 in to {action}."
            ),
            Reason::Missing(Layer::Resource) if setting.service => {
                "no statement of the key policy that applies names the service, and no grant does. \
                 A statement for an account does not reach it: a service is no account's \
                 principal."
                    .to_owned()
            }
            Reason::Missing(Layer::Resource) if setting.foreign => {
                "the key is of another account, whose side must let the caller in: no statement \
                 of the key policy that applies names the caller or its account, and no grant \
                 does."
                    .to_owned()
            }
            Reason::Missing(Layer::Resource) => self.not_reached(),
            Reason::Missing(Layer::Identity) => self.left_to_iam(),
            Reason::Missing(Layer::Boundary) => format!(
                "what the caller was given is limited by its permissions boundary, which does \
                 not allow {action}. A boundary gives nothing, but all else must lie within it."
            ),
            Reason::Missing(Layer::Session) => self.outside_session(),
            Reason::Missing(Layer::Scp) => match self.silent_level() {
                Some((level, 1)) => format!(
                    "no service control policy of level {level} allows {action}, and every level \
                     must."
                ),
                Some((level, more)) => format!(
                    "no service control policy allows {action} on {more} levels, the first of \
                     them {level}, and every level must."
                ),
                None => format!("no service control policy allows {action}."),
            },
            Reason::Missing(layer) => {
                format!("no {} allows {action}.", kind(*layer, setting.shared))
            }
        }
    }

    /// Nothing in the key policy reaches a caller of the same account.
    fn not_reached(&self) -> String {
        let mut why = "the key policy does not let the caller in: no statement of it that applies \
                       names the caller or its account, and no grant does."
            .to_owned();
        if let Some(place) = self.place_of(Layer::Identity, false) {
            let _ = write!(
                why,
                " {place} allows it, but on a KMS key identity policies count only where the key \
                 policy names the account."
            );
        }
        why
    }

    fn left_to_iam(&self) -> String {
        let setting = self.it.setting;
        let own_side = self.place_of(Layer::Resource, false);
        match (own_side, setting.foreign) {
            (Some(place), true) => format!(
                "the key's account lets the caller in ({place}), but across accounts the \
                 caller's own account must allow it too, and no identity policy of the caller \
                 does."
            ),
            (Some(place), false) => format!(
                "{place} names the caller's account, which leaves the decision to identity \
                 policies, and no identity policy of the caller allows it."
            ),
            (None, true) => "the key's account lets the caller in, but across accounts the \
                             caller's own account must allow it too, and no identity policy of \
                             the caller does."
                .to_owned(),
            (None, false) if setting.service => {
                "a service has no identity policies, and nothing else decides on this.".to_owned()
            }
            (None, false) if setting.shared => {
                "either the file system policy or an identity policy of the caller must allow \
                 this, and none does."
                    .to_owned()
            }
            (None, false) if setting.guarded => {
                "a grant names the account, which leaves the decision to identity policies, and \
                 no identity policy of the caller allows it."
                    .to_owned()
            }
            (None, false) => "identity policies alone decide on this, and none of the caller's \
                              allows it."
                .to_owned(),
        }
    }

    fn outside_session(&self) -> String {
        let sessions = self.it.layers.iter().filter(|r| r.layer == Layer::Session);
        if sessions
            .clone()
            .any(|report| report.verdict != LayerVerdict::Absent)
        {
            "the session was made with session policies, and none of them allows it. They give \
             nothing, but what the session may do must lie within them."
                .to_owned()
        } else {
            "a federated user's session that was made without session policies has no \
             permissions of its own, unless the key policy or a grant names the session itself."
                .to_owned()
        }
    }

    fn silent_level(&self) -> Option<(usize, usize)> {
        let levels = self.it.layers.iter().filter(|r| r.layer == Layer::Scp);
        let mut silent = levels.filter(|report| !matches!(report.verdict, LayerVerdict::Allows(_)));
        let first = silent.next()?.level?;
        Some((first, 1 + silent.count()))
    }

    /// The statement of that kind that decides.
    fn place_of(&self, layer: Layer, denies: bool) -> Option<String> {
        let layers = self.it.layers.iter().filter(|r| r.layer == layer);
        let mut best: Option<(Class, String)> = None;
        for policy in layers.flat_map(|report| &report.policies) {
            for statement in policy.statements.iter().filter(|s| s.denies == denies) {
                let Some(class) = statement.applies else {
                    continue;
                };
                let better = best
                    .as_ref()
                    .is_none_or(|(other, _)| *other < class && !denies);
                if better {
                    best = Some((
                        class,
                        place((layer, self.it.setting.shared), policy, statement),
                    ));
                }
            }
        }
        best.map(|(_, place)| place)
    }
}
