//! Answers to requests for which there is no turn.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use keyward_engine::{
    request::Peer,
    server::Quotas,
    turns::{Turn, Turns},
};
use keyward_testkit::{
    answer::Answer,
    world::{OWN, World},
};

/// All turns of two.
async fn both(turns: &Turns) -> Vec<Turn<'_>> {
    let mut held = Vec::new();
    for number in 0..100 {
        let peer = Peer::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)), None);
        held.extend(turns.take(&peer, || 1).await);
        if held.len() == 2 {
            return held;
        }
    }
    panic!("addresses share one lane");
}

/// What is told, with the request's id left out.
fn told(answer: &Answer) -> (u16, String) {
    let id = answer.text("RequestId").unwrap_or("no id");
    (answer.status, answer.body.replace(id, "ID"))
}

/// A simulation that takes a while: many questions about many statements.
async fn simulate(world: &World) -> Answer {
    let statement =
        r#"{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:key/*a*b*c*d*e"}"#;
    let statements = vec![statement; 100].join(",");
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let mut parameters = vec![("PolicyInputList.member.1".to_owned(), policy)];
    for number in 1..=10 {
        let name = format!("ActionNames.member.{number}");
        parameters.push((name, format!("kms:Decrypt{number}")));
    }
    for number in 1..=100 {
        let name = format!("ResourceArns.member.{number}");
        let id = "abcd".repeat(20);
        parameters.push((
            name,
            format!("arn:aws:kms:us-east-1:{OWN}:key/{id}{number}"),
        ));
    }
    let parameters: Vec<(&str, &str)> = (parameters.iter())
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    world
        .iam(&world.root, "SimulateCustomPolicy", &parameters)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_computes_takes_no_turn_from_those_who_do_not() {
    // With one turn in all, whoever kept it would keep everybody out.
    let world = Arc::new(
        World::with(Quotas {
            requests_at_once: 1,
            ..Quotas::default()
        })
        .await,
    );
    let user = world.user(OWN, "alice", None).await;
    let simulated = tokio::spawn({
        let world = Arc::clone(&world);
        async move { simulate(&world).await }
    });
    let mut served = 0;
    while !simulated.is_finished() {
        let answer = world.sts(&user, "GetCallerIdentity", &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        served += 1;
    }
    let simulated = simulated.await.unwrap();
    assert_eq!(simulated.status, 200, "{}", simulated.body);
    assert!(served > 10, "{served}");
}

#[tokio::test]
async fn a_request_for_which_there_is_no_turn_is_told_to_slow_down() {
    // Nobody may wait.
    let world = World::with(Quotas {
        requests_at_once: 2,
        waiting_bytes: 0,
        ..Quotas::default()
    })
    .await;
    let root = &world.root;
    let kms = || world.json(root, "kms", "TrentService.ListKeys", "{}");
    assert_eq!(kms().await.status, 200);
    let held = both(world.front.shared().turns()).await;
    let answer = kms().await;
    let text = r#"{"__type":"ThrottlingException","message":"You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."}"#;
    assert_eq!((answer.status, &*answer.body), (400, text));
    let answer = world.sts(root, "GetCallerIdentity", &[]).await;
    let expected = |namespace: &str| {
        let text = format!(
            r#"<ErrorResponse xmlns="{namespace}"><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>ID</RequestId></ErrorResponse>"#
        );
        (400, text)
    };
    let sts = expected("https://sts.amazonaws.com/doc/2011-06-15/");
    assert_eq!(told(&answer), sts);
    let answer = world.iam(root, "ListUsers", &[]).await;
    let iam = expected("https://iam.amazonaws.com/doc/2010-05-08/");
    assert_eq!(told(&answer), iam);
    // Nor is there one for who presents a token instead of a signature.
    let parameters = [("RoleArn", "r"), ("WebIdentityToken", "t")];
    let answer = world
        .unsigned("AssumeRoleWithWebIdentity", &parameters)
        .await;
    assert_eq!(told(&answer), sts);
    drop(held);
    assert_eq!(kms().await.status, 200);
}
