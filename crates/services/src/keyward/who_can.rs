//! `WhoCan`: everybody whom the policies let do that with this key today, through which statement
//! or grant, under which conditions; and what cannot be known from here.

use std::{collections::BTreeMap, sync::Arc};

use keyward_policy::{
    case::{self, Decider, Expected},
    document::{Document, PolicyKind},
    explain::{Explanation, Finding},
    permit::Permit,
    principal::PrincipalRef,
};
use keyward_store::{path::Prefix, store::MAX_RANGE};
use keyward_types::{account::AccountId, action, unique_id::UniqueId};
use keyward_wire::json::{Members, Object, Writer};
use serde_json::Value;

use crate::{
    context::Context,
    directory::paths,
    fault::Internal,
    gate::{Denied, Gate},
    keyward::{
        Keyward,
        case::{Subject, Target, Written},
        explain_decision::{action_name, given_context, unknown_keys},
        fault::KeywardFault,
    },
    kms::members,
    operation::{Done, Operation, Output},
};

/// The most grants of a key whose grantees are listed.
const MOST_GRANTS: usize = 10_000;

/// The input.
#[derive(Debug)]
pub struct WhoCan {
    action: String,
    key_id: String,
    context: BTreeMap<String, Value>,
}

/// Everybody's case.
#[derive(Debug)]
pub struct Asked {
    cases: Vec<Written>,
    notes: Vec<String>,
}

/// The output.
#[derive(Debug)]
pub struct Capable {
    action: String,
    allowed: Vec<Allowed>,
    unknown: Vec<String>,
    notes: Vec<String>,
}

/// One who can.
#[derive(Debug)]
struct Allowed {
    principal: String,
    through: String,
    sid: Option<String>,
    conditions: Vec<String>,
}

impl Operation for WhoCan {
    const NAME: &'static str = "WhoCan";
    const READ_ONLY: bool = true;
    type Api = Keyward;
    type Output = Capable;
    type Fault = KeywardFault;
    type Resolved = Arc<Asked>;
    type Permits = Permit<action::WhoCan>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let action = action_name(&mut m);
        let key_id = members::key_id(&mut m, "KeyId");
        let context = given_context(&mut m);
        m.finish()?;
        Ok(Self {
            action,
            key_id,
            context,
        })
    }

    async fn resolve(&self, cx: &Context<'_>) -> Result<Arc<Asked>, KeywardFault> {
        let unit = cx.own_key(&self.key_id).await?;
        let target = cx.target_key(&unit).await?;
        let mut notes = Vec::new();
        let subjects = cx.everybody(&unit, &target, &mut notes).await?;
        let mut cases = Vec::with_capacity(subjects.len());
        for subject in &subjects {
            let written = cx.write_case(subject, &self.action, &target, &self.context);
            cases.push(written.await?);
        }
        Ok(Arc::new(Asked { cases, notes }))
    }

    fn authorize(&self, _asked: &Arc<Asked>, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        asked: &Arc<Asked>,
        _cx: &Context<'_>,
    ) -> Result<Done<Capable>, KeywardFault> {
        let (asked, action) = (Arc::clone(asked), self.action.clone());
        // Thousands of principals take a while: not on a thread that serves.
        let decided = tokio::task::spawn_blocking(move || decide(&asked, action));
        let decided = decided
            .await
            .map_err(|error| Internal::new(error.to_string()))?;
        Ok(Done::unchanged(decided?))
    }
}

fn decide(asked: &Asked, action: String) -> Result<Capable, KeywardFault> {
    let mut decider = Decider::new();
    let mut capable = Capable {
        action,
        allowed: Vec::new(),
        unknown: Vec::new(),
        notes: asked.notes.clone(),
    };
    for written in &asked.cases {
        let answer = decider.answer(&written.line);
        let explained = || {
            case::explain(&written.line)
                .map_err(|errors| KeywardFault::from(Internal::new(errors.join("; "))))
        };
        match answer.decision {
            Some(Expected::Allow) => {
                let explanation = explained()?;
                capable
                    .allowed
                    .push(Allowed::of(&answer, &explanation, written));
                capable.unknown.extend(unknown_keys(&explanation));
            }
            // Another request might have what is not known here.
            Some(Expected::ImplicitDeny | Expected::ExplicitDeny) => {
                capable.unknown.extend(unknown_keys(&explained()?));
            }
            None => return Err(Internal::new(answer.errors.join("; ")).into()),
        }
    }
    capable
        .allowed
        .sort_by(|a, b| a.principal.cmp(&b.principal));
    capable.allowed.dedup_by(|a, b| a.principal == b.principal);
    capable.unknown.sort_unstable();
    capable.unknown.dedup();
    Ok(capable)
}

impl Allowed {
    fn of(answer: &case::Answer, explanation: &Explanation, written: &Written) -> Self {
        let (mut through, mut sid) = ("being the root user".to_owned(), None);
        let mut conditions = Vec::new();
        if let Some(by) = &answer.by {
            let title = written.titles.iter().find(|(place, _)| *place == by.policy);
            let title = title.map_or(by.policy.as_str(), |(_, title)| title.as_str());
            through = match by.statement {
                Some(index) => format!("{title}, statement {}", index + 1),
                None => format!("{title} (grant)"),
            };
            sid = by.sid.clone();
            conditions = met_conditions(explanation, by);
        }
        Self {
            principal: explanation.caller.clone(),
            through,
            sid,
            conditions,
        }
    }
}

