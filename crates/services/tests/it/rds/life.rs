//! How DB instances are changed, stopped, started and described.

use super::*;

#[tokio::test]
async fn an_instance_stops_and_starts_and_reboots() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    create(&world, &root, &[]).await;
    let busy = refusal(
        400,
        "InvalidDBInstanceState",
        "Instance orders is not in available state.",
    );
    for action in ["StopDBInstance", "RebootDBInstance"] {
        assert_eq!(told(&ask(&world, action, &[]).await), busy);
    }
    report(&world, &agent, "READY", "RUNNING").await;
    let text = "Instance orders cannot be started as it is not in one of the following statuses: 'stopped, inaccessible-encryption-credentials-recoverable, incompatible-network (only valid for non-SqlServer instances).'";
    let started = refusal(400, "InvalidDBInstanceState", text);
    assert_eq!(told(&ask(&world, "StartDBInstance", &[]).await), started);
    let answer = ask(&world, "StopDBInstance", &[]).await;
    assert_eq!(element(&answer.body, "DBInstanceStatus"), "stopping");
    assert_eq!(volume(&world, &agent).await["Database"]["Running"], false);
    // An older report does not make it stopped.
    report(&world, &agent, "READY", "RUNNING").await;
    assert_eq!(status(&world).await, "stopping");
    report(&world, &agent, "READY", "STOPPED").await;
    assert_eq!(status(&world).await, "stopped");
    assert_eq!(told(&ask(&world, "StopDBInstance", &[]).await), busy);
    let answer = ask(&world, "StartDBInstance", &[]).await;
    assert_eq!(element(&answer.body, "DBInstanceStatus"), "starting");
    report(&world, &agent, "READY", "STARTING").await;
    assert_eq!(status(&world).await, "starting");
    report(&world, &agent, "READY", "RUNNING").await;
    assert_eq!(status(&world).await, "available");
    let answer = ask(&world, "RebootDBInstance", &[]).await;
    assert_eq!(element(&answer.body, "DBInstanceStatus"), "rebooting");
    assert_eq!(volume(&world, &agent).await["Database"]["RestartEpoch"], 1);
    report(&world, &agent, "READY", "RUNNING").await;
    assert_eq!(status(&world).await, "available");
    let answer = ask(&world, "RebootDBInstance", &[("ForceFailover", "true")]).await;
    let text = "ForceFailover is not supported by this version of Keyward.";
    assert_eq!(
        told(&answer),
        refusal(400, "InvalidParameterCombination", text)
    );
    // What happened, the oldest first.
    let members = [
        ("SourceType", "db-instance"),
        ("SourceIdentifier", "orders"),
    ];
    let answer = world.rds(&root, "DescribeEvents", &members).await;
    let messages: Vec<&str> = answer
        .body
        .split("<Message>")
        .skip(1)
        .filter_map(|rest| rest.split_once('<').map(|(text, _)| text))
        .collect();
    assert_eq!(
        messages,
        [
            "DB instance created",
            "DB instance stopped",
            "DB instance started",
            "DB instance restarted",
        ]
    );
    let answer = world
        .rds(
            &root,
            "DescribeEvents",
            &[("EventCategories.EventCategory.1", "creation")],
        )
        .await;
    assert_eq!(answer.body.matches("<Message>").count(), 1);
    world.advance(3601).await;
    let answer = world.rds(&root, "DescribeEvents", &[]).await;
    assert_eq!(element(&answer.body, "Events"), "");
    let answer = world
        .rds(&root, "DescribeEvents", &[("Duration", "120")])
        .await;
    assert_eq!(answer.body.matches("<Message>").count(), 4);
}

