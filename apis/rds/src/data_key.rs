//! What a new encrypted DB instance needs of KMS: the key's ARN, a wrapped data key, and two grants.
//!
//! In the name of whoever creates it, RDS describes the key and creates the first grant, by which RDS may use the key
//! for this instance; the caller needs `kms:DescribeKey` and `kms:CreateGrant`, as at AWS. By virtue of it, RDS itself
//! has the data key of the volume made, and creates the second grant, by which EC2 may unwrap that and nothing else:
//! at AWS, volumes are EC2's. To revoke either closes the instance.
//!
//! A snapshot has a wrapped data key and grants of its own, so that it outlasts its instance: RDS makes all of it by
//! virtue of the instance's first grant. What is copied or restored from it is made in the caller's name again. Under the
//! same KMS key, the data key stays the same and KMS wraps it anew for the copy; under another, there is a new one.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html>

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_engine::{
    directory::records::storage::VolumeKey,
    fault::Internal,
    forward::{Forwards as _, NotDone, Resource, by_service, call},
};
use keyward_types::via_service::{ActingService, EC2};
use keyward_wire::json::{Limits, Members, Object, Value, Writer};

use crate::{
    Cx, Rds,
    fault::RdsFault,
    held_key::{context, retire_one},
};

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

/// The instance or snapshot that a key is for.
#[derive(Clone, Copy, Debug)]
pub struct For<'i> {
    /// Its ARN.
    pub arn: &'i str,
    /// `db-…`, for a snapshot that of its instance.
    pub id: &'i str,
    /// `vol-…`, or `snap-…`.
    pub volume: &'i str,
    /// Whether it is a snapshot.
    pub is_snapshot: bool,
}

/// What is copied or restored.
#[derive(Clone, Copy, Debug)]
pub struct Original<'o> {
    /// Its ARN.
    pub arn: &'o str,
    /// Its data key.
    pub key: &'o VolumeKey,
}

impl<'i> For<'i> {
    fn pairs(self) -> Vec<(&'static str, &'i str)> {
        vec![(INSTANCE, self.id), (VOLUME, self.volume)]
    }

    /// What the first grant is for: an instance with all that is made of it, or one snapshot.
    fn first(self) -> Vec<(&'static str, &'i str)> {
        let mut pairs = self.pairs();
        if !self.is_snapshot {
            pairs.truncate(1);
        }
        pairs
    }
}

/// A data key, under the key that the caller named: of an instance or snapshot that is made from `original`, or from
/// nothing. What was made before something failed is taken back.
///
/// # Errors
/// When KMS refuses or fails, or the key is none for this use.
pub async fn create(
    cx: &Cx<'_>,
    named: &str,
    of: For<'_>,
    original: Option<Original<'_>>,
) -> Result<VolumeKey, RdsFault> {
    let refused = |not_done| RdsFault::of_kms(not_done, named);
    let body = Writer::render(256, |out| out.string("KeyId", named));
    let described = call::<Rds>(cx, ("kms", "DescribeKey"), &body).await;
    let described = Described::read(&described.map_err(refused)?)?;
    if !described.is_symmetric {
        let message = format!("The KMS key [{named}] must be a symmetric encryption key.");
        return Err(RdsFault::InvalidParameterValue(message));
    }
    let key = described.arn;
    let body = grant(cx, (&key, Grantee::Rds), &INSTANCE_OPERATIONS, &of.first());
    let granted = call::<Rds>(cx, ("kms", "CreateGrant"), &body).await;
    let first = text(&granted.map_err(refused)?, "GrantId")?;
    by_grant(cx, (&key, first), of, original)
        .await
        .map_err(refused)
}

/// The data key of a snapshot of an instance, and its grants. RDS makes all of it by virtue of the instance's first grant.
///
/// # Errors
/// When KMS refuses or fails.
pub async fn snapshot(
    cx: &Cx<'_>,
    of: For<'_>,
    original: Original<'_>,
) -> Result<VolumeKey, RdsFault> {
    let key = &original.key.key;
    let refused = |not_done| RdsFault::of_kms(not_done, key);
    let to = Grantee::Service(Rds::CALLS_AS, of.arn);
    let body = grant(cx, (key, to), &INSTANCE_OPERATIONS, &of.first());
    let granted = as_rds(cx, of.arn, "CreateGrant", &body).await;
    let first = text(&granted.map_err(refused)?, "GrantId")?;
    by_grant(cx, (key, first), of, Some(original))
        .await
        .map_err(refused)
}

