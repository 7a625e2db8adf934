//! What the role of an environment must be allowed, looked at before anything is built. The first thing that is missing is
//! named.
//!
//! What EFS and RDS would ask of KMS is asked as they would ask it, by dry runs: so the conditions of a key policy
//! (`kms:ViaService`, `kms:GrantIsForAWSResource`, encryption contexts) are those that count later.

use keyward_engine::{
    forward::{NotDone, role::AssumedRole},
    gate::protected::{IdentityOnly, Protected},
};
use keyward_types::{
    action::Action,
    via_service::{ActingService, ELASTIC_FILE_SYSTEM, RDS},
};
use keyward_wire::json::Writer;

use crate::{
    Cx, De,
    condition_keys::{
        CREATE_ACTION, DATABASE_CLASS, DATABASE_ENCRYPTED, DATABASE_ENGINE, FILE_SYSTEM_ENCRYPTED,
    },
    de::{
        parts,
        provision::{self, DATABASE_CLASS_NAME, ENGINE, tags_of},
    },
    fault::CdeFault,
    keys::check_key_seen,
    records::ServiceRecord,
};

/// The code with which KMS says that a dry run would have succeeded.
const WOULD_SUCCEED: &str = "DryRunOperationException";
/// An id that no file system has, for those that do not exist yet.
const ANY_FILE_SYSTEM: &str = "fs-00000000000000000";
/// An id that no database has.
const ANY_DATABASE: &str = "db-AAAAAAAAAAAAAAAAAAAAAAAAAA";

mod action {
    keyward_types::actions! {
        "elasticfilesystem":
        CreateFileSystem = "elasticfilesystem:CreateFileSystem",
        CreateMountTarget = "elasticfilesystem:CreateMountTarget",
        DeleteFileSystem = "elasticfilesystem:DeleteFileSystem",
        DeleteMountTarget = "elasticfilesystem:DeleteMountTarget",
        DescribeFileSystems = "elasticfilesystem:DescribeFileSystems",
        DescribeMountTargets = "elasticfilesystem:DescribeMountTargets",
        TagResource = "elasticfilesystem:TagResource",
    }
    keyward_types::actions! {
        "rds":
        AddTagsToResource = "rds:AddTagsToResource",
        CreateDBInstance = "rds:CreateDBInstance",
        DeleteDBInstance = "rds:DeleteDBInstance",
    }
}

/// Checks that the role may do what enabling and disabling a service needs.
///
/// # Errors
/// The first thing that it may not do, or that stands against the key.
pub async fn check(
    cx: &Cx<'_>,
    role: &AssumedRole,
    service: &ServiceRecord,
) -> Result<(), CdeFault> {
    check_services(cx, role, service)?;
    let Some(key) = &service.key else {
        // The keys that AWS manages let in whoever may use the services.
        return Ok(());
    };
    check_key_seen(cx, role, key).await?;
    let of_file_system = [("aws:elasticfilesystem:filesystem:id", ANY_FILE_SYSTEM)];
    let of_database = [("aws:rds:db-id", ANY_DATABASE)];
    let efs = (ELASTIC_FILE_SYSTEM, &of_file_system[..]);
    let region = service.region;
    let data_key = |out: &mut Writer<'_>| out.string("KeySpec", "AES_256");
    ask(
        cx,
        (role, key),
        efs,
        "GenerateDataKeyWithoutPlaintext",
        data_key,
    )
    .await?;
    for (of, operations, constraint) in [
        (
            efs,
            &["Encrypt", "Decrypt", "RetireGrant"][..],
            "EncryptionContextEquals",
        ),
        (
            (RDS, &of_database[..]),
            &[
                "DescribeKey",
                "CreateGrant",
                "RetireGrant",
                "Decrypt",
                "Encrypt",
                "GenerateDataKey",
                "GenerateDataKeyWithoutPlaintext",
                "ReEncryptFrom",
                "ReEncryptTo",
            ],
            "EncryptionContextSubset",
        ),
    ] {
        let service = of.0.regional_name(region);
        let grant = |out: &mut Writer<'_>| {
            out.string("GranteePrincipal", &service);
            out.string("RetiringPrincipal", &service);
            out.strings("Operations", operations);
            out.object("Constraints", |out| {
                out.object(constraint, |out| {
                    for (name, value) in of.1 {
                        out.named_string(name, value);
                    }
                });
            });
        };
        ask(cx, (role, key), of, "CreateGrant", grant).await?;
    }
    provision::probe(cx, role, key, service)
        .await
        .map_err(|failure| CdeFault::Precondition(format!("{}: {}", failure.word, failure.message)))
}

