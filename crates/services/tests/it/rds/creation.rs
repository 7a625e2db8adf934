//! How DB instances are created, and what is refused.

use super::*;

#[tokio::test]
async fn an_instance_is_created_and_runs_when_its_agent_says_so() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let members = [
        ("DBName", "app"),
        ("Tags.Tag.1.Key", "team"),
        ("Tags.Tag.1.Value", "red"),
        ("StorageType", "gp3"),
    ];
    let answer = create(&world, &root, &members).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = &answer.body;
    assert!(body.starts_with(
        "<CreateDBInstanceResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><CreateDBInstanceResult><DBInstance>"
    ));
    for (name, value) in [
        ("DBInstanceStatus", "creating"),
        (
            "DBInstanceArn",
            &format!("arn:aws:rds:us-east-1:{OWN}:db:orders"),
        ),
        ("EngineVersion", "15.14"),
        ("StorageEncrypted", "false"),
        ("StorageEncryptionType", "none"),
        ("BackupRetentionPeriod", "0"),
        ("Endpoint", ""),
        ("DBParameterGroupName", "default.postgres15"),
        ("OptionGroupName", "default:postgres-15"),
        ("TagList", "<Tag><Key>team</Key><Value>red</Value></Tag>"),
    ] {
        assert_eq!(element(body, name), value, "{name}");
    }
    let id = element(body, "DbiResourceId").to_owned();
    assert_eq!(id.len(), 29);
    // What the agent is told.
    let wanted = volume(&world, &agent).await;
    assert_eq!(wanted["VolumeId"], id.as_str());
    assert_eq!(wanted["Service"], "rds");
    assert_eq!(wanted["SizeInBytes"], 20_u64 << 30);
    assert_eq!(wanted["Encrypted"], false);
    let mut database = wanted["Database"].clone();
    let verifier = database["PasswordVerifier"].take();
    assert!(
        verifier
            .as_str()
            .unwrap()
            .starts_with("SCRAM-SHA-256$4096:")
    );
    let names = database["Names"].take();
    assert_eq!(names[1], "127.0.0.1");
    let name = names[0].as_str().unwrap();
    assert!(
        name.starts_with("orders.") && name.ends_with(".us-east-1.rds.localhost"),
        "{name}"
    );
    assert_eq!(
        database,
        json!({
            "Engine": "postgres", "EngineVersion": "15.14", "Running": true,
            "Address": "127.0.0.1", "Port": 5432, "DatabaseName": "app",
            "MasterUsername": "master", "PasswordVerifier": null,
            "PasswordEpoch": 1, "RestartEpoch": 0, "Names": null, "Cidrs": ["0.0.0.0/0"],
        })
    );
    report(&world, &agent, "READY", "STARTING").await;
    assert_eq!(status(&world).await, "creating");
    report(&world, &agent, "READY", "RUNNING").await;
    let answer = describe(&world).await;
    assert_eq!(element(&answer.body, "DBInstanceStatus"), "available");
    assert_eq!(
        element(&answer.body, "Endpoint"),
        "<Address>127.0.0.1</Address><Port>5432</Port>"
    );
    // The name is taken, whatever its case; the next one has another address.
    let answer = create(&world, &root, &[("DBInstanceIdentifier", "ORDERS")]).await;
    let expected = refusal(400, "DBInstanceAlreadyExists", "DB instance already exists");
    assert_eq!(told(&answer), expected);
    let answer = create(&world, &root, &[("DBInstanceIdentifier", "other")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let addresses: Vec<Value> = volumes(&world, &agent)
        .await
        .iter()
        .map(|volume| volume["Database"]["Address"].clone())
        .collect();
    assert!(addresses.contains(&json!("127.0.0.2")), "{addresses:?}");
}

#[tokio::test]
async fn the_password_is_on_no_trail_and_in_no_answer() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let changed = "another-secret-word";
    let answer = ask(
        &world,
        "ModifyDBInstance",
        &[("MasterUserPassword", changed)],
    )
    .await;
    assert_eq!(
        element(&answer.body, "PendingModifiedValues"),
        "<MasterUserPassword>****</MasterUserPassword>"
    );
    let refused = create(
        &world,
        &world.root.clone(),
        &[("MasterUserPassword", "bad password/1")],
    )
    .await;
    assert_eq!(refused.status, 400);
    let trail = world.trail() + &world.outbox().await;
    let told = volume(&world, &agent).await;
    for secret in [PASSWORD, changed, "bad password/1"] {
        assert!(!trail.contains(secret));
        assert!(!refused.body.contains(secret) && !answer.body.contains(secret));
        assert!(!told.to_string().contains(secret));
    }
    let verifier = told["Database"]["PasswordVerifier"].as_str().unwrap();
    assert!(!trail.contains(verifier) && !answer.body.contains(verifier));
    let created = events(&world, "CreateDBInstance").await;
    let done = |event: &&Value| event["errorCode"].is_null();
    let event = created.iter().find(done).unwrap();
    assert_eq!(event["requestParameters"]["masterUserPassword"], "****");
    let event = &events(&world, "ModifyDBInstance").await[0];
    assert_eq!(event["requestParameters"]["masterUserPassword"], "****");
    assert_eq!(
        event["responseElements"]["pendingModifiedValues"]["masterUserPassword"],
        "****"
    );
}

