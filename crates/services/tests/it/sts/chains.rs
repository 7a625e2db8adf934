//! Chains of roles: what passes along, and what no link can change.

use keyward_testkit::{
    answer::{Answer, Key},
    world::{OWN, World},
};

const ALLOW: &str = r#"{"Effect":"Allow","Action":"sts:*","Resource":"*"}"#;
const TRUST: &str = r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:*"}"#;

const CHAINED: &str = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";

async fn assume(world: &World, key: &Key, role: &str, more: &[(&str, &str)]) -> Answer {
    let arn = format!("arn:aws:iam::111122223333:role/{role}");
    let parameters = [
        &[("RoleArn", arn.as_str()), ("RoleSessionName", "s1")],
        more,
    ]
    .concat();
    world.sts(key, "AssumeRole", &parameters).await
}

/// A role of that trust policy whose sessions may do everything with STS.
async fn role(world: &World, name: &str, trust: &str) {
    let policy = ("p".to_owned(), keyward_testkit::world::policy(ALLOW));
    world
        .role(OWN, name, trust, |role| {
            role.inline_policies.extend([policy]);
            role.max_session_seconds = 43_200;
        })
        .await;
}

const TEAM: [(&str, &str); 4] = [
    ("Tags.member.1.Key", "Team"),
    ("Tags.member.1.Value", "red"),
    ("Tags.member.2.Key", "cost"),
    ("Tags.member.2.Value", "7"),
];

#[tokio::test]
async fn transitive_tags_pass_along_and_are_not_overridden() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    role(&world, "a", TRUST).await;
    // Only who has the tag gets in, and the other tag stayed behind.
    let tagged = r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}}"#;
    role(&world, "b", tagged).await;
    let without_cost = r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:*","Condition":{"StringEquals":{"aws:PrincipalTag/Team":"red"},"Null":{"aws:PrincipalTag/cost":"true"}}}"#;
    role(&world, "c", without_cost).await;
    let transitive = [&TEAM[..], &[("TransitiveTagKeys.member.1", "team")]].concat();

    let a = assume(&world, &alice, "a", &transitive).await.key();
    let b = assume(&world, &a, "b", &[]).await.key();
    assert_eq!(assume(&world, &a, "c", &[]).await.error().1, "AccessDenied");
    let c = assume(&world, &b, "c", &[]).await.key();
    for (name, value) in [("team", "blue"), ("TEAM", "red")] {
        let over = [("Tags.member.1.Key", name), ("Tags.member.1.Value", value)];
        let error = assume(&world, &c, "a", &over).await;
        let message = "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.";
        assert_eq!(
            error.error(),
            (400, "InvalidParameterValue", message.to_owned())
        );
    }
    // Without being transitive, no tag passes.
    let a = assume(&world, &alice, "a", &TEAM).await.key();
    let plain = assume(&world, &a, "a", &[]).await.key();
    assert_eq!(
        assume(&world, &plain, "b", &[]).await.error().1,
        "AccessDenied"
    );
}

#[tokio::test]
async fn tags_that_pass_along_need_the_permission_to_tag_too() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    role(&world, "a", TRUST).await;
    let plain =
        r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}"#;
    role(&world, "b", plain).await;
    let transitive = [&TEAM[..], &[("TransitiveTagKeys.member.1", "Team")]].concat();
    let a = assume(&world, &alice, "a", &transitive).await.key();
    let error = assume(&world, &a, "b", &[]).await;
    let message = "User: arn:aws:sts::111122223333:assumed-role/a/s1 is not authorized to perform: sts:TagSession on resource: arn:aws:iam::111122223333:role/b";
    assert_eq!(error.error(), (403, "AccessDenied", message.to_owned()));
    let a = assume(&world, &alice, "a", &TEAM).await.key();
    assume(&world, &a, "b", &[]).await.key();
}

#[tokio::test]
async fn the_source_identity_stays() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    role(&world, "a", TRUST).await;
    let known = r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:*","Condition":{"StringEquals":{"aws:SourceIdentity":"ada"}}}"#;
    role(&world, "b", known).await;
    assert_eq!(
        assume(&world, &alice, "b", &[]).await.error().1,
        "AccessDenied"
    );
    let a = assume(&world, &alice, "a", &[("SourceIdentity", "ada")])
        .await
        .key();
    let answer = assume(&world, &a, "b", &[]).await;
    let b = answer.key();
    assert_eq!(answer.text("SourceIdentity"), Some("ada"));
    assume(&world, &b, "a", &[("SourceIdentity", "ada")])
        .await
        .key();
    let error = assume(&world, &b, "a", &[("SourceIdentity", "eve")]).await;
    let message = "User: arn:aws:sts::111122223333:assumed-role/b/s1 is not authorized to perform: sts:SetSourceIdentity on resource: arn:aws:iam::111122223333:role/a";
    assert_eq!(error.error(), (403, "AccessDenied", message.to_owned()));
    assert!(world.trail().contains(r#""sourceIdentity":"ada""#));
}

#[tokio::test]
async fn a_chained_session_lasts_an_hour_at_most_and_any_other_as_long_as_its_role_lets_it() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    role(&world, "a", TRUST).await;
    world.role(OWN, "short", TRUST, |_| ()).await;
    let long = [("DurationSeconds", "43200")];
    let a = assume(&world, &alice, "a", &long).await.key();
    let invalid = |message: &str| (400, "ValidationError", message.to_owned());
    assert_eq!(
        assume(&world, &a, "a", &[("DurationSeconds", "3601")])
            .await
            .error(),
        invalid(CHAINED)
    );
    assume(&world, &a, "a", &[("DurationSeconds", "3600")])
        .await
        .key();
    assert_eq!(
        assume(&world, &alice, "short", &[("DurationSeconds", "3601")])
            .await
            .error(),
        invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    );
    // A session of the user's own is not a role, but its credentials are temporary all the same.
    let own = world.sts(&alice, "GetSessionToken", &[]).await.key();
    let error = assume(&world, &own, "a", &long).await;
    assert_eq!(error.error(), invalid(CHAINED));
    assume(&world, &own, "a", &[("DurationSeconds", "3600")])
        .await
        .key();
}

#[tokio::test]
async fn a_role_does_not_trust_itself_unless_it_says_so() {
    let world = World::new().await;
    let alice = world.user(OWN, "alice", Some(ALLOW)).await;
    let only_alice = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"sts:AssumeRole"}"#;
    role(&world, "a", only_alice).await;
    let a = assume(&world, &alice, "a", &[]).await.key();
    assert_eq!(assume(&world, &a, "a", &[]).await.error().1, "AccessDenied");
}
