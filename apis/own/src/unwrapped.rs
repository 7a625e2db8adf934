//! The data keys of volumes, unwrapped in the name of the service that each belongs to, or that it has do so.
//!
//! That service's grant decides, and the call of `Decrypt` has an event of its own. Where a service has further grants
//! for a volume, all must be there: to revoke any of them closes the volume.

use bytes::Bytes;
use keyward_crypto::secret::SecretBytes;
use keyward_engine::{
    context::Context,
    directory::records::storage::{VolumeKey, VolumeRecord},
    fault::Internal,
    forward::{NotDone, Resource, by_service},
    request::Told,
};
use keyward_types::{account::AccountId, via_service::ActingService};
use keyward_wire::json::{Limits, Members, Object, Writer};

use crate::{Cx, Keyward, agents, fault::KeywardFault};

/// The codes with which KMS says that a key cannot be used, and not that it cannot say.
const DEFINITE: [&str; 4] = [
    "AccessDeniedException",
    "DisabledException",
    "KMSInvalidStateException",
    "NotFoundException",
];

/// The code of a call that would have succeeded.
const DRY_RUN: &str = "DryRunOperationException";

/// The data key of a volume.
///
/// # Errors
/// When KMS refuses or fails, or a grant is not there.
pub async fn data_key(
    cx: &Cx<'_>,
    account: AccountId,
    of: (&VolumeRecord, &VolumeKey),
) -> Result<SecretBytes, NotDone> {
    let answer = decrypt((cx, false), account, of).await?;
    let answer = Object::parse(&answer, &Limits::KMS)
        .map_err(|error| NotDone::Failed(Internal::new(error)))?;
    let mut told = Members::of(&answer);
    let plaintext = told.blob("Plaintext").required_secret();
    told.finish()
        .map_err(|error| NotDone::Failed(Internal::new(error)))?;
    Ok(plaintext)
}

/// Whether KMS would unwrap the data key of a volume. Nothing of it is recorded.
///
/// # Errors
/// When KMS refuses or fails, or a grant is not there.
pub async fn would_be(
    cx: &Cx<'_>,
    account: AccountId,
    of: (&VolumeRecord, &VolumeKey),
) -> Result<(), NotDone> {
    match decrypt((&cx.unrecorded(), true), account, of).await {
        Err(NotDone::Refused(told)) if told.code == DRY_RUN => Ok(()),
        Err(not_done) => Err(not_done),
        Ok(_) => Err(NotDone::Failed(Internal::new("a dry run has an answer"))),
    }
}

/// Has KMS unwrap a data key, or only say whether it would.
async fn decrypt(
    (cx, dry_run): (&Context<'_>, bool),
    account: AccountId,
    (volume, key): (&VolumeRecord, &VolumeKey),
) -> Result<Bytes, NotDone> {
    let failed = |error: KeywardFault| NotDone::Failed(Internal::new(format!("{error:?}")));
    let service = key.opened_by.as_deref().unwrap_or(&volume.service);
    let service = ActingService::find(service)
        .ok_or_else(|| NotDone::Failed(Internal::new("a volume belongs to no service")))?;
    let arn = agents::key_arn(key, cx.region).map_err(failed)?;
    let reader = cx.directory().reader();
    if !key.further_grants.is_empty() {
        for path in agents::grant_paths(reader, &arn, key).map_err(failed)? {
            let found = reader.get(&path).await;
            let found = found.map_err(|error| NotDone::Failed(Internal::new(error)))?;
            if found.value.is_none() {
                let (service, id) = (&volume.service, &volume.id);
                let message =
                    format!("A grant on {arn} for {id} of {service} was revoked or retired.");
                return Err(NotDone::Refused(Told {
                    code: "AccessDeniedException",
                    message: Some(message),
                }));
            }
        }
    }
    let body = Writer::render(512, |out| {
        out.string("KeyId", &key.key);
        out.string("CiphertextBlob", &key.ciphertext);
        out.object("EncryptionContext", |context| {
            for (name, value) in &key.context {
                context.named_string(name, value);
            }
        });
        if dry_run {
            out.boolean("DryRun", true);
        }
    });
    let resource = Resource {
        arn: &volume.source,
        account,
    };
    let named = ("kms", "Decrypt");
    by_service::<Keyward>(cx, (service, resource), named, &body).await
}

/// Whether it is certain that the data key of a volume cannot be unwrapped now.
///
/// # Errors
/// When KMS fails, so that nobody knows.
pub async fn is_locked(
    cx: &Cx<'_>,
    account: AccountId,
    volume: &VolumeRecord,
) -> Result<bool, Internal> {
    let Some(key) = &volume.key else {
        return Ok(false);
    };
    match data_key(cx, account, (volume, key)).await {
        Ok(_) => Ok(false),
        Err(NotDone::Refused(told)) => Ok(DEFINITE.contains(&told.code)),
        Err(NotDone::Failed(internal)) => Err(internal),
    }
}
