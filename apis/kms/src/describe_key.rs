//! `DescribeKey`: what is known of a key.
//!
//! Describing the alias of an AWS managed key that does not exist yet creates the key, as at AWS.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html>

use keyward_engine::{
    audit::parameters::{Parameter, secret, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_keys::record::KeyRecord;
use keyward_types::{action, encryption_context::EncryptionContext, grant::GrantOperation};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Kms,
    fault::KmsFault,
    grants::terms::Act,
    identifier::{Forms, KeyIdentifier},
    managed_keys::{self, NewManagedKey},
    members, metadata,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct DescribeKey {
    key_id: String,
    grant_tokens: Vec<String>,
}

/// The key that is asked for.
#[derive(Debug)]
pub enum DescribedKey {
    /// An existing key, or a stand-in.
    Key(ResolvedKey),
    /// The AWS managed key that this request creates.
    New(Box<NewManagedKey>),
}

/// The output.
#[derive(Debug)]
pub struct KeyDescribed {
    record: KeyRecord,
}

impl Operation for DescribeKey {
    const NAME: &'static str = "DescribeKey";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), secret("GrantTokens")];
    type Api = Kms;
    type Output = KeyDescribed;
    type Fault = KmsFault;
    type Resolved = DescribedKey;
    type Permits = Permit<action::DescribeKey>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let grant_tokens = members::grant_tokens(&mut m);
        m.finish()?;
        Ok(Self {
            key_id,
            grant_tokens,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<DescribedKey, KmsFault> {
        let none = EncryptionContext::default();
        let act = Act::Use(GrantOperation::DescribeKey, &none);
        let found = cx
            .key_to_use(&self.key_id, Forms::All, &self.grant_tokens, act)
            .await;
        match found {
            Ok(key) => Ok(DescribedKey::Key(key)),
            Err(KmsFault::AliasNotFound { alias }) => match self.managed(cx).await? {
                Some(new) => Ok(DescribedKey::New(Box::new(new))),
                None => Err(KmsFault::AliasNotFound { alias }),
            },
            Err(fault) => Err(fault),
        }
    }

    fn authorize(&self, asked: &DescribedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        match asked {
            DescribedKey::Key(key) => gate.permit(key, |_| ()),
            DescribedKey::New(new) => {
                let key = ResolvedKey::absent(new.arn()).by_alias(new.alias().clone());
                gate.permit(&key.with_policy(new.policy()), |_| ())
            }
        }
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        asked: &DescribedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyDescribed>, KmsFault> {
        match asked {
            DescribedKey::Key(key) => {
                let record = key.unit()?.record().clone();
                Ok(Done::unchanged(KeyDescribed { record }))
            }
            DescribedKey::New(new) => {
                let record = new.record().clone();
                let batch = cx.put_managed_key(new, (cx.region, cx.account()))?;
                Ok(Done::changed(KeyDescribed { record }, batch))
            }
        }
    }
}

impl DescribeKey {
    /// The AWS managed key under the alias that is asked for, if it is that of a service in the
    /// caller's account.
    async fn managed(&self, cx: &Cx<'_>) -> Result<Option<NewManagedKey>, KmsFault> {
        let Some(own) = cx.caller.principal().account() else {
            return Ok(None);
        };
        let home = (cx.region, own);
        match KeyIdentifier::parse(&self.key_id, Forms::All, home.0, Some(own))? {
            KeyIdentifier::Alias { account, name } if account == own => {
                match managed_keys::service_of(&name) {
                    Some(service) => Ok(Some(cx.new_managed_key(service, home, name).await?)),
                    None => Ok(None),
                }
            }
            KeyIdentifier::Alias { .. } | KeyIdentifier::Key(_) => Ok(None),
        }
    }
}

impl Output<Kms> for KeyDescribed {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("KeyMetadata", |out| {
            metadata::describe(&self.record, &self.record.arn(), out);
        });
    }
}
