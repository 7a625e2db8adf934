//! `GetSessionToken`: temporary credentials of the caller's own. It needs no permission, and only
//! long-term access keys may ask; they call IAM and STS with it hardly at all
//! (`front/restrictions.rs`).
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, secret, text},
    caller::Bearer,
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    session::Subject,
};
use keyward_wire::{json, query::Params, xml};

use crate::{
    Cx, Sts,
    credentials::{Credentials, NewSession},
    fault::StsFault,
    mfa,
    session_tags::SessionTags,
    unserved,
};

/// The default duration, in seconds.
const DEFAULT_SECONDS: i64 = 43_200;
/// How long at most for the root user.
const ROOT_SECONDS: i64 = 3600;

/// The maximum duration of credentials that a user or the root user creates for itself, in seconds.
pub fn seconds(asked: Option<i64>, bearer: &Bearer) -> i64 {
    match bearer {
        Bearer::Root => asked.unwrap_or(ROOT_SECONDS).min(ROOT_SECONDS),
        Bearer::User(_)
        | Bearer::Role(_)
        | Bearer::Service(_)
        | Bearer::Agent(_)
        | Bearer::Nobody => asked.unwrap_or(DEFAULT_SECONDS),
    }
}

/// The input.
#[derive(Debug)]
pub struct GetSessionToken {
    seconds: Option<i64>,
    mfa: mfa::Code,
}

/// The output.
#[derive(Debug)]
pub struct SessionToken(Credentials);

impl Operation for GetSessionToken {
    const NAME: &'static str = "GetSessionToken";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        integer("DurationSeconds"),
        text("SerialNumber"),
        secret("TokenCode"),
        integer("MinimumSessionTokenSize"),
    ];
    type Api = Sts;
    type Output = SessionToken;
    type Fault = StsFault;
    type Resolved = ();
    type Permits = ();

    fn parse(params: &Params<'_>) -> Result<Self, StsFault> {
        let mut m = params.members_with_values();
        let seconds = m.integer("DurationSeconds").range(900, 129_600).optional();
        let mfa = mfa::Code::read(&mut m);
        let padded = unserved::read_token_size(&mut m);
        m.finish()?;
        padded.map_or(Ok(()), Err)?;
        Ok(Self { seconds, mfa })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), StsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), _gate: &Gate<'_>) -> Result<(), Denied> {
        Ok(())
    }

    async fn call(&self, (): &(), (): &(), cx: &Cx<'_>) -> Result<Done<SessionToken>, StsFault> {
        self.mfa.refuse()?;
        let bearer = cx.caller.bearer();
        let subject = match bearer {
            Bearer::Root => Subject::Root,
            Bearer::User(user) => Subject::User(user.record().id.clone()),
            Bearer::Role(_) | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody => {
                let cause = "a session that may not do so asks for a session of its own";
                return Err(StsFault::Internal(Internal::new(cause)));
            }
        };
        let new = NewSession {
            home: cx.caller.home(),
            subject,
            seconds: seconds(self.seconds, bearer),
            policies: None,
            tags: SessionTags::default(),
            source_identity: None,
            federation: None,
        };
        Ok(Done::unchanged(SessionToken(Credentials::make(new, cx)?)))
    }
}

impl Output<Sts> for SessionToken {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out);
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        self.0.describe(elements);
    }
}