#[tokio::test]
async fn an_instance_is_modified() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let modify = async |more: &[(&str, &str)]| ask(&world, "ModifyDBInstance", more).await;
    let before = volume(&world, &agent).await;
    let answer = modify(&[
        ("MasterUserPassword", "another-secret-1"),
        ("ApplyImmediately", "true"),
    ])
    .await;
    assert_eq!(
        element(&answer.body, "DBInstanceStatus"),
        "resetting-master-credentials"
    );
    let told_then = volume(&world, &agent).await;
    assert_eq!(told_then["Database"]["PasswordEpoch"], 2);
    assert_ne!(
        told_then["Database"]["PasswordVerifier"],
        before["Database"]["PasswordVerifier"]
    );
    report(&world, &agent, "READY", "RUNNING").await;
    assert_eq!(status(&world).await, "available");
    let answer = modify(&[("AllocatedStorage", "22")]).await;
    assert_eq!(element(&answer.body, "AllocatedStorage"), "22");
    assert_eq!(volume(&world, &agent).await["SizeInBytes"], 22_u64 << 30);
    let answer = modify(&[
        ("DeletionProtection", "true"),
        ("CopyTagsToSnapshot", "true"),
        ("DBInstanceClass", "db.m5.large"),
        ("PreferredMaintenanceWindow", "Mon:01:00-Mon:02:00"),
        (
            "VpcSecurityGroupIds.VpcSecurityGroupId.1",
            "sg-00000000000000001",
        ),
    ])
    .await;
    for (name, value) in [
        ("DeletionProtection", "true"),
        ("CopyTagsToSnapshot", "true"),
        ("DBInstanceClass", "db.m5.large"),
        ("PreferredMaintenanceWindow", "mon:01:00-mon:02:00"),
    ] {
        assert_eq!(element(&answer.body, name), value, "{}", answer.body);
    }
    let combination = "InvalidParameterCombination";
    for (member, value, code, text) in [
        (
            "AllocatedStorage",
            "21",
            combination,
            "Requested size cannot be smaller than existing size",
        ),
        (
            "AllocatedStorage",
            "24",
            combination,
            "The allocated storage must be increased by at least 10 percent.",
        ),
        (
            "AllocatedStorage",
            "65537",
            combination,
            "Invalid storage size for engine name postgres and storage type gp2: 65537",
        ),
        (
            "MasterUserPassword",
            "short",
            "InvalidParameterValue",
            "The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters.",
        ),
        (
            "BackupRetentionPeriod",
            "1",
            combination,
            "BackupRetentionPeriod must be 0: this version of Keyward makes no automated backups of databases. Make your own with pg_dump.",
        ),
        (
            "MultiAZ",
            "true",
            combination,
            "MultiAZ is not supported by this version of Keyward.",
        ),
        (
            "EngineVersion",
            "16",
            combination,
            "Changing EngineVersion is not supported by this version of Keyward.",
        ),
        (
            "NewDBInstanceIdentifier",
            "other",
            combination,
            "Changing NewDBInstanceIdentifier is not supported by this version of Keyward.",
        ),
        (
            "DBPortNumber",
            "5433",
            combination,
            "Changing DBPortNumber is not supported by this version of Keyward.",
        ),
        (
            "DBInstanceClass",
            "db.x",
            "InvalidParameterValue",
            "Invalid DB Instance class: db.x",
        ),
        (
            "CACertificateIdentifier",
            "x",
            "CertificateNotFound",
            "Certificate x not found.",
        ),
    ] {
        let (_, found, message) = told(&modify(&[(member, value)]).await);
        assert_eq!((found.as_str(), message.as_str()), (code, text), "{member}");
    }
    // As it is, whatever of that is named.
    let answer = modify(&[
        ("EngineVersion", "15.14"),
        ("DBPortNumber", "5432"),
        ("AllocatedStorage", "22"),
    ])
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    // While it is protected, it cannot be deleted.
    let gone = [("SkipFinalSnapshot", "true")];
    let text =
        "Cannot delete protected DB Instance, please disable deletion protection and try again.";
    let answer = ask(&world, "DeleteDBInstance", &gone).await;
    assert_eq!(told(&answer), refusal(400, combination, text));
    modify(&[("DeletionProtection", "false")]).await;
    for (members, text) in [
        (
            &[][..],
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
        ),
        (
            &[
                ("FinalDBSnapshotIdentifier", "last"),
                ("SkipFinalSnapshot", "true"),
            ][..],
            "FinalDBSnapshotIdentifier can not be specified when deleting a DB instance with SkipFinalSnapshot",
        ),
    ] {
        let answer = ask(&world, "DeleteDBInstance", members).await;
        assert_eq!(told(&answer), refusal(400, combination, text));
    }
    let answer = ask(&world, "DeleteDBInstance", &gone).await;
    assert_eq!(element(&answer.body, "DBInstanceStatus"), "deleting");
    let text = "Instance orders is already being deleted.";
    let answer = ask(&world, "DeleteDBInstance", &gone).await;
    assert_eq!(told(&answer), refusal(400, "InvalidDBInstanceState", text));
    let text = "Database instance is not in available state.";
    assert_eq!(
        told(&modify(&[]).await),
        refusal(400, "InvalidDBInstanceState", text)
    );
}

