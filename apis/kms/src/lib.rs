//! KMS: one file per operation, and the table of them.
//!
//! As AWS does it, no plaintext, ciphertext, grant token or attestation document is shown on the audit
//! trail, no parameters of GenerateRandom and RetireGrant, and always an algorithm.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/Welcome.html>

pub mod aliases;
pub mod cancel_key_deletion;
pub mod condition_keys;
pub mod create_alias;
pub mod create_grant;
pub mod create_key;
pub mod decrypt;
pub mod delete_alias;
pub mod describe_custom_key_stores;
pub mod describe_key;
pub mod disable_key;
pub mod disable_key_rotation;
pub mod enable_key;
pub mod enable_key_rotation;
pub mod encrypt;
pub mod fault;
pub mod generate_data_key;
pub mod generate_data_key_without_plaintext;
pub mod generate_random;
pub mod get_key_last_usage;
pub mod get_key_policy;
pub mod get_key_rotation_status;
pub mod grant_members;
pub mod grants;
pub mod identifier;
pub mod last_usage;
pub mod list_aliases;
pub mod list_grants;
pub mod list_key_policies;
pub mod list_key_rotations;
pub mod list_keys;
pub mod list_resource_tags;
pub mod list_retirable_grants;
pub mod lookup;
pub mod managed_keys;
pub mod members;
pub mod metadata;
pub mod on_key;
pub mod paths;
pub mod policies;
pub mod put_key_policy;
pub mod re_encrypt;
pub mod recipient;
pub mod records;
pub mod resolved;
pub mod retire_grant;
pub mod revoke_grant;
pub mod rotate_key_on_demand;
pub mod schedule_key_deletion;
pub mod service_events;
pub mod state;
pub mod tag_resource;
pub mod units;
pub mod untag_resource;
pub mod update_alias;
pub mod update_key_description;
pub mod workers;

use std::sync::Arc;

use keyward_engine::{
    api::{Api, ApiDescription, StartedWorkers},
    api_context,
    context::Context,
    counts::CountedKind,
    gate::declared::DeclaredKey,
    pipeline::{Row, row},
    protocol::{AwsJson, Wire},
    workers::WorkerContext,
};
use keyward_types::arn::ArnParts;

use crate::{on_key::OneKey, state::KmsState};

/// AWS KMS over AWS JSON 1.1.
#[derive(Clone, Copy, Debug)]
pub enum Kms {}

api_context!(
    /// The context of a request to KMS.
    Cx,
    KmsState
);

static DESCRIPTION: ApiDescription = ApiDescription::of::<Kms>();

impl Api for Kms {
    type Protocol = AwsJson;
    type State = KmsState;
    type Context<'a> = Cx<'a>;
    const SERVICE: &'static str = "kms";
    const TITLE: &'static str = "KMS";
    const EVENT_SOURCE: &'static str = "kms.amazonaws.com";
    const WIRE: Wire = Wire::Json {
        target_prefix: "TrentService.",
    };
    const OPERATIONS: &'static [Row] = OPERATIONS;
    const UNSUPPORTED: &'static [&'static str] = UNSUPPORTED;
    const INTERNAL: &'static str = "KMSInternalException";
    const BARE: bool = true;
    const THROTTLED: (&'static str, &'static str) = (
        "ThrottlingException",
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    );
    const FOR_SERVICES: &'static [&'static str] = &[
        "CancelKeyDeletion",
        "CreateGrant",
        "Decrypt",
        "DescribeKey",
        "DisableKey",
        "DisableKeyRotation",
        "EnableKey",
        "EnableKeyRotation",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GetKeyLastUsage",
        "GetKeyPolicy",
        "GetKeyRotationStatus",
        "ListGrants",
        "ListKeyPolicies",
        "ListKeyRotations",
        "ListResourceTags",
        "PutKeyPolicy",
        "ReEncrypt",
        "RetireGrant",
        "RevokeGrant",
        "RotateKeyOnDemand",
        "ScheduleKeyDeletion",
        "TagResource",
        "UntagResource",
        "UpdateKeyDescription",
    ];
    const CONDITION_KEYS: &'static [DeclaredKey] = condition_keys::ALL;
    const COUNTED: &'static [CountedKind] = &[CountedKind::Regional(paths::KEY)];

    fn workers(state: Arc<KmsState>, cx: &WorkerContext) -> StartedWorkers<'_> {
        Box::pin(workers::all(state, cx))
    }

    fn description() -> &'static ApiDescription {
        &DESCRIPTION
    }

    fn context<'a>(request: &'a Context<'a>, state: &'a Self::State) -> Cx<'a> {
        Cx::new(request, state)
    }

    fn resource_type(arn: &ArnParts<'_>) -> Option<&'static str> {
        match arn.resource.split_once('/')? {
            ("key", _) => Some("AWS::KMS::Key"),
            ("alias", _) => Some("AWS::KMS::Alias"),
            _ => None,
        }
    }
}

