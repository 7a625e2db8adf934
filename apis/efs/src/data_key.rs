//! What a new encrypted file system needs of KMS, in the name of the one who creates it: the key's
//! ARN, a wrapped data key, and a grant by which EFS can unwrap it later.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/encryption-at-rest.html>
//!
//! The calls are those that CloudTrail shows of EFS: DescribeKey, GenerateDataKeyWithoutPlaintext and
//! CreateGrant, with `kms:ViaService`. The key's policies decide about the caller. What is made is
//! kept for the case that the commit meets a conflict and the operation runs again.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_engine::{
    directory::records::storage::VolumeKey,
    fault::Internal,
    forward::{Forwards as _, NotDone, Resource, by_service, call},
    request::Told,
};
use keyward_wire::json::{Limits, Members, Object, Value, Writer};

use crate::{Cx, Efs, fault::EfsFault, file_system::arn};

/// The name in the encryption context whose value is the file system's id.
pub const CONTEXT: &str = "aws:elasticfilesystem:filesystem:id";
/// What EFS uses if no key is named.
pub const DEFAULT_KEY: &str = "alias/aws/elasticfilesystem";
/// What the grant is for.
const OPERATIONS: [&str; 3] = ["Encrypt", "Decrypt", "RetireGrant"];

/// A data key for a file system of that id, under the key that the caller named.
///
/// # Errors
/// When KMS refuses or fails, or the key cannot be used for this.
pub async fn create(cx: &Cx<'_>, key: &str, id: &str) -> Result<VolumeKey, EfsFault> {
    let body = Writer::render(256, |out| out.string("KeyId", key));
    let described = call::<Efs>(cx, ("kms", "DescribeKey"), &body).await?;
    let described = Described::read(&described)?;
    if !described.is_symmetric {
        let message = "The KMS key must be a symmetric encryption key.";
        return Err(EfsFault::BadRequest(message.to_owned()));
    }
    let context = |out: &mut Writer<'_>| out.named_string(CONTEXT, id);
    let body = Writer::render(512, |out| {
        out.string("KeyId", &described.arn);
        out.string("KeySpec", "AES_256");
        out.object("EncryptionContext", context);
    });
    let named = ("kms", "GenerateDataKeyWithoutPlaintext");
    let made = call::<Efs>(cx, named, &body).await?;
    let ciphertext = blob(&made, "CiphertextBlob")?;
    let service = cx.service_principal();
    let body = Writer::render(1024, |out| {
        out.string("KeyId", &described.arn);
        out.string("GranteePrincipal", &service);
        out.string("RetiringPrincipal", &service);
        out.strings("Operations", OPERATIONS);
        out.object("Constraints", |out| {
            out.object("EncryptionContextEquals", context)
        });
    });
    let granted = call::<Efs>(cx, ("kms", "CreateGrant"), &body).await?;
    let grant = text(&granted, "GrantId")?;
    Ok(VolumeKey {
        key: described.arn,
        ciphertext,
        context: BTreeMap::from([(CONTEXT.to_owned(), id.to_owned())]),
        grant,
        opened_by: None,
        further_grants: Vec::new(),
    })
}

/// Retires the grant of a data key, as EFS itself. A grant that was revoked is retired as well.
///
/// # Errors
/// When KMS fails.
pub async fn retire(cx: &Cx<'_>, key: &VolumeKey, id: &str) -> Result<(), Internal> {
    let arn = arn(cx.region, cx.account(), id);
    let resource = Resource {
        arn: &arn,
        account: cx.account(),
    };
    let body = Writer::render(256, |out| {
        out.string("KeyId", &key.key);
        out.string("GrantId", &key.grant);
    });
    let named = ("kms", "RetireGrant");
    let retired = by_service::<Efs>(cx, (Efs::CALLS_AS, resource), named, &body);
    match retired.await {
        Ok(_) | Err(NotDone::Refused(Told { .. })) => Ok(()),
        Err(NotDone::Failed(internal)) => Err(internal),
    }
}

impl Cx<'_> {
    /// EFS's principal in the Region of the request.
    pub fn service_principal(&self) -> String {
        Efs::CALLS_AS.regional_name(self.region)
    }
}

/// What KMS returns about a key.
struct Described {
    arn: String,
    is_symmetric: bool,
}

impl Described {
    fn read(answer: &[u8]) -> Result<Self, EfsFault> {
        let answer = Object::parse(answer, &Limits::KMS).map_err(Internal::new)?;
        let mut m = Members::of(&answer);
        let read = m.structure("KeyMetadata", |m| {
            let arn = m.string("Arn").required().to_owned();
            let spec = m.string("KeySpec").required();
            let usage = m.string("KeyUsage").required();
            (
                arn,
                spec == "SYMMETRIC_DEFAULT" && usage == "ENCRYPT_DECRYPT",
            )
        });
        let (arn, is_symmetric) = read.required();
        m.finish().map_err(Internal::new)?;
        Ok(Self { arn, is_symmetric })
    }
}

fn text(answer: &[u8], name: &str) -> Result<String, EfsFault> {
    let answer = Object::parse(answer, &Limits::KMS).map_err(Internal::new)?;
    match answer.get(name) {
        Some(Value::Text(text)) => Ok(text.to_string()),
        _ => Err(Internal::new("an answer of KMS lacks a member").into()),
    }
}

/// A blob in base64, as KMS writes it.
fn blob(answer: &[u8], name: &str) -> Result<String, EfsFault> {
    let text = text(answer, name)?;
    STANDARD.decode(&text).map_err(Internal::new)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_symmetric_key_that_encrypts_is_one_for_file_systems() {
        for (spec, usage, is_symmetric) in [
            ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", true),
            ("RSA_2048", "ENCRYPT_DECRYPT", false),
            ("RSA_2048", "SIGN_VERIFY", false),
            ("HMAC_256", "GENERATE_VERIFY_MAC", false),
        ] {
            let answer = format!(
                r#"{{"KeyMetadata":{{"Arn":"a","KeySpec":"{spec}","KeyUsage":"{usage}"}}}}"#
            );
            let described = Described::read(answer.as_bytes()).unwrap();
            assert_eq!(described.is_symmetric, is_symmetric, "{spec} {usage}");
        }
    }
}