#[tokio::test]
async fn instances_are_described_by_filters_and_pages() {
    let world = World::new().await;
    agent(&world).await;
    let root = world.root.clone();
    for number in 0..21 {
        let name = format!("db{number:02}");
        let answer = create(&world, &root, &[("DBInstanceIdentifier", &name)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let names = |answer: &Answer| -> Vec<String> {
        let rest = answer.body.split("<DBInstanceIdentifier>").skip(1);
        rest.map(|rest| rest.split('<').next().unwrap().to_owned())
            .collect()
    };
    let ask =
        async |members: &[(&str, &str)]| world.rds(&root, "DescribeDBInstances", members).await;
    let first = ask(&[("MaxRecords", "20")]).await;
    assert_eq!(names(&first).len(), 20);
    let marker = element(&first.body, "Marker");
    let second = ask(&[("MaxRecords", "20"), ("Marker", marker)]).await;
    assert_eq!(names(&second), ["db20"]);
    assert_eq!(element(&second.body, "Marker"), "");
    let arn = format!("arn:aws:rds:us-east-1:{OWN}:db:db03");
    assert_eq!(
        names(&ask(&[("DBInstanceIdentifier", &arn)]).await),
        ["db03"]
    );
    assert_eq!(
        names(&ask(&[("DBInstanceIdentifier", "DB04")]).await),
        ["db04"]
    );
    let by = |name: &'static str, value: &str| {
        [
            ("Filters.Filter.1.Name", name.to_owned()),
            ("Filters.Filter.1.Values.Value.1", value.to_owned()),
        ]
    };
    let filtered = async |name: &'static str, value: &str| {
        let members = by(name, value);
        let members: Vec<(&str, &str)> = members.iter().map(|(n, v)| (*n, v.as_str())).collect();
        ask(&members).await
    };
    assert_eq!(names(&filtered("db-instance-id", &arn).await), ["db03"]);
    assert_eq!(names(&filtered("engine", "postgres").await).len(), 21);
    assert_eq!(names(&filtered("domain", "d").await).len(), 0);
    let id = element(&second.body, "DbiResourceId");
    assert_eq!(names(&filtered("dbi-resource-id", id).await), ["db20"]);
    let wrong = [
        (
            filtered("color", "red").await,
            "Unrecognized filter name: color",
        ),
        (
            ask(&[("MaxRecords", "19")]).await,
            "Invalid value 19 for MaxRecords. Must be between 20 and 100",
        ),
        (
            ask(&[("Marker", "x")]).await,
            "The Marker is not one of this list.",
        ),
    ];
    for (answer, text) in wrong {
        assert_eq!(told(&answer), refusal(400, "InvalidParameterValue", text));
    }
    let foreign = "arn:aws:rds:us-east-1:999999999999:db:db03";
    let text = format!("DBInstance {foreign} not found.");
    let answer = ask(&[("DBInstanceIdentifier", foreign)]).await;
    assert_eq!(told(&answer), refusal(404, "DBInstanceNotFound", &text));
}

#[tokio::test]
async fn versions_classes_and_groups_are_those_of_the_agents() {
    let world = World::new().await;
    agent(&world).await;
    let root = world.root.clone();
    let ask =
        async |action: &str, members: &[(&str, &str)]| world.rds(&root, action, members).await;
    let all = |answer: &Answer, name: &str| -> Vec<String> {
        let open = format!("<{name}>");
        let rest = answer.body.split(open.as_str()).skip(1);
        rest.map(|rest| rest.split('<').next().unwrap().to_owned())
            .collect()
    };
    let answer = ask("DescribeDBEngineVersions", &[("Engine", "postgres")]).await;
    assert_eq!(all(&answer, "EngineVersion"), ["13.22", "15.14"]);
    let answer = ask("DescribeDBEngineVersions", &[("DefaultOnly", "true")]).await;
    assert_eq!(all(&answer, "EngineVersion"), ["15.14"]);
    let answer = ask("DescribeDBEngineVersions", &[("Engine", "mysql")]).await;
    assert_eq!(all(&answer, "EngineVersion"), [""; 0]);
    let members = [
        ("Engine", "postgres"),
        ("EngineVersion", "15.14"),
        ("DBInstanceClass", "db.t3.micro"),
    ];
    let answer = ask("DescribeOrderableDBInstanceOptions", &members).await;
    assert_eq!(all(&answer, "StorageType"), ["gp2", "gp3", "standard"]);
    let answer = ask("DescribeDBParameterGroups", &[]).await;
    assert_eq!(
        all(&answer, "DBParameterGroupName"),
        ["default.postgres13", "default.postgres15"]
    );
    let answer = ask(
        "DescribeDBParameterGroups",
        &[("DBParameterGroupName", "mine")],
    )
    .await;
    let expected = refusal(
        404,
        "DBParameterGroupNotFound",
        "DBParameterGroup not found: mine",
    );
    assert_eq!(told(&answer), expected);
    let answer = ask("DescribeCertificates", &[]).await;
    assert_eq!(element(&answer.body, "Certificates"), "");
}

#[tokio::test]
async fn subnet_groups_are_made_used_and_deleted() {
    let world = World::new().await;
    agent(&world).await;
    let root = world.root.clone();
    let ask =
        async |action: &str, members: &[(&str, &str)]| world.rds(&root, action, members).await;
    let members = [
        ("DBSubnetGroupName", "Mine"),
        ("DBSubnetGroupDescription", "d"),
        ("SubnetIds.SubnetIdentifier.1", "subnet-00000000000000001"),
        ("Tags.Tag.1.Key", "team"),
        ("Tags.Tag.1.Value", "red"),
    ];
    let answer = ask("CreateDBSubnetGroup", &members).await;
    assert_eq!(
        element(&answer.body, "DBSubnetGroupName"),
        "mine",
        "{}",
        answer.body
    );
    let arn = format!("arn:aws:rds:us-east-1:{OWN}:subgrp:mine");
    assert_eq!(element(&answer.body, "DBSubnetGroupArn"), arn);
    let text = "The DB subnet group 'mine' already exists.";
    let answer = ask("CreateDBSubnetGroup", &members).await;
    assert_eq!(
        told(&answer),
        refusal(400, "DBSubnetGroupAlreadyExists", text)
    );
    let mut other = members;
    other[0].1 = "other";
    other[2].1 = "subnet-0000000a";
    let text = "The subnet ID 'subnet-0000000a' does not exist.";
    let answer = ask("CreateDBSubnetGroup", &other).await;
    assert_eq!(told(&answer), refusal(400, "InvalidSubnet", text));
    let answer = ask("DescribeDBSubnetGroups", &[]).await;
    assert_eq!(answer.body.matches("<DBSubnetGroup>").count(), 2);
    let answer = ask("ListTagsForResource", &[("ResourceName", &arn)]).await;
    assert_eq!(
        element(&answer.body, "TagList"),
        "<Tag><Key>team</Key><Value>red</Value></Tag>"
    );
    let answer = create(&world, &root, &[("DBSubnetGroupName", "mine")]).await;
    assert_eq!(element(&answer.body, "DBSubnetGroupName"), "mine");
    let text = "Cannot delete the subnet group because at least one database instance: orders is still using it.";
    let named = [("DBSubnetGroupName", "mine")];
    let answer = ask("DeleteDBSubnetGroup", &named).await;
    assert_eq!(
        told(&answer),
        refusal(400, "InvalidDBSubnetGroupStateFault", text)
    );
    let modify = async |name: &str, subnet: &str| {
        let members = [
            ("DBSubnetGroupName", name),
            ("DBSubnetGroupDescription", "other"),
            ("SubnetIds.SubnetIdentifier.1", subnet),
        ];
        ask("ModifyDBSubnetGroup", &members).await
    };
    let answer = modify("MINE", members[2].1).await;
    assert_eq!(element(&answer.body, "DBSubnetGroupDescription"), "other");
    assert_eq!(element(&answer.body, "DBSubnetGroupArn"), arn);
    for (name, subnet, code) in [
        ("none", members[2].1, "DBSubnetGroupNotFoundFault"),
        ("mine", "subnet-0000000a", "InvalidSubnet"),
        ("default", members[2].1, "InvalidParameterValue"),
    ] {
        let answer = modify(name, subnet).await;
        assert_eq!(element(&answer.body, "Code"), code, "{name} {subnet}");
    }
    let answer = ask(
        "CreateDBSubnetGroup",
        &[("DBSubnetGroupName", "default"), members[1], members[2]],
    )
    .await;
    assert_eq!(element(&answer.body, "Code"), "InvalidParameterValue");
    let answer = ask("DeleteDBSubnetGroup", &[("DBSubnetGroupName", "none")]).await;
    let text = "DB subnet group 'none' does not exist.";
    assert_eq!(
        told(&answer),
        refusal(404, "DBSubnetGroupNotFoundFault", text)
    );
}

#[tokio::test]
async fn an_instance_whose_agent_is_gone_can_be_deleted() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let root = world.root.clone();
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    assert_eq!(
        listed["Agents"][0]["Databases"][0]["EngineVersion"],
        "13.22"
    );
    let id = listed["Agents"][0]["AgentId"].clone();
    own(&world, &root, "RemoveAgent", json!({ "AgentId": id })).await;
    let answer = ask(&world, "DeleteDBInstance", &[("SkipFinalSnapshot", "true")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let expected = refusal(404, "DBInstanceNotFound", "DBInstance orders not found.");
    assert_eq!(told(&describe(&world).await), expected);
}

#[tokio::test]
async fn a_database_goes_only_to_an_agent_that_can_run_it() {
    let world = World::new().await;
    let first = agent(&world).await;
    available(&world, &first, &[]).await;
    let root = world.root.clone();
    let id = volume(&world, &first).await["VolumeId"].clone();
    let old = json!({ "Databases": [{ "Engine": "postgres", "EngineVersion": "13.22" }] });
    agent_with(&world, old).await;
    let newer = json!({ "Databases": [{ "Engine": "postgres", "EngineVersion": "15.15" }] });
    agent_with(&world, newer).await;
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    let agents = listed["Agents"].as_array().unwrap();
    let named = |version: &str| {
        let has = |agent: &&Value| agent["Databases"][0]["EngineVersion"] == version;
        let is = |agent: &&Value| has(agent) && agent["Databases"].as_array().unwrap().len() == 1;
        agents.iter().find(is).unwrap()["AgentId"].clone()
    };
    let asked = json!({ "VolumeId": id, "AgentId": named("13.22") });
    let answer = own_answer(&world, &root, "AssignVolume", asked).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .body
            .contains("is a database of postgres 15, which the machine of agent"),
        "{}",
        answer.body
    );
    let asked = json!({ "VolumeId": id, "AgentId": named("15.15") });
    own(&world, &root, "AssignVolume", asked).await;
    assert_eq!(status(&world).await, "starting");
}