/// The operations served, in alphabetical order.
pub const OPERATIONS: &[Row] = &[
    row::<OneKey<cancel_key_deletion::CancelKeyDeletion>>(),
    row::<create_alias::CreateAlias>(),
    row::<create_grant::CreateGrant>(),
    row::<create_key::CreateKey>(),
    row::<decrypt::Decrypt>(),
    row::<delete_alias::DeleteAlias>(),
    row::<describe_custom_key_stores::DescribeCustomKeyStores>(),
    row::<describe_key::DescribeKey>(),
    row::<disable_key::DisableKey>(),
    row::<OneKey<disable_key_rotation::DisableKeyRotation>>(),
    row::<OneKey<enable_key::EnableKey>>(),
    row::<OneKey<enable_key_rotation::EnableKeyRotation>>(),
    row::<encrypt::Encrypt>(),
    row::<generate_data_key::GenerateDataKey>(),
    row::<generate_data_key_without_plaintext::GenerateDataKeyWithoutPlaintext>(),
    row::<generate_random::GenerateRandom>(),
    row::<OneKey<get_key_last_usage::GetKeyLastUsage>>(),
    row::<OneKey<get_key_policy::GetKeyPolicy>>(),
    row::<OneKey<get_key_rotation_status::GetKeyRotationStatus>>(),
    row::<list_aliases::ListAliases>(),
    row::<list_grants::ListGrants>(),
    row::<list_key_policies::ListKeyPolicies>(),
    row::<list_key_rotations::ListKeyRotations>(),
    row::<list_keys::ListKeys>(),
    row::<OneKey<list_resource_tags::ListResourceTags>>(),
    row::<list_retirable_grants::ListRetirableGrants>(),
    row::<put_key_policy::PutKeyPolicy>(),
    row::<re_encrypt::ReEncrypt>(),
    row::<retire_grant::RetireGrant>(),
    row::<revoke_grant::RevokeGrant>(),
    row::<OneKey<rotate_key_on_demand::RotateKeyOnDemand>>(),
    row::<schedule_key_deletion::ScheduleKeyDeletion>(),
    row::<OneKey<tag_resource::TagResource>>(),
    row::<OneKey<untag_resource::UntagResource>>(),
    row::<update_alias::UpdateAlias>(),
    row::<OneKey<update_key_description::UpdateKeyDescription>>(),
];

/// The operations of the model that this version answers with `UnsupportedOperationException`.
pub const UNSUPPORTED: &[&str] = &[
    "ConnectCustomKeyStore",
    "CreateCustomKeyStore",
    "Decapsulate",
    "DeleteCustomKeyStore",
    "DeleteImportedKeyMaterial",
    "DeriveSharedSecret",
    "DisconnectCustomKeyStore",
    "Encapsulate",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "GetParametersForImport",
    "GetPublicKey",
    "ImportKeyMaterial",
    "ReplicateKey",
    "Sign",
    "UpdateCustomKeyStore",
    "UpdatePrimaryRegion",
    "Verify",
    "VerifyMac",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_calls_what_is_about_one_key_and_nothing_of_an_account() {
        let ours = Kms::FOR_SERVICES;
        assert!(ours.is_sorted_by(|a, b| a < b));
        let all: Vec<&str> = OPERATIONS.iter().map(|row| row.name()).collect();
        assert!(ours.iter().all(|name| all.contains(name)));
        let rest: Vec<&str> = all
            .into_iter()
            .filter(|name| !ours.contains(name))
            .collect();
        assert_eq!(
            rest,
            [
                "CreateAlias",
                "CreateKey",
                "DeleteAlias",
                "DescribeCustomKeyStores",
                "GenerateRandom",
                "ListAliases",
                "ListKeys",
                "ListRetirableGrants",
                "UpdateAlias",
            ]
        );
    }
}
