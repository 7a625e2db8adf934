//! The role that a request asks to assume: its ARN, the role if there is one, and the permits.

use std::sync::Arc;

use keyward_engine::{
    caller::Caller,
    context::Context,
    directory::{
        identities::Home,
        units::{identity::RoleUnit, organization::Membership},
    },
    fault::Internal,
    gate::{Denied, Gate, protected::Protected, supply::Supply},
    policy::{permit::Permit, request::Resource},
};
use keyward_store::sealed::Generation;
use keyward_types::{account::AccountId, arn::ArnParts, partition::Partition, session, tag::Tag};
use keyward_wire::{json::Members, xml};

use crate::{condition_keys, fault::StsFault, names, session_tags::SessionTags};

/// The default duration of a session, in seconds.
const DEFAULT_SECONDS: i64 = 3600;

/// The ARN of a role, which may not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleArn {
    text: String,
    partition: Partition,
    account: AccountId,
}

impl RoleArn {
    /// Parses `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
    ///
    /// # Errors
    /// `ValidationError` for anything else.
    pub fn parse(text: &str) -> Result<Self, StsFault> {
        let read = || {
            let parts = ArnParts::parse(text)?;
            let name = parts.resource.strip_prefix("role/")?.rsplit('/').next()?;
            let whole = parts.service == "iam" && parts.region.is_empty() && !name.is_empty();
            whole.then_some(())?;
            Some(Self {
                text: text.to_owned(),
                partition: Partition::parse(parts.partition)?,
                account: AccountId::parse(parts.account).ok()?,
            })
        };
        read().ok_or_else(|| StsFault::Validation {
            message: format!("{text} is invalid"),
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the role lives.
    pub fn home(&self) -> Home {
        (self.partition, self.account)
    }

    fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }
}

/// A role that was looked up, and may not be there.
#[derive(Clone, Debug)]
pub struct ResolvedRole {
    arn: RoleArn,
    unit: Option<Arc<RoleUnit>>,
    owner: Option<Membership>,
}

impl ResolvedRole {
    /// Looks a role up.
    ///
    /// # Errors
    /// `Internal` when it cannot be read.
    pub async fn find(arn: &RoleArn, cx: &Context<'_>) -> Result<Self, StsFault> {
        let found = cx.directory().role_by_name(arn.home(), arn.name()).await?;
        Ok(Self {
            // Names are unique without regard to case and path, ARNs are exact.
            unit: found.filter(|role| role.arn() == arn.as_str()),
            arn: arn.clone(),
            owner: cx.directory().membership(arn.home()).await?,
        })
    }

    /// The ARN asked for.
    pub fn arn(&self) -> &RoleArn {
        &self.arn
    }

    /// The role, if it is there.
    pub fn unit(&self) -> Option<&Arc<RoleUnit>> {
        self.unit.as_ref()
    }

    /// The role, for which there is a permit: so it exists.
    ///
    /// # Errors
    /// `Internal` if it is not.
    pub fn permitted(&self) -> Result<&Arc<RoleUnit>, StsFault> {
        let absent = || Internal::new("a role that is not there was permitted");
        self.unit
            .as_ref()
            .ok_or_else(|| StsFault::Internal(absent()))
    }
}

impl Protected for ResolvedRole {
    fn resource(&self, _caller: &Caller) -> Option<Resource<'_>> {
        let (partition, account) = self.arn.home();
        let trust = self.unit.as_ref().map(|unit| unit.trust());
        Some(Resource::guarded(
            self.arn.as_str(),
            partition,
            account,
            trust,
        ))
    }

    fn shown(&self) -> &str {
        self.arn.as_str()
    }

    fn owner(&self) -> Option<&Membership> {
        self.owner.as_ref()
    }

    fn tags(&self) -> &[Tag] {
        let unit = self.unit.as_ref();
        unit.map(|unit| unit.record().tags.as_slice())
            .unwrap_or_default()
    }

    fn has_iam_tags(&self) -> bool {
        true
    }

    fn policy_generation(&self) -> Option<Generation> {
        self.unit.as_ref().map(|unit| unit.generation())
    }

    /// AWS gives no reason here.
    fn denial(&self, caller: &Caller, action: &str) -> Option<String> {
        Some(match caller.web_identity() {
            Some(_) => format!("Not authorized to perform {action}"),
            None => format!(
                "User: {} is not authorized to perform: {action} on resource: {}",
                caller.principal().arn(),
                self.arn.as_str()
            ),
        })
    }
}

/// The parts of a role session that policies decide about.
#[derive(Clone, Copy, Debug)]
pub struct AskedSession<'a> {
    /// The session's name.
    pub session: &'a str,
    /// The tags of the request.
    pub requested: &'a SessionTags,
    /// Whether the session will have tags, of the request or of the caller's session.
    pub tagged: bool,
    /// The source identity that it will have.
    pub source_identity: Option<&'a str>,
    /// The external id of the request.
    pub external_id: Option<&'a str>,
}