/// What EFS and RDS themselves ask of the role's policies.
fn check_services(
    cx: &Cx<'_>,
    role: &AssumedRole,
    service: &ServiceRecord,
) -> Result<(), CdeFault> {
    let (partition, region, account) = (cx.partition(), service.region, cx.account());
    let tags = tags_of(service);
    let root = format!("arn:{partition}:elasticfilesystem:{region}:{account}");
    let (any, one) = (
        format!("{root}:*"),
        format!("{root}:file-system/{ANY_FILE_SYSTEM}"),
    );
    let new = IdentityOnly::new(&any).shown_as("*");
    let made = IdentityOnly::new(&one).tagged(&tags);
    let untagged = IdentityOnly::new(&one);
    let on = |is_allowed: bool, action: &str, what: &dyn Protected| match is_allowed {
        true => Ok(()),
        false => Err(CdeFault::Precondition(format!(
            "The role {} is not authorized to perform: {action} on resource: {}. Nothing was created.",
            role.arn(),
            what.shown(),
        ))),
    };
    macro_rules! may {
        ($action:ty, $what:expr, $supply:expr) => {
            on(
                role.would_be_allowed::<$action>(cx, $what, $supply),
                <$action>::NAME,
                $what,
            )?
        };
    }
    may!(action::CreateFileSystem, &new, |supply| {
        supply.boolean(FILE_SYSTEM_ENCRYPTED, true);
        supply.request_tags(&tags);
    });
    may!(action::TagResource, &untagged, |supply| {
        supply.one(CREATE_ACTION, "CreateFileSystem");
        supply.request_tags(&tags);
    });
    may!(action::CreateMountTarget, &made, |_| ());
    may!(action::DescribeFileSystems, &made, |_| ());
    may!(action::DescribeMountTargets, &made, |_| ());
    may!(action::DeleteMountTarget, &made, |_| ());
    may!(action::DeleteFileSystem, &made, |_| ());
    let arn = parts::database_arn(cx, service);
    let new = IdentityOnly::new(&arn);
    let made = new.tagged(&tags);
    may!(action::CreateDBInstance, &new, |supply| {
        supply.boolean(DATABASE_ENCRYPTED, true);
        supply.one(DATABASE_ENGINE, ENGINE);
        supply.one(DATABASE_CLASS, DATABASE_CLASS_NAME);
        supply.request_tags(&tags);
    });
    may!(action::AddTagsToResource, &new, |supply| supply
        .request_tags(&tags));
    may!(action::DeleteDBInstance, &made, |_| ());
    Ok(())
}

/// Has KMS decide about a call that a service would make for the role.
async fn ask(
    cx: &Cx<'_>,
    (role, key): (&AssumedRole, &str),
    (service, context): (&'static ActingService, &[(&str, &str)]),
    operation: &str,
    members: impl FnOnce(&mut Writer<'_>),
) -> Result<(), CdeFault> {
    let body = Writer::render(1024, |out| {
        out.string("KeyId", key);
        members(out);
        if operation != "CreateGrant" {
            out.object("EncryptionContext", |out| {
                for (name, value) in context {
                    out.named_string(name, value);
                }
            });
        }
        out.boolean("DryRun", true);
    });
    let asked = role
        .call_through::<De>(cx, service, ("kms", operation), &body)
        .await;
    match asked {
        Err(NotDone::Refused(told)) if told.code == WOULD_SUCCEED => Ok(()),
        Err(not_done) => {
            let told = crate::role::told(not_done)?;
            let service = service.title();
            Err(CdeFault::Precondition(format!(
                "{service} could not use the key {key} for the role: {told} Nothing was created."
            )))
        }
        Ok(_) => {
            let cause = "a dry run was no dry run";
            Err(keyward_engine::fault::Internal::new(cause).into())
        }
    }
}
