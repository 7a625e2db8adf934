//! Proving the caller, in the order of AWS's own answers: the claim, its scope, the clock, the
//! access key, the signature.

use keyward_altus::Claim as AltusClaim;
use keyward_oidc::issuers::VerifiedToken;
use keyward_types::{
    account::AccountId, region::Region, storage::AgentTokenId, time::Timestamp,
    unique_id::AccessKeyId,
};
use keyward_wire::sigv4::{AuthError, Claim, Presigned, Request, SigningKeyRef, Skew};

use crate::{
    caller::{Bearer, Caller, WebIdentity},
    directory::{
        ReadError,
        identities::Home,
        paths, purpose,
        records::{AccessKeyOwner, cdp::CdpAccessKeyRecord, storage::AgentTokenRecord},
        units::{AccessKeyUnit, identity::OidcProviderUnit, signer::SigningSecret},
    },
    fault::Internal,
    front::{Front, dispatch::Dispatched},
    request::{Received, Source},
    server::Shared,
    session::TokenError,
    usage::CredentialUse,
};

/// Where AWS records what belongs to no Region.
const GLOBAL_REGION: &str = "us-east-1";

/// The API that agents sign for.
const AGENTS_API: &str = "keyward";

/// Why a caller is not proven.
#[derive(Debug)]
pub enum Refused {
    /// The claim is not valid; with the claimed access key id, if one was read.
    Auth(AuthError, String),
    /// It cannot be looked up.
    Internal(Internal),
}

/// A proven caller, and the Region its scope names. There are three proofs: a signature ([`prove`]), an
/// identity provider's token ([`Proven::by_token`]) and an agent's ([`Proven::by_agents_token`]).
#[derive(Debug)]
pub struct Proven {
    pub(super) caller: Caller,
    pub(super) region: Region,
    pub(super) at: Timestamp,
    pub(super) source: Source,
}

impl Proven {
    /// A web identity of a provider of that account, by a token that was verified. The caller has
    /// no identity of its own, so only a trust policy can allow it anything.
    ///
    /// # Errors
    /// When the token is not for that provider, or the account's place in an organization cannot be read.
    pub async fn by_token(
        shared: &Shared,
        (home, region): (Home, Region),
        provider: &OidcProviderUnit,
        token: VerifiedToken,
    ) -> Result<Self, Internal> {
        let record = provider.record();
        let issuer = token.issuer().strip_prefix("https://");
        let is_listed = record.client_ids.iter().any(|id| id == token.audience());
        if issuer != Some(record.host_and_path.as_str()) || !is_listed {
            return Err(Internal::new("a token was issued by another provider"));
        }
        let identity = WebIdentity::new(home, provider, token);
        let caller = Caller::of_web_identity(&shared.directory, home, identity).await;
        Ok(Self {
            caller: caller.map_err(Internal::new)?,
            region,
            at: shared.clock.now(),
            source: Source::default(),
        })
    }

    /// An agent that is about to register, by a token that was created for one in that Region and account;
    /// `None` if the token is not valid. `hash` is the stored hash of the token's secret.
    ///
    /// # Errors
    /// When the token cannot be looked up.
    pub async fn by_agents_token(
        shared: &Shared,
        (region, account): (Region, AccountId),
        (id, hash): (&AgentTokenId, &str),
    ) -> Result<Option<Self>, ReadError> {
        let at = shared.clock.now();
        let path = paths::agent_token(region, account, id);
        let found = shared
            .directory
            .rare::<AgentTokenRecord>(&path, purpose::AGENT_TOKEN);
        let good = |token: &AgentTokenRecord| token.is_good(hash, at);
        let found = found.await?.filter(|(token, _)| good(token));
        Ok(found.map(|_| Self {
            caller: Caller::of_new_agent(region, account),
            region,
            at,
            source: Source::default(),
        }))
    }

    /// The user whose access key of Cloudera's protocol signed a request; none if there is no such key, or the signature
    /// is not the key's. Its Region is that of services without Regions.
    ///
    /// # Errors
    /// When key or user cannot be read, or what is known of them may be overtaken.
    pub async fn by_altus_key(
        shared: &Shared,
        claim: AltusClaim,
    ) -> Result<Option<Self>, Internal> {
        check_fresh(shared).await?;
        let directory = &shared.directory;
        let path = paths::cdp_access_key(claim.key()).map_err(Internal::new)?;
        let found = directory.rare::<CdpAccessKeyRecord>(&path, purpose::CDP_ACCESS_KEY);
        let Some((record, _)) = found.await.map_err(Internal::new)? else {
            return Ok(None);
        };
        let signer = record.signer().map_err(Internal::new)?;
        let Ok(verified) = claim.verify(&signer) else {
            return Ok(None);
        };
        let home = (record.partition, record.account);
        let owner = (&record.user, verified.key().as_str());
        let caller = Caller::of_altus_key(directory, home, owner).await;
        let caller = caller.map_err(Internal::new)?;
        let own = |region: &Region| region.partition() == record.partition;
        let regions = shared.regions.iter().copied().filter(own);
        let region = regions.min_by_key(|region| region.as_str() != GLOBAL_REGION);
        let (Some(caller), Some(region)) = (caller, region) else {
            return Ok(None);
        };
        Ok(Some(Self {
            caller,
            region,
            at: shared.clock.now(),
            source: Source::default(),
        }))
    }

