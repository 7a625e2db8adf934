//! Temporary credentials: a session and its token.
//!
//! A session is stored nowhere: its token contains all of it, sealed. What may change afterwards (the user or role,
//! its policies) is looked up for every request, so that deleting or denying the role stops its sessions at once.
//!
//! ```text
//! token = base64(version 2 (1) ‖ salt (16) ‖ nonce (12) ‖ AES-256-GCM(record as JSON) and tag)
//! key   = KBKDF(session key, "keyward session token", salt)
//! AAD   = purpose SessionToken, version, store id, access key id
//! ```
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html>

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_crypto::{
    aead::{self, Aad, NONCE_BYTES, Purpose},
    derive, digest, random,
    secret::{
        SecretBytes,
        arena::{Arena, ArenaFull, ArenaSecret},
    },
};
use keyward_policy::{
    document::{Document, PolicyKind},
    policy::Policy,
    principal::Bindings,
};
use keyward_types::{
    account::AccountId,
    partition::Partition,
    store_id::StoreId,
    tag::Tag,
    time::Timestamp,
    unique_id::{AccessKeyId, UniqueId},
};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

use crate::directory::{
    records::{RecordError, SecretText, V1, identity::ManagedPolicyRef},
    units::signer::SigningSecret,
};

const VERSION: u8 = 2;
const SALT_BYTES: usize = 16;
const LABEL: &[u8] = b"keyward session token";
/// The longest token, in characters: longer ones are not opened.
pub const MAX_TOKEN: usize = 16_384;

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Subject {
    /// The root user's own, by GetSessionToken.
    Root,
    /// A user's own, by GetSessionToken.
    User(UniqueId),
    /// Of a role.
    Role {
        /// The role.
        id: UniqueId,
        /// The session's name.
        session: String,
    },
    /// A federated user's, by GetFederationToken.
    Federated {
        /// The name given to it.
        name: String,
        /// The user that created it; `None` if the root user did.
        issuer: Option<UniqueId>,
    },
}

/// The policies that a session was created with; they form one set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionPolicies {
    /// The text given with the request.
    pub inline: Option<String>,
    /// The managed policies named by it. They are decided by as they are today.
    pub managed: Vec<ManagedPolicyRef>,
}

/// What an identity provider vouched for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federation {
    /// `aws:FederatedProvider`: the provider's ARN.
    pub provider_arn: String,
    /// The provider's claims under their condition keys, such as `idp.example.com:sub`.
    pub claims: BTreeMap<String, Vec<String>>,
}

/// A forward access session: a service calls KMS as the caller whose request it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forwarded {
    /// The service, by name.
    pub service: String,
    /// The ARN of the one key that it is good for.
    pub key: String,
    /// When the credentials of the caller's own request were issued, if they were temporary.
    pub token_issued: Option<Timestamp>,
}

/// All there is to a session.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRecord {
    /// The record's version.
    pub version: V1,
    /// `ASIA…`: the access key that the token belongs to.
    pub access_key_id: AccessKeyId,
    /// The access key's secret.
    pub secret: SecretText,
    /// The account of the identity.
    pub account: AccountId,
    /// Its partition.
    pub partition: Partition,
    /// Whose session it is.
    pub subject: Subject,
    /// When it was created: `aws:TokenIssueTime`.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Session policies; `None` if it was created without any.
    pub policies: Option<SessionPolicies>,
    /// Session tags.
    pub tags: Vec<Tag>,
    /// The keys of those tags that pass along a chain of roles.
    pub transitive_tag_keys: Vec<String>,
    /// `aws:SourceIdentity`, which passes along a chain of roles unchanged.
    pub source_identity: Option<String>,
    /// What an identity provider vouched for.
    pub federation: Option<Federation>,
    /// Present if a service acts with it for its subject.
    pub forwarded: Option<Forwarded>,
}

impl fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRecord")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// A session opened, its policies compiled, its secret in the arena.
#[derive(Debug)]
pub struct SessionUnit {
    access_key_id: AccessKeyId,
    account: AccountId,
    partition: Partition,
    subject: Subject,
    issued: Timestamp,
    expires: Timestamp,
    policies: Option<CompiledPolicies>,
    tags: Vec<Tag>,
    transitive_tag_keys: Vec<String>,
    source_identity: Option<String>,
    federation: Option<Federation>,
    forwarded: Option<Forwarded>,
    signer: SigningSecret,
}

