//! `CreateForwardAccessSession`: a service that was given a request which a user signed for it
//! gets credentials to use one key as that user, for a short time.
//!
//! The service presents the request as it came. Its signature proves the user, who cannot be made
//! up; the credentials are good for KMS, the one key and what does not govern it, and carry the
//! service's name into `kms:ViaService`. Naming the service's own alias (`alias/aws/…`) makes the
//! AWS managed key of the user's account and Region if there is none yet.

use keyward_api_kms::{
    fault::KmsFault,
    identifier::{Forms, KeyIdentifier},
    managed_keys::NewManagedKey,
    members,
};
use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, secret, text},
    caller::{Bearer, Caller},
    directory::records::{SecretText, V1},
    fault::Internal,
    front::authenticate::{Expected, Proven, Refused, prove},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    session::{Forwarded, SessionPolicies, SessionRecord, SessionUnit, Subject},
};
use keyward_types::{
    account::AccountId, key_id::KeyArn, region::Region, time::Timestamp, unique_id::AccessKeyId,
    via_service::ActingService,
};
use keyward_wire::{
    json::{Members, Object, Writer},
    sigv4::{AuthError, Request, Skew},
};

use crate::{Cx, Keyward, fault::KeywardFault};

/// How long the credentials are good, in milliseconds: 15 minutes.
const LIFETIME_MILLIS: i64 = 15 * 60 * 1000;
/// The most header fields of the presented request.
const MAX_HEADERS: usize = 128;

/// The input: the request as the service received it, and the key.
pub struct CreateForwardAccessSession {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    key_id: String,
}

