//! What temporary credentials may do, and when they end.

use keyward_testkit::{
    answer::{Answer, Key},
    world::{OWN, World, policy},
};

const ROLE: &str = "arn:aws:iam::111122223333:role/r";
const TRUST: &str = r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:*"}"#;
const ALLOW: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

async fn who(world: &World, key: &Key) -> Answer {
    world.sts(key, "GetCallerIdentity", &[]).await
}

async fn assume(world: &World, key: &Key, more: &[(&str, &str)]) -> Answer {
    let parameters = [&[("RoleArn", ROLE), ("RoleSessionName", "s1")], more].concat();
    world.sts(key, "AssumeRole", &parameters).await
}

fn invalid() -> (u16, &'static str, String) {
    let message = "The security token included in the request is invalid.".to_owned();
    (403, "InvalidClientTokenId", message)
}

#[tokio::test]
async fn a_session_ends_at_its_second_whatever_it_is_of() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    world.role(OWN, "r", TRUST, |_| ()).await;
    let seconds = [("DurationSeconds", "900")];
    let keys = [
        assume(&world, &alice, &seconds).await.key(),
        world.sts(&alice, "GetSessionToken", &seconds).await.key(),
        world
            .sts(&alice, "GetFederationToken", &[("Name", "fed"), seconds[0]])
            .await
            .key(),
    ];
    world.advance(899).await;
    for key in &keys {
        assert_eq!(who(&world, key).await.status, 200);
    }
    world.advance(1).await;
    for key in &keys {
        let message = "The security token included in the request is expired".to_owned();
        assert_eq!(
            who(&world, key).await.error(),
            (403, "ExpiredToken", message)
        );
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_own_access_key_and_as_it_was_given() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    world.role(OWN, "r", TRUST, |_| ()).await;
    let first = assume(&world, &alice, &[]).await.key();
    let second = assume(&world, &alice, &[]).await.key();
    let with = |token: Option<String>| Key {
        token,
        ..first.clone()
    };
    let token = first.token.clone().unwrap();
    let altered = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let cut: String = token.chars().take(token.len() - 4).collect();
    for token in [
        None,
        second.token.clone(),
        Some(altered(0)),
        Some(altered(20)),
        Some(altered(token.len() / 2)),
        Some(cut),
        Some("x".to_owned()),
    ] {
        assert_eq!(
            who(&world, &with(token.clone())).await.error(),
            invalid(),
            "{token:?}"
        );
    }
    // A long-term key has no token.
    let token = first.token.clone();
    assert_eq!(
        who(&world, &Key { token, ..alice }).await.error(),
        invalid()
    );
    // Another's secret does not sign for it.
    let secret = second.secret.clone();
    let error = who(
        &world,
        &Key {
            secret,
            ..first.clone()
        },
    )
    .await;
    assert_eq!(error.error().1, "SignatureDoesNotMatch");
    assert_eq!(who(&world, &first).await.status, 200);
}

#[tokio::test]
async fn sessions_die_with_their_role_and_one_made_anew_does_not_revive_them() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    let id = world.role(OWN, "r", TRUST, |_| ()).await;
    let session = assume(&world, &alice, &[]).await.key();
    assert_eq!(who(&world, &session).await.status, 200);
    world.delete_role("r", &id).await;
    assert_eq!(who(&world, &session).await.error(), invalid());
    let other = world.role(OWN, "r", TRUST, |_| ()).await;
    assert_ne!(id, other);
    assert_eq!(who(&world, &session).await.error(), invalid());
    let session = assume(&world, &alice, &[]).await.key();
    assert_eq!(who(&world, &session).await.status, 200);
}

#[tokio::test]
async fn a_session_of_the_users_own_is_the_user_and_hardly_calls_iam_and_sts() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    world.role(OWN, "r", TRUST, |_| ()).await;
    let session = world.sts(&alice, "GetSessionToken", &[]).await.key();
    assert_eq!(who(&world, &session).await.text("Arn"), Some(ALICE));
    assume(&world, &session, &[]).await.key();
    let create = world
        .iam(&session, "CreateUser", &[("UserName", "new")])
        .await;
    assert_eq!(create.error(), invalid());
    for name in ["GetSessionToken", "GetFederationToken"] {
        let error = world.sts(&session, name, &[("Name", "fed")]).await;
        let message = format!("Cannot call {name} with session credentials");
        assert_eq!(error.error(), (403, "AccessDenied", message));
    }
    let error = world
        .sts(&session, "GetAccessKeyInfo", &[("AccessKeyId", &alice.id)])
        .await;
    let message = format!("User: {ALICE} is not authorized to perform: sts:GetAccessKeyInfo");
    assert_eq!(error.error(), (403, "AccessDenied", message));
    // The refusals are on the trail, under the names of what was asked for.
    assert!(world.trail().contains(r#""eventName":"CreateUser""#));
}

#[tokio::test]
async fn a_role_session_calls_iam_and_assumes_but_makes_no_sessions_of_its_own() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    let policies = ("p".to_owned(), policy(ALLOW));
    world
        .role(OWN, "r", TRUST, |role| {
            role.inline_policies.extend([policies])
        })
        .await;
    let session = assume(&world, &alice, &[]).await.key();
    let created = world
        .iam(&session, "CreateUser", &[("UserName", "new")])
        .await;
    assert_eq!(created.status, 200, "{}", created.body);
    let found = world
        .sts(&session, "GetAccessKeyInfo", &[("AccessKeyId", &alice.id)])
        .await;
    assert_eq!(found.text("Account"), Some(OWN));
    for name in ["GetSessionToken", "GetFederationToken"] {
        let error = world.sts(&session, name, &[("Name", "fed")]).await;
        let message = format!("Cannot call {name} with session credentials");
        assert_eq!(error.error(), (403, "AccessDenied", message));
    }
}

