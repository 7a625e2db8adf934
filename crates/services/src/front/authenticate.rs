//! Proving the caller, in the order of AWS's own answers: the claim, its scope, the clock, the
//! access key, the signature.

use keyward_types::{region::Region, unique_id::AccessKeyId};
use keyward_wire::sigv4::{AuthError, Claim, Presigned, Request, SigningKeyRef, Skew};

use crate::{
    caller::Caller,
    directory::units::signer::Signer,
    fault::Internal,
    front::{Front, Received, dispatch::Target},
    session::TokenError,
};

/// Why a caller is not proven.
#[derive(Debug)]
pub enum Refused {
    /// The claim does not hold; with the access key id that was claimed, if one was read.
    Auth(AuthError, String),
    /// It cannot be looked up.
    Internal(Internal),
}

/// A proven caller, and the Region its scope names.
#[derive(Debug)]
pub struct Proven {
    /// The caller.
    pub caller: Caller,
    /// The Region.
    pub region: Region,
}

impl Front {
    pub(super) async fn authenticate(
        &self,
        received: &Received<'_>,
        body: &[u8],
        target: &Target<'_>,
    ) -> Result<Proven, Refused> {
        let shared = &self.shared;
        let unclaimed = |error| Refused::Auth(error, String::new());
        let query = Some(received.query).filter(|query| !query.is_empty());
        let headers = received.headers.iter().copied();
        let request = Request::new(received.method, received.path, query, None, headers, body)
            .map_err(unclaimed)?;
        let presigned = match target {
            Target::Sts { name, .. } if name == "GetCallerIdentity" => Presigned::Accepted,
            Target::Kms { .. } | Target::Iam { .. } | Target::Sts { .. } => Presigned::Refused,
        };
        let claim = Claim::parse(&request, presigned).map_err(unclaimed)?;
        let refused = |error| Refused::Auth(error, claim.access_key_id().to_owned());
        let served =
            |name: &str| Region::parse(name).is_ok_and(|region| shared.regions.contains(&region));
        claim
            .check_scope(target.service(), served)
            .map_err(refused)?;
        let region = Region::parse(claim.credential().region())
            .map_err(|_| refused(AuthError::UnknownAccessKey))?;
        let skew = match target {
            Target::Kms { .. } => Skew::FiveMinutes,
            Target::Iam { .. } | Target::Sts { .. } => Skew::FifteenMinutes,
        };
        claim
            .check_clock(shared.clock.now(), skew)
            .map_err(refused)?;
        if !shared.directory.node().is_fresh(shared.clock.monotonic()) {
            // What is known of keys and callers may be overtaken, so nobody is let in.
            let stale = Internal::new("this node has not heard from the store for too long");
            return Err(Refused::Internal(stale));
        }
        let unknown = || refused(AuthError::UnknownAccessKey);
        let id = AccessKeyId::parse(claim.access_key_id()).map_err(|_| unknown())?;
        let scope = (claim.credential().date(), region, target.service());
        let verify = |signer: &Signer| {
            let verified = signer.with_signing_key(scope, |key| {
                claim.verify(SigningKeyRef::from_bytes(key)).map(|_| ())
            });
            match verified {
                Some(verified) => verified.map_err(refused),
                None => Err(Refused::Internal(Internal::new(
                    "a signing key cannot be made",
                ))),
            }
        };
        let internal = |error| Refused::Internal(Internal::new(error));
        let directory = &shared.directory;
        // Temporary credentials are those with a token, and only they have one.
        let caller = match (claim.session_token(), id.is_temporary()) {
            (None, false) => {
                let key = directory.access_key(&id).await.map_err(internal)?;
                let key = key.filter(|key| key.is_active()).ok_or_else(unknown)?;
                if key.partition() != region.partition() {
                    return Err(unknown());
                }
                verify(key.signer())?;
                Caller::of_access_key(directory, key).await
            }
            (Some(token), true) => {
                let session = shared
                    .sessions
                    .open(&id, token, shared.clock.now())
                    .map_err(|error| match error {
                        TokenError::Invalid => unknown(),
                        TokenError::Expired => refused(AuthError::ExpiredToken),
                        TokenError::ArenaFull(_) => Refused::Internal(Internal::new(error)),
                    })?;
                if session.partition() != region.partition() {
                    return Err(unknown());
                }
                verify(session.signer())?;
                Caller::of_session(directory, session).await
            }
            (None, true) | (Some(_), false) => return Err(unknown()),
        };
        let caller = caller.map_err(internal)?.ok_or_else(unknown)?;
        Ok(Proven { caller, region })
    }
}
