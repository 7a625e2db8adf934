//! Data keys that are there: whether they can be used, and the end of their grants.

use keyward_engine::{
    directory::{
        paths, purpose,
        records::storage::{VolumeKey, VolumeRecord},
    },
    fault::Internal,
    forward::{Forwards as _, NotDone, Resource, by_service},
    request::Told,
};
use keyward_types::{storage::VolumeId, via_service::EC2};
use keyward_wire::json::Writer;

use crate::{Cx, Rds, fault::RdsFault};

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

/// Retires the grants of a data key whose volume did not come to be.
pub async fn take_back(cx: &Cx<'_>, key: &VolumeKey, (id, arn): (&VolumeId, &str)) {
    let retired = async {
        let path = paths::volume(cx.region, cx.account(), id);
        let found = cx.directory().rare::<VolumeRecord>(&path, purpose::VOLUME);
        // The store may have failed after it had committed.
        if found.await.map_err(Internal::new)?.is_some() {
            return Ok(());
        }
        retire(cx, key, arn).await
    };
    let retired: Result<(), Internal> = retired.await;
    if let Err(error) = retired {
        let (cause, key, grant) = (error.chain(), &key.key, &key.grant);
        tracing::error!(cause, %id, key, grant, "grants without a volume cannot be retired");
    }
}

/// Retires one grant.
///
/// # Errors
/// When KMS fails.
pub async fn retire_one(
    cx: &Cx<'_>,
    (key, grant): (&str, &str),
    arn: &str,
) -> Result<(), Internal> {
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

/// Checks that the key of an instance or a snapshot can be used, and that both grants are there. Nothing is unwrapped or
/// retired for that.
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
    let mut calls = vec![
        (
            Rds::CALLS_AS,
            "GenerateDataKeyWithoutPlaintext",
            of_instance,
        ),
        (EC2, "Decrypt", of_volume),
    ];
    // What a snapshot may do, its instance's first grant allows as well. So each must be there for itself.
    calls.extend(key.grants().map(|grant| {
        let body = Writer::render(512, |out| {
            out.string("KeyId", &key.key);
            out.string("GrantId", grant);
            out.boolean("DryRun", true);
        });
        (Rds::CALLS_AS, "RetireGrant", body)
    }));
    for (service, operation, body) in calls {
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

/// Writes an encryption context.
pub fn context(out: &mut Writer<'_>, pairs: &[(&str, &str)]) {
    for (name, value) in pairs {
        out.named_string(name, value);
    }
}
