//! What a new encrypted DB instance needs of KMS: the key's ARN, a wrapped data key, and two grants.
//!
//! In the name of whoever creates it, RDS describes the key and creates the first grant, by which RDS may use the key
//! for this instance; the caller needs `kms:DescribeKey` and `kms:CreateGrant`, as at AWS. By virtue of it, RDS itself
//! has the data key of the volume made, and creates the second grant, by which EC2 may unwrap that and nothing else:
//! at AWS, volumes are EC2's. To revoke either closes the instance.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html>

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_engine::{
    directory::records::storage::VolumeKey,
    fault::Internal,
    forward::{Forwards as _, NotDone, Resource, by_service, call},
    request::Told,
};
use keyward_types::via_service::{ActingService, EC2};
use keyward_wire::json::{Limits, Members, Object, Value, Writer};

use crate::{Cx, Rds, fault::RdsFault};

/// The name in the encryption context whose value is the instance's id.
pub const INSTANCE: &str = "aws:rds:db-id";
/// The name whose value is the id of its volume.
pub const VOLUME: &str = "aws:ebs:id";
/// What RDS uses if no key is named.
pub const DEFAULT_KEY: &str = "alias/aws/rds";
/// What the first grant is for.
const INSTANCE_OPERATIONS: [&str; 9] = [
    "DescribeKey",
    "CreateGrant",
    "RetireGrant",
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
];
/// What the second grant is for.
const VOLUME_OPERATIONS: [&str; 1] = ["Decrypt"];

/// The instance that a key is for.
#[derive(Clone, Copy, Debug)]
pub struct For<'i> {
    /// Its ARN.
    pub arn: &'i str,
    /// `db-…`.
    pub id: &'i str,
    /// `vol-…`.
    pub volume: &'i str,
}

/// A data key for an instance, under the key that the caller named. What was made before something failed is taken
/// back.
///
/// # Errors
/// When KMS refuses or fails, or the key is none for this use.
pub async fn create(cx: &Cx<'_>, named: &str, instance: For<'_>) -> Result<VolumeKey, RdsFault> {
    let refused = |not_done| RdsFault::of_kms(not_done, named);
    let body = Writer::render(256, |out| out.string("KeyId", named));
    let described = call::<Rds>(cx, ("kms", "DescribeKey"), &body).await;
    let described = Described::read(&described.map_err(refused)?)?;
    if !described.is_symmetric {
        let message = format!("The KMS key [{named}] must be a symmetric encryption key.");
        return Err(RdsFault::InvalidParameterValue(message));
    }
    let key = described.arn;
    let pair = [(INSTANCE, instance.id)];
    let body = grant(cx, (&key, Grantee::Rds), &INSTANCE_OPERATIONS, &pair);
    let granted = call::<Rds>(cx, ("kms", "CreateGrant"), &body).await;
    let first = text(&granted.map_err(refused)?, "GrantId")?;
    let made = by_grant(cx, &key, instance).await;
    match made {
        Ok((ciphertext, second)) => Ok(VolumeKey {
            key,
            ciphertext,
            context: BTreeMap::from(
                [(INSTANCE, instance.id), (VOLUME, instance.volume)]
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            ),
            grant: second,
            opened_by: Some(EC2.name().to_owned()),
            further_grants: vec![first],
        }),
        Err(failed) => {
            if let Err(error) = retire_one(cx, (&key, &first), instance.arn).await {
                let (cause, grant) = (error.chain(), &first);
                tracing::error!(cause, key, grant, "a grant without an instance stays");
            }
            Err(RdsFault::of_kms(failed, named))
        }
    }
}

/// The wrapped data key and the second grant, which RDS makes by virtue of the first.
async fn by_grant(cx: &Cx<'_>, key: &str, instance: For<'_>) -> Result<(String, String), NotDone> {
    let as_rds = async |operation: &str, body: &[u8]| {
        let resource = Resource {
            arn: instance.arn,
            account: cx.account(),
        };
        by_service::<Rds>(cx, (Rds::CALLS_AS, resource), ("kms", operation), body).await
    };
    let read = |error: RdsFault| NotDone::Failed(Internal::new(format!("{error:?}")));
    let pairs = [(INSTANCE, instance.id), (VOLUME, instance.volume)];
    let body = Writer::render(512, |out| {
        out.string("KeyId", key);
        out.string("KeySpec", "AES_256");
        out.object("EncryptionContext", |out| context(out, &pairs));
    });
    let made = as_rds("GenerateDataKeyWithoutPlaintext", &body).await?;
    let ciphertext = text(&made, "CiphertextBlob").map_err(read)?;
    STANDARD
        .decode(&ciphertext)
        .map_err(|error| NotDone::Failed(Internal::new(error)))?;
    let to = Grantee::Other(EC2, instance.arn);
    let body = grant(cx, (key, to), &VOLUME_OPERATIONS, &pairs);
    let granted = as_rds("CreateGrant", &body).await?;
    Ok((ciphertext, text(&granted, "GrantId").map_err(read)?))
}

