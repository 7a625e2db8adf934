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
                        "Would allow it, except that its conditions are not met: {place}."
                    )?;
                }
            }
            Reason::Explicit(statement) if self.is_conditional(statement.layer) => {
                writeln!(
                    self.out,
                    "It applies because its conditions are met; it does not deny a call that does \
                     not meet them."
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

    /// The statements that would allow, except for conditions.
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
                    Some(_) => "Without any Deny, the call would be allowed.",
                    None => "Even without it, the call would not be allowed.",
                };
                format!(
                    "{place} denies it, and an explicit deny overrides every allow. {otherwise}"
                )
            }
            Reason::OwnAccountOnly if setting.other_partition => {
                "the resource is in another partition, and policies never allow access across \
                 partitions."
                    .to_owned()
            }
            Reason::OwnAccountOnly => format!(
                "the resource belongs to another account, and {action} is never allowed across \
                 accounts, whatever policies say."
            ),
            Reason::OverBudget => "evaluating the policies takes more work than one decision may \
                                   take: use shorter patterns and fewer statements."
                .to_owned(),
            Reason::Missing(Layer::Resource) if setting.retires => {
                "a grant can be retired by its retiring principal, by its grantee if it lists \
                 RetireGrant, or by the account that created it, and the caller is none of these. \
                 Key policies have no effect on kms:RetireGrant."
                    .to_owned()
            }
            Reason::Missing(Layer::Resource) if setting.shared => format!(
                "the caller does not belong to the file system's account, and no statement of the \
                 file system policy allows it {action}."
            ),
            Reason::Missing(Layer::Resource) if !setting.guarded => format!(
                "the resource belongs to another account and has no policy that could allow the \
                 caller {action}."
            ),
            Reason::Missing(Layer::Resource) if setting.service => {
                "no statement of the key policy that applies names the service, and no grant does. \
                 A statement for an account does not apply to it: a service does not belong to an \
                 account."
                    .to_owned()
            }
            Reason::Missing(Layer::Resource) if setting.foreign => {
                "the key belongs to another account, which must allow the call too: no statement \
                 of the key policy that applies names the caller or its account, and no grant does."
                    .to_owned()
            }
            Reason::Missing(Layer::Resource) => self.not_reached(),
            Reason::Missing(Layer::Identity) => self.left_to_iam(),
            Reason::Missing(Layer::Boundary) => format!(
                "the caller's permissions boundary does not allow {action}. A boundary grants \
                 nothing, but limits what other policies grant."
            ),
            Reason::Missing(Layer::Session) => self.outside_session(),
            Reason::Missing(Layer::Scp) => match self.silent_level() {
                Some((level, 1)) => format!(
                    "no service control policy of level {level} allows {action}, and every level \
                     must allow it."
                ),
                Some((level, more)) => format!(
                    "no service control policy allows {action} on {more} levels, beginning with \
                     level {level}, and every level must allow it."
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
        let mut why = "the key policy does not allow the caller: no statement that applies \
                       names the caller or its account, and no grant does."
            .to_owned();
        if let Some(place) = self.place_of(Layer::Identity, false) {
            let _ = write!(
                why,
                " {place} allows it, but identity policies count for a KMS key only if the key \
                 policy allows the account."
            );
        }
        why
    }

    fn left_to_iam(&self) -> String {
        let setting = self.it.setting;
        let own_side = self.place_of(Layer::Resource, false);
        match (own_side, setting.foreign) {
            (Some(place), true) => format!(
                "the key's account allows it ({place}), but across accounts the caller's own \
                 account must allow it too, and no identity policy of the caller does."
            ),
            (Some(place), false) => format!(
                "{place} allows the caller's account, which leaves the decision to identity \
                 policies, and no identity policy of the caller allows it."
            ),
            (None, true) => "the key's account allows it, but across accounts the caller's own \
                             account must allow it too, and no identity policy of the caller does."
                .to_owned(),
            (None, false) if setting.service => {
                "a service has no identity policies, and no other policy could allow \
                 this."
                    .to_owned()
            }
            (None, false) if setting.shared => {
                "the file system policy or an identity policy of the caller must allow this, and \
                 none does."
                    .to_owned()
            }
            (None, false) if setting.guarded => {
                "a grant allows the account, which leaves the decision to identity policies, and \
                 no identity policy of the caller allows it."
                    .to_owned()
            }
            (None, false) => {
                "only identity policies can allow this, and none of the caller's does.".to_owned()
            }
        }
    }

    fn outside_session(&self) -> String {
        let sessions = self.it.layers.iter().filter(|r| r.layer == Layer::Session);
        if sessions
            .clone()
            .any(|report| report.verdict != LayerVerdict::Absent)
        {
            "the session was created with session policies, and none of them allows it. They grant \
             nothing, but limit what the session may do."
                .to_owned()
        } else {
            "a federated user's session that was created without session policies has no \
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
