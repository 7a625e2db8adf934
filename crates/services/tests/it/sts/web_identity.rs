//! Roles for whom an identity provider vouches.

use std::{
    collections::HashMap,
    future::Future as _,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use keyward_oidc::{
    fetch::{Fetch, FetchError, Fetching},
    issuers::Issuers,
    url::HttpsUrl,
};
use keyward_testkit::{
    answer::{Answer, Key},
    issuer::{BY_EC_1, BY_RSA_1, BY_RSA_2_AS_1, DISCOVERY_URL, EC_1, RSA_1, TAGGED, Web, fetching},
    world::{OWN, World},
};

const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/issuer.example/realm";
const ROLE: &str = "arn:aws:iam::111122223333:role/r";

fn trusting(more: &str) -> String {
    format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"]{more}}}"#
    )
}

/// A world at second 2000 whose account trusts the issuer for that audience.
async fn world(audience: &str) -> (World, Arc<Web>) {
    let web = Web::publishing(&[RSA_1, EC_1]);
    (trusting_world(audience, fetching(&web)).await, web)
}

/// The same, with issuers that are asked in another way.
async fn trusting_world(audience: &str, issuers: Issuers) -> World {
    let world = World::at(2000, issuers).await;
    let parameters = [
        ("Url", "https://issuer.example/realm"),
        ("ClientIDList.member.1", audience),
    ];
    let made = world
        .iam(&world.root, "CreateOpenIDConnectProvider", &parameters)
        .await;
    assert_eq!(
        made.text("OpenIDConnectProviderArn"),
        Some(PROVIDER),
        "{}",
        made.body
    );
    world
}

async fn assume(world: &World, token: &str, more: &[(&str, &str)]) -> Answer {
    let parameters = [
        ("RoleArn", ROLE),
        ("RoleSessionName", "s1"),
        ("WebIdentityToken", token),
    ];
    let parameters = [&parameters[..], more].concat();
    world
        .unsigned("AssumeRoleWithWebIdentity", &parameters)
        .await
}

fn denied(action: &str) -> (u16, &'static str, String) {
    (
        403,
        "AccessDenied",
        format!("Not authorized to perform {action}"),
    )
}