#[tokio::test]
async fn without_postgresql_nothing_is_created() {
    let world = World::new().await;
    let root = world.root.clone();
    let text = format!(
        "No agent of account {OWN} in us-east-1 has PostgreSQL. Install PostgreSQL on a machine (on Debian, the package postgresql), and start `keyward agent run` there; if there is no agent yet, `keyward agent token` makes the token that it registers with."
    );
    let expected = refusal(500, "InternalFailure", &text);
    let encrypted = [("StorageEncrypted", "true")];
    let answer = create(&world, &root, &encrypted).await;
    assert_eq!(told(&answer), expected);
    // One that stores volumes and has none.
    agent_with(&world, json!({})).await;
    let answer = create(&world, &root, &encrypted).await;
    assert_eq!(told(&answer), expected);
    assert!(events(&world, "CreateGrant").await.is_empty());
    let answer = world.rds(&root, "DescribeDBInstances", &[]).await;
    assert_eq!(element(&answer.body, "DBInstances"), "");
    let answer = world.rds(&root, "DescribeDBEngineVersions", &[]).await;
    assert_eq!(element(&answer.body, "DBEngineVersions"), "");
}

#[tokio::test]
async fn each_member_has_its_rule() {
    let world = World::new().await;
    agent(&world).await;
    let root = world.root.clone();
    let value = "InvalidParameterValue";
    let combination = "InvalidParameterCombination";
    let identifier = "The parameter DBInstanceIdentifier is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.";
    let long = "a".repeat(64);
    let long_password = "a".repeat(129);
    for (member, given, code, message) in [
        (
            "DBInstanceIdentifier",
            "-",
            value,
            "The parameter DBInstanceIdentifier must be provided and must not be blank.",
        ),
        ("DBInstanceIdentifier", "1a", value, identifier),
        ("DBInstanceIdentifier", "a--b", value, identifier),
        ("DBInstanceIdentifier", "a_b", value, identifier),
        (
            "DBInstanceIdentifier",
            long.as_str(),
            value,
            "The parameter DBInstanceIdentifier is not a valid identifier because it is longer than 63 characters.",
        ),
        (
            "DBInstanceClass",
            "-",
            value,
            "The parameter DBInstanceClass must be provided and must not be blank.",
        ),
        (
            "DBInstanceClass",
            "db.x.huge",
            value,
            "Invalid DB Instance class: db.x.huge",
        ),
        ("Engine", "mysql", value, "Invalid DB engine"),
        (
            "EngineVersion",
            "14",
            combination,
            "Cannot find version 14 for postgres",
        ),
        (
            "EngineVersion",
            "15.1",
            combination,
            "Cannot find version 15.1 for postgres",
        ),
        (
            "MasterUsername",
            "-",
            value,
            "The parameter MasterUsername must be provided and must not be blank.",
        ),
        (
            "MasterUsername",
            "admin",
            value,
            "MasterUsername admin cannot be used as it is a reserved word used by the engine",
        ),
        (
            "MasterUsername",
            "1st",
            value,
            "MasterUsername must begin with a letter and contain only alphanumeric characters.",
        ),
        (
            "MasterUsername",
            "a1234567890123456",
            value,
            "MasterUsername must have at most 16 characters.",
        ),
        (
            "MasterUserPassword",
            "-",
            value,
            "The parameter MasterUserPassword must be provided and must not be blank.",
        ),
        (
            "MasterUserPassword",
            "short12",
            value,
            "The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters.",
        ),
        (
            "MasterUserPassword",
            long_password.as_str(),
            value,
            "The parameter MasterUserPassword is not a valid password because it is longer than 128 characters.",
        ),
        (
            "MasterUserPassword",
            "with/slash",
            value,
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.",
        ),
        (
            "AllocatedStorage",
            "-",
            value,
            "The parameter AllocatedStorage must be provided and must not be blank.",
        ),
        (
            "AllocatedStorage",
            "19",
            combination,
            "Invalid storage size for engine name postgres and storage type gp2: 19",
        ),
        (
            "AllocatedStorage",
            "65537",
            combination,
            "Invalid storage size for engine name postgres and storage type gp2: 65537",
        ),
        (
            "AllocatedStorage",
            "many",
            "MalformedInput",
            "STRING_VALUE can not be converted to an Integer",
        ),
        (
            "StorageType",
            "io1",
            value,
            "Invalid storage type: io1. This version of Keyward has gp2, gp3 and standard.",
        ),
        (
            "Port",
            "1149",
            value,
            "Invalid endpoint port 1149, not in range 1150-65535",
        ),
        (
            "Port",
            "65536",
            value,
            "Invalid endpoint port 65536, not in range 1150-65535",
        ),
        (
            "DBName",
            "table",
            value,
            "DBName table cannot be used as it is a reserved word used by the engine",
        ),
        (
            "DBName",
            "a-b",
            value,
            "DBName must begin with a letter and contain only alphanumeric characters.",
        ),
        (
            "DBSubnetGroupName",
            "nothing",
            "DBSubnetGroupNotFoundFault",
            "DB subnet group 'nothing' does not exist.",
        ),
        (
            "VpcSecurityGroupIds.VpcSecurityGroupId.1",
            "sg-0000000a",
            value,
            "Invalid security group , groupId= sg-0000000a, groupName=.",
        ),
        (
            "AvailabilityZone",
            "us-east-1z",
            value,
            "The DB subnet group 'default' has no subnet in the Availability Zone 'us-east-1z'.",
        ),
        (
            "DBParameterGroupName",
            "mine",
            "DBParameterGroupNotFound",
            "DBParameterGroup not found: mine",
        ),
        (
            "CACertificateIdentifier",
            "rds-ca-rsa2048-g1",
            "CertificateNotFound",
            "Certificate rds-ca-rsa2048-g1 not found.",
        ),
        (
            "BackupRetentionPeriod",
            "7",
            combination,
            "BackupRetentionPeriod must be 0: this version of Keyward makes no automated backups of databases. Make your own with pg_dump.",
        ),
        (
            "ManageMasterUserPassword",
            "true",
            combination,
            "ManageMasterUserPassword needs AWS Secrets Manager, which this version of Keyward does not have: specify MasterUserPassword.",
        ),
        (
            "MultiAZ",
            "true",
            combination,
            "MultiAZ is not supported by this version of Keyward.",
        ),
        (
            "Iops",
            "1000",
            combination,
            "Iops is not supported by this version of Keyward.",
        ),
        (
            "Domain",
            "d-123",
            combination,
            "Domain is not supported by this version of Keyward.",
        ),
        (
            "KmsKeyId",
            "alias/a",
            combination,
            "KmsKeyId can be specified only if StorageEncrypted is true.",
        ),
        (
            "PreferredBackupWindow",
            "noon",
            value,
            "Invalid backup window format: noon. Use hh24:mi-hh24:mi.",
        ),
        (
            "Tags.Tag.1.Key",
            "aws:x",
            value,
            "Tag keys may not begin with aws: as 'aws:x' does.",
        ),
    ] {
        let answer = create(&world, &root, &[(member, given)]).await;
        let (status, found, text) = told(&answer);
        assert_eq!(
            (found.as_str(), text.as_str()),
            (code, message),
            "{member}={given}"
        );
        assert!(matches!(status, 400 | 404), "{status}");
    }
    let answer = world.rds(&root, "DescribeDBInstances", &[]).await;
    assert_eq!(element(&answer.body, "DBInstances"), "");
    // What means nothing is taken; a major version is the newest of it.
    let harmless = [
        ("MultiAZ", "false"),
        ("BackupRetentionPeriod", "0"),
        ("Iops", "0"),
        ("MonitoringInterval", "0"),
        ("EnablePerformanceInsights", "false"),
        ("LicenseModel", "postgresql-license"),
        ("EngineVersion", "13"),
        ("DBParameterGroupName", "default.postgres13"),
        ("DBName", "postgres"),
        ("MasterUsername", "postgres"),
    ];
    let answer = create(&world, &root, &harmless).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(element(&answer.body, "EngineVersion"), "13.22");
}

#[tokio::test]
async fn instances_that_are_created_at_once_have_addresses_of_their_own() {
    let world = std::sync::Arc::new(World::new().await);
    let agent = agent(&world).await;
    let asked = (0..8).map(|number| {
        let world = std::sync::Arc::clone(&world);
        tokio::spawn(async move {
            let root = world.root.clone();
            let name = format!("db{}", number / 2);
            let answer = create(&world, &root, &[("DBInstanceIdentifier", &name)]).await;
            answer.status
        })
    });
    let mut made = 0;
    for task in asked.collect::<Vec<_>>() {
        made += usize::from(task.await.unwrap() == 200);
    }
    // Of two with one name, one is made.
    assert_eq!(made, 4);
    let mut addresses: Vec<String> = volumes(&world, &agent)
        .await
        .iter()
        .map(|volume| volume["Database"]["Address"].to_string())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 4);
}
