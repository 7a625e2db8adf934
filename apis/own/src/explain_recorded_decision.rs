//! `ExplainRecordedDecision`: the decision of a request that is on the audit trail, of that id or
//! the last one that was denied, from the context kept in its event, by the policies of today; and where these differ from those that
//! decided then.

mod events;

use std::collections::BTreeMap;

use keyward_api_kms::fault::KmsFault;
use keyward_engine::{
    api::ResourceQuestion,
    audit::parameters::{self, Parameter, boolean},
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::{permit::Permit, principal::PrincipalRef},
};
use keyward_types::{
    account::AccountId,
    arn::ArnParts,
    key_id::{KeyArn, KeyId},
    principal::{ANONYMOUS_ACCOUNT, Principal},
    region::Region,
    unique_id::UniqueId,
};
use keyward_wire::json::{Members, Object, Writer};
use serde_json::Value;

pub(crate) use self::events::text;
use self::events::{Which, find, given, recorded};
use crate::{
    Cx, Keyward,
    case::{CaseCaller, CaseResource, Titled, plain, shown_home},
    explain_decision::Explained,
    fault::KeywardFault,
    scans::Turn,
};

/// The input.
#[derive(Debug)]
pub struct ExplainRecordedDecision {
    which: Which,
}

/// The output.
#[derive(Debug)]
pub struct RecordedExplained(Explained);

keyward_types::action!("keyward": ExplainRecordedDecision = "keyward:ExplainRecordedDecision");

impl Operation for ExplainRecordedDecision {
    const NAME: &'static str = "ExplainRecordedDecision";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        parameters::text("RequestId"),
        boolean("LastDenied"),
        parameters::text("Principal"),
    ];
    type Api = Keyward;
    type Output = RecordedExplained;
    type Fault = KeywardFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let legal = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        };
        let request_id = m.string("RequestId").length(36, 36);
        let request_id = request_id.pattern("[0-9a-fA-F-]+", legal).optional();
        let last_denied = m.boolean("LastDenied").optional().unwrap_or(false);
        let principal = m.string("Principal").length(1, 2048).optional();
        m.finish()?;
        let which = match (request_id, last_denied, principal) {
            (Some(id), false, None) => Which::Request(id.to_ascii_lowercase()),
            (None, true, principal) => Which::LastDenied(principal.map(str::to_owned)),
            (Some(_), true, _) | (None, false, _) | (Some(_), false, Some(_)) => {
                let message = "Give RequestId, or LastDenied with or without Principal.";
                return Err(KmsFault::validation(message).into());
            }
        };
        Ok(Self { which })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), KeywardFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<RecordedExplained>, KeywardFault> {
        let turn = cx.state().scans().turn().await?;
        let event = self.event(cx, turn.clone()).await?;
        let request_id = || text(&event, "/requestID").unwrap_or_default().to_owned();
        let is_anonymous = text(&event, "/userIdentity/accountId") == Some(ANONYMOUS_ACCOUNT);
        if text(&event, "/userIdentity/type") == Some("AWSAccount") && !is_anonymous {
            let request_id = request_id();
            return Err(KeywardFault::AnothersRequest { request_id });
        }
        if event.pointer("/keyward/shortened").is_some() {
            let request_id = request_id();
            return Err(KeywardFault::Shortened { request_id });
        }
        let decisions = event
            .pointer("/keyward/decisions")
            .and_then(Value::as_array);
        let decisions = decisions.map(Vec::as_slice).unwrap_or_default();
        // Of several questions it is the denied one that people ask about.
        let denied = decisions
            .iter()
            .find(|decision| text(decision, "/decision") != Some("Allow"));
        let Some(decision) = denied.or(decisions.last()) else {
            let request_id = request_id();
            return Err(KeywardFault::NothingDecided { request_id });
        };
        let mut notes = vec![recorded(&event, decision)];
        let mut given = given(&event, decision);
        let subject = cx.recorded_subject(&event, &mut given, &mut notes).await?;
        let action = text(decision, "/action").unwrap_or_default().to_owned();
        let resource = text(decision, "/resource").unwrap_or_default();
        let target = cx
            .recorded_target(resource, &action, decision, &mut notes)
            .await?;
        let written = cx.write_case(&subject, &action, &target, &given).await?;
        let explained = Explained::of(written, notes, turn).await?;
        let explained = explained.known(cx, &action);
        Ok(Done::unchanged(RecordedExplained(explained)))
    }
}

