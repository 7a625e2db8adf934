//! IAM users with access keys and inline policies, STS's GetCallerIdentity, refused callers.

use aws_credential_types::Credentials;
use aws_sdk_kms::primitives::Blob;

use crate::{
    errors::{refused, refused_with},
    world::{ACCOUNT, REGION, ROOT_ARN, World, key, key_arn},
};

#[tokio::test]
async fn get_caller_identity_names_the_caller() {
    let world = World::new("caller_identity");
    let sts = world.sts_of(world.root());
    let root = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(root.account(), Some(ACCOUNT));
    assert_eq!(root.arn(), Some(ROOT_ARN));
    assert_eq!(root.user_id(), Some(ACCOUNT));
    let sts = world.sts_of(world.user("alice").await);
    let alice = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(alice.arn(), Some("arn:aws:iam::000000000000:user/alice"));
    assert!(alice.user_id().unwrap().starts_with("AIDA"));
}

#[tokio::test]
async fn a_user_has_a_life() {
    let world = World::new("user");
    let iam = world.iam();
    let create = iam.create_user().user_name("alice").path("/team/");
    let made = create.clone().send().await.unwrap().user.unwrap();
    assert_eq!(made.arn(), "arn:aws:iam::000000000000:user/team/alice");
    refused_with(
        409,
        create.send().await,
        "EntityAlreadyExists",
        "User with name alice already exists.",
    );
    let make = iam.create_access_key().user_name("alice");
    let access_key = make.clone().send().await.unwrap().access_key.unwrap();
    make.clone().send().await.unwrap();
    refused_with(
        409,
        make.send().await,
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
    );
    let delete = iam.delete_user().user_name("alice");
    refused_with(
        409,
        delete.send().await,
        "DeleteConflict",
        "Cannot delete entity, must delete access keys first.",
    );
    let drop_key = iam.delete_access_key().user_name("alice");
    let drop_key = drop_key.access_key_id(access_key.access_key_id());
    drop_key.clone().send().await.unwrap();
    refused_with(
        404,
        drop_key.send().await,
        "NoSuchEntity",
        &format!(
            "The Access Key with id {} cannot be found.",
            access_key.access_key_id()
        ),
    );
    iam.create_user().user_name("bob").send().await.unwrap();
    iam.delete_user().user_name("bob").send().await.unwrap();
    refused_with(
        404,
        iam.delete_user().user_name("bob").send().await,
        "NoSuchEntity",
        "The user with name bob cannot be found.",
    );
}

#[tokio::test]
async fn an_inline_policy_allows_until_it_is_deleted() {
    let world = World::new("inline_policy");
    let key = key(&world.kms()).await;
    let alice = world.kms_of(world.user("alice").await, REGION);
    let encrypt = alice.encrypt().key_id(&key).plaintext(Blob::new("x"));
    let denied = format!(
        "User: arn:aws:iam::000000000000:user/alice is not authorized to perform: kms:Encrypt \
         on resource: {} because no identity-based policy allows the kms:Encrypt action",
        key_arn(&key)
    );
    let refuse = encrypt.clone().send().await;
    refused(refuse, "AccessDeniedException", &denied);
    world.allow("alice", &["kms:Encrypt"]).await;
    encrypt.clone().send().await.unwrap();
    let delete = world.iam().delete_user_policy().user_name("alice");
    let delete = delete.policy_name("p");
    delete.clone().send().await.unwrap();
    refused(encrypt.send().await, "AccessDeniedException", &denied);
    refused_with(
        404,
        delete.send().await,
        "NoSuchEntity",
        "The user policy with name p cannot be found.",
    );
    let put = world.iam().put_user_policy().user_name("alice");
    let put = put.policy_name("p").policy_document("{}");
    refused(
        put.send().await,
        "MalformedPolicyDocument",
        "Syntax errors in policy.",
    );
}

#[tokio::test]
async fn a_user_may_not_manage_users_unless_allowed() {
    let world = World::new("denied_iam");
    let alice = world.iam_of(world.user("alice").await);
    refused_with(
        403,
        alice.create_user().user_name("mallory").send().await,
        "AccessDenied",
        "User: arn:aws:iam::000000000000:user/alice is not authorized to perform: \
         iam:CreateUser on resource: arn:aws:iam::000000000000:user/mallory because no \
         identity-based policy allows the iam:CreateUser action",
    );
}

#[tokio::test]
async fn a_caller_who_is_not_proven_is_refused() {
    let world = World::new("unproven");
    let stranger = Credentials::from_keys("AKIAAAAAAAAAAAAAAAAA", "nothing", None);
    refused(
        world.kms_of(stranger, REGION).list_keys().send().await,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    );
    let wrong = Credentials::from_keys(world.root().access_key_id(), "wrong", None);
    let answer = world.kms_of(wrong, REGION).list_keys().send().await;
    use aws_sdk_kms::error::ProvideErrorMetadata as _;
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Some("InvalidSignatureException"));
    let text = error.message().unwrap_or_default();
    assert!(
        text.starts_with("The request signature we calculated does not match the signature"),
        "{text}"
    );
}
