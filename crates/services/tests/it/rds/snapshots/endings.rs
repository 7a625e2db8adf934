//! How snapshots end, and what they keep from ending.

use keyward_api_own::left_volumes;

use super::*;

#[tokio::test]
async fn a_deleted_snapshot_is_gone_at_once_and_its_agent_deletes_the_image() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let key = key(&world).await;
    let encrypted = [("StorageEncrypted", "true"), ("KmsKeyId", key.as_str())];
    available(&world, &agent, &encrypted).await;
    snapshot(&world, &root, &[]).await;
    let answer = about(&world, "DeleteDBSnapshot", "monday").await;
    let text =
        "Cannot delete the snapshot because it is not currently in the available or failed state.";
    assert_eq!(told(&answer), refusal(400, "InvalidDBSnapshotState", text));
    let made = told_of(&world, &agent, is_unmade).await;
    say(&world, &agent, &made, "READY").await;
    let answer = about(&world, "DeleteDBSnapshot", "monday").await;
    assert_eq!(
        element(&answer.body, "Status"),
        "deleted",
        "{}",
        answer.body
    );
    assert_eq!(grants(&world, &key).await.len(), 2);
    let text = "DBSnapshot monday not found.";
    let answer = about(&world, "DescribeDBSnapshots", "monday").await;
    assert_eq!(told(&answer), refusal(404, "DBSnapshotNotFound", text));
    let answer = about(&world, "DeleteDBSnapshot", "monday").await;
    assert_eq!(told(&answer), refusal(404, "DBSnapshotNotFound", text));
    // Its name is free before the image is gone.
    assert_eq!(snapshot(&world, &root, &[]).await.status, 200);
    let ending = told_of(&world, &agent, |volume| volume["Wanted"] == "ABSENT").await;
    assert_eq!(ending["VolumeId"], made["VolumeId"]);
    assert_eq!(ending["AtRest"], true);
    say(&world, &agent, &ending, "GONE").await;
    assert_eq!(volumes(&world, &agent).await.len(), 2);
    assert_eq!(status_of(&world, "monday").await, "creating");
}

#[tokio::test]
async fn an_instance_waits_for_its_final_snapshot() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let key = key(&world).await;
    let encrypted = [("StorageEncrypted", "true"), ("KmsKeyId", key.as_str())];
    available(&world, &agent, &encrypted).await;
    let last = [("FinalDBSnapshotIdentifier", "last")];
    let answer = ask(&world, "DeleteDBInstance", &last).await;
    assert_eq!(
        element(&answer.body, "DBInstanceStatus"),
        "deleting",
        "{}",
        answer.body
    );
    let instance = told_of(&world, &agent, is_instance).await;
    assert_eq!(instance["Wanted"], "PRESENT");
    assert_eq!(instance["Database"]["Running"], false);
    say_of_instance(&world, &agent, &instance, "STOPPED").await;
    assert_eq!(status(&world).await, "deleting");
    let text = "Instance orders is already being deleted.";
    let answer = ask(&world, "DeleteDBInstance", &last).await;
    assert_eq!(told(&answer), refusal(400, "InvalidDBInstanceState", text));
    let made = told_of(&world, &agent, is_unmade).await;
    say(&world, &agent, &made, "READY").await;
    assert_eq!(status_of(&world, "last").await, "available");
    // Now it is to be gone, and a worker retires its grants.
    let instance = told_of(&world, &agent, is_instance).await;
    assert_eq!(instance["Wanted"], "ABSENT");
    left_volumes::end(&world.workers).await;
    assert_eq!(grants(&world, &key).await.len(), 2);
    say(&world, &agent, &instance, "GONE").await;
    let expected = refusal(404, "DBInstanceNotFound", "DBInstance orders not found.");
    assert_eq!(told(&describe(&world).await), expected);
}