/// The conditions of the statement that allows, and of every statement of the key policy that
/// applies beside it.
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
            } => Some(format!("{operator} {key} {}", listed.join(" | "))),
            Finding::Action(_) | Finding::Principal(_) | Finding::Resource(_) => None,
        })
        .collect();
    shown.dedup();
    shown
}

impl Context<'_> {
    /// Every principal that a key's policies could let in and that can be known here.
    async fn everybody(
        &self,
        unit: &crate::directory::units::KeyUnit,
        _target: &Target,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Subject>, KeywardFault> {
        let (partition, account) = self.caller.home();
        let directory = self.directory();
        let root = keyward_types::principal::Principal::root(partition, account);
        let mut found = vec![self.of_principal(root).await?];
        for id in self.ids_below(&paths::users(partition, account)?).await? {
            if let Some(user) = directory.user(partition, account, &id).await? {
                found.push(self.of_user(&user).await?);
            }
        }
        for id in self.ids_below(&paths::roles(partition, account)?).await? {
            if let Some(role) = directory.role((partition, account), &id).await? {
                found.push(self.of_role(&role, "any-session").await?);
            }
        }
        let mut named: Vec<String> = Vec::new();
        let record = unit.record();
        let document = Document::parse(&record.policy.text, PolicyKind::Key)
            .map_err(|error| Internal::new(error.to_string()))?;
        for principal in document.principals() {
            match principal {
                PrincipalRef::Session { arn, .. } | PrincipalRef::FederatedUser(arn) => {
                    named.push(arn.to_owned());
                }
                PrincipalRef::Service(name) => named.push(name.to_owned()),
                PrincipalRef::User(arn) | PrincipalRef::Role(arn) if !is_of(arn, account) => {
                    notes.push(foreign(arn));
                }
                PrincipalRef::Account { account: other, .. } if other != account => {
                    notes.push(foreign(&format!("arn:{partition}:iam::{other}:root")));
                }
                PrincipalRef::Everyone => notes.push(
                    "The key policy has a statement for everybody (`*`): principals of other \
                     accounts and services may be let in by it too."
                        .to_owned(),
                ),
                PrincipalRef::User(_)
                | PrincipalRef::Role(_)
                | PrincipalRef::Account { .. }
                | PrincipalRef::Unique(_)
                | PrincipalRef::Federated(_)
                | PrincipalRef::CanonicalUser(_) => {}
            }
        }
        let grants = self.grants_on(unit.arn(), MOST_GRANTS).await?;
        if grants.len() == MOST_GRANTS {
            notes.push(format!(
                "Of the key's grants only {MOST_GRANTS} were looked at for grantees that are \
                 sessions, services or of other accounts."
            ));
        }
        for grant in &grants {
            let shown = self.shown_party(&grant.grantee).await?;
            let session = shown.contains(":assumed-role/") || shown.contains(":federated-user/");
            if !shown.starts_with("arn:") && !shown.starts_with('A') {
                named.push(shown);
            } else if !is_of(&shown, account) {
                notes.push(foreign(&shown));
            } else if session {
                named.push(shown);
            }
        }
        named.sort_unstable();
        named.dedup();
        for name in named {
            match self.subject(&name, None).await? {
                Some(subject) => found.push(subject),
                None => notes.push(format!("{name} is named, and is not here.")),
            }
        }
        notes.push(
            "A session may be limited by session policies, which no stored policy tells."
                .to_owned(),
        );
        notes.sort_unstable();
        notes.dedup();
        Ok(found)
    }

    /// The unique ids at the ends of the paths below a prefix.
    async fn ids_below(&self, prefix: &Prefix) -> Result<Vec<UniqueId>, KeywardFault> {
        let store = self.directory().node().sealed().store();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.range(prefix, after.as_ref(), MAX_RANGE).await;
            let page = page
                .map_err(|error| Internal::new(error.to_string()))?
                .value;
            let Some(last) = page.last() else {
                return Ok(found);
            };
            after = Some(last.path.clone());
            for entry in &page {
                let id = entry.path.segments().last().unwrap_or_default();
                found.extend(UniqueId::parse(id).ok());
            }
        }
    }
}

fn is_of(arn: &str, account: AccountId) -> bool {
    arn.split(':').nth(4) == Some(account.as_str())
}

fn foreign(principal: &str) -> String {
    format!(
        "{principal} is let in by the key's side; whether its own account's policies let it is \
         not known here."
    )
}

impl Output<Keyward> for Capable {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("Action", &self.action);
        out.array("Principals", |principals| {
            for allowed in &self.allowed {
                principals.object(|principal| {
                    principal.string("Principal", &allowed.principal);
                    principal.string("Through", &allowed.through);
                    if let Some(sid) = &allowed.sid {
                        principal.string("Sid", sid);
                    }
                    principal.strings("Conditions", &allowed.conditions);
                });
            }
        });
        out.strings("Unknown", &self.unknown);
        out.strings("Notes", &self.notes);
    }
}