impl std::fmt::Debug for CreateForwardAccessSession {
    // Header fields hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateForwardAccessSession")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// The user that the request proves, and the key as it is called from there.
#[derive(Debug)]
pub struct Prepared {
    caller: Caller,
    region: Region,
    key: KeyArn,
    new: Option<Box<NewManagedKey>>,
}

/// The output.
#[derive(Debug)]
pub struct ForwardAccess {
    access_key_id: AccessKeyId,
    secret: SecretText,
    token: String,
    expires: Timestamp,
    arn: String,
    account: AccountId,
    key: KeyArn,
}

impl Operation for CreateForwardAccessSession {
    const NAME: &'static str = "CreateForwardAccessSession";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("Method"),
        text("Path"),
        secret("Query"),
        secret("Headers"),
        secret("Body"),
        text("KeyId"),
    ];
    type Api = Keyward;
    type Output = ForwardAccess;
    type Fault = KeywardFault;
    type Resolved = Prepared;
    type Permits = ();

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let method = m.string("Method").length(1, 16).required().to_owned();
        let path = m.string("Path").length(1, 8192).required().to_owned();
        let query = m.string("Query").sensitive().length(0, 8192).optional();
        let query = query.unwrap_or_default().to_owned();
        let headers = m.structures("Headers", |header| {
            let name = header.string("Name").sensitive().length(1, 256).required();
            let value = header.string("Value").sensitive();
            let value = value.length(0, 20_480).required();
            (name.to_owned(), value.to_owned())
        });
        let headers = headers.count(1, MAX_HEADERS).required();
        let body = m.blob("Body").length(0, 65_536).optional();
        let body = body.unwrap_or_default();
        let key_id = members::key_id(&mut m, "KeyId");
        m.finish()?;
        Ok(Self {
            method,
            path,
            query,
            headers,
            body,
            key_id,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Prepared, KeywardFault> {
        let service = own_service(cx)?;
        let proven = self.prove(cx, service).await?;
        let region = proven.region();
        let caller = proven.into_caller();
        let (_, account) = caller.home();
        let identifier = KeyIdentifier::parse(&self.key_id, Forms::All, region, Some(account))?;
        let (key, new) = match identifier {
            // KMS says whether a key named by its ARN exists, if the caller may know.
            KeyIdentifier::Key(key) => (key, None),
            // Which key another account's alias leads to is not for a service to learn.
            KeyIdentifier::Alias { account: owner, .. } if owner != account => {
                let message = "A key of another account is named by its key ARN here.";
                return Err(KmsFault::validation(message).into());
            }
            KeyIdentifier::Alias {
                account: owner,
                name,
            } => match cx.state().kms.alias(region, owner, &name).await? {
                Some(alias) => (
                    KeyArn::new(region, owner, alias.record.target.clone()),
                    None,
                ),
                None if service.alias().as_ref() == Some(&name) => {
                    let new = cx
                        .kms()
                        .new_managed_key(service, (region, account), name)
                        .await?;
                    (new.arn(), Some(Box::new(new)))
                }
                None => {
                    let alias = name.arn(region, owner);
                    return Err(KmsFault::AliasNotFound { alias }.into());
                }
            },
        };
        Ok(Prepared {
            caller,
            region,
            key,
            new,
        })
    }

    fn authorize(&self, _prepared: &Prepared, _gate: &Gate<'_>) -> Result<(), Denied> {
        // Being a service is the permission; `resolve` has refused everybody else.
        Ok(())
    }

    async fn call(
        &self,
        (): &(),
        prepared: &Prepared,
        cx: &Cx<'_>,
    ) -> Result<Done<ForwardAccess>, KeywardFault> {
        let service = own_service(cx)?;
        let session = session_of(service, prepared, cx.now);
        let token = cx.state().sessions.seal(&session).map_err(Internal::new)?;
        let output = ForwardAccess {
            access_key_id: session.access_key_id,
            secret: session.secret,
            token,
            expires: session.expires,
            arn: prepared.caller.principal().arn().to_owned(),
            account: prepared.caller.home().1,
            key: prepared.key.clone(),
        };
        match &prepared.new {
            None => Ok(Done::unchanged(output)),
            Some(new) => {
                let (_, account) = prepared.caller.home();
                let batch = cx.kms().put_managed_key(new, (prepared.region, account))?;
                Ok(Done::changed(output, batch))
            }
        }
    }
}

impl CreateForwardAccessSession {
    /// Proves whose request was presented.
    async fn prove(&self, cx: &Cx<'_>, service: &ActingService) -> Result<Proven, KeywardFault> {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let query = Some(self.query.as_str()).filter(|query| !query.is_empty());
        let request = Request::new(&self.method, &self.path, query, None, headers, &self.body)
            .map_err(KeywardFault::from)?;
        let expected = Expected::elsewhere(service.name(), Skew::FiveMinutes);
        let proven =
            prove(cx.shared(), &request, expected)
                .await
                .map_err(|refused| match refused {
                    Refused::Auth(error, _) => KeywardFault::from(error),
                    Refused::Internal(internal) => internal.into(),
                })?;
        match proven.caller().bearer() {
            // A service has no caller's rights to hand on.
            Bearer::Service(_) => {
                Err(KmsFault::validation("The presented request was signed by a service.").into())
            }
            // A caller without an identity here has signed nothing.
            Bearer::Agent(_) | Bearer::Nobody => {
                Err(KeywardFault::from(AuthError::MissingAuthenticationToken))
            }
            Bearer::Root | Bearer::User(_) | Bearer::Role(_) => Ok(proven),
        }
    }
}

/// The service that calls.
fn own_service(cx: &Cx<'_>) -> Result<&'static ActingService, KeywardFault> {
    match cx.caller.bearer() {
        Bearer::Service(service) => Ok(service),
        Bearer::Root | Bearer::User(_) | Bearer::Role(_) | Bearer::Agent(_) | Bearer::Nobody => {
            Err(KeywardFault::NotAService {
                caller: cx.caller.principal().arn().to_owned(),
                operation: CreateForwardAccessSession::NAME,
            })
        }
    }
}

/// The session in which the service acts for the caller.
fn session_of(service: &ActingService, prepared: &Prepared, now: Timestamp) -> SessionRecord {
    let caller = &prepared.caller;
    let (partition, account) = caller.home();
    let own = caller.session();
    let expires = now.plus_millis(LIFETIME_MILLIS);
    let subject = match (own.map(SessionUnit::subject), caller.bearer()) {
        (Some(subject), _) => subject.clone(),
        (None, Bearer::User(user)) => Subject::User(user.record().id.clone()),
        // Roles have only sessions; services and callers without an identity were refused before.
        (
            None,
            Bearer::Root | Bearer::Role(_) | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody,
        ) => Subject::Root,
    };
    let policies: Option<SessionPolicies> = own
        .and_then(SessionUnit::policies)
        .map(|policies| policies.record.clone());
    SessionRecord {
        version: V1,
        access_key_id: AccessKeyId::temporary(account, random::array()),
        secret: SecretText::generate(),
        account,
        partition,
        subject,
        issued: now,
        expires: own.map_or(expires, |own| own.expires().min(expires)),
        policies,
        tags: own.map(|own| own.tags().to_vec()).unwrap_or_default(),
        transitive_tag_keys: Vec::new(),
        source_identity: own
            .and_then(SessionUnit::source_identity)
            .map(str::to_owned),
        federation: own.and_then(SessionUnit::federation).cloned(),
        forwarded: Some(Forwarded {
            service: service.name().to_owned(),
            key: prepared.key.to_string(),
            token_issued: own.and_then(SessionUnit::token_issued),
        }),
    }
}

impl Output<Keyward> for ForwardAccess {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("Credentials", |credentials| {
            credentials.string("AccessKeyId", self.access_key_id.as_str());
            credentials.string("SecretAccessKey", self.secret.expose());
            credentials.string("SessionToken", &self.token);
            credentials.timestamp("Expiration", self.expires);
        });
        out.string("CallerArn", &self.arn);
        out.string("KeyId", self.key.as_str());
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("accessKeyId", self.access_key_id.as_str());
        elements.string("callerArn", &self.arn);
        elements.string("keyId", self.key.as_str());
    }

    /// The session is the presented caller's.
    fn recipient(&self) -> Option<AccountId> {
        Some(self.account)
    }
}
