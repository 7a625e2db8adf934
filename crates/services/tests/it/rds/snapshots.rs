//! DB snapshots: what is made for one, how it is copied, restored and deleted, and what its agent is told.

mod endings;
mod keys;
mod rights;

use super::*;

/// The id of the volume of a snapshot that the agent is told of, which is the newest one.
async fn told_of(world: &World, agent: &Key, wanted: impl Fn(&Value) -> bool) -> Value {
    let all = volumes(world, agent).await;
    let mut found = all.into_iter().filter(|volume| wanted(volume));
    let (first, second) = (found.next(), found.next());
    assert_eq!(second, None);
    first.unwrap_or_default()
}

fn is_unmade(volume: &Value) -> bool {
    volume["Origin"] != Value::Null
}

fn is_instance(volume: &Value) -> bool {
    volume["VolumeId"].as_str().unwrap().starts_with("db-")
}

/// Has an agent say how a volume is that is at rest.
async fn say(world: &World, agent: &Key, volume: &Value, state: &str) {
    let report = json!({
        "VolumeId": volume["VolumeId"],
        "Generation": volume["Generation"],
        "State": state,
        "Bytes": 4096,
    });
    let reports = json!({ "Volumes": [report] });
    let stale = own(world, agent, "ReportVolumes", reports).await;
    assert_eq!(stale["Stale"], json!([]));
}

/// Has an agent say how an instance and its database are.
async fn say_of_instance(world: &World, agent: &Key, volume: &Value, state: &str) {
    let report = json!({
        "VolumeId": volume["VolumeId"],
        "Generation": volume["Generation"],
        "State": "READY",
        "Database": {
            "State": state,
            "RestartEpoch": volume["Database"]["RestartEpoch"],
            "PasswordEpoch": volume["Database"]["PasswordEpoch"],
        },
    });
    own(
        world,
        agent,
        "ReportVolumes",
        json!({ "Volumes": [report] }),
    )
    .await;
}

async fn snapshot(world: &World, key: &Key, more: &[(&str, &str)]) -> Answer {
    let needed = [
        ("DBSnapshotIdentifier", "monday"),
        ("DBInstanceIdentifier", "orders"),
    ];
    let needed = needed
        .into_iter()
        .filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    let members: Vec<(&str, &str)> = needed.chain(more.iter().copied()).collect();
    world.rds(key, "CreateDBSnapshot", &members).await
}

async fn about(world: &World, action: &str, name: &str) -> Answer {
    let root = world.root.clone();
    world
        .rds(&root, action, &[("DBSnapshotIdentifier", name)])
        .await
}

async fn status_of(world: &World, name: &str) -> String {
    let answer = about(world, "DescribeDBSnapshots", name).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    element(&answer.body, "Status").to_owned()
}

