//! The role of a credential, which the services assume as CDP: `cdp.cloudera.com`.
//!
//! The external ID is what Cloudera has against the confused deputy: it is another one for each account, so that a role
//! that trusts CDP for one account cannot be used by a user of another.

use keyward_engine::forward::{CallsAsServices, NotDone, Resource, role::AssumedRole};
use keyward_types::{arn::ArnParts, region::Region, via_service::CDP};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    Cx,
    fault::CdeFault,
    records::{CredentialRecord, EnvironmentRecord},
};

/// How long a session lasts, in seconds: the shortest that STS gives. It ends with the request.
const SECONDS: &str = "900";
/// What stands for itself in parameters.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Parameters of the Query protocol.
pub fn parameters(pairs: &[(&str, &str)]) -> Vec<u8> {
    let pair = |(name, value): &(&str, &str)| {
        let (name, value) = (
            utf8_percent_encode(name, PLAIN),
            utf8_percent_encode(value, PLAIN),
        );
        format!("{name}={value}")
    };
    let pairs: Vec<String> = pairs.iter().map(pair).collect();
    pairs.join("&").into_bytes()
}

/// What a refusal says, with its code.
pub fn told(not_done: NotDone) -> Result<String, CdeFault> {
    match not_done {
        NotDone::Refused(told) => {
            let message = told
                .message
                .unwrap_or_else(|| "The request was refused.".to_owned());
            Ok(format!("{message} ({})", told.code))
        }
        NotDone::Failed(internal) => Err(internal.into()),
    }
}

impl Cx<'_> {
    /// The external ID with which CDP assumes roles for the caller's account.
    pub fn external_id(&self) -> String {
        let label = format!("cdp external id of {}/{}", self.partition(), self.account());
        let key = self.derived_key(label.as_bytes(), 1);
        let hexadecimal = key.iter().take(16).map(|byte| format!("{byte:02x}"));
        let digits: String = hexadecimal.collect();
        let at = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
        let parts = [at(0..8), at(8..12), at(12..16), at(16..20), at(20..32)];
        parts.join("-")
    }

    /// Assumes a role of the caller's account, for a resource of it.
    ///
    /// # Errors
    /// When the role's trust policy does not let CDP in, in the words of STS.
    pub async fn assume<A: CallsAsServices>(
        &self,
        (role, region): (&str, Region),
        arn: &str,
    ) -> Result<AssumedRole, CdeFault> {
        let user = self
            .caller
            .user()
            .map(|user| user.record().name.to_string());
        let session: String = format!("cdp-{}", user.unwrap_or_default());
        let session: String = session.chars().take(64).collect();
        let external_id = self.external_id();
        let body = parameters(&[
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", &session),
            ("ExternalId", &external_id),
            ("DurationSeconds", SECONDS),
        ]);
        let resource = Resource {
            arn,
            account: self.account(),
        };
        let assumed = AssumedRole::assume::<A>(self, region, (CDP, resource), &body).await;
        match assumed {
            Ok(assumed) => Ok(assumed),
            Err(not_done) => {
                let told = told(not_done)?;
                let message = format!("CDP cannot assume the role {role}: {told}");
                Err(CdeFault::Precondition(message))
            }
        }
    }

    /// Assumes the role of an environment's credential, in the environment's Region.
    ///
    /// # Errors
    /// As [`assume`](Self::assume); and if there is no such credential.
    pub async fn assume_for<A: CallsAsServices>(
        &self,
        environment: &EnvironmentRecord,
        arn: &str,
    ) -> Result<AssumedRole, CdeFault> {
        let (credential, _) = self
            .named::<CredentialRecord>(&environment.credential)
            .await?;
        self.assume::<A>((&credential.role, environment.region), arn)
            .await
    }
}

/// Whether a text is the ARN of a role of that account.
pub fn is_role_of(cx: &Cx<'_>, text: &str) -> bool {
    let Some(parts) = ArnParts::parse(text) else {
        return false;
    };
    parts.service == "iam"
        && parts.partition == cx.partition().as_str()
        && parts.account == cx.account().as_str()
        && parts.resource.starts_with("role/")
}
