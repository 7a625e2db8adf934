//! What is kept of file systems, and how they end.

use super::*;

#[tokio::test]
async fn tags_and_throughput_and_lifecycle_are_kept() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let mut ids = Vec::new();
    for token in ["a", "b", "c"] {
        let made = body(&create(&world, &root, json!({ "CreationToken": token })).await);
        ids.push(made["FileSystemId"].as_str().unwrap().to_owned());
    }
    let id = ids[0].clone();
    let path = format!("/resource-tags/{id}");
    let tags =
        json!({ "Tags": [{ "Key": "Name", "Value": "home" }, { "Key": "team", "Value": "red" }] });
    let answer = ask(&world, &root, ("POST", &path), tags).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    let answer = ask(
        &world,
        &root,
        ("DELETE", &format!("{path}?tagKeys=team")),
        Value::Null,
    )
    .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    let listed = body(&ask(&world, &root, ("GET", &path), Value::Null).await);
    assert_eq!(
        listed,
        json!({ "Tags": [{ "Key": "Name", "Value": "home" }] })
    );
    let by_token = body(
        &ask(
            &world,
            &root,
            ("GET", "/file-systems?CreationToken=a"),
            Value::Null,
        )
        .await,
    );
    assert_eq!(by_token["FileSystems"][0]["Name"], "home");
    // Page by page.
    let mut seen = Vec::new();
    let mut target = "/file-systems?MaxItems=1".to_owned();
    loop {
        let page = body(&ask(&world, &root, ("GET", &target), Value::Null).await);
        seen.push(
            page["FileSystems"][0]["FileSystemId"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        let Some(next) = page["NextMarker"].as_str() else {
            break;
        };
        assert!(next.len() <= 128);
        target = format!("/file-systems?Marker={next}&MaxItems=1");
    }
    ids.sort();
    assert_eq!(seen, ids);
    // Nothing changes before it is made.
    let put = format!("/file-systems/{id}");
    let update = async |body: Value| ask(&world, &root, ("PUT", &put), body).await;
    let answer = update(json!({ "ThroughputMode": "elastic" })).await;
    assert_eq!(
        answer.error_type.as_deref(),
        Some("IncorrectFileSystemLifeCycleState")
    );
    report(&world, &agent, &id, 1, "READY").await;
    let answer = update(json!({ "ThroughputMode": "provisioned" })).await;
    let text = "ProvisionedThroughputInMibps must be specified if ThroughputMode is provisioned.";
    assert_eq!(
        told(&answer),
        (400, "BadRequest", fault("BadRequest", text))
    );
    let answer =
        update(json!({ "ThroughputMode": "provisioned", "ProvisionedThroughputInMibps": 20.5 }))
            .await;
    assert_eq!(
        (
            answer.status,
            &body(&answer)["ProvisionedThroughputInMibps"]
        ),
        (202, &json!(20.5))
    );
    let answer = update(json!({ "ProvisionedThroughputInMibps": 30 })).await;
    assert_eq!(
        (
            answer.status,
            &body(&answer)["ProvisionedThroughputInMibps"]
        ),
        (202, &json!(30.0))
    );
    let answer = update(json!({ "ProvisionedThroughputInMibps": 10 })).await;
    let text = "The throughput was decreased, or its mode changed, less than 24 hours ago.";
    assert_eq!(
        told(&answer),
        (429, "TooManyRequests", fault("TooManyRequests", text))
    );
    let lifecycle = format!("/file-systems/{id}/lifecycle-configuration");
    let policies = json!({ "LifecyclePolicies": [{ "TransitionToIA": "AFTER_30_DAYS" }, { "TransitionToPrimaryStorageClass": "AFTER_1_ACCESS" }] });
    let answer = ask(&world, &root, ("PUT", &lifecycle), policies.clone()).await;
    assert_eq!((answer.status, body(&answer)), (200, policies.clone()));
    let answer = ask(&world, &root, ("GET", &lifecycle), Value::Null).await;
    assert_eq!(body(&answer), policies);
}

#[tokio::test]
async fn a_file_system_with_access_points_ends_without_its_agent() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let made = create(&world, &root, json!({ "CreationToken": "t" })).await;
    let id = body(&made)["FileSystemId"].as_str().unwrap().to_owned();
    report(&world, &agent, &id, 1, "READY").await;
    let point = json!({ "ClientToken": "p", "FileSystemId": id });
    let point = ask(&world, &root, ("POST", "/access-points"), point).await;
    assert_eq!(point.status, 200, "{}", point.body);
    let agents = own(&world, &root, "ListAgents", json!({})).await;
    let removed = json!({ "AgentId": agents["Agents"][0]["AgentId"] });
    own(&world, &root, "RemoveAgent", removed).await;
    let path = format!("/file-systems/{id}");
    let answer = ask(&world, &root, ("DELETE", &path), Value::Null).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    let all = ask(&world, &root, ("GET", "/file-systems"), Value::Null).await;
    assert_eq!(body(&all)["FileSystems"][0]["LifeCycleState"], "deleting");
    keyward_api_own::left_volumes::end(&world.workers).await;
    for (line, name) in [
        ("/file-systems", "FileSystems"),
        ("/access-points", "AccessPoints"),
    ] {
        let all = ask(&world, &root, ("GET", line), Value::Null).await;
        assert_eq!(body(&all)[name], json!([]), "{}", all.body);
    }
}

#[tokio::test]
async fn a_file_system_ends_with_all_the_access_points_that_it_may_have() {
    const MOST: usize = 120;
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let made = create(&world, &root, json!({ "CreationToken": "t" })).await;
    let id = body(&made)["FileSystemId"].as_str().unwrap().to_owned();
    report(&world, &agent, &id, 1, "READY").await;
    let point = async |number: usize| {
        let token = format!("p{number}");
        let point = json!({ "ClientToken": token, "FileSystemId": id });
        ask(&world, &root, ("POST", "/access-points"), point).await
    };
    for number in 0..MOST {
        let answer = point(number).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let answer = point(MOST).await;
    assert_eq!(body(&answer)["ErrorCode"], "AccessPointLimitExceeded");
    let path = format!("/file-systems/{id}");
    let answer = ask(&world, &root, ("DELETE", &path), Value::Null).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    report(&world, &agent, &id, 2, "GONE").await;
    keyward_api_own::left_volumes::end(&world.workers).await;
    for (line, name) in [
        ("/file-systems", "FileSystems"),
        ("/access-points", "AccessPoints"),
    ] {
        let all = ask(&world, &root, ("GET", line), Value::Null).await;
        assert_eq!(body(&all)[name], json!([]), "{}", all.body);
    }
    // Their tokens have ended as well.
    let made = create(&world, &root, json!({ "CreationToken": "t" })).await;
    let id = body(&made)["FileSystemId"].as_str().unwrap().to_owned();
    report(&world, &agent, &id, 1, "READY").await;
    let point = json!({ "ClientToken": "p0", "FileSystemId": id });
    let answer = ask(&world, &root, ("POST", "/access-points"), point).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