/// An instance that is available, and a snapshot of it.
async fn with_snapshot(world: &World, agent: &Key, more: &[(&str, &str)]) {
    available(world, agent, more).await;
    let root = world.root.clone();
    let answer = snapshot(world, &root, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let made = told_of(world, agent, is_unmade).await;
    say(world, agent, &made, "READY").await;
    assert_eq!(status_of(world, "monday").await, "available");
}

#[tokio::test]
async fn a_snapshot_is_a_volume_at_rest_that_its_agent_copies() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[("DBName", "app"), ("Port", "5433")]).await;
    let root = world.root.clone();
    let instance = volume(&world, &agent).await;
    let answer = snapshot(&world, &root, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for (name, value) in [
        ("DBSnapshotIdentifier", "monday"),
        ("DBInstanceIdentifier", "orders"),
        ("Status", "creating"),
        ("PercentProgress", "0"),
        ("SnapshotType", "manual"),
        ("Engine", "postgres"),
        ("EngineVersion", "15.14"),
        ("MasterUsername", "master"),
        ("Port", "5433"),
        ("AllocatedStorage", "20"),
        ("Encrypted", "false"),
        (
            "DBSnapshotArn",
            "arn:aws:rds:us-east-1:111122223333:snapshot:monday",
        ),
    ] {
        let value = value.replace("111122223333", OWN);
        assert_eq!(element(&answer.body, name), value, "{name}");
    }
    assert_eq!(
        element(&answer.body, "DbiResourceId"),
        instance["VolumeId"].as_str().unwrap()
    );
    let told = told_of(&world, &agent, is_unmade).await;
    let id = told["VolumeId"].as_str().unwrap();
    assert!(id.starts_with("snap-") && id.len() == 22, "{id}");
    assert_eq!(told["AtRest"], true);
    assert_eq!(
        told["Origin"],
        json!({ "VolumeId": instance["VolumeId"], "Reseal": false })
    );
    assert_eq!(told["SizeInBytes"], instance["SizeInBytes"]);
    assert_eq!(
        (&told["Database"], &told["Encrypted"]),
        (&Value::Null, &json!(false))
    );
    // It may fail, and be made after all.
    say(&world, &agent, &told, "FAILED").await;
    assert_eq!(status_of(&world, "monday").await, "failed");
    say(&world, &agent, &told, "READY").await;
    say(&world, &agent, &told, "READY").await;
    let answer = about(&world, "DescribeDBSnapshots", "monday").await;
    assert_eq!(element(&answer.body, "Status"), "available");
    assert_eq!(element(&answer.body, "PercentProgress"), "100");
    // Nothing is left to make of it.
    let all = volumes(&world, &agent).await;
    let at_rest = all.iter().find(|volume| volume["AtRest"] == true).unwrap();
    assert_eq!(
        (&at_rest["Origin"], &at_rest["Made"]),
        (&Value::Null, &json!(true))
    );
    let answer = world.rds(&root, "DescribeEvents", &[]).await;
    for text in [
        "Backing up DB instance",
        "Finished DB Instance backup",
        "Creating manual snapshot",
        "Manual snapshot created",
    ] {
        let count = answer
            .body
            .matches(&format!("<Message>{text}</Message>"))
            .count();
        assert_eq!(count, 1, "{text}");
    }
    let asked = [
        ("SourceType", "db-snapshot"),
        ("SourceIdentifier", "monday"),
    ];
    let answer = world.rds(&root, "DescribeEvents", &asked).await;
    assert_eq!(answer.body.matches("<Event>").count(), 2);
    let answer = about(&world, "DescribeDBSnapshotAttributes", "monday").await;
    assert_eq!(
        element(&answer.body, "DBSnapshotAttributes"),
        "<DBSnapshotAttribute><AttributeName>restore</AttributeName><AttributeValues></AttributeValues></DBSnapshotAttribute>"
    );
}

