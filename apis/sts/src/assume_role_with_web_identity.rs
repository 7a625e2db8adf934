//! `AssumeRoleWithWebIdentity`: temporary credentials of a role, for web identities of an identity
//! provider of the role's account. The request is not signed; its token is the proof, and was
//! verified when the caller was (`front/web_identity.rs`).
//!
//! Tokens of OAuth 2.0 (`ProviderId`) and `MinimumSessionTokenSize` are not served.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, secret, structures, text},
    caller::WebIdentity,
    directory::records::SecretText,
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    session::Subject,
};
use keyward_oidc::token::MAX_TOKEN_BYTES;
use keyward_wire::{json, query::Params, xml};

use crate::{
    Cx, Sts,
    credentials::{Credentials, NewSession},
    fault::StsFault,
    packed,
    role::{self, AskedSession, AssumedRoleUser, ResolvedRole, RoleArn, RolePermits},
    session_policies::{self, RequestedPolicies},
    session_tags::SessionTags,
    unserved,
};

/// The input.
#[derive(Debug)]
pub struct AssumeRoleWithWebIdentity {
    role: RoleArn,
    session: String,
    token: SecretText,
    seconds: Option<i64>,
    policies: RequestedPolicies,
}

/// The role, and what the provider adds to its session.
#[derive(Debug)]
pub struct Resolved {
    role: ResolvedRole,
    tags: SessionTags,
    source_identity: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct WebIdentityAccepted {
    credentials: Credentials,
    user: AssumedRoleUser,
    packed_size: Option<i64>,
    subject: String,
    provider: String,
    audience: String,
    source_identity: Option<String>,
}

impl AssumeRoleWithWebIdentity {
    /// The role asked for.
    pub fn role(&self) -> &RoleArn {
        &self.role
    }

    /// The token.
    pub fn token(&self) -> &str {
        self.token.expose()
    }
}

keyward_types::action!("sts": AssumeRoleWithWebIdentity = "sts:AssumeRoleWithWebIdentity");

impl Operation for AssumeRoleWithWebIdentity {
    const NAME: &'static str = "AssumeRoleWithWebIdentity";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("RoleArn"),
        text("RoleSessionName"),
        secret("WebIdentityToken"),
        text("ProviderId"),
        structures("PolicyArns", session_policies::SHOWN_DESCRIPTOR),
        text("Policy"),
        integer("DurationSeconds"),
        integer("MinimumSessionTokenSize"),
    ];
    type Api = Sts;
    type Output = WebIdentityAccepted;
    type Fault = StsFault;
    type Resolved = Resolved;
    type Permits = RolePermits<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, StsFault> {
        let mut m = params.members_with_values();
        let role = role::read_arn(&mut m);
        let session = role::read_session_name(&mut m);
        let token = m
            .string("WebIdentityToken")
            .length(4, MAX_TOKEN_BYTES)
            .sensitive()
            .required();
        let token = SecretText::new(token.to_owned());
        let policies = RequestedPolicies::read(&mut m, session_policies::MAX_INLINE);
        let seconds = role::read_seconds(&mut m);
        let provider = unserved::read_provider(&mut m);
        let padded = unserved::read_token_size(&mut m);
        m.finish()?;
        provider.or(padded).map_or(Ok(()), Err)?;
        Ok(Self {
            role: RoleArn::parse(&role)?,
            session,
            token,
            seconds,
            policies: policies.checked()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Resolved, StsFault> {
        let token = &identity(cx)?.token;
        Ok(Resolved {
            role: ResolvedRole::find(&self.role, cx).await?,
            tags: SessionTags {
                tags: token.tags().to_vec(),
                transitive_keys: token.transitive_tag_keys().to_vec(),
            },
            source_identity: token.source_identity().map(str::to_owned),
        })
    }

    fn authorize(&self, resolved: &Resolved, gate: &Gate<'_>) -> Result<RolePermits<Self>, Denied> {
        let wanted = AskedSession {
            session: &self.session,
            requested: &resolved.tags,
            tagged: !resolved.tags.is_empty(),
            source_identity: resolved.source_identity.as_deref(),
            external_id: None,
        };
        RolePermits::ask(&resolved.role, &wanted, gate)
    }

    async fn call(
        &self,
        _permits: &RolePermits<Self>,
        resolved: &Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<WebIdentityAccepted>, StsFault> {
        let WebIdentity {
            federation, token, ..
        } = identity(cx)?;
        let role = resolved.role.permitted()?;
        let home = (role.partition(), role.account());
        let policies = self.policies.resolve(home, cx).await?;
        let packed_size = packed::size(policies.as_ref(), &resolved.tags)?;
        let new = NewSession {
            home,
            subject: Subject::Role {
                id: role.record().id.clone(),
                session: self.session.clone(),
            },
            seconds: role::seconds(self.seconds, role, false)?,
            policies,
            tags: resolved.tags.clone(),
            source_identity: resolved.source_identity.clone(),
            federation: Some(federation.clone()),
        };
        Ok(Done::unchanged(WebIdentityAccepted {
            credentials: Credentials::make(new, cx)?,
            user: AssumedRoleUser::of(role, &self.session),
            packed_size,
            subject: token.subject().to_owned(),
            provider: federation.provider_arn.clone(),
            audience: token.audience().to_owned(),
            source_identity: resolved.source_identity.clone(),
        }))
    }
}

fn identity<'c>(cx: &Cx<'c>) -> Result<&'c WebIdentity, StsFault> {
    let absent = || Internal::new("a web identity is asked for and the caller has none");
    cx.caller
        .web_identity()
        .ok_or_else(|| StsFault::Internal(absent()))
}

impl Output<Sts> for WebIdentityAccepted {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.credentials.render(out);
        out.text("SubjectFromWebIdentityToken", &self.subject);
        self.user.render(out);
        out.optional_integer("PackedPolicySize", self.packed_size);
        out.text("Provider", &self.provider);
        out.text("Audience", &self.audience);
        out.optional_text("SourceIdentity", self.source_identity.as_deref());
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        self.credentials.describe(elements);
        elements.string("subjectFromWebIdentityToken", &self.subject);
        self.user.describe(elements);
        if let Some(percent) = self.packed_size {
            elements.integer("packedPolicySize", percent);
        }
        elements.string("provider", &self.provider);
        elements.string("audience", &self.audience);
        if let Some(identity) = &self.source_identity {
            elements.string("sourceIdentity", identity);
        }
    }
}
