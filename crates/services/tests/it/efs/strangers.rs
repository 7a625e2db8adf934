//! Strangers who come to a mount target: what they are refused is recorded, and does not fill the disk.

use super::*;

/// What the agent is answered about a client that has no certificate.
async fn comes(world: &World, agent: &Key, id: &str, (address, secure): (&str, bool)) -> u16 {
    let body = json!({ "VolumeId": id, "SecureTransport": secure, "ClientAddress": address });
    let target = "Keyward_20261101.AuthorizeMount";
    let body = body.to_string();
    world.json(agent, "keyward", target, &body).await.status
}

/// How many events there are of the service's decisions and of the agent's questions.
async fn recorded(world: &World) -> (usize, usize) {
    let decided = events(world, "NewClientConnection").await.len();
    (decided, events(world, "AuthorizeMount").await.len())
}

#[tokio::test]
async fn what_a_stranger_is_refused_again_and_again_is_recorded_once_and_counted() {
    const ONE: &str = "203.0.113.9";
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let made = create(&world, &root, json!({ "CreationToken": "t" })).await;
    let id = body(&made)["FileSystemId"].as_str().unwrap().to_owned();
    report(&world, &agent, &id, 1, "READY").await;
    let path = format!("/file-systems/{id}/policy");
    let statement = |effect: &str, condition: Value| json!({ "Effect": effect, "Principal": { "AWS": "*" }, "Action": "elasticfilesystem:Client*", "Resource": "*", "Condition": condition });
    let secure = |is: &str| json!({ "Bool": { "aws:SecureTransport": is } });
    let policy =
        json!({ "Version": "2012-10-17", "Statement": [statement("Allow", secure("true"))] });
    let put = async |policy: &Value| {
        let policy = json!({ "Policy": policy.to_string() });
        let answer = ask(&world, &root, ("PUT", &path), policy).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    put(&policy).await;
    for _ in 0..30 {
        assert_eq!(comes(&world, &agent, &id, (ONE, false)).await, 400);
    }
    assert_eq!(recorded(&world).await, (1, 1));
    let metrics = world.front.render_metrics();
    let counted = metrics.lines().find(|line| {
        let named = ["NewClientConnection", "denied"];
        named.iter().all(|name| line.contains(name))
    });
    assert!(counted.unwrap().ends_with(" 30"), "{counted:?}");
    let samples = std::fs::read_to_string(world.audit().join("refused.jsonl")).unwrap();
    let sample = samples.lines().last().unwrap();
    for part in [ONE, "AuthorizeMount", "AccessDeniedException"] {
        assert!(sample.contains(part), "{sample}");
    }
    // Another stranger is another event, and so is whatever is allowed.
    assert_eq!(
        comes(&world, &agent, &id, ("203.0.113.10", false)).await,
        400
    );
    assert_eq!(recorded(&world).await, (2, 2));
    for _ in 0..2 {
        assert_eq!(comes(&world, &agent, &id, (ONE, true)).await, 200);
    }
    assert_eq!(recorded(&world).await, (4, 4));
    // So is the first refusal by another policy, and the first after a while.
    put(&json!({ "Version": "2012-10-17", "Statement": [statement("Deny", secure("false"))] }))
        .await;
    for _ in 0..2 {
        assert_eq!(comes(&world, &agent, &id, (ONE, false)).await, 400);
    }
    assert_eq!(recorded(&world).await, (5, 5));
    world.advance(600).await;
    for _ in 0..2 {
        assert_eq!(comes(&world, &agent, &id, (ONE, false)).await, 400);
    }
    assert_eq!(recorded(&world).await, (6, 6));
}

#[tokio::test]
async fn whose_certificate_proves_nobody_is_a_stranger() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let made = create(&world, &root, json!({ "CreationToken": "t" })).await;
    let id = body(&made)["FileSystemId"].as_str().unwrap().to_owned();
    report(&world, &agent, &id, 1, "READY").await;
    for number in 0..20 {
        let identity = json!({ "AccessKeyId": format!("AKIA{number:016}"), "DateTime": "20260101T000000Z", "Signature": "0".repeat(64), "PublicKeyHash": "0".repeat(40) });
        let body = json!({ "VolumeId": id, "SecureTransport": true, "ClientAddress": "203.0.113.9", "Identity": identity });
        let target = "Keyward_20261101.AuthorizeMount";
        let body = body.to_string();
        let answer = world.json(&agent, "keyward", target, &body).await;
        assert_eq!(answer.status, 400);
    }
    assert_eq!(recorded(&world).await, (0, 1));
}
