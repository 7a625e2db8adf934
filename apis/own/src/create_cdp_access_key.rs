//! `CreateCdpAccessKey`: an access key with which a user calls the services of CDP that Keyward serves.
//!
//! The server makes a private key of Ed25519, which is shown once and kept nowhere; or it is given the public key of a
//! private key that it never sees.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_altus::{KeyId, Method};
use keyward_crypto::signer::{SignerKey, new_ed25519};
use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        paths, purpose,
        records::{
            self, SecretText, V1,
            cdp::{CdpAccessKey, CdpAccessKeyRecord, CdpAccessKeysRecord},
        },
    },
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Keyward,
    cdp_keys::{self, MOST_KEYS, OneUser, UserName},
    fault::{KeywardFault, cdp::CdpFault},
};

/// The input, and the key that is made for it.
#[derive(Debug)]
pub struct CreateCdpAccessKey {
    user: UserName,
    id: KeyId,
    method: Method,
    public_key: Vec<u8>,
    private_key: Option<Arc<SecretText>>,
}

/// The output.
#[derive(Debug)]
pub struct KeyCreated {
    user: String,
    key: CdpAccessKey,
    /// The private key, if the server has made it.
    private_key: Option<Arc<SecretText>>,
}

keyward_types::action!("keyward": CreateCdpAccessKey = "keyward:CreateCdpAccessKey");

impl Operation for CreateCdpAccessKey {
    const NAME: &'static str = "CreateCdpAccessKey";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("UserName"), text("PublicKey")];
    type Api = Keyward;
    type Output = KeyCreated;
    type Fault = KeywardFault;
    type Resolved = OneUser;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let user = UserName::read(&mut m);
        let given = m.blob("PublicKey").length(1, 2048).optional();
        m.finish()?;
        let (public_key, private_key) = match given {
            Some(given) => (given, None),
            None => {
                let (seed, public) = new_ed25519().map_err(Internal::new)?;
                let private = SecretText::new(STANDARD.encode(seed.expose()));
                (public, Some(Arc::new(private)))
            }
        };
        let key = SignerKey::parse(&public_key);
        let key = key.map_err(|error| CdpFault::BadPublicKey { error })?;
        let public_key = key.to_der().map_err(Internal::new)?;
        Ok(Self {
            user,
            id: KeyId::of_public_key(&public_key),
            method: Method::of(key.kind()),
            public_key,
            private_key,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneUser, KeywardFault> {
        self.user.find(cx).await
    }

    fn authorize(&self, user: &OneUser, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        user.permit(gate)
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        user: &OneUser,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyCreated>, KeywardFault> {
        let found = user.get()?;
        let (mut keys, at) = match cx.cdp_keys(found).await? {
            Some((keys, revision)) => (keys, Precondition::At(revision)),
            None => (CdpAccessKeysRecord::default(), Precondition::Absent),
        };
        if keys.keys.len() >= MOST_KEYS {
            let user = user.name().to_owned();
            let most = MOST_KEYS;
            return Err(CdpFault::TooManyKeys { user, most }.into());
        }
        let path = paths::cdp_access_key(&self.id)?;
        let registered = cx
            .directory()
            .rare::<CdpAccessKeyRecord>(&path, purpose::CDP_ACCESS_KEY);
        if registered.await?.is_some() {
            return Err(CdpFault::Registered.into());
        }
        let key = CdpAccessKey {
            id: self.id.to_string(),
            method: self.method.as_str().to_owned(),
            created: cx.now,
        };
        keys.keys.push(key.clone());
        let home = cx.caller.home();
        let record = CdpAccessKeyRecord {
            version: V1,
            id: self.id.to_string(),
            partition: home.0,
            account: home.1,
            user: found.record().id.clone(),
            public_key: STANDARD.encode(&self.public_key),
        };
        let mut batch = cx.batch();
        cx.put_cdp_keys(&mut batch, found, &keys, at)?;
        let bytes = records::encode(&record).map_err(Internal::new)?;
        let put = batch.put(path, purpose::CDP_ACCESS_KEY, &bytes, Precondition::Absent);
        put.map_err(Internal::new)?;
        let output = KeyCreated {
            user: user.name().to_owned(),
            key,
            private_key: self.private_key.clone(),
        };
        Ok(Done::changed(output, batch))
    }
}

impl Output<Keyward> for KeyCreated {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("UserName", &self.user);
        cdp_keys::write(out, &self.key);
        if let Some(private_key) = &self.private_key {
            out.string("PrivateKey", private_key.expose());
        }
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("userName", &self.user);
        elements.string("accessKeyId", &self.key.id);
        elements.string("authMethod", &self.key.method);
    }
}