/// Session policies, the inline one compiled.
#[derive(Debug)]
pub struct CompiledPolicies {
    /// As they are in the session's record.
    pub record: SessionPolicies,
    /// The text given with the request, compiled.
    pub inline: Option<Policy>,
}

impl SessionUnit {
    /// The access key it is signed with.
    pub fn access_key_id(&self) -> &AccessKeyId {
        &self.access_key_id
    }

    /// The account of the identity.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Its partition.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// Whose session it is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// When it was created.
    pub fn issued(&self) -> Timestamp {
        self.issued
    }

    /// When it ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Session policies; `None` if it was created without any.
    pub fn policies(&self) -> Option<&CompiledPolicies> {
        self.policies.as_ref()
    }

    /// Session tags.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// The keys of those tags that pass along a chain of roles.
    pub fn transitive_tag_keys(&self) -> &[String] {
        &self.transitive_tag_keys
    }

    /// `aws:SourceIdentity`.
    pub fn source_identity(&self) -> Option<&str> {
        self.source_identity.as_deref()
    }

    /// What an identity provider vouched for.
    pub fn federation(&self) -> Option<&Federation> {
        self.federation.as_ref()
    }

    /// Present if a service acts with it for its subject.
    pub fn forwarded(&self) -> Option<&Forwarded> {
        self.forwarded.as_ref()
    }

    /// `aws:TokenIssueTime`: when the caller's own credentials were issued, if temporary.
    pub fn token_issued(&self) -> Option<Timestamp> {
        match &self.forwarded {
            Some(forwarded) => forwarded.token_issued,
            None => Some(self.issued),
        }
    }

    pub(crate) fn signer(&self) -> &SigningSecret {
        &self.signer
    }
}

/// Why a token is not that of a session.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is not a token of this server, not of this access key, or was altered.
    #[error("the session token is not valid")]
    Invalid,
    /// The session is over.
    #[error("the session has ended")]
    Expired,
    /// The arena for secrets is full.
    #[error(transparent)]
    ArenaFull(#[from] ArenaFull),
}

/// Seals sessions into tokens and opens them, each once as long as it is remembered.
pub struct Sessions {
    store: StoreId,
    key: ArenaSecret,
    arena: Arena,
    opened: Cache<[u8; 32], Arc<SessionUnit>>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    /// A store's sessions under that key, of which so many are remembered.
    pub fn new((store, key): (StoreId, ArenaSecret), arena: Arena, remembered: usize) -> Self {
        Self {
            store,
            key,
            arena,
            opened: Cache::new(remembered.max(1)),
        }
    }

    /// The token of a session.
    ///
    /// # Errors
    /// Never for records of this module; the signature is the encoder's.
    pub fn seal(&self, session: &SessionRecord) -> Result<String, RecordError> {
        let record = SecretBytes::from_vec(crate::directory::records::encode(session)?);
        let (salt, nonce): ([u8; SALT_BYTES], [u8; NONCE_BYTES]) =
            (random::array(), random::array());
        let key = derive::kbkdf(self.key.expose(), LABEL, &salt);
        let sealed = aead::seal(
            &key,
            nonce,
            &self.aad(&session.access_key_id),
            record.expose(),
        );
        let mut token = vec![VERSION];
        token.extend_from_slice(&salt);
        token.extend_from_slice(&nonce);
        token.extend_from_slice(&sealed);
        Ok(STANDARD.encode(token))
    }

