//! Who may assume a role.

use keyward_testkit::{
    answer::{Answer, Key},
    world::{OTHER, OWN, World},
};
use keyward_types::{tag::Tag, time::Clock as _};

const ROLE: &str = "arn:aws:iam::111122223333:role/r";

async fn assume(world: &World, key: &Key, more: &[(&str, &str)]) -> Answer {
    let parameters = [&[("RoleArn", ROLE), ("RoleSessionName", "s1")], more].concat();
    world.sts(key, "AssumeRole", &parameters).await
}

fn denied(caller: &str, action: &str) -> (u16, &'static str, String) {
    let message =
        format!("User: {caller} is not authorized to perform: {action} on resource: {ROLE}");
    (403, "AccessDenied", message)
}

fn trusting(principal: &str, more: &str) -> String {
    format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole"{more}}}"#
    )
}

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const ALLOW: &str = r#"{"Effect":"Allow","Action":"sts:*","Resource":"*"}"#;

#[tokio::test]
async fn a_trust_policy_that_names_the_user_is_enough() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", None).await;
    let bob = world.user(OWN, "bob", Some(ALLOW)).await;
    let id = world.role(OWN, "r", &trusting(ALICE, ""), |_| ()).await;
    let answer = assume(&world, &alice, &[]).await;
    let session = answer.key();
    assert!(session.id.starts_with("ASIA"), "{session:?}");
    assert_eq!(
        answer.text("AssumedRoleId"),
        Some(format!("{id}:s1").as_str())
    );
    let arn = "arn:aws:sts::111122223333:assumed-role/r/s1";
    assert_eq!(answer.text("Arn"), Some(arn));
    assert_eq!(answer.text("PackedPolicySize"), None);
    let expires = world.hands.now().plus_millis(3_600_000).iso8601();
    assert_eq!(answer.text("Expiration"), Some(expires.as_str()));
    let who = world.sts(&session, "GetCallerIdentity", &[]).await;
    assert_eq!(who.text("Arn"), Some(arn));
    assert_eq!(who.text("UserId"), Some(format!("{id}:s1").as_str()));
    assert_eq!(who.text("Account"), Some(OWN));
    // Bob's own policies do not reach a role that trusts Alice.
    let bob = assume(&world, &bob, &[]).await;
    assert_eq!(
        bob.error(),
        denied("arn:aws:iam::111122223333:user/bob", "sts:AssumeRole")
    );
}

#[tokio::test]
async fn a_trust_policy_that_names_the_account_needs_the_users_own_policy() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", None).await;
    let bob = world.user(OWN, "bob", Some(ALLOW)).await;
    world.role(OWN, "r", &trusting(OWN, ""), |_| ()).await;
    assert_eq!(
        assume(&world, &alice, &[]).await.error(),
        denied(ALICE, "sts:AssumeRole")
    );
    assume(&world, &bob, &[]).await.key();
}

#[tokio::test]
async fn another_account_needs_both_sides() {
    let world = World::new().await;
    let name = "arn:aws:iam::444455556666:user/eve";
    let eve = world.user(OTHER, "eve", None).await;
    world.role(OWN, "r", &trusting(name, ""), |_| ()).await;
    assert_eq!(
        assume(&world, &eve, &[]).await.error(),
        denied(name, "sts:AssumeRole")
    );
    let world = World::new().await;
    let eve = world.user(OTHER, "eve", Some(ALLOW)).await;
    world.role(OWN, "r", &trusting(OWN, ""), |_| ()).await;
    assert_eq!(
        assume(&world, &eve, &[]).await.error(),
        denied(name, "sts:AssumeRole")
    );
    world.role(OWN, "q", &trusting(name, ""), |_| ()).await;
    let arn = "arn:aws:iam::111122223333:role/q";
    let parameters = [("RoleArn", arn), ("RoleSessionName", "s1")];
    world.sts(&eve, "AssumeRole", &parameters).await.key();
}

#[tokio::test]
async fn a_role_that_is_absent_denies_as_one_that_forbids() {
    let world = World::new().await;
    let bob = world.user(OWN, "bob", Some(ALLOW)).await;
    let expect = denied("arn:aws:iam::111122223333:user/bob", "sts:AssumeRole");
    assert_eq!(assume(&world, &bob, &[]).await.error(), expect);
    // A path is part of the ARN.
    world
        .role(OWN, "r", &trusting(OWN, ""), |role| {
            role.path = "/p/".to_owned()
        })
        .await;
    assert_eq!(assume(&world, &bob, &[]).await.error(), expect);
}

#[tokio::test]
async fn root_users_assume_no_role() {
    let world = World::new().await;
    let other = world.other_root().await;
    world
        .role(
            OWN,
            "r",
            r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}"#,
            |_| (),
        )
        .await;
    for root in [&world.root, &other] {
        let error = assume(&world, root, &[]).await;
        let message = "Roles may not be assumed by root accounts.".to_owned();
        assert_eq!(error.error(), (403, "AccessDenied", message));
    }
}

#[tokio::test]
async fn conditions_of_the_trust_policy_see_the_request() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", None).await;
    let condition = r#","Condition":{"StringEquals":{"sts:ExternalId":"x1","sts:RoleSessionName":"s1","aws:ResourceTag/kind":"ci","aws:PrincipalType":"User"}}"#;
    let tag = Tag {
        key: "kind".to_owned(),
        value: "ci".to_owned(),
    };
    world
        .role(OWN, "r", &trusting(ALICE, condition), |role| {
            role.tags.push(tag)
        })
        .await;
    let expect = denied(ALICE, "sts:AssumeRole");
    assert_eq!(assume(&world, &alice, &[]).await.error(), expect);
    assert_eq!(
        assume(&world, &alice, &[("ExternalId", "x2")])
            .await
            .error(),
        expect
    );
    assume(&world, &alice, &[("ExternalId", "x1")]).await.key();
}