#[tokio::test]
async fn the_root_users_own_session_lasts_an_hour_at_most_and_is_root() {
    let world = World::new().await;
    let answer = world
        .sts(
            &world.root,
            "GetSessionToken",
            &[("DurationSeconds", "7200")],
        )
        .await;
    let session = answer.key();
    assert_eq!(
        who(&world, &session).await.text("Arn"),
        Some("arn:aws:iam::111122223333:root")
    );
    world.role(OWN, "r", TRUST, |_| ()).await;
    let error = assume(&world, &session, &[]).await;
    let message = "Roles may not be assumed by root accounts.".to_owned();
    assert_eq!(error.error(), (403, "AccessDenied", message));
    world.advance(3600).await;
    assert_eq!(who(&world, &session).await.error().1, "ExpiredToken");
}

#[tokio::test]
async fn a_federated_user_may_ask_who_it_is_and_nothing_else_of_iam_and_sts() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    world
        .role(
            OWN,
            "r",
            r#"{"Effect":"Allow","Principal":"*","Action":"sts:*"}"#,
            |_| (),
        )
        .await;
    let policy = policy(ALLOW);
    let parameters = [("Name", "fed"), ("Policy", policy.as_str())];
    let answer = world.sts(&alice, "GetFederationToken", &parameters).await;
    let session = answer.key();
    let arn = "arn:aws:sts::111122223333:federated-user/fed";
    assert_eq!(answer.text("FederatedUserId"), Some("111122223333:fed"));
    assert_eq!(answer.text("Arn"), Some(arn));
    assert!(answer.text("PackedPolicySize").is_some());
    let found = who(&world, &session).await;
    assert_eq!(
        (found.text("Arn"), found.text("UserId")),
        (Some(arn), Some("111122223333:fed"))
    );
    let error = assume(&world, &session, &[]).await;
    let message = format!("User: {arn} is not authorized to perform: sts:AssumeRole");
    assert_eq!(error.error(), (403, "AccessDenied", message));
    let create = world
        .iam(&session, "CreateUser", &[("UserName", "new")])
        .await;
    assert_eq!(create.error(), invalid());
}

#[tokio::test]
async fn a_federation_token_needs_a_permission_that_names_whom_it_is_for() {
    let world = World::new().await;
    let nobody = world.user(OWN, "nobody", None).await;
    let arn = "arn:aws:sts::111122223333:federated-user/fed";
    let statement = format!(
        r#"{{"Effect":"Allow","Action":["sts:GetFederationToken","sts:TagSession"],"Resource":"{arn}","Condition":{{"StringLikeIfExists":{{"aws:RequestTag/team":"r*"}}}}}}"#
    );
    let alice = world.user(OWN, "alice", Some(&statement)).await;
    let denied = |user: &str, action: &str, of: &str| {
        let message = format!(
            "User: arn:aws:iam::111122223333:user/{user} is not authorized to perform: {action} on \
             resource: arn:aws:sts::111122223333:federated-user/{of} because no identity-based \
             policy allows the {action} action"
        );
        (403, "AccessDenied", message)
    };
    let ask = async |key: &Key, parameters: &[(&str, &str)]| {
        world.sts(key, "GetFederationToken", parameters).await
    };
    let error = ask(&nobody, &[("Name", "fed")]).await;
    assert_eq!(
        error.error(),
        denied("nobody", "sts:GetFederationToken", "fed")
    );
    let error = ask(&alice, &[("Name", "bob")]).await;
    assert_eq!(
        error.error(),
        denied("alice", "sts:GetFederationToken", "bob")
    );
    ask(&alice, &[("Name", "fed")]).await.key();
    let tagged = |value| {
        [
            ("Name", "fed"),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", value),
        ]
    };
    ask(&alice, &tagged("red")).await.key();
    let error = ask(&alice, &tagged("blue")).await;
    assert_eq!(
        error.error(),
        denied("alice", "sts:GetFederationToken", "fed")
    );
    // The root user may.
    ask(&world.root, &[("Name", "fed")]).await.key();
}