    /// The caller.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The caller alone.
    pub fn into_caller(self) -> Caller {
        self.caller
    }

    /// The Region.
    pub fn region(&self) -> Region {
        self.region
    }
}

/// What a request must be signed for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// The service in the credential scope.
    pub service: &'e str,
    /// How far its clock may be off.
    pub skew: Skew,
    /// Whether a presigned query is as good as a header.
    pub presigned: Presigned,
    /// The service's row in the table of services, if it is served.
    row: Option<usize>,
}

impl<'e> Expected<'e> {
    /// For a service that is not served here, or not known to be.
    pub const fn elsewhere(service: &'e str, skew: Skew) -> Self {
        let presigned = Presigned::Refused;
        Self {
            service,
            skew,
            presigned,
            row: None,
        }
    }
}

impl<'e> Expected<'e> {
    /// For what the client of a resource signed as a presigned query, which is valid until it expires.
    pub const fn of_client(service: &'e str) -> Self {
        let (skew, presigned) = (Skew::FifteenMinutes, Presigned::UntilItExpires);
        Self {
            service,
            skew,
            presigned,
            row: None,
        }
    }
}

impl Expected<'static> {
    /// For a target.
    pub(super) fn of(target: &Dispatched<'_>) -> Self {
        let api = target.api();
        Self {
            service: api.service,
            skew: (api.skew)(),
            presigned: (api.presigned)(&target.name),
            row: Some(target.service.row()),
        }
    }
}

impl Front {
    pub(super) async fn authenticate(
        &self,
        received: &Received<'_>,
        body: &[u8],
        target: &Dispatched<'_>,
    ) -> Result<Proven, Refused> {
        let query = Some(received.query).filter(|query| !query.is_empty());
        let headers = received.headers.iter().copied();
        let request = Request::new(received.method, received.path, query, None, headers, body)
            .map_err(|error| Refused::Auth(error, String::new()))?;
        let expected = Expected::of(target);
        let proven = prove(&self.shared, &request, expected).await?;
        note_use(&self.shared, &proven, target.api().service);
        Ok(proven)
    }
}

/// Records which credentials were used with a service.
pub fn note_use(shared: &Shared, proven: &Proven, service: &'static str) {
    let caller = &proven.caller;
    let used = CredentialUse {
        at: proven.at,
        service,
        region: proven.region,
    };
    match (caller.session(), caller.bearer()) {
        (None, Bearer::Root | Bearer::User(_)) => {
            if let Some(id) = caller.access_key_id() {
                shared.access_key_usage.note(id, used);
            }
        }
        (Some(_), Bearer::Role(role)) => {
            let noted = (caller.home(), used);
            shared.role_usage.note(&role.record().id, noted);
        }
        (None, Bearer::Role(_) | Bearer::Service(_))
        | (Some(_), Bearer::Root | Bearer::User(_) | Bearer::Service(_))
        | (_, Bearer::Agent(_) | Bearer::Nobody) => {}
    }
}

/// Checks that what is known about keys and callers is up to date; otherwise nobody is authenticated.
/// If the process has just continued after a pause, it waits until it has heard from the store.
///
/// # Errors
/// When there was no news from the store for too long.
pub async fn check_fresh(shared: &Shared) -> Result<(), Internal> {
    let node = shared.directory.node();
    // In a box, so that the futures of other requests have no room for it.
    if node.is_fresh(shared.clock.monotonic()) || Box::pin(node.wait_fresh(shared.clock())).await {
        return Ok(());
    }
    let stale = "this node has not heard from the store for too long";
    Err(Internal::new(stale))
}

