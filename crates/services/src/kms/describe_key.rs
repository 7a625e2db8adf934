//! `DescribeKey`: what is known of a key.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html>

use keyward_keys::record::KeyRecord;
use keyward_policy::permit::Permit;
use keyward_types::{action, encryption_context::EncryptionContext, grant::GrantOperation};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    context::Context,
    gate::{Denied, Gate},
    grants::terms::Act,
    kms::{Kms, fault::KmsFault, identifier::Forms, members, metadata, resolved::ResolvedKey},
    operation::{Done, Operation, Output},
};

/// The input.
#[derive(Debug)]
pub struct DescribeKey {
    key_id: String,
    grant_tokens: Vec<String>,
}

/// The output.
#[derive(Debug)]
pub struct KeyDescribed {
    record: KeyRecord,
}

impl Operation for DescribeKey {
    const NAME: &'static str = "DescribeKey";
    const READ_ONLY: bool = true;
    type Api = Kms;
    type Output = KeyDescribed;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
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

    async fn resolve(&self, cx: &Context<'_>) -> Result<ResolvedKey, KmsFault> {
        let none = EncryptionContext::default();
        let act = Act::Use(GrantOperation::DescribeKey, &none);
        cx.key_to_use(&self.key_id, Forms::All, &self.grant_tokens, act)
            .await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.key(key, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        key: &ResolvedKey,
        _cx: &Context<'_>,
    ) -> Result<Done<KeyDescribed>, KmsFault> {
        let key = key.unit()?;
        Ok(Done::unchanged(KeyDescribed {
            record: key.record().clone(),
        }))
    }

    fn describe(&self, parameters: &mut Writer<'_>) {
        parameters.string("keyId", &self.key_id);
    }
}

impl Output<Kms> for KeyDescribed {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("KeyMetadata", |out| {
            metadata::describe(&self.record, &self.record.arn(), out);
        });
    }
}
