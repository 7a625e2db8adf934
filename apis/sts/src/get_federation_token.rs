//! `GetFederationToken`: temporary credentials for somebody whom only the caller knows. They may do
//! what both the caller and the session policies allow.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text},
    caller::Bearer,
    fault::Internal,
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
    session::Subject,
};
use keyward_types::{principal::Principal, session};
use keyward_wire::{json, query::Params, xml};

use crate::{
    Cx, Sts,
    credentials::{Credentials, NewSession},
    fault::StsFault,
    get_session_token, packed,
    role::TagSession,
    session_policies::{self, RequestedPolicies},
    session_tags::{self, SessionTags},
    unserved,
};

/// The input.
#[derive(Debug)]
pub struct GetFederationToken {
    name: String,
    seconds: Option<i64>,
    policies: RequestedPolicies,
    tags: SessionTags,
}

/// Whom the session will be.
#[derive(Debug)]
pub struct Resolved {
    principal: Principal,
    subject: Subject,
}

/// The permits: to create the session, and to tag it.
#[derive(Debug)]
pub struct Permits {
    /// To make it.
    pub make: Permit<GetFederationToken>,
    /// To tag it, if it has tags.
    pub tag: Option<Permit<TagSession>>,
}

/// The output.
#[derive(Debug)]
pub struct FederationToken {
    credentials: Credentials,
    user_id: String,
    arn: String,
    packed_size: i64,
}

keyward_types::action!("sts": GetFederationToken = "sts:GetFederationToken");

impl Operation for GetFederationToken {
    const NAME: &'static str = "GetFederationToken";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("Name"),
        text("Policy"),
        structures("PolicyArns", session_policies::SHOWN_DESCRIPTOR),
        integer("DurationSeconds"),
        structures("Tags", session_tags::SHOWN_TAG),
        integer("MinimumSessionTokenSize"),
    ];
    type Api = Sts;
    type Output = FederationToken;
    type Fault = StsFault;
    type Resolved = Resolved;
    type Permits = Permits;

    fn parse(params: &Params<'_>) -> Result<Self, StsFault> {
        let mut m = params.members_with_values();
        let name = m
            .string("Name")
            .length(2, 32)
            .pattern("[\\w+=,.@-]*", session::is_name)
            .required()
            .to_owned();
        let policies = RequestedPolicies::read(&mut m, session_policies::MAX_INLINE);
        let seconds = m.integer("DurationSeconds").range(900, 129_600).optional();
        let tags = SessionTags::read(&mut m, false);
        let padded = unserved::read_token_size(&mut m);
        m.finish()?;
        padded.map_or(Ok(()), Err)?;
        Ok(Self {
            name,
            seconds,
            policies: policies.checked()?,
            tags: tags.checked()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Resolved, StsFault> {
        let issuer = match cx.caller.bearer() {
            Bearer::Root => None,
            Bearer::User(user) => Some(user.record().id.clone()),
            Bearer::Role(_) | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => {
                let cause = "a session that may not do so asks for a federated user's";
                return Err(StsFault::Internal(Internal::new(cause)));
            }
        };
        let (partition, account) = cx.caller.home();
        let principal = Principal::federated_user(partition, account, &self.name, issuer.clone());
        Ok(Resolved {
            principal,
            subject: Subject::Federated {
                name: self.name.clone(),
                issuer,
            },
        })
    }

    fn authorize(&self, resolved: &Resolved, gate: &Gate<'_>) -> Result<Permits, Denied> {
        let arn = resolved.principal.arn();
        let tags = &self.tags.tags;
        Ok(Permits {
            make: gate.permit(&IdentityOnly::new(arn), |supply| supply.request_tags(tags))?,
            tag: match tags.is_empty() {
                true => None,
                false => {
                    Some(gate.permit(&IdentityOnly::new(arn), |supply| supply.request_tags(tags))?)
                }
            },
        })
    }

    async fn call(
        &self,
        _permits: &Permits,
        resolved: &Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<FederationToken>, StsFault> {
        let home = cx.caller.home();
        let policies = self.policies.resolve(home, cx).await?;
        let packed_size = packed::size(policies.as_ref(), &self.tags)?;
        let new = NewSession {
            home,
            subject: resolved.subject.clone(),
            seconds: get_session_token::seconds(self.seconds, cx.caller.bearer()),
            policies,
            tags: self.tags.clone(),
            source_identity: None,
            federation: None,
        };
        Ok(Done::unchanged(FederationToken {
            credentials: Credentials::make(new, cx)?,
            user_id: resolved.principal.user_id().into_owned(),
            arn: resolved.principal.arn().to_owned(),
            // Told here even of a session without policies and tags.
            packed_size: packed_size.unwrap_or(0),
        }))
    }
}

impl Output<Sts> for FederationToken {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.credentials.render(out);
        out.element("FederatedUser", |user| {
            user.text("FederatedUserId", &self.user_id);
            user.text("Arn", &self.arn);
        });
        out.integer("PackedPolicySize", self.packed_size);
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        self.credentials.describe(elements);
        elements.object("federatedUser", |user| {
            user.string("federatedUserId", &self.user_id);
            user.string("arn", &self.arn);
        });
        elements.integer("packedPolicySize", self.packed_size);
    }
}
