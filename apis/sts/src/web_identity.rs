//! Proving the caller of AssumeRoleWithWebIdentity: the request is not signed, and its token is
//! verified for the identity provider of the role's account.

use std::pin::Pin;

use keyward_engine::{
    api::Unproven,
    fault::{Fault, Internal},
    front::authenticate::{Proven, check_fresh},
    operation::Operation as _,
    protocol::{AwsQuery, Protocol as _},
    server::Shared,
};
use keyward_oidc::{error::TokenError, issuers::TrustedIssuer, token::UnverifiedToken};
use keyward_types::{partition::Partition, region::Region};

use crate::{StsState, assume_role_with_web_identity::AssumeRoleWithWebIdentity, fault::StsFault};

/// The Region that is recorded for unsigned calls, if it is served: that of STS's global endpoint.
const GLOBAL_ENDPOINT: &str = "us-east-1";

/// The caller of a token.
///
/// # Errors
/// The fault of a request that is malformed or whose token is not believed.
pub fn prove<'a>(
    unproven: &'a Unproven<'a>,
) -> Pin<Box<dyn Future<Output = Result<Proven, Fault>> + Send + 'a>> {
    Box::pin(authenticate(unproven))
}

async fn authenticate(unproven: &Unproven<'_>) -> Result<Proven, Fault> {
    let shared = unproven.shared;
    let state = unproven.state::<StsState>();
    let state = state.ok_or_else(|| Internal::new("STS is served with the state of another API"));
    let state = state.map_err(StsFault::Internal)?;
    let params = AwsQuery::read(unproven.payload)?;
    let asked = AssumeRoleWithWebIdentity::parse(&params)?;
    check_fresh(shared).await.map_err(StsFault::Internal)?;
    let token = UnverifiedToken::parse(asked.token()).map_err(StsFault::Token)?;
    let home = asked.role().home();
    let unknown = || TokenError::UnknownIssuer(token.issuer().to_owned());
    let host_and_path = token.issuer().strip_prefix("https://");
    let host_and_path = host_and_path.ok_or_else(unknown).map_err(StsFault::Token)?;
    let provider = shared.directory().oidc_provider(home, host_and_path).await;
    let provider = provider.map_err(StsFault::from)?;
    let provider = provider.ok_or_else(unknown).map_err(StsFault::Token)?;
    let record = provider.record();
    let trusted = TrustedIssuer {
        url: &format!("https://{}", record.host_and_path),
        client_ids: &record.client_ids,
    };
    let before_waiting = || unproven.waits();
    let verified = (state.issuers)
        .verify(&token, &trusted, shared.clock(), &before_waiting)
        .await;
    let verified = verified.map_err(StsFault::Token)?;
    let region = region_of_unsigned(shared, home.0).ok_or_else(|| {
        StsFault::Internal(Internal::new("no Region of the role's partition is served"))
    })?;
    let proven = Proven::by_token(shared, (home, region), &provider, verified).await;
    Ok(proven.map_err(StsFault::Internal)?)
}

fn region_of_unsigned(shared: &Shared, partition: Partition) -> Option<Region> {
    let served = || {
        let regions = shared.regions().iter().copied();
        regions.filter(|region| region.partition() == partition)
    };
    served()
        .find(|region| region.as_str() == GLOBAL_ENDPOINT)
        .or_else(|| served().next())
}