#[tokio::test]
async fn session_policies_are_bounded_and_must_be_the_accounts() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    world.role(OWN, "r", TRUST, |_| ()).await;
    let aws = (
        "PolicyArns.member.1.arn",
        "arn:aws:iam::aws:policy/AdministratorAccess",
    );
    let answer = assume(&world, &alice, &[aws]).await;
    answer.key();
    assert_eq!(answer.text("PackedPolicySize"), Some("3"));
    for arn in [
        "arn:aws:iam::aws:policy/Nothing",
        "arn:aws:iam::111122223333:policy/nothing",
        "arn:aws:iam::444455556666:policy/theirs",
        "arn:aws-cn:iam::aws:policy/AdministratorAccess",
    ] {
        let error = assume(&world, &alice, &[("PolicyArns.member.1.arn", arn)]).await;
        assert_eq!(
            error.error(),
            (400, "ValidationError", format!("{arn} is invalid"))
        );
    }
    let long = policy(&format!(
        r#"{{"Effect":"Allow","Action":"kms:*","Resource":"{}"}}"#,
        "x".repeat(2200)
    ));
    let error = assume(&world, &alice, &[("Policy", &long)]).await;
    let message = "Packed policy consumes 187% of allotted space, please use smaller policy.";
    assert_eq!(
        error.error(),
        (400, "PackedPolicyTooLarge", message.to_owned())
    );
    // Elsewhere the model bounds it.
    let parameters = [("Name", "fed"), ("Policy", long.as_str())];
    let error = world.sts(&alice, "GetFederationToken", &parameters).await;
    let message = format!(
        "1 validation error detected: Value '{long}' at 'policy' failed to satisfy constraint: \
         Member must have length less than or equal to 2048"
    )
    .replace('"', "&quot;");
    assert_eq!(error.error(), (400, "ValidationError", message));
    let names: Vec<(String, String)> = (1..=40)
        .flat_map(|n| {
            let key = (format!("Tags.member.{n}.Key"), format!("k{n}"));
            [key, (format!("Tags.member.{n}.Value"), "v".repeat(256))]
        })
        .collect();
    let tags: Vec<(&str, &str)> = names
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let error = assume(&world, &alice, &tags).await;
    let message = "Packed size of session tags consumes 2273% of allotted space.";
    assert_eq!(
        error.error(),
        (400, "PackedPolicyTooLarge", message.to_owned())
    );
}

#[tokio::test]
async fn a_federation_token_always_tells_its_packed_size() {
    let world = World::new().await;
    let answer = world
        .sts(&world.root, "GetFederationToken", &[("Name", "fed")])
        .await;
    assert_eq!(answer.text("PackedPolicySize"), Some("0"));
}

#[tokio::test]
async fn no_message_of_a_denial_was_encoded_here() {
    let world = World::new().await;
    let nobody = world.user(OWN, "nobody", None).await;
    let encoded = [("EncodedMessage", "bm90IG91cnM")];
    let error = world
        .sts(&world.root, "DecodeAuthorizationMessage", &encoded)
        .await;
    let message = "Message is not valid".to_owned();
    let code = "InvalidAuthorizationMessageException";
    assert_eq!(error.error(), (400, code, message));
    let error = world
        .sts(&nobody, "DecodeAuthorizationMessage", &encoded)
        .await;
    assert_eq!(error.error().1, "AccessDenied");
}

#[tokio::test]
async fn an_access_key_id_tells_its_account() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", None).await;
    let info = async |key: &Key, id: &str| {
        world
            .sts(key, "GetAccessKeyInfo", &[("AccessKeyId", id)])
            .await
    };
    let root = &world.root;
    assert_eq!(
        info(root, "ASIAY34FZKBOKMUTVV7A").await.text("Account"),
        Some("609629065308")
    );
    assert_eq!(info(root, &alice.id).await.text("Account"), Some(OWN));
    let error = info(root, "not_of_that_form_at_all").await;
    let message = "not_of_that_form_at_all is invalid".to_owned();
    assert_eq!(error.error(), (400, "ValidationError", message));
    let error = info(&alice, &alice.id).await;
    let message = format!(
        "User: {ALICE} is not authorized to perform: sts:GetAccessKeyInfo on resource: * because \
         no identity-based policy allows the sts:GetAccessKeyInfo action"
    );
    assert_eq!(error.error(), (403, "AccessDenied", message));
}

#[tokio::test]
async fn neither_secrets_nor_tokens_are_on_the_trail() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    world.role(OWN, "r", TRUST, |_| ()).await;
    let keys = [
        assume(&world, &alice, &[]).await.key(),
        world.sts(&alice, "GetSessionToken", &[]).await.key(),
        world
            .sts(&alice, "GetFederationToken", &[("Name", "fed")])
            .await
            .key(),
    ];
    let trail = world.trail();
    for key in keys {
        assert!(trail.contains(&key.id));
        assert!(!trail.contains(&key.secret));
        assert!(!trail.contains(&key.token.unwrap()));
    }
}
