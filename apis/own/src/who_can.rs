//! `WhoCan`: everybody whom the policies allow to do that with this key today, through which
//! statement or grant, and who may do it under conditions that a request can meet; and what cannot
//! be known from here.

mod allowed;

use std::collections::BTreeMap;

use keyward_api_kms::{
    grants::{party::Party, record::GrantRecord},
    members,
};
use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    directory::paths,
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::{
        case::{self, Decider},
        decision::DecisionType,
        document::{Document, PolicyKind},
        permit::Permit,
        principal::PrincipalRef,
    },
};
use keyward_store::{path::Prefix, store::MAX_RANGE};
use keyward_types::{
    account::AccountId, arn::ArnParts, grant::GrantOperation, principal::Principal,
    unique_id::UniqueId,
};
use keyward_wire::json::{Members, Object, Writer};
use serde_json::Value;

use self::allowed::Allowed;
use crate::{
    Cx, Keyward,
    case::{CaseCaller, Written},
    explain_decision::{action_name, check_key_action, is_settled, known_action, unknown_keys},
    fault::KeywardFault,
    given::{SHOWN_CONTEXT, given_context},
};

/// How many cases are in memory at once.
const AT_ONCE: usize = 32;
/// The most principals that are checked.
const MOST_PRINCIPALS: usize = 10_000;
/// The most grants of a key whose grantees are listed.
const MOST_GRANTS: usize = 10_000;

/// The input.
#[derive(Debug)]
pub struct WhoCan {
    action: String,
    key_id: String,
    context: BTreeMap<String, Value>,
}

/// A principal to check, before any policy is read.
#[derive(Debug)]
enum Somebody {
    Root,
    User(UniqueId),
    Role(UniqueId),
    /// A session, a federated user or a service, as a policy or a grant names it.
    Named(String),
}

/// The output.
#[derive(Debug)]
pub struct Capable {
    action: String,
    /// Those who may, whatever else the request has.
    allowed: Vec<Allowed>,
    /// Those who may if the request has more: an entry for each way.
    conditional: Vec<Allowed>,
    unknown: Vec<String>,
    notes: Vec<String>,
}

keyward_types::action!("keyward": WhoCan = "keyward:WhoCan");

impl Operation for WhoCan {
    const NAME: &'static str = "WhoCan";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("Action"),
        text("KeyId"),
        structures("Context", SHOWN_CONTEXT),
    ];
    type Api = Keyward;
    type Output = Capable;
    type Fault = KeywardFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let action = action_name(&mut m);
        let key_id = members::key_id(&mut m, "KeyId");
        let context = given_context(&mut m);
        m.finish()?;
        let action = known_action(&action)?;
        check_key_action(&action)?;
        Ok(Self {
            action,
            key_id,
            context,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<(), KeywardFault> {
        cx.check_context(&self.context, &self.action)
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<Capable>, KeywardFault> {
        let turn = cx.state().scans().turn().await?;
        let unit = cx.own_key(&self.key_id).await?;
        let target = cx.target_key(&unit).await?;
        let mut notes = Vec::new();
        let everybody = cx.everybody(&unit, &self.action, &mut notes).await?;
        let mut capable = Capable {
            action: self.action.clone(),
            allowed: Vec::new(),
            conditional: Vec::new(),
            unknown: Vec::new(),
            notes: Vec::new(),
        };
        // A limited number at a time: each case has all its policies.
        for some in everybody.chunks(AT_ONCE) {
            let mut cases = Vec::with_capacity(some.len());
            for one in some {
                let Some(subject) = cx.somebody(one, &mut notes).await? else {
                    continue;
                };
                let written = cx.write_case(&subject, &self.action, &target, &self.context);
                cases.push(written.await?);
                // Others are served between them.
                tokio::task::yield_now().await;
            }
            // Deciding takes a while, so not on a thread that serves requests.
            let turn = turn.clone();
            let decided = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                capable.decide(&cases)?;
                Ok::<_, KeywardFault>(capable)
            });
            capable = decided
                .await
                .map_err(|error| Internal::new(error.to_string()))??;
        }
        // The others are known to be absent.
        let unknown = &mut capable.unknown;
        unknown.retain(|key| cx.may_have(key, &self.action));
        Ok(Done::unchanged(capable.finished(notes)))
    }
}

impl Capable {
    /// Decides some cases, and adds those who can.
    fn decide(&mut self, cases: &[Written]) -> Result<(), KeywardFault> {
        let mut decider = Decider::new();
        for written in cases {
            let answer = decider.answer(&written.line);
            let broken = |errors: Vec<String>| KeywardFault::from(Internal::new(errors.join("; ")));
            let explanation = case::explain(&written.line).map_err(broken)?;
            self.unknown.extend(unknown_keys(&explanation));
            match answer.decision {
                Some(DecisionType::Allow) => {
                    let allowed = Allowed::of(&answer, &explanation, written);
                    self.allowed.push(allowed);
                }
                // Another request might have what is not known here.
                Some(DecisionType::ImplicitDeny | DecisionType::ExplicitDeny) => {
                    let ways = case::ways(&written.line, is_settled).map_err(broken)?;
                    let caller = &explanation.caller;
                    let ways = ways
                        .into_iter()
                        .map(|way| Allowed::by(way, caller, written));
                    self.conditional.extend(ways);
                }
                None => return Err(broken(answer.errors)),
            }
            let unknown = &mut self.unknown;
            unknown.sort_unstable();
            unknown.dedup();
        }
        Ok(())
    }