impl ExplainRecordedDecision {
    /// The event of the request, if it is in the caller's account.
    async fn event(&self, cx: &Cx<'_>, turn: Turn) -> Result<Value, KeywardFault> {
        let (directory, which) = (cx.shared().audit_directory().to_owned(), self.which.clone());
        let account = cx.account().to_string();
        let found = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            find(directory, &which, &account)
        });
        let found = found
            .await
            .map_err(|error| Internal::new(error.to_string()))?;
        let found = found.map_err(|error| Internal::new(error.to_string()))?;
        found.ok_or_else(|| match &self.which {
            Which::Request(request_id) => KeywardFault::NoSuchRequest {
                request_id: request_id.clone(),
            },
            Which::LastDenied(principal) => KeywardFault::NothingDenied {
                principal: principal.clone(),
            },
        })
    }
}

impl Cx<'_> {
    /// The caller of a recorded request, as it is today.
    async fn recorded_subject(
        &self,
        event: &Value,
        given: &mut BTreeMap<String, Value>,
        notes: &mut Vec<String>,
    ) -> Result<CaseCaller, KeywardFault> {
        let (partition, account) = self.caller.home();
        let arn = text(event, "/userIdentity/arn").unwrap_or_default();
        let id = text(event, "/userIdentity/principalId").unwrap_or_default();
        let gone = || KeywardFault::NoSuchPrincipal {
            principal: format!("{arn} ({id})"),
            account: shown_home(self.caller.home()),
        };
        let kind = text(event, "/userIdentity/type").unwrap_or_default();
        let mut subject = match kind {
            "Root" => {
                self.of_principal(Principal::root(partition, account))
                    .await?
            }
            "IAMUser" => {
                let id = UniqueId::parse(id).map_err(|_| gone())?;
                let user = self.directory().user(partition, account, &id).await?;
                self.of_user(&*user.ok_or_else(gone)?).await?
            }
            "AssumedRole" => {
                let (role, session) = id.split_once(':').ok_or_else(gone)?;
                let role = UniqueId::parse(role).map_err(|_| gone())?;
                let role = self.directory().role((partition, account), &role).await?;
                self.of_role(&*role.ok_or_else(gone)?, session).await?
            }
            "FederatedUser" => {
                let issuer = text(event, "/userIdentity/sessionContext/sessionIssuer/arn");
                let root = |arn: &&str| {
                    matches!(
                        PrincipalRef::parse_aws(arn),
                        Some(PrincipalRef::Account { .. })
                    )
                };
                let issuer = issuer.filter(|arn| !root(arn));
                self.subject(arn, issuer).await?.ok_or_else(gone)?
            }
            "AWSService" => {
                let name = text(event, "/userIdentity/invokedBy").unwrap_or_default();
                let name = name.split('.').next().unwrap_or_default();
                let region = text(event, "/awsRegion").unwrap_or_default();
                let name = format!("{name}.{region}.amazonaws.com");
                self.subject(&name, None).await?.ok_or_else(gone)?
            }
            "AWSAccount" => plain(Principal::anonymous(partition)),
            _ => return Err(gone()),
        };
        self.add_session(event, &mut subject, given).await?;
        self.compare(event, &subject, notes).await?;
        Ok(subject)
    }

    /// What the event kept of a session: its policies and tags.
    async fn add_session(
        &self,
        event: &Value,
        subject: &mut CaseCaller,
        given: &mut BTreeMap<String, Value>,
    ) -> Result<(), KeywardFault> {
        let Some(session) = event.pointer("/keyward/session") else {
            return Ok(());
        };
        if let Some(tags) = session.pointer("/tags").and_then(Value::as_object) {
            for (key, value) in tags {
                given.insert(format!("aws:PrincipalTag/{key}"), value.clone());
            }
        }
        let Some(policies) = session.pointer("/policies") else {
            return Ok(());
        };
        let mut titled = Vec::new();
        if let Some(inline) = text(policies, "/inline") {
            titled.push(Titled::new("the session policy".to_owned(), inline)?);
        }
        let managed = policies.pointer("/managed").and_then(Value::as_array);
        for arn in managed.into_iter().flatten().filter_map(Value::as_str) {
            let Some(unit) = self.directory().managed_policy(arn).await? else {
                continue;
            };
            let home = self.caller.home();
            let reference = unit.reference();
            titled.push(self.managed(home, &reference, "session policy").await?);
        }
        subject.session = Some(titled);
        Ok(())
    }

    /// Says where the records that decided then have been written since.
    async fn compare(
        &self,
        event: &Value,
        subject: &CaseCaller,
        notes: &mut Vec<String>,
    ) -> Result<(), KeywardFault> {
        let Some(then) = event
            .pointer("/keyward/policies")
            .and_then(Value::as_object)
        else {
            return Ok(());
        };
        let (partition, account) = self.caller.home();
        let directory = self.directory();
        let id = subject
            .principal_id()
            .and_then(|id| UniqueId::parse(id).ok());
        for (name, generation) in then {
            let now = match (name.as_str(), &id) {
                ("user", Some(id)) => directory
                    .user(partition, account, id)
                    .await?
                    .map(|user| user.generation()),
                ("role", Some(id)) => directory
                    .role((partition, account), id)
                    .await?
                    .map(|role| role.generation()),
                ("accessKey", _) => continue,
                (id, _) => {
                    let Ok(id) = UniqueId::parse(id) else {
                        continue;
                    };
                    let group = directory.group((partition, account), &id).await?;
                    let policy = directory.customer_policy((partition, account), &id).await?;
                    let of_policy = policy.and_then(|policy| policy.generation());
                    group.map(|group| group.generation()).or(of_policy)
                }
            };
            let now = now.map(|generation| generation.to_string());
            if now.as_deref() != generation.as_str() {
                let what = match name.as_str() {
                    "user" => "the user and its inline policies",
                    "role" => "the role and its inline policies",
                    id => id,
                };
                let state = if now.is_some() {
                    "been written"
                } else {
                    "been deleted"
                };
                notes.push(format!("Since then {what} has {state}."));
            }
        }
        Ok(())
    }

    /// The resource of a recorded decision, as it is today.
    async fn recorded_target(
        &self,
        resource: &str,
        action: &str,
        decision: &Value,
        notes: &mut Vec<String>,
    ) -> Result<CaseResource, KeywardFault> {
        let Some(arn) = key_arn(resource) else {
            let asked = ResourceQuestion {
                arn: resource,
                action,
            };
            let then = text(decision, "/policyGeneration");
            let now = self.facts(asked).await?;
            let now = now.and_then(|facts| facts.generation);
            let now = now.map(|generation| generation.to_string());
            if now.as_deref() != then {
                notes.push("The policy of the resource has been changed since then.".to_owned());
            }
            return self.target_of(resource, action).await;
        };
        if arn.account() != self.account() {
            notes.push(
                "The key belongs to another account: its key policy and grants are not known here."
                    .to_owned(),
            );
            return Ok(CaseResource::without_policy(resource));
        }
        match self.state().kms.key(&arn).await? {
            Some(unit) => {
                let now = unit.generation().to_string();
                if text(decision, "/policyGeneration").is_some_and(|then| then != now) {
                    notes.push(
                        "The key (its policy, state, tags or aliases) has been changed since then."
                            .to_owned(),
                    );
                }
                self.target_key(&unit).await
            }
            None => {
                notes.push("The key does not exist any more.".to_owned());
                Ok(CaseResource::without_policy(resource))
            }
        }
    }
}

/// The ARN of a key.
fn key_arn(text: &str) -> Option<KeyArn> {
    let parts = ArnParts::parse(text)?;
    let id = KeyId::parse(parts.resource.strip_prefix("key/")?).ok()?;
    let (region, account) = (
        Region::parse(parts.region).ok()?,
        AccountId::parse(parts.account).ok()?,
    );
    (parts.service == "kms").then(|| KeyArn::new(region, account, id))
}

impl Output<Keyward> for RecordedExplained {
    fn render(&self, out: &mut Writer<'_>) {
        self.0.render(out);
    }
}
