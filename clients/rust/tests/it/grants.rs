//! CreateGrant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant.

use aws_credential_types::Credentials;
use aws_sdk_kms::{
    Client,
    primitives::Blob,
    types::{GrantConstraints, GrantOperation},
};

use crate::{
    errors::refused,
    world::{REGION, ROOT_ARN, World, key, key_arn},
};

const ALICE: &str = "arn:aws:iam::000000000000:user/alice";

/// A key, and a user for whom a grant is all there is.
async fn scene(world: &World) -> (Client, String, Credentials) {
    let kms = world.kms();
    let key = key(&kms).await;
    (kms, key, world.user("alice").await)
}

fn denied(action: &str, key: &str) -> String {
    format!(
        "User: {ALICE} is not authorized to perform: kms:{action} on resource: {} because no \
         identity-based policy allows the kms:{action} action",
        key_arn(key)
    )
}

#[tokio::test]
async fn a_grant_lets_its_grantee_under_its_constraint_until_it_is_revoked() {
    let world = World::new("grant");
    let (kms, key, alice) = scene(&world).await;
    let alice = world.kms_of(alice, REGION);
    let encrypt = alice.encrypt().key_id(&key).plaintext(Blob::new("x"));
    let blue = encrypt.clone().encryption_context("tenant", "blue");
    let text = denied("Encrypt", &key);
    let before = blue.clone().send().await;
    refused(before, "AccessDeniedException", &text);

    let constraint = GrantConstraints::builder().encryption_context_subset("tenant", "blue");
    let create = kms.create_grant().key_id(&key).grantee_principal(ALICE);
    let create = create
        .operations(GrantOperation::Encrypt)
        .constraints(constraint.build())
        .name("writer");
    let made = create.send().await.unwrap();
    let id = made.grant_id().unwrap();
    assert_eq!(id.len(), 64);
    blue.clone().send().await.unwrap();
    refused(encrypt.send().await, "AccessDeniedException", &text);

    let listed = kms.list_grants().key_id(&key).send().await.unwrap();
    let [grant] = listed.grants() else {
        panic!("{listed:?}");
    };
    assert_eq!(grant.grant_id(), Some(id));
    assert_eq!(grant.key_id(), Some(&*key_arn(&key)));
    assert_eq!(grant.grantee_principal(), Some(ALICE));
    assert_eq!(grant.operations(), [GrantOperation::Encrypt]);
    assert_eq!(grant.name(), Some("writer"));
    assert_eq!(grant.issuing_account(), Some(ROOT_ARN));

    let revoke = kms.revoke_grant().key_id(&key).grant_id(id);
    revoke.clone().send().await.unwrap();
    refused(blue.send().await, "AccessDeniedException", &text);
    refused(
        revoke.send().await,
        "NotFoundException",
        &format!("Grant ID {id} not found"),
    );
}

#[tokio::test]
async fn a_grant_is_retired_by_whom_it_names_and_by_its_token() {
    let world = World::new("retire_grant");
    let (kms, key, alice) = scene(&world).await;
    let alice = world.kms_of(alice, REGION);
    let create = kms.create_grant().key_id(&key).grantee_principal(ALICE);
    let create = create
        .retiring_principal(ALICE)
        .operations(GrantOperation::GenerateDataKey);
    let made = create.send().await.unwrap();
    let token = made.grant_token().unwrap();
    let generate = alice.generate_data_key().key_id(&key).number_of_bytes(32);
    generate.clone().grant_tokens(token).send().await.unwrap();

    let pages = kms.list_retirable_grants().retiring_principal(ALICE);
    let listed = pages.limit(10).send().await.unwrap();
    let ids: Vec<_> = listed
        .grants()
        .iter()
        .map(|grant| grant.grant_id())
        .collect();
    assert_eq!(ids, [made.grant_id()]);

    let retire = alice.retire_grant().grant_token(token);
    retire.send().await.unwrap();
    let text = denied("GenerateDataKey", &key);
    refused(generate.send().await, "AccessDeniedException", &text);
    let listed = kms.list_grants().key_id(&key).send().await.unwrap();
    assert_eq!(listed.grants(), []);
}

#[tokio::test]
async fn a_grant_names_a_principal_that_is_there() {
    let world = World::new("grant_rules");
    let (kms, key, _) = scene(&world).await;
    let create = kms.create_grant().key_id(&key);
    let create = create.operations(GrantOperation::Encrypt);
    let nobody = "arn:aws:iam::000000000000:user/nobody";
    refused(
        create.clone().grantee_principal(nobody).send().await,
        "InvalidArnException",
        &format!("ARN does not refer to a valid principal: {nobody}"),
    );
    refused(
        create.send().await,
        "ValidationException",
        "Specify either GranteePrincipal or GranteeServicePrincipal.",
    );
}