#[tokio::test]
async fn a_token_that_the_role_trusts_gives_a_session_of_it() {
    let (world, _) = world("client").await;
    let condition = r#","Condition":{"StringEquals":{"issuer.example/realm:aud":"client","issuer.example/realm:sub":"repo:main","sts:RoleSessionName":"s1"}}"#;
    let id = world.role(OWN, "r", &trusting(condition), |_| ()).await;
    let answer = assume(&world, BY_EC_1, &[]).await;
    let session = answer.key();
    assert_eq!(
        answer.text("SubjectFromWebIdentityToken"),
        Some("repo:main")
    );
    assert_eq!(answer.text("Audience"), Some("client"));
    assert_eq!(answer.text("Provider"), Some(PROVIDER));
    assert_eq!(
        answer.text("AssumedRoleId"),
        Some(format!("{id}:s1").as_str())
    );
    let who = world.sts(&session, "GetCallerIdentity", &[]).await;
    assert_eq!(
        who.text("Arn"),
        Some("arn:aws:sts::111122223333:assumed-role/r/s1")
    );

    let trail = world.trail();
    let event = trail
        .lines()
        .find(|line| line.contains(r#""eventName":"AssumeRoleWithWebIdentity""#))
        .unwrap();
    assert!(
        event.contains(&format!(
            r#""userIdentity":{{"type":"WebIdentityUser","principalId":"{PROVIDER}:client:repo:main","userName":"repo:main","identityProvider":"{PROVIDER}"}}"#
        )),
        "{event}"
    );
    assert!(event.contains(&session.id));
    for secret in [&session.secret, &session.token.unwrap(), BY_EC_1] {
        assert!(!trail.contains(secret));
    }
    // Later calls of the session say how it came about.
    assert!(trail.contains(r#""webIdFederationData""#), "{trail}");
}

#[tokio::test]
async fn the_trust_policy_decides_and_its_refusal_gives_no_reason() {
    let (world, _) = world("client").await;
    let expect = denied("sts:AssumeRoleWithWebIdentity");
    // There is no such role.
    assert_eq!(assume(&world, BY_EC_1, &[]).await.error(), expect);
    for (name, trust) in [
        (
            "a",
            trusting(r#","Condition":{"StringEquals":{"issuer.example/realm:sub":"repo:other"}}"#),
        ),
        (
            "b",
            trusting("").replace("issuer.example/realm", "other.example"),
        ),
        (
            "c",
            r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:*"}"#.to_owned(),
        ),
        (
            "d",
            trusting("").replace("sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"),
        ),
    ] {
        world.role(OWN, name, &trust, |_| ()).await;
        let arn = format!("arn:aws:iam::111122223333:role/{name}");
        let parameters = [
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", "s1"),
            ("WebIdentityToken", BY_EC_1),
        ];
        let error = world
            .unsigned("AssumeRoleWithWebIdentity", &parameters)
            .await;
        assert_eq!(error.error(), expect, "{name}");
    }
}

#[tokio::test]
async fn tokens_that_are_not_believed_are_refused_with_what_is_wrong() {
    let (world, web) = world("client").await;
    world.role(OWN, "r", &trusting(""), |_| ()).await;
    let refused = |message: &str| (400, "InvalidIdentityToken", message.to_owned());
    let malformed = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
    assert_eq!(
        assume(&world, "not a token", &[]).await.error(),
        refused(malformed)
    );
    assert_eq!(
        assume(&world, BY_RSA_2_AS_1, &[]).await.error(),
        refused("The signature of the token is not valid.")
    );
    // Where no provider is, nothing is fetched.
    web.asked();
    let arn = "arn:aws:iam::444455556666:role/r";
    let parameters = [
        ("RoleArn", arn),
        ("RoleSessionName", "s1"),
        ("WebIdentityToken", BY_EC_1),
    ];
    let error = world
        .unsigned("AssumeRoleWithWebIdentity", &parameters)
        .await;
    let message =
        "No OpenIDConnect provider found in your account for https://issuer.example/realm";
    assert_eq!(error.error(), refused(message));
    assert!(web.asked().is_empty());
    // Times.
    world.advance(2659).await;
    assume(&world, BY_EC_1, &[]).await.key();
    world.advance(1).await;
    let message =
        "Token expired: current date/time 4660 must be before the expiration date/time4600";
    let error = assume(&world, BY_EC_1, &[]).await;
    assert_eq!(
        error.error(),
        (400, "ExpiredTokenException", message.to_owned())
    );
    // None of them is on the trail, whatever strangers send; they are counted and sampled.
    let trail = world.trail();
    assert_eq!(
        trail
            .matches(r#""eventName":"AssumeRoleWithWebIdentity""#)
            .count(),
        1
    );
    assert!(trail.contains("InvalidIdentityToken"));
}

/// Issuers that never answer.
#[derive(Debug)]
struct Silent;

impl Fetch for Silent {
    fn fetch<'a>(&'a self, _url: &'a HttpsUrl) -> Fetching<'a> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn who_waits_for_an_issuer_holds_no_turn() {
    let silent = Issuers::new(Arc::new(Silent), HashMap::new());
    let world = trusting_world("client", silent).await;
    let free = || {
        let turns = format!("{:?}", world.front.shared().turns());
        turns.contains("free: 256, waiting: 0")
    };
    assert!(free());
    let mut waits = pin!(assume(&world, BY_EC_1, &[]));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..100 {
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(free(), "{:?}", world.front.shared().turns());
}

#[tokio::test]
async fn a_token_for_somebody_else_is_refused_until_the_provider_lists_it() {
    let (world, _) = world("nobody").await;
    world.role(OWN, "r", &trusting(""), |_| ()).await;
    let message = "Incorrect token audience".to_owned();
    let error = assume(&world, BY_RSA_1, &[]).await;
    assert_eq!(
        error.error(),
        (400, "InvalidIdentityToken", message.clone())
    );
    let change = async |action: &str| {
        let parameters = [
            ("OpenIDConnectProviderArn", PROVIDER),
            ("ClientID", "other"),
        ];
        assert_eq!(
            world.iam(&world.root, action, &parameters).await.status,
            200
        );
    };
    change("AddClientIDToOpenIDConnectProvider").await;
    let answer = assume(&world, BY_RSA_1, &[]).await;
    assert_eq!(answer.text("Audience"), Some("other"));
    change("RemoveClientIDFromOpenIDConnectProvider").await;
    let error = assume(&world, BY_RSA_1, &[]).await;
    assert_eq!(error.error(), (400, "InvalidIdentityToken", message));
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_told_from_one_that_publishes_nothing_useful() {
    let (world, web) = world("client").await;
    world.role(OWN, "r", &trusting(""), |_| ()).await;
    web.put(DISCOVERY_URL, Err(FetchError::TimedOut));
    let message = "The identity provider could not be reached to verify the token.";
    let error = assume(&world, BY_EC_1, &[]).await;
    assert_eq!(
        error.error(),
        (400, "IDPCommunicationError", message.to_owned())
    );
    world.advance(5).await;
    web.put(DISCOVERY_URL, Err(FetchError::Redirect));
    let message = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements";
    let error = assume(&world, BY_EC_1, &[]).await;
    assert_eq!(
        error.error(),
        (400, "InvalidIdentityToken", message.to_owned())
    );
}

#[tokio::test]
async fn the_issuer_sets_tags_and_source_identity_if_the_role_lets_it() {
    let (world, _) = world("client").await;
    let condition = r#","Condition":{"StringEquals":{"aws:RequestTag/Team":"red","sts:SourceIdentity":"ada"},"ForAnyValue:StringEquals":{"sts:TransitiveTagKeys":"Team","issuer.example/realm:amr":"otp"}}"#;
    world.role(OWN, "r", &trusting(condition), |_| ()).await;
    let answer = assume(&world, TAGGED, &[]).await;
    let session = answer.key();
    assert_eq!(answer.text("SourceIdentity"), Some("ada"));
    assert!(answer.text("PackedPolicySize").is_some());
    // They pass along a chain.
    let chained = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/r"},"Action":"sts:*","Condition":{"StringEquals":{"aws:PrincipalTag/Team":"red","aws:PrincipalTag/Cost":"7","aws:SourceIdentity":"ada"}}}"#;
    world.role(OWN, "q", chained, |_| ()).await;
    let parameters = [
        ("RoleArn", "arn:aws:iam::111122223333:role/q"),
        ("RoleSessionName", "s2"),
    ];
    let second = world.sts(&session, "AssumeRole", &parameters).await;
    second.key();
    assert_eq!(second.text("SourceIdentity"), Some("ada"));

    let (world, _) = world_of_two().await;
    for (name, action) in [
        ("tag", "sts:TagSession"),
        ("identity", "sts:SetSourceIdentity"),
    ] {
        let arn = format!("arn:aws:iam::111122223333:role/{name}");
        let parameters = [
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", "s1"),
            ("WebIdentityToken", TAGGED),
        ];
        let error = world
            .unsigned("AssumeRoleWithWebIdentity", &parameters)
            .await;
        assert_eq!(error.error(), denied(action));
    }
}

/// Roles that lack one of the permissions each.
async fn world_of_two() -> (World, Arc<Web>) {
    let (world, web) = world("client").await;
    for (name, missing) in [
        ("tag", "sts:TagSession"),
        ("identity", "sts:SetSourceIdentity"),
    ] {
        let trust = trusting("").replace(missing, "sts:AssumeRole");
        world.role(OWN, name, &trust, |_| ()).await;
    }
    (world, web)
}

#[tokio::test]
async fn parameters_are_checked_before_the_token_and_a_signature_changes_nothing() {
    let (world, _) = world("client").await;
    world.role(OWN, "r", &trusting(""), |_| ()).await;
    let error = world
        .unsigned("AssumeRoleWithWebIdentity", &[("RoleArn", ROLE)])
        .await;
    assert_eq!(
        error.error(),
        (
            400,
            "ValidationError",
            "2 validation errors detected: Value null at 'roleSessionName' failed to satisfy constraint: \
             Member must not be null; Value at 'webIdentityToken' failed to satisfy constraint: \
             Member must not be null"
                .to_owned()
        )
    );
    let error = assume(&world, BY_EC_1, &[("ProviderId", "www.amazon.com")]).await;
    let message = "ProviderId is not supported by this version of Keyward.".to_owned();
    assert_eq!(error.error(), (400, "InvalidParameterValue", message));
    let error = assume(&world, BY_EC_1, &[("DurationSeconds", "3601")]).await;
    let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    assert_eq!(error.error(), (400, "ValidationError", message.to_owned()));
    // Only this operation goes unsigned.
    let error = world.unsigned("AssumeRole", &[("RoleArn", ROLE)]).await;
    let message = "Missing Authentication Token".to_owned();
    assert_eq!(error.error(), (403, "MissingAuthenticationToken", message));
    let stranger = Key {
        secret: "wrong".to_owned(),
        ..world.root.clone()
    };
    let parameters = [
        ("RoleArn", ROLE),
        ("RoleSessionName", "s1"),
        ("WebIdentityToken", BY_EC_1),
    ];
    world
        .sts(&stranger, "AssumeRoleWithWebIdentity", &parameters)
        .await
        .key();
}