    fn finished(mut self, mut notes: Vec<String>) -> Self {
        self.allowed.sort_by(|a, b| a.principal.cmp(&b.principal));
        self.allowed.dedup_by(|a, b| a.principal == b.principal);
        self.conditional.sort_unstable();
        self.conditional.dedup();
        notes.sort_unstable();
        notes.dedup();
        self.notes = notes;
        self
    }
}

impl Cx<'_> {
    /// Every principal that a key's policies could allow and that is known here.
    async fn everybody(
        &self,
        unit: &keyward_api_kms::units::KeyUnit,
        action: &str,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Somebody>, KeywardFault> {
        let (partition, account) = self.caller.home();
        let mut found = vec![Somebody::Root];
        let users = self.ids_below(&paths::users(partition, account)).await?;
        found.extend(users.into_iter().map(Somebody::User));
        let roles = self.ids_below(&paths::roles(partition, account)).await?;
        found.extend(roles.into_iter().map(Somebody::Role));
        let mut named: Vec<String> = Vec::new();
        let record = unit.record();
        let document = Document::parse(&record.policy.text, PolicyKind::Key)
            .map_err(|error| Internal::new(error.to_string()))?;
        for principal in document.admitted(action) {
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
                    "The key policy has a statement that allows everybody (`*`), which can include services and principals of other accounts."
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
                "Only {MOST_GRANTS} of the key's grants were searched for grantees that are sessions, services or principals of other accounts."
            ));
        }
        let operation = action.strip_prefix("kms:").and_then(GrantOperation::parse);
        let allows = |grant: &&GrantRecord| {
            let mut operations = grant.terms.operations.iter();
            operation.is_some_and(|operation| operations.any(|one| one == operation))
        };
        for grant in grants.iter().filter(allows) {
            let shown = self.kms().shown_party(&grant.grantee).await?;
            match &grant.grantee {
                Party::Service { .. } => named.push(shown),
                Party::Account { account: other }
                | Party::User { account: other, .. }
                | Party::Role { account: other, .. }
                | Party::Session { account: other, .. }
                | Party::FederatedUser { account: other, .. }
                    if *other != account =>
                {
                    notes.push(foreign(&shown));
                }
                Party::Session { .. } | Party::FederatedUser { .. } => named.push(shown),
                // They are checked anyway.
                Party::Account { .. } | Party::User { .. } | Party::Role { .. } => {}
            }
        }
        named.sort_unstable();
        named.dedup();
        found.extend(named.into_iter().map(Somebody::Named));
        if found.len() > MOST_PRINCIPALS {
            found.truncate(MOST_PRINCIPALS);
            notes.push(format!(
                "Only {MOST_PRINCIPALS} principals were checked; there are more."
            ));
        }
        notes.push(
            "Session policies, which are not stored, may limit a session further.".to_owned(),
        );
        Ok(found)
    }

    /// A principal with all its policies of today, unless it was deleted.
    async fn somebody(
        &self,
        one: &Somebody,
        notes: &mut Vec<String>,
    ) -> Result<Option<CaseCaller>, KeywardFault> {
        let (partition, account) = self.caller.home();
        let directory = self.directory();
        match one {
            Somebody::Root => {
                let root = Principal::root(partition, account);
                self.of_principal(root).await.map(Some)
            }
            Somebody::User(id) => match directory.user(partition, account, id).await? {
                Some(user) => self.of_user(&user).await.map(Some),
                None => Ok(None),
            },
            Somebody::Role(id) => match directory.role((partition, account), id).await? {
                Some(role) => self.of_role(&role, "any-session").await.map(Some),
                None => Ok(None),
            },
            Somebody::Named(name) => {
                let found = self.subject(name, None).await?;
                if found.is_none() {
                    notes.push(format!("{name} is named, but does not exist here."));
                }
                Ok(found)
            }
        }
    }

    /// The unique ids at the ends of the paths below a prefix.
    async fn ids_below(&self, prefix: &Prefix) -> Result<Vec<UniqueId>, KeywardFault> {
        let reader = self.directory().reader();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = reader.entries(prefix, after.as_ref(), MAX_RANGE).await;
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
            if found.len() > MOST_PRINCIPALS {
                return Ok(found);
            }
        }
    }
}

fn is_of(arn: &str, account: AccountId) -> bool {
    ArnParts::parse(arn).is_some_and(|parts| parts.account == account.as_str())
}

fn foreign(principal: &str) -> String {
    format!(
        "{principal} is allowed by the key's policies; whether its own account's policies allow it is not known here."
    )
}

impl Output<Keyward> for Capable {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("Action", &self.action);
        out.array("Principals", |principals| {
            for allowed in &self.allowed {
                principals.object(|principal| allowed.render(principal));
            }
        });
        out.array("Conditional", |principals| {
            for allowed in &self.conditional {
                principals.object(|principal| allowed.render(principal));
            }
        });
        out.strings("Unknown", &self.unknown);
        out.strings("Notes", &self.notes);
    }
}