impl AskedSession<'_> {
    fn supply(&self, supply: &mut Supply) {
        supply.text(condition_keys::ROLE_SESSION_NAME, self.session);
        if let Some(id) = self.external_id {
            supply.text(condition_keys::EXTERNAL_ID, id);
        }
        if let Some(identity) = self.source_identity {
            supply.text(condition_keys::SOURCE_IDENTITY, identity);
        }
        let keys = &self.requested.transitive_keys;
        if !keys.is_empty() {
            supply.many(condition_keys::TRANSITIVE_TAG_KEYS, keys.iter().cloned());
        }
        supply.request_tags(&self.requested.tags);
    }
}

keyward_types::actions! {
    "sts":
    SetSourceIdentity = "sts:SetSourceIdentity",
    TagSession = "sts:TagSession",
}

/// Permits for a role session: to create it by the action `A`, and for its tags and source
/// identity.
#[derive(Debug)]
pub struct RolePermits<A: keyward_types::action::Action> {
    /// To make it.
    pub assume: Permit<A>,
    /// To tag it, if it has tags.
    pub tag: Option<Permit<TagSession>>,
    /// To set its source identity, if it has one.
    pub source_identity: Option<Permit<SetSourceIdentity>>,
}

impl<A: keyward_types::action::Action> RolePermits<A> {
    /// Asks for them all.
    ///
    /// # Errors
    /// The first denial.
    pub fn ask(
        role: &ResolvedRole,
        wanted: &AskedSession<'_>,
        gate: &Gate<'_>,
    ) -> Result<Self, Denied> {
        Ok(Self {
            assume: gate.permit(role, |supply| wanted.supply(supply))?,
            tag: match wanted.tagged {
                true => Some(gate.permit(role, |supply| wanted.supply(supply))?),
                false => None,
            },
            source_identity: match wanted.source_identity {
                Some(_) => Some(gate.permit(role, |supply| wanted.supply(supply))?),
                None => None,
            },
        })
    }
}

/// Reads `RoleArn`.
pub fn read_arn(m: &mut Members<'_>) -> String {
    m.string("RoleArn")
        .length(20, 2048)
        .pattern(names::ARN_PATTERN, names::is_arn_text)
        .required()
        .to_owned()
}

/// Reads `RoleSessionName`.
pub fn read_session_name(m: &mut Members<'_>) -> String {
    m.string("RoleSessionName")
        .length(2, 64)
        .pattern("[\\w+=,.@-]*", session::is_name)
        .required()
        .to_owned()
}

/// Reads `DurationSeconds`.
pub fn read_seconds(m: &mut Members<'_>) -> Option<i64> {
    m.integer("DurationSeconds").range(900, 43_200).optional()
}

/// How long the session lasts; `chained` is whether temporary credentials ask for it.
///
/// # Errors
/// `ValidationError` for longer than the role, or a chain of roles, allows.
pub fn seconds(asked: Option<i64>, role: &RoleUnit, chained: bool) -> Result<i64, StsFault> {
    let seconds = asked.unwrap_or(DEFAULT_SECONDS);
    let refuse = |message: &str| {
        Err(StsFault::Validation {
            message: message.to_owned(),
        })
    };
    if chained && seconds > DEFAULT_SECONDS {
        return refuse(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        );
    }
    if seconds > i64::from(role.record().max_session_seconds) {
        return refuse(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        );
    }
    Ok(seconds)
}

/// `AssumedRoleUser`: the new session's id and ARN.
#[derive(Debug)]
pub struct AssumedRoleUser {
    /// `AROA…:session`.
    pub id: String,
    /// The session's ARN.
    pub arn: String,
}

impl AssumedRoleUser {
    /// Of a session of that name.
    pub fn of(role: &RoleUnit, session: &str) -> Self {
        let principal = role.session(session);
        Self {
            id: principal.user_id().into_owned(),
            arn: principal.arn().to_owned(),
        }
    }

    /// Writes it into an answer.
    pub fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("AssumedRoleUser", |user| {
            user.text("AssumedRoleId", &self.id);
            user.text("Arn", &self.arn);
        });
    }

    /// Writes it into `responseElements`.
    pub fn describe(&self, elements: &mut keyward_wire::json::Writer<'_>) {
        elements.object("assumedRoleUser", |user| {
            user.string("assumedRoleId", &self.id);
            user.string("arn", &self.arn);
        });
    }
}