    /// The session of a token, presented with that access key.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] unless it is this server's and this access key's; `Expired` if its time is over.
    pub fn open(
        &self,
        access_key_id: &AccessKeyId,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<SessionUnit>, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Invalid);
        }
        let name = digest::sha256(token.as_bytes());
        let session = match self.opened.get(&name) {
            Some(known) => known,
            None => {
                let session = Arc::new(self.open_anew(access_key_id, token)?);
                self.opened.insert(name, Arc::clone(&session));
                session
            }
        };
        if session.access_key_id != *access_key_id {
            return Err(TokenError::Invalid);
        }
        if now >= session.expires {
            self.opened.remove(&name);
            return Err(TokenError::Expired);
        }
        Ok(session)
    }

    fn open_anew(
        &self,
        access_key_id: &AccessKeyId,
        token: &str,
    ) -> Result<SessionUnit, TokenError> {
        let invalid = || TokenError::Invalid;
        let bytes = STANDARD.decode(token).map_err(|_| invalid())?;
        let Some((&VERSION, rest)) = bytes.split_first() else {
            return Err(invalid());
        };
        let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>().ok_or_else(invalid)?;
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(invalid)?;
        let key = derive::kbkdf(self.key.expose(), LABEL, salt);
        let record = aead::open(&key, *nonce, &self.aad(access_key_id), sealed)
            .map_err(|_| TokenError::Invalid)?;
        let record: SessionRecord =
            serde_json::from_slice(record.expose()).map_err(|_| invalid())?;
        if record.access_key_id != *access_key_id {
            return Err(invalid());
        }
        let policies = match record.policies {
            Some(policies) => Some(compile(policies).ok_or_else(invalid)?),
            None => None,
        };
        let secret = self.arena.store_bytes(record.secret.expose().as_bytes())?;
        Ok(SessionUnit {
            access_key_id: record.access_key_id,
            account: record.account,
            partition: record.partition,
            subject: record.subject,
            issued: record.issued,
            expires: record.expires,
            policies,
            tags: record.tags,
            transitive_tag_keys: record.transitive_tag_keys,
            source_identity: record.source_identity,
            federation: record.federation,
            forwarded: record.forwarded,
            signer: SigningSecret::new(secret, self.arena.clone()),
        })
    }

    fn aad(&self, access_key_id: &AccessKeyId) -> Aad {
        Aad::new(Purpose::SessionToken, VERSION)
            .part(self.store.as_bytes())
            .part(access_key_id.as_str().as_bytes())
    }
}

fn compile(policies: SessionPolicies) -> Option<CompiledPolicies> {
    let inline = match &policies.inline {
        Some(text) => {
            let document = Document::parse(text, PolicyKind::Session).ok()?;
            Some(Policy::compile(&document, &Bindings::default()))
        }
        None => None,
    };
    Some(CompiledPolicies {
        record: policies,
        inline,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        sessions_of([1; 16], &random::secret(32))
    }

    fn sessions_of(store: [u8; 16], key: &SecretBytes) -> Sessions {
        let (arena, _) = Arena::new(1 << 16).unwrap();
        let key = arena.store(key).unwrap();
        Sessions::new((StoreId::from_bytes(store), key), arena, 8)
    }

    fn record(expires: i64) -> SessionRecord {
        let account = AccountId::parse("111122223333").unwrap();
        SessionRecord {
            version: V1,
            access_key_id: AccessKeyId::temporary(account, [1; 7]),
            secret: SecretText::new("a secret".to_owned()),
            account,
            partition: Partition::Aws,
            subject: Subject::Root,
            issued: Timestamp::from_millis(0),
            expires: Timestamp::from_millis(expires),
            policies: None,
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            federation: None,
            forwarded: None,
        }
    }

    #[test]
    fn a_token_opens_with_its_own_access_key_until_it_expires() {
        let (sessions, record) = (sessions(), record(1000));
        let token = sessions.seal(&record).unwrap();
        let at = Timestamp::from_millis;
        let id = &record.access_key_id;
        assert_eq!(
            sessions.open(id, &token, at(999)).unwrap().subject(),
            &Subject::Root
        );
        let other = AccessKeyId::temporary(record.account, [2; 7]);
        for _ in 0..2 {
            let found = sessions.open(&other, &token, at(0));
            assert!(matches!(found, Err(TokenError::Invalid)));
        }
        let found = sessions.open(id, &token, at(1000));
        assert!(matches!(found, Err(TokenError::Expired)));
    }

    #[test]
    fn an_altered_token_does_not_open() {
        let (sessions, record) = (sessions(), record(1000));
        let token = sessions.seal(&record).unwrap();
        let bytes = STANDARD.decode(&token).unwrap();
        for index in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[index] ^= 1;
            let altered = STANDARD.encode(altered);
            let found = sessions.open(&record.access_key_id, &altered, Timestamp::from_millis(0));
            assert!(matches!(found, Err(TokenError::Invalid)), "byte {index}");
        }
        let other = self::sessions();
        let found = other.open(&record.access_key_id, &token, Timestamp::from_millis(0));
        assert!(matches!(found, Err(TokenError::Invalid)));
    }
    #[test]
    fn a_token_of_another_store_does_not_open_even_under_the_same_key() {
        let (key, record) = (random::secret(32), record(1000));
        let at = Timestamp::from_millis(0);
        let token = sessions_of([1; 16], &key).seal(&record).unwrap();
        let opened = |store| sessions_of(store, &key).open(&record.access_key_id, &token, at);
        assert!(opened([1; 16]).is_ok());
        assert!(matches!(opened([2; 16]), Err(TokenError::Invalid)));
    }
}