/// Proves whose request it is.
///
/// # Errors
/// When it cannot be authenticated.
pub async fn prove(
    shared: &Shared,
    request: &Request<'_>,
    expected: Expected<'_>,
) -> Result<Proven, Refused> {
    let claim = Claim::parse(request, expected.presigned)
        .map_err(|error| Refused::Auth(error, String::new()))?;
    let refused = |error| Refused::Auth(error, claim.access_key_id().to_owned());
    let (region, at, id) = check(shared, &claim, expected).await?;
    let unknown = || refused(AuthError::UnknownAccessKey);
    let scope = (claim.credential().date(), region, expected.service);
    let verify = |signer: &SigningSecret| {
        let verified = signer.with_signing_key(scope, expected.row, |key| {
            claim.verify(SigningKeyRef::from_bytes(key)).map(|_| ())
        });
        match verified {
            Some(verified) => verified.map_err(refused),
            None => Err(Refused::Internal(Internal::new(
                "a signing key cannot be derived",
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
            if !is_good_for(&key, (region, expected.service)) {
                return Err(unknown());
            }
            verify(key.signer())?;
            Caller::of_access_key(directory, key, region).await
        }
        (Some(token), true) => {
            let session = shared
                .sessions
                .open(&id, token, at)
                .map_err(|error| match error {
                    TokenError::Invalid => unknown(),
                    TokenError::Expired => refused(AuthError::ExpiredToken),
                    TokenError::ArenaFull(_) => Refused::Internal(Internal::new(error)),
                })?;
            if session.partition() != region.partition() {
                return Err(unknown());
            }
            // What a service does for a caller, it does with a key.
            if session.forwarded().is_some() && expected.service != "kms" {
                return Err(unknown());
            }
            verify(session.signer())?;
            Caller::of_session(directory, session).await
        }
        (None, true) | (Some(_), false) => return Err(unknown()),
    };
    let caller = caller.map_err(internal)?.ok_or_else(unknown)?;
    let source = match caller.bearer() {
        Bearer::Service(_) => {
            let mut source = Source::of(request, &claim);
            if let Some(account) = source.account_id() {
                let home = (region.partition(), account);
                source.organization = directory.membership(home).await.map_err(internal)?;
            }
            source
        }
        Bearer::Root | Bearer::User(_) | Bearer::Role(_) | Bearer::Agent(_) | Bearer::Nobody => {
            Source::default()
        }
    };
    Ok(Proven {
        caller,
        region,
        at,
        source,
    })
}

/// Whether an access key may be used for a service in a Region at all.
fn is_good_for(key: &AccessKeyUnit, (region, service): (Region, &str)) -> bool {
    let elsewhere = match key.owner() {
        // What an agent may do is in one API, and in its own Region.
        AccessKeyOwner::Agent { region: of, .. } => *of != region || service != AGENTS_API,
        AccessKeyOwner::Root | AccessKeyOwner::User(_) | AccessKeyOwner::Service(_) => false,
    };
    key.partition() == region.partition() && !elsewhere
}

/// Checks what a claim contains by itself, and reads the access key's id.
async fn check(
    shared: &Shared,
    claim: &Claim<'_>,
    expected: Expected<'_>,
) -> Result<(Region, Timestamp, AccessKeyId), Refused> {
    let refused = |error| Refused::Auth(error, claim.access_key_id().to_owned());
    let region = Region::parse(claim.credential().region()).ok();
    let served = region.filter(|region| shared.regions.contains(region));
    claim
        .check_scope(expected.service, |_| served.is_some())
        .map_err(refused)?;
    let region = served.ok_or_else(|| refused(AuthError::UnknownAccessKey))?;
    check_fresh(shared).await.map_err(Refused::Internal)?;
    let at = shared.clock.now();
    let checked = match expected.presigned {
        Presigned::UntilItExpires => claim.check_expiry(at, expected.skew),
        Presigned::Accepted | Presigned::Refused => claim.check_clock(at, expected.skew),
    };
    checked.map_err(refused)?;
    let id = AccessKeyId::parse(claim.access_key_id());
    let id = id.map_err(|_| refused(AuthError::UnknownAccessKey))?;
    Ok((region, at, id))
}

/// Checks a claim whose request has not arrived completely: everything that [`prove`] does, except
/// the signature and what follows from it.
///
/// # Errors
/// When the request cannot be authenticated, whatever its signature is.
pub async fn look(
    shared: &Shared,
    claim: &Claim<'_>,
    expected: Expected<'_>,
) -> Result<(), Refused> {
    let (region, at, id) = check(shared, claim, expected).await?;
    let refused = |error| Refused::Auth(error, claim.access_key_id().to_owned());
    let unknown = || refused(AuthError::UnknownAccessKey);
    let is_good = match (claim.session_token(), id.is_temporary()) {
        (None, false) => {
            let key = shared.directory.access_key(&id).await;
            let key = key.map_err(|error| Refused::Internal(Internal::new(error)))?;
            let key = key.filter(|key| key.is_active()).ok_or_else(unknown)?;
            is_good_for(&key, (region, expected.service))
        }
        (Some(token), true) => match shared.sessions.open(&id, token, at) {
            Ok(session) => session.partition() == region.partition(),
            Err(TokenError::Invalid) => return Err(unknown()),
            Err(TokenError::Expired) => return Err(refused(AuthError::ExpiredToken)),
            Err(error @ TokenError::ArenaFull(_)) => {
                return Err(Refused::Internal(Internal::new(error)));
            }
        },
        (None, true) | (Some(_), false) => return Err(unknown()),
    };
    if is_good { Ok(()) } else { Err(unknown()) }
}
