//! Temporary credentials: created, and written into answers and events.

use keyward_crypto::random;
use keyward_engine::{
    directory::{
        identities::Home,
        records::{SecretText, V1},
    },
    fault::Internal,
    session::{Federation, MAX_TOKEN, SessionPolicies, SessionRecord, Subject},
};
use keyward_types::{time::Timestamp, unique_id::AccessKeyId};
use keyward_wire::{json, xml};

use crate::{Cx, fault::StsFault, session_tags::SessionTags};

/// What a session is to be.
#[derive(Debug)]
pub struct NewSession {
    /// Where the identity lives.
    pub home: Home,
    /// Whose session it is.
    pub subject: Subject,
    /// How long it lasts, in seconds.
    pub seconds: i64,
    /// Session policies; `None` if it has none.
    pub policies: Option<SessionPolicies>,
    /// Session tags.
    pub tags: SessionTags,
    /// The source identity.
    pub source_identity: Option<String>,
    /// What an identity provider vouched for.
    pub federation: Option<Federation>,
}

/// Temporary credentials on their way to the caller.
#[derive(Debug)]
pub struct Credentials {
    access_key_id: AccessKeyId,
    secret: SecretText,
    token: SecretText,
    expires: Timestamp,
}

impl Credentials {
    /// Makes the credentials of a session that begins now.
    ///
    /// # Errors
    /// `Internal` when the token cannot be created.
    pub fn make(new: NewSession, cx: &Cx<'_>) -> Result<Self, StsFault> {
        let (partition, account) = new.home;
        // To the second, as answers show it.
        let expires = Timestamp::from_seconds(cx.now.seconds().saturating_add(new.seconds));
        let record = SessionRecord {
            version: V1,
            access_key_id: AccessKeyId::temporary(account, random::array()),
            secret: SecretText::generate(),
            account,
            partition,
            subject: new.subject,
            issued: cx.now,
            expires,
            policies: new.policies,
            tags: new.tags.tags,
            transitive_tag_keys: new.tags.transitive_keys,
            source_identity: new.source_identity,
            federation: new.federation,
            forwarded: None,
        };
        let token = SecretText::new(cx.state().sessions.seal(&record)?);
        if token.expose().len() > MAX_TOKEN {
            let cause = "a session token would be longer than is accepted";
            return Err(StsFault::Internal(Internal::new(cause)));
        }
        Ok(Self {
            access_key_id: record.access_key_id,
            secret: record.secret,
            token,
            expires,
        })
    }

    /// Writes `Credentials`.
    pub fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("Credentials", |credentials| {
            credentials.text("AccessKeyId", self.access_key_id.as_str());
            credentials.text("SecretAccessKey", self.secret.expose());
            credentials.text("SessionToken", self.token.expose());
            credentials.timestamp("Expiration", self.expires);
        });
    }

    /// Writes `responseElements`: neither the secret nor the token.
    pub fn describe(&self, elements: &mut json::Writer<'_>) {
        elements.object("credentials", |credentials| {
            credentials.string("accessKeyId", self.access_key_id.as_str());
            credentials.string("expiration", &self.expires.iso8601());
        });
    }
}