#[tokio::test]
async fn a_final_snapshot_ends_its_instance_also_if_one_report_says_all() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let last = [("FinalDBSnapshotIdentifier", "last")];
    ask(&world, "DeleteDBInstance", &last).await;
    let all = volumes(&world, &agent).await;
    for reversed in [false, true] {
        let mut reports: Vec<Value> = all
            .iter()
            .map(|volume| {
                let mut report = json!({ "VolumeId": volume["VolumeId"], "Generation": volume["Generation"], "State": "READY" });
                if is_instance(volume) {
                    report["Database"] = json!({ "State": "STOPPED" });
                }
                report
            })
            .collect();
        if reversed {
            reports.reverse();
        }
        let answer = own(
            &world,
            &agent,
            "ReportVolumes",
            json!({ "Volumes": reports }),
        )
        .await;
        // The second time the instance is wanted otherwise by now.
        let count = answer["Stale"].as_array().unwrap().len();
        assert_eq!(count, usize::from(reversed));
    }
    let instance = told_of(&world, &agent, is_instance).await;
    assert_eq!(instance["Wanted"], "ABSENT");
}

#[tokio::test]
async fn whoever_does_not_wait_for_a_final_snapshot_deletes_without_one() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let key = key(&world).await;
    let encrypted = [("StorageEncrypted", "true"), ("KmsKeyId", key.as_str())];
    available(&world, &agent, &encrypted).await;
    ask(
        &world,
        "DeleteDBInstance",
        &[("FinalDBSnapshotIdentifier", "last")],
    )
    .await;
    let answer = ask(&world, "DeleteDBInstance", &[("SkipFinalSnapshot", "true")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(grants(&world, &key).await, [Value::Null; 0]);
    let answer = about(&world, "DescribeDBSnapshots", "last").await;
    assert_eq!(element(&answer.body, "Code"), "DBSnapshotNotFound");
    for volume in volumes(&world, &agent).await {
        assert_eq!(volume["Wanted"], "ABSENT");
        say(&world, &agent, &volume, "GONE").await;
    }
    assert_eq!(volumes(&world, &agent).await, [Value::Null; 0]);
}

#[tokio::test]
async fn what_something_is_made_from_stays() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let root = world.root.clone();
    snapshot(&world, &root, &[]).await;
    let text =
        "Instance orders cannot be deleted while the DB snapshot monday of it is being created.";
    let answer = ask(&world, "DeleteDBInstance", &[("SkipFinalSnapshot", "true")]).await;
    assert_eq!(told(&answer), refusal(400, "InvalidDBInstanceState", text));
    let (other, listed) = (
        super::super::agent(&world).await,
        own(&world, &root, "ListAgents", json!({})).await,
    );
    let instance = told_of(&world, &agent, is_instance).await;
    let made = told_of(&world, &agent, is_unmade).await;
    let ids: Vec<&Value> = listed["Agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| &agent["AgentId"])
        .collect();
    let assign = async |volume: &Value| {
        let mut answers = Vec::new();
        for id in &ids {
            let asked = json!({ "VolumeId": volume["VolumeId"], "AgentId": id });
            answers.push(own_answer(&world, &root, "AssignVolume", asked).await);
        }
        answers.retain(|answer| answer.status != 200);
        answers.iter().map(|answer| answer.body.clone()).collect()
    };
    for volume in [&instance, &made] {
        let refused: Vec<String> = assign(volume).await;
        assert!(
            refused
                .iter()
                .all(|body| body.contains("is being made from a snapshot")),
            "{refused:?}"
        );
        assert!(!refused.is_empty());
    }
    say(&world, &agent, &made, "READY").await;
    // Nor is a snapshot deleted that something is made from.
    let again = [
        ("DBInstanceIdentifier", "again"),
        ("DBSnapshotIdentifier", "monday"),
    ];
    let answer = world
        .rds(&root, "RestoreDBInstanceFromDBSnapshot", &again)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let text = "Cannot delete the snapshot monday because it is being copied or restored.";
    let answer = about(&world, "DeleteDBSnapshot", "monday").await;
    assert_eq!(told(&answer), refusal(400, "InvalidDBSnapshotState", text));
    // Until it is there, or not wanted any more.
    let named = [
        ("DBInstanceIdentifier", "again"),
        ("SkipFinalSnapshot", "true"),
    ];
    assert_eq!(
        world.rds(&root, "DeleteDBInstance", &named).await.status,
        200
    );
    assert_eq!(
        about(&world, "DeleteDBSnapshot", "monday").await.status,
        200
    );
    drop(other);
}

#[tokio::test]
async fn snapshots_of_a_removed_agent_can_be_deleted() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let root = world.root.clone();
    snapshot(&world, &root, &[]).await;
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    let id = listed["Agents"][0]["AgentId"].clone();
    own(&world, &root, "RemoveAgent", json!({ "AgentId": id })).await;
    assert_eq!(
        about(&world, "DeleteDBSnapshot", "monday").await.status,
        200
    );
    let answer = ask(&world, "DeleteDBInstance", &[("SkipFinalSnapshot", "true")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    assert_eq!(listed["VolumesWithoutAgent"], json!([]));
}

#[tokio::test]
async fn a_restored_instance_has_what_its_snapshot_remembers() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let tags = [
        ("Tags.Tag.1.Key", "team"),
        ("Tags.Tag.1.Value", "red"),
        ("CopyTagsToSnapshot", "true"),
        ("DBName", "app"),
        ("Port", "5433"),
        ("DBInstanceClass", "db.m5.large"),
    ];
    with_snapshot(&world, &agent, &tags).await;
    let root = world.root.clone();
    let before = told_of(&world, &agent, is_instance).await;
    let restored = [
        ("DBInstanceIdentifier", "again"),
        ("DBSnapshotIdentifier", "monday"),
    ];
    let restore = async |more: &[(&str, &str)]| {
        let members: Vec<(&str, &str)> = restored.iter().chain(more).copied().collect();
        world
            .rds(&root, "RestoreDBInstanceFromDBSnapshot", &members)
            .await
    };
    for (more, code) in [
        (("AllocatedStorage", "19"), "InvalidParameterCombination"),
        (("Engine", "mysql"), "InvalidParameterValue"),
        (("DBName", "other"), "InvalidParameterCombination"),
        (("MultiAZ", "true"), "InvalidParameterCombination"),
        (("Port", "1"), "InvalidParameterValue"),
        (("DBInstanceClass", "large"), "InvalidParameterValue"),
        (
            ("DBInstanceIdentifier", "orders"),
            "DBInstanceAlreadyExists",
        ),
        (("DBSnapshotIdentifier", "none"), "DBSnapshotNotFound"),
        (("DBSubnetGroupName", "none"), "DBSubnetGroupNotFoundFault"),
        (("DBParameterGroupName", "none"), "DBParameterGroupNotFound"),
        (
            ("BackupRetentionPeriod", "7"),
            "InvalidParameterCombination",
        ),
        (
            ("ManageMasterUserPassword", "true"),
            "InvalidParameterCombination",
        ),
    ] {
        let kept = restored.iter().filter(|(name, _)| *name != more.0);
        let members: Vec<(&str, &str)> = kept.chain([&more]).copied().collect();
        let answer = world
            .rds(&root, "RestoreDBInstanceFromDBSnapshot", &members)
            .await;
        assert_eq!(
            element(&answer.body, "Code"),
            code,
            "{more:?}: {}",
            answer.body
        );
    }
    let answer = restore(&[("AllocatedStorage", "30")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for (name, value) in [
        ("DBInstanceStatus", "creating"),
        ("DBInstanceClass", "db.m5.large"),
        ("MasterUsername", "master"),
        ("DBName", "app"),
        ("AllocatedStorage", "30"),
        ("TagList", "<Tag><Key>team</Key><Value>red</Value></Tag>"),
    ] {
        assert_eq!(element(&answer.body, name), value, "{name}");
    }
    let told = told_of(&world, &agent, is_unmade).await;
    assert_eq!(told["AtRest"], Value::Null);
    assert_eq!(told["SizeInBytes"], 30_u64 << 30);
    let database = &told["Database"];
    assert_eq!(
        database["PasswordVerifier"],
        before["Database"]["PasswordVerifier"]
    );
    assert_eq!(database["Port"], 5433);
    // The snapshot has that database already.
    assert_eq!(database["DatabaseName"], Value::Null);
    assert_ne!(database["Address"], before["Database"]["Address"]);
    say_of_instance(&world, &agent, &told, "RUNNING").await;
    let named = [("DBInstanceIdentifier", "again")];
    let answer = world.rds(&root, "DescribeDBInstances", &named).await;
    assert_eq!(element(&answer.body, "DBInstanceStatus"), "available");
    let answer = about(&world, "DeleteDBSnapshot", "monday").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
