//! `AssumeRole`: temporary credentials of a role, for callers whom its trust policy allows.
//!
//! There are no multi-factor devices, so no code is valid; `ProvidedContexts` and
//! `MinimumSessionTokenSize` are not supported.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, secret, structures, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    session::Subject,
};
use keyward_types::session;
use keyward_wire::{json, query::Params, xml};

use crate::{
    Cx, Sts,
    credentials::{Credentials, NewSession},
    fault::StsFault,
    mfa, packed,
    role::{self, AskedSession, AssumedRoleUser, ResolvedRole, RoleArn, RolePermits},
    session_policies::{self, RequestedPolicies},
    session_tags::{self, SessionTags},
    unserved,
};

/// The input.
#[derive(Debug)]
pub struct AssumeRole {
    role: RoleArn,
    session: String,
    seconds: Option<i64>,
    policies: RequestedPolicies,
    tags: SessionTags,
    external_id: Option<String>,
    source_identity: Option<String>,
    mfa: mfa::Code,
}

/// The role, and what the session will have.
#[derive(Debug)]
pub struct Resolved {
    role: ResolvedRole,
    tags: SessionTags,
    source_identity: Option<String>,
    chained: bool,
}

/// The output.
#[derive(Debug)]
pub struct RoleAssumed {
    credentials: Credentials,
    user: AssumedRoleUser,
    packed_size: Option<i64>,
    source_identity: Option<String>,
}

keyward_types::action!("sts": AssumeRole = "sts:AssumeRole");

impl Operation for AssumeRole {
    const NAME: &'static str = "AssumeRole";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("RoleArn"),
        text("RoleSessionName"),
        structures("PolicyArns", session_policies::SHOWN_DESCRIPTOR),
        text("Policy"),
        integer("DurationSeconds"),
        structures("Tags", session_tags::SHOWN_TAG),
        texts("TransitiveTagKeys"),
        text("ExternalId"),
        text("SerialNumber"),
        secret("TokenCode"),
        text("SourceIdentity"),
        structures(
            "ProvidedContexts",
            &[text("ProviderArn"), secret("ContextAssertion")],
        ),
        integer("MinimumSessionTokenSize"),
    ];
    type Api = Sts;
    type Output = RoleAssumed;
    type Fault = StsFault;
    type Resolved = Resolved;
    type Permits = RolePermits<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, StsFault> {
        let mut m = params.members_with_values();
        let role = role::read_arn(&mut m);
        let session = role::read_session_name(&mut m);
        let policies = RequestedPolicies::read(&mut m, session_policies::UNRESTRICTED);
        let seconds = role::read_seconds(&mut m);
        let tags = SessionTags::read(&mut m, true);
        let external = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
        let external_id = m
            .string("ExternalId")
            .length(2, 1224)
            .pattern("[\\w+=,.@:\\/-]*", |text| text.chars().all(external))
            .optional()
            .map(str::to_owned);
        let source_identity = m
            .string("SourceIdentity")
            .length(2, session::MAX_SOURCE_IDENTITY)
            .pattern("[\\w+=,.@-]*", session::is_name)
            .optional()
            .map(str::to_owned);
        let mfa = mfa::Code::read(&mut m);
        let contexts = unserved::read_contexts(&mut m);
        let padded = unserved::read_token_size(&mut m);
        m.finish()?;
        contexts.or(padded).map_or(Ok(()), Err)?;
        Ok(Self {
            role: RoleArn::parse(&role)?,
            session,
            seconds,
            policies: policies.checked()?,
            tags: tags.checked()?,
            external_id,
            source_identity,
            mfa,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Resolved, StsFault> {
        let principal = cx.caller.principal();
        if principal.is_root() {
            let message = "Roles may not be assumed by root accounts.".to_owned();
            return Err(StsFault::NeverAllowed { message });
        }
        let session = cx.caller.session();
        let inherited = session.and_then(|session| session.source_identity());
        if let (Some(old), Some(new)) = (inherited, self.source_identity.as_deref())
            && old != new
        {
            // It names the original identity of a chain of roles, so nobody in the chain may change
            // it.
            let message = format!(
                "User: {} is not authorized to perform: sts:SetSourceIdentity on resource: {}",
                principal.arn(),
                self.role.as_str()
            );
            return Err(StsFault::NeverAllowed { message });
        }
        Ok(Resolved {
            role: ResolvedRole::find(&self.role, cx).await?,
            tags: self.tags.after(session)?,
            source_identity: inherited
                .map(str::to_owned)
                .or(self.source_identity.clone()),
            // Those of GetSessionToken are temporary, too.
            chained: session.is_some(),
        })
    }

    fn authorize(&self, resolved: &Resolved, gate: &Gate<'_>) -> Result<RolePermits<Self>, Denied> {
        let wanted = AskedSession {
            session: &self.session,
            requested: &self.tags,
            tagged: !resolved.tags.is_empty(),
            source_identity: resolved.source_identity.as_deref(),
            external_id: self.external_id.as_deref(),
        };
        RolePermits::ask(&resolved.role, &wanted, gate)
    }

    async fn call(
        &self,
        _permits: &RolePermits<Self>,
        resolved: &Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<RoleAssumed>, StsFault> {
        self.mfa.refuse()?;
        let role = resolved.role.permitted()?;
        let home = (role.partition(), role.account());
        let seconds = role::seconds(self.seconds, role, resolved.chained)?;
        let policies = self.policies.resolve(home, cx).await?;
        let packed_size = packed::size(policies.as_ref(), &resolved.tags)?;
        let new = NewSession {
            home,
            subject: Subject::Role {
                id: role.record().id.clone(),
                session: self.session.clone(),
            },
            seconds,
            policies,
            tags: resolved.tags.clone(),
            source_identity: resolved.source_identity.clone(),
            federation: None,
        };
        Ok(Done::unchanged(RoleAssumed {
            credentials: Credentials::make(new, cx)?,
            user: AssumedRoleUser::of(role, &self.session),
            packed_size,
            source_identity: resolved.source_identity.clone(),
        }))
    }
}

impl Output<Sts> for RoleAssumed {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.credentials.render(out);
        self.user.render(out);
        out.optional_integer("PackedPolicySize", self.packed_size);
        out.optional_text("SourceIdentity", self.source_identity.as_deref());
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        self.credentials.describe(elements);
        self.user.describe(elements);
        if let Some(percent) = self.packed_size {
            elements.integer("packedPolicySize", percent);
        }
        if let Some(identity) = &self.source_identity {
            elements.string("sourceIdentity", identity);
        }
    }
}