#[tokio::test]
async fn an_explicit_deny_of_the_users_own_counts() {
    let world = World::new().await;
    let deny = r#"{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"arn:aws:iam::111122223333:role/r"}"#;
    let alice = world.user(OWN, "alice", Some(deny)).await;
    world.role(OWN, "r", &trusting(ALICE, ""), |_| ()).await;
    assert_eq!(
        assume(&world, &alice, &[]).await.error(),
        denied(ALICE, "sts:AssumeRole")
    );
}

#[tokio::test]
async fn tags_and_a_source_identity_need_actions_of_their_own() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", None).await;
    world.role(OWN, "r", &trusting(ALICE, ""), |_| ()).await;
    let tags = [
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "red"),
    ];
    assert_eq!(
        assume(&world, &alice, &tags).await.error(),
        denied(ALICE, "sts:TagSession")
    );
    let source = [("SourceIdentity", "ada")];
    let error = assume(&world, &alice, &source).await;
    assert_eq!(error.error(), denied(ALICE, "sts:SetSourceIdentity"));

    let world = World::new().await;
    let alice = world.user(OWN, "alice", None).await;
    let trust = format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{ALICE}"}},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],"Condition":{{"StringEquals":{{"aws:RequestTag/team":"red","sts:SourceIdentity":"ada"}},"ForAllValues:StringEquals":{{"aws:TagKeys":["team"],"sts:TransitiveTagKeys":["team"]}}}}}}"#
    );
    world.role(OWN, "r", &trust, |_| ()).await;
    let answer = assume(&world, &alice, &[&tags[..], &source].concat()).await;
    answer.key();
    assert_eq!(answer.text("SourceIdentity"), Some("ada"));
    assert_eq!(answer.text("PackedPolicySize"), Some("1"));
    let other = [tags[0], ("Tags.member.1.Value", "blue"), source[0]];
    assert_eq!(
        assume(&world, &alice, &other).await.error(),
        denied(ALICE, "sts:AssumeRole")
    );
}

#[tokio::test]
async fn parameters_are_checked_before_anything_is_looked_up() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", None).await;
    let error = world
        .sts(&alice, "AssumeRole", &[("RoleSessionName", "a b")])
        .await;
    assert_eq!(
        error.error(),
        (
            400,
            "ValidationError",
            "2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: \
             Member must not be null; Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [\\w+=,.@-]*"
                .to_owned()
        )
    );
    for (arn, message) in [
        (
            "arn:aws:iam::111122223333:user/r",
            "arn:aws:iam::111122223333:user/r is invalid",
        ),
        (
            "arn:aws:iam::1111:role/rrrrrrrrr",
            "arn:aws:iam::1111:role/rrrrrrrrr is invalid",
        ),
        (
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/ is invalid",
        ),
    ] {
        let parameters = [("RoleArn", arn), ("RoleSessionName", "s1")];
        let error = world.sts(&alice, "AssumeRole", &parameters).await;
        assert_eq!(error.error(), (400, "ValidationError", message.to_owned()));
    }
    let invalid = |message: &str| (400, "InvalidParameterValue", message.to_owned());
    let twice = [
        ("Tags.member.1.Key", "Team"),
        ("Tags.member.1.Value", "red"),
        ("Tags.member.2.Key", "team"),
        ("Tags.member.2.Value", "blue"),
    ];
    assert_eq!(
        assume(&world, &alice, &twice).await.error(),
        invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    );
    let without = [("TransitiveTagKeys.member.1", "team")];
    assert_eq!(
        assume(&world, &alice, &without).await.error(),
        invalid("The specified transitive tag key must be included in the requested tags.")
    );
    let context = [
        (
            "ProvidedContexts.member.1.ProviderArn",
            "arn:aws:iam::aws:contextProvider/x",
        ),
        ("ProvidedContexts.member.1.ContextAssertion", "assertion"),
    ];
    assert_eq!(
        assume(&world, &alice, &context).await.error(),
        invalid("ProvidedContexts is not supported by this version of Keyward.")
    );
    let error = assume(&world, &alice, &[("Policy", "{}")]).await;
    assert_eq!(error.error().1, "MalformedPolicyDocument");
}

#[tokio::test]
async fn a_code_of_a_device_is_never_right() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", None).await;
    world.role(OWN, "r", &trusting(ALICE, ""), |_| ()).await;
    let code = [
        ("SerialNumber", "arn:aws:iam::111122223333:mfa/alice"),
        ("TokenCode", "123456"),
    ];
    let denied = |message: &str| (403, "AccessDenied", message.to_owned());
    let foreign = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.";
    let half = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.";
    let error = assume(&world, &alice, &code).await;
    assert_eq!(error.error(), denied(foreign));
    let error = world.sts(&alice, "GetSessionToken", &code).await;
    assert_eq!(error.error(), denied(foreign));
    for one in code {
        let error = assume(&world, &alice, &[one]).await;
        assert_eq!(error.error(), denied(half));
    }
    assert!(!world.trail().contains("123456"));
}
