//! Proves the caller by the signature of its access key: one of Cloudera's protocol, or one of AWS.
//!
//! Cloudera's does not sign the body. So whoever is not on this machine, or comes by a proxy, must come over TLS, and is refused before anything
//! is looked up. AWS's signature, which Keyward's own CLI makes, signs it.

use std::{future::Future, pin::Pin};

use keyward_altus::{Claim, Head, Refusal};
use keyward_engine::{
    api::{Api, Unproven},
    fault::Fault,
    front::authenticate::{self, Expected, Proven, Refused},
    protocol::Payload,
};
use keyward_wire::sigv4::{Request, Skew};

use crate::fault::CdeFault;

/// The proof.
///
/// # Errors
/// The fault of a request that is nobody's.
pub fn prove<'a, A: Api>(
    unproven: &'a Unproven<'a>,
) -> Pin<Box<dyn Future<Output = Result<Proven, Fault>> + Send + 'a>> {
    Box::pin(async move {
        let has_aws = unproven.received.header("authorization").is_some();
        let proven = match has_aws && unproven.received.header("x-altus-auth").is_none() {
            true => by_aws(unproven, A::SERVICE).await,
            false => by_altus(unproven).await,
        };
        proven.map_err(Into::into)
    })
}

async fn by_altus(unproven: &Unproven<'_>) -> Result<Proven, CdeFault> {
    let received = unproven.received;
    let is_forwarded = received
        .headers
        .iter()
        .any(|(name, _)| tells_of_proxy(name));
    if received.peer.tls.is_none() && (!received.peer.is_local() || is_forwarded) {
        return Err(Refusal::Insecure.into());
    }
    let field = |name| received.header(name).unwrap_or_default();
    let claim = Claim::read(&Head {
        method: received.method,
        path: received.path,
        content_type: field("content-type"),
        date: field("x-altus-date"),
        auth: field("x-altus-auth"),
    })?;
    claim.check_time(unproven.shared.clock().now())?;
    let proven = Proven::by_altus_key(unproven.shared, claim).await?;
    proven.ok_or_else(|| Refusal::Unknown.into())
}

/// Whether proxies add a header of that name. What they forward was on a network before.
fn tells_of_proxy(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["forwarded", "via", "x-real-ip"].contains(&&*name) || name.starts_with("x-forwarded-")
}

async fn by_aws(unproven: &Unproven<'_>, service: &'static str) -> Result<Proven, CdeFault> {
    let received = unproven.received;
    let body = match unproven.payload {
        Payload::Rest(routed) => routed.body(),
        Payload::Json(body) => body,
        Payload::Query(_) => return Err(Refusal::Unsigned.into()),
    };
    let query = Some(received.query).filter(|query| !query.is_empty());
    let headers = received.headers.iter().copied();
    let request = Request::new(received.method, received.path, query, None, headers, body)
        .map_err(CdeFault::Signature)?;
    let expected = Expected::elsewhere(service, Skew::FifteenMinutes);
    match authenticate::prove(unproven.shared, &request, expected).await {
        Ok(proven) => {
            authenticate::note_use(unproven.shared, &proven, service);
            Ok(proven)
        }
        Err(Refused::Auth(error, _)) => Err(CdeFault::Signature(error)),
        Err(Refused::Internal(internal)) => Err(internal.into()),
    }
}
