//! Answers to requests for which there is no turn.

use std::net::{IpAddr, Ipv4Addr};

use keyward_engine::{
    request::Peer,
    server::Quotas,
    turns::{Turn, Turns},
};
use keyward_testkit::{answer::Answer, world::World};

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
    drop(held);
    assert_eq!(kms().await.status, 200);
}
