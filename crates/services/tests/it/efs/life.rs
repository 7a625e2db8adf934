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

#[tokio::test]
async fn an_agent_that_is_not_connected_is_given_one_only_if_there_is_no_other() {
    let world = World::new().await;
    let root = world.root.clone();
    let gone = agent(&world).await;
    hang_up(&world, &gone).await;
    // It may come back, and until then it is said what waits for it.
    let made = body(&create(&world, &root, json!({ "CreationToken": "alone" })).await);
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    let id = listed["Agents"][0]["AgentId"].clone();
    assert_eq!(listed["Agents"][0]["Connected"], false);
    let waits = json!([{ "VolumeId": made["FileSystemId"], "AgentId": id, "Ending": false }]);
    assert_eq!(listed["WaitingVolumes"], waits);
    // One that is connected is chosen, also when it stores more.
    let here = agent(&world).await;
    for token in ["first", "second"] {
        let answer = create(&world, &root, json!({ "CreationToken": token })).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    let polled = own(&world, &here, "PollVolumes", json!({})).await;
    assert_eq!(polled["Volumes"].as_array().unwrap().len(), 2);
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    assert_eq!(listed["WaitingVolumes"], waits);
    // What is to be deleted waits for it as well.
    let path = format!("/file-systems/{}", made["FileSystemId"].as_str().unwrap());
    let answer = ask(&world, &root, ("DELETE", &path), Value::Null).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    assert_eq!(listed["WaitingVolumes"][0]["Ending"], true);
    // It is back.
    own(&world, &gone, "PollVolumes", json!({})).await;
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    assert_eq!(listed["WaitingVolumes"], json!([]));
}

#[tokio::test]
async fn a_file_system_whose_agent_was_removed_is_an_error() {
    let world = World::new().await;
    let root = world.root.clone();
    let first = agent(&world).await;
    let made = body(&create(&world, &root, json!({ "CreationToken": "t" })).await);
    let id = made["FileSystemId"].as_str().unwrap();
    report(&world, &first, id, 1, "READY").await;
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    let removed = json!({ "AgentId": listed["Agents"][0]["AgentId"] });
    let state = async || {
        let one = format!("/file-systems?FileSystemId={id}");
        let found = body(&ask(&world, &root, ("GET", &one), Value::Null).await);
        found["FileSystems"][0]["LifeCycleState"].clone()
    };
    assert_eq!(state().await, "available");
    let answer = own(&world, &root, "RemoveAgent", removed).await;
    assert_eq!(answer, json!({ "NumberOfVolumes": 1 }));
    assert_eq!(state().await, "error");
    // Another one is to bring it, and is not connected.
    let second = agent(&world).await;
    hang_up(&world, &second).await;
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    let to = json!({ "VolumeId": id, "AgentId": listed["Agents"][0]["AgentId"] });
    let assigned = own(&world, &root, "AssignVolume", to).await;
    assert_eq!(assigned["Connected"], false);
    assert_eq!(state().await, "updating");
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    assert_eq!(listed["WaitingVolumes"][0]["VolumeId"], id);
}

/// An agent waits, and closes its connection.
async fn hang_up(world: &World, agent: &Key) {
    let known = own(world, agent, "PollVolumes", json!({})).await["Known"].clone();
    let poll = json!({ "Known": known, "WaitSeconds": 20 });
    let waiting = own(world, agent, "PollVolumes", poll);
    let waited = async {
        let line = "\nkeyward_waiting_agents 1\n";
        while !world.front.render_metrics().contains(line) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = waiting => panic!("it was answered"),
        () = waited => {}
    }
}

#[tokio::test]
async fn every_call_knows_that_the_agent_of_a_file_system_was_removed() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let made = body(&create(&world, &root, json!({ "CreationToken": "t" })).await);
    let id = made["FileSystemId"].as_str().unwrap().to_owned();
    report(&world, &agent, &id, 1, "READY").await;
    let agents = own(&world, &root, "ListAgents", json!({})).await;
    let agent = agents["Agents"][0]["AgentId"].clone();
    own(&world, &root, "RemoveAgent", json!({ "AgentId": agent })).await;
    let at = format!("/file-systems/{id}");
    let policy = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
    for (line, asked) in [
        (("PUT", at.clone()), json!({ "ThroughputMode": "elastic" })),
        (("PUT", format!("{at}/policy")), json!({ "Policy": policy })),
        (
            ("PUT", format!("{at}/lifecycle-configuration")),
            json!({ "LifecyclePolicies": [] }),
        ),
        (
            ("PUT", format!("{at}/backup-policy")),
            json!({ "BackupPolicy": { "Status": "DISABLED" } }),
        ),
        (
            ("PUT", format!("{at}/protection")),
            json!({ "ReplicationOverwriteProtection": "ENABLED" }),
        ),
        (
            ("POST", "/access-points".to_owned()),
            json!({ "ClientToken": "t", "FileSystemId": id }),
        ),
        (
            ("POST", "/mount-targets".to_owned()),
            json!({ "FileSystemId": id, "SubnetId": "subnet-00000000000000001" }),
        ),
    ] {
        let (method, path) = line;
        let answer = ask(&world, &root, (method, &path), asked).await;
        let text = format!("The file system '{id}' is in the state 'error'.");
        let code = "IncorrectFileSystemLifeCycleState";
        assert_eq!(told(&answer), (409, code, fault(code, &text)), "{path}");
    }
    let one = format!("/file-systems?FileSystemId={id}");
    let found = body(&ask(&world, &root, ("GET", &one), Value::Null).await);
    assert_eq!(found["FileSystems"][0]["LifeCycleState"], "error");
}