async fn as_rds(cx: &Cx<'_>, arn: &str, operation: &str, body: &[u8]) -> Result<Vec<u8>, NotDone> {
    let resource = Resource {
        arn,
        account: cx.account(),
    };
    let named = ("kms", operation);
    let answer = by_service::<Rds>(cx, (Rds::CALLS_AS, resource), named, body).await?;
    Ok(answer.to_vec())
}

/// The wrapped data key and the second grant, which RDS makes by virtue of the first. If they cannot be made, the first
/// is taken back.
async fn by_grant(
    cx: &Cx<'_>,
    (key, first): (&str, String),
    of: For<'_>,
    original: Option<Original<'_>>,
) -> Result<VolumeKey, NotDone> {
    let made = async {
        let ciphertext = wrapped(cx, key, of, original).await?;
        let to = Grantee::Service(EC2, of.arn);
        let body = grant(cx, (key, to), &VOLUME_OPERATIONS, &of.pairs());
        let granted = as_rds(cx, of.arn, "CreateGrant", &body).await?;
        Ok((ciphertext, text(&granted, "GrantId").map_err(unreadable)?))
    };
    let made: Result<(String, String), NotDone> = made.await;
    let (ciphertext, second) = match made {
        Ok(made) => made,
        Err(failed) => {
            if let Err(error) = retire_one(cx, (key, &first), of.arn).await {
                let (cause, grant) = (error.chain(), &first);
                tracing::error!(cause, key, grant, "a grant without an instance stays");
            }
            return Err(failed);
        }
    };
    let pairs = of.pairs().into_iter();
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(VolumeKey {
        key: key.to_owned(),
        ciphertext,
        context: pairs.collect(),
        grant: second,
        opened_by: Some(EC2.name().to_owned()),
        further_grants: vec![first],
    })
}

/// The data key of the original under the same KMS key, wrapped for its copy; or a new one.
async fn wrapped(
    cx: &Cx<'_>,
    key: &str,
    of: For<'_>,
    original: Option<Original<'_>>,
) -> Result<String, NotDone> {
    let made = match original.filter(|original| original.key.key == key) {
        Some(original) => {
            let before = original.key.context.iter();
            let before: Vec<(&str, &str)> = before
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let body = Writer::render(1024, |out| {
                out.string("CiphertextBlob", &original.key.ciphertext);
                out.string("SourceKeyId", key);
                out.object("SourceEncryptionContext", |out| context(out, &before));
                out.string("DestinationKeyId", key);
                out.object("DestinationEncryptionContext", |out| {
                    context(out, &of.pairs());
                });
            });
            as_rds(cx, original.arn, "ReEncrypt", &body).await?
        }
        None => {
            let body = Writer::render(512, |out| {
                out.string("KeyId", key);
                out.string("KeySpec", "AES_256");
                out.object("EncryptionContext", |out| context(out, &of.pairs()));
            });
            as_rds(cx, of.arn, "GenerateDataKeyWithoutPlaintext", &body).await?
        }
    };
    let ciphertext = text(&made, "CiphertextBlob").map_err(unreadable)?;
    STANDARD
        .decode(&ciphertext)
        .map_err(|error| NotDone::Failed(Internal::new(error)))?;
    Ok(ciphertext)
}

fn unreadable(error: RdsFault) -> NotDone {
    NotDone::Failed(Internal::new(format!("{error:?}")))
}

/// Whom a grant is for: RDS itself, as which RDS names itself in a caller's name; or a service, for one resource.
#[derive(Clone, Copy)]
enum Grantee<'g> {
    Rds,
    Service(&'static ActingService, &'g str),
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
            Grantee::Service(other, _) => {
                out.string("GranteeServicePrincipal", &other.regional_name(cx.region));
                out.string("RetiringServicePrincipal", &service);
            }
        }
        out.strings("Operations", operations);
        out.object("Constraints", |out| {
            out.object("EncryptionContextSubset", |out| context(out, pairs));
            if let Grantee::Service(_, source) = grantee {
                out.string("SourceArn", source);
            }
        });
    })
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