#[tokio::test]
async fn snapshots_are_listed_by_name_and_filtered() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let root = world.root.clone();
    let id = volume(&world, &agent).await["VolumeId"].clone();
    for name in ["b", "a", "c"] {
        let answer = snapshot(&world, &root, &[("DBSnapshotIdentifier", name)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let names = async |asked: &[(&str, &str)]| {
        let answer = world.rds(&root, "DescribeDBSnapshots", asked).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let parts = answer.body.split("<DBSnapshotIdentifier>").skip(1);
        let names: Vec<String> = parts
            .map(|part| part.split('<').next().unwrap().to_owned())
            .collect();
        names.join(" ")
    };
    assert_eq!(names(&[]).await, "a b c");
    for (member, value, expected) in [
        ("DBInstanceIdentifier", "orders", "a b c"),
        ("DBInstanceIdentifier", "other", ""),
        ("DbiResourceId", id.as_str().unwrap(), "a b c"),
        ("DbiResourceId", "db-OTHER", ""),
        ("SnapshotType", "manual", "a b c"),
        ("SnapshotType", "automated", ""),
        ("SnapshotType", "shared", ""),
        ("DBSnapshotIdentifier", "B", "b"),
    ] {
        assert_eq!(
            names(&[(member, value)]).await,
            expected,
            "{member} {value}"
        );
    }
    for (name, value, expected) in [
        ("db-instance-id", "orders", "a b c"),
        ("db-snapshot-id", "c", "c"),
        ("dbi-resource-id", "db-OTHER", ""),
        ("engine", "postgres", "a b c"),
        ("engine", "mysql", ""),
        ("snapshot-type", "automated", ""),
    ] {
        let filter = [
            ("Filters.Filter.1.Name", name),
            ("Filters.Filter.1.Values.Value.1", value),
        ];
        assert_eq!(names(&filter).await, expected, "{name} {value}");
    }
    for (asked, code) in [
        (("DBSnapshotIdentifier", "none"), "DBSnapshotNotFound"),
        (("SnapshotType", "daily"), "InvalidParameterValue"),
        (("MaxRecords", "19"), "InvalidParameterValue"),
    ] {
        let answer = world.rds(&root, "DescribeDBSnapshots", &[asked]).await;
        assert_eq!(element(&answer.body, "Code"), code, "{asked:?}");
    }
    for number in 0..18 {
        let name = format!("d{number:02}");
        let answer = snapshot(&world, &root, &[("DBSnapshotIdentifier", &name)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let first = world
        .rds(&root, "DescribeDBSnapshots", &[("MaxRecords", "20")])
        .await;
    let marker = element(&first.body, "Marker").to_owned();
    assert_eq!(names(&[("Marker", &marker)]).await, "d17");
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_made_is_refused() {
    let world = World::new().await;
    let root = world.root.clone();
    let text = "DBInstance orders not found.";
    let answer = snapshot(&world, &root, &[]).await;
    assert_eq!(told(&answer), refusal(404, "DBInstanceNotFound", text));
    let agent = agent(&world).await;
    create(&world, &root, &[]).await;
    let text = "Cannot create a snapshot because the database instance orders is not currently in the available state.";
    let answer = snapshot(&world, &root, &[]).await;
    assert_eq!(told(&answer), refusal(400, "InvalidDBInstanceState", text));
    report(&world, &agent, "READY", "RUNNING").await;
    for name in ["", "1a", "a-", "a--b", "rds:a", &"a".repeat(256)] {
        let answer = snapshot(&world, &root, &[("DBSnapshotIdentifier", name)]).await;
        assert_eq!(element(&answer.body, "Code"), "InvalidParameterValue");
    }
    assert_eq!(snapshot(&world, &root, &[]).await.status, 200);
    let text =
        "Cannot create the snapshot because a snapshot with the identifier monday already exists.";
    let answer = snapshot(&world, &root, &[("DBSnapshotIdentifier", "Monday")]).await;
    assert_eq!(told(&answer), refusal(400, "DBSnapshotAlreadyExists", text));
    // An agent of a version that knows nothing of snapshots would make an empty volume.
    let mut older = installed();
    older["Copies"] = json!(false);
    let heard = own(&world, &agent, "PollVolumes", older).await;
    assert_eq!(heard["Volumes"].as_array().unwrap().len(), 1);
    let answer = snapshot(&world, &root, &[("DBSnapshotIdentifier", "b")]).await;
    let (status, code, message) = told(&answer);
    assert_eq!((status, code.as_str()), (400, "InvalidDBInstanceState"));
    assert!(
        message.contains("a version that makes no snapshots"),
        "{message}"
    );
}

#[tokio::test]
async fn an_account_has_no_more_snapshots_than_it_may() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let root = world.root.clone();
    for number in 0..100 {
        let name = format!("s{number}");
        let answer = snapshot(&world, &root, &[("DBSnapshotIdentifier", &name)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let text = "Cannot create more than 100 manual snapshots";
    let answer = snapshot(&world, &root, &[]).await;
    assert_eq!(told(&answer), refusal(400, "SnapshotQuotaExceeded", text));
    // A report says that many of them are there, and each of them counts.
    let all = volumes(&world, &agent).await;
    let unmade = all.iter().filter(|volume| is_unmade(volume)).take(20);
    let reports: Vec<Value> = unmade
        .map(|volume| json!({ "VolumeId": volume["VolumeId"], "Generation": 1, "State": "READY" }))
        .collect();
    own(
        &world,
        &agent,
        "ReportVolumes",
        json!({ "Volumes": reports }),
    )
    .await;
    let answer = world.rds(&root, "DescribeDBSnapshots", &[]).await;
    assert_eq!(
        answer.body.matches("<Status>available</Status>").count(),
        20
    );
}