/// Whom a grant is for: RDS itself, which names itself as services do, or another service, for one resource.
#[derive(Clone, Copy)]
enum Grantee<'g> {
    Rds,
    Other(&'static ActingService, &'g str),
}

/// The body of a request for a grant that RDS may retire.
fn grant(
    cx: &Cx<'_>,
    (key, grantee): (&str, Grantee<'_>),
    operations: &[&str],
    pairs: &[(&str, &str)],
) -> Vec<u8> {
    let service = Rds::CALLS_AS.regional_name(cx.region);
    Writer::render(1024, |out| {
        out.string("KeyId", key);
        match grantee {
            Grantee::Rds => {
                out.string("GranteePrincipal", &service);
                out.string("RetiringPrincipal", &service);
            }
            Grantee::Other(other, _) => {
                out.string("GranteeServicePrincipal", &other.regional_name(cx.region));
                out.string("RetiringServicePrincipal", &service);
            }
        }
        out.strings("Operations", operations);
        out.object("Constraints", |out| {
            out.object("EncryptionContextSubset", |out| context(out, pairs));
            if let Grantee::Other(_, source) = grantee {
                out.string("SourceArn", source);
            }
        });
    })
}

fn context(out: &mut Writer<'_>, pairs: &[(&str, &str)]) {
    for (name, value) in pairs {
        out.named_string(name, value);
    }
}

/// Retires the grants of a data key, as RDS itself. A grant that was revoked is retired as well.
///
/// # Errors
/// When KMS fails.
pub async fn retire(cx: &Cx<'_>, key: &VolumeKey, arn: &str) -> Result<(), Internal> {
    for grant in key.grants() {
        retire_one(cx, (&key.key, grant), arn).await?;
    }
    Ok(())
}

async fn retire_one(cx: &Cx<'_>, (key, grant): (&str, &str), arn: &str) -> Result<(), Internal> {
    let resource = Resource {
        arn,
        account: cx.account(),
    };
    let body = Writer::render(256, |out| {
        out.string("KeyId", key);
        out.string("GrantId", grant);
    });
    let named = ("kms", "RetireGrant");
    let retired = by_service::<Rds>(cx, (Rds::CALLS_AS, resource), named, &body);
    match retired.await {
        Ok(_) | Err(NotDone::Refused(Told { .. })) => Ok(()),
        Err(NotDone::Failed(internal)) => Err(internal),
    }
}

/// Checks that the key of an instance can be used by virtue of both grants. Nothing is unwrapped for that.
///
/// # Errors
/// If it cannot, or KMS fails.
pub async fn check(cx: &Cx<'_>, key: &VolumeKey, arn: &str) -> Result<(), RdsFault> {
    let resource = Resource {
        arn,
        account: cx.account(),
    };
    let pairs = key.context.iter();
    let pairs: Vec<(&str, &str)> = pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let of_instance = Writer::render(512, |out| {
        out.string("KeyId", &key.key);
        out.string("KeySpec", "AES_256");
        out.object("EncryptionContext", |out| context(out, &pairs));
        out.boolean("DryRun", true);
    });
    let of_volume = Writer::render(1024, |out| {
        out.string("KeyId", &key.key);
        out.string("CiphertextBlob", &key.ciphertext);
        out.object("EncryptionContext", |out| context(out, &pairs));
        out.boolean("DryRun", true);
    });
    for (service, operation, body) in [
        (
            Rds::CALLS_AS,
            "GenerateDataKeyWithoutPlaintext",
            of_instance,
        ),
        (EC2, "Decrypt", of_volume),
    ] {
        let named = ("kms", operation);
        match by_service::<Rds>(cx, (service, resource), named, &body).await {
            // So KMS says that it would have done it.
            Ok(_) => {}
            Err(NotDone::Refused(told)) if told.code == "DryRunOperationException" => {}
            Err(not_done) => return Err(RdsFault::of_kms(not_done, &key.key)),
        }
    }
    Ok(())
}

/// What KMS says of a key.
struct Described {
    arn: String,
    is_symmetric: bool,
}

impl Described {
    fn read(answer: &[u8]) -> Result<Self, RdsFault> {
        let answer = Object::parse(answer, &Limits::KMS).map_err(Internal::new)?;
        let mut m = Members::of(&answer);
        let read = m.structure("KeyMetadata", |m| {
            let arn = m.string("Arn").required().to_owned();
            let spec = m.string("KeySpec").required();
            let usage = m.string("KeyUsage").required();
            let is_symmetric = spec == "SYMMETRIC_DEFAULT" && usage == "ENCRYPT_DECRYPT";
            (arn, is_symmetric)
        });
        let (arn, is_symmetric) = read.required();
        m.finish().map_err(Internal::new)?;
        Ok(Self { arn, is_symmetric })
    }
}

fn text(answer: &[u8], name: &str) -> Result<String, RdsFault> {
    let answer = Object::parse(answer, &Limits::KMS).map_err(Internal::new)?;
    match answer.get(name) {
        Some(Value::Text(text)) => Ok(text.to_string()),
        _ => Err(Internal::new("an answer of KMS lacks a member").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_symmetric_key_that_encrypts_is_one_for_databases() {
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
