//! How file systems are created, and what of KMS that needs.

use super::*;

#[tokio::test]
async fn an_encrypted_file_system_has_the_articles_grant() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let alice = world.user(OWN, "alice", Some(ALLOWED)).await;
    let key = article_key(&world, "alice").await;
    let asked = json!({ "CreationToken": "my-demo-efs", "PerformanceMode": "generalPurpose", "Encrypted": true, "ThroughputMode": "bursting", "KmsKeyId": key });
    let answer = create(&world, &alice, asked.clone()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let made = body(&answer);
    let id = made["FileSystemId"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 20);
    assert_eq!(made["LifeCycleState"], "creating");
    assert_eq!(made["KmsKeyId"], key.as_str());
    assert_eq!(made["OwnerId"], OWN);
    assert_eq!(
        made["FileSystemArn"],
        format!("arn:aws:elasticfilesystem:us-east-1:{OWN}:file-system/{id}")
    );
    // The record of the article, member by member.
    let granted = events(&world, "CreateGrant").await;
    let [event] = granted.as_slice() else {
        panic!("{granted:?}")
    };
    assert_eq!(event["sourceIPAddress"], "elasticfilesystem.amazonaws.com");
    assert_eq!(event["userAgent"], "elasticfilesystem.amazonaws.com");
    assert_eq!(
        event["userIdentity"]["invokedBy"],
        "elasticfilesystem.amazonaws.com"
    );
    assert_eq!(event["userIdentity"]["userName"], "alice");
    assert_eq!(
        event["requestParameters"],
        json!({
            "constraints": { "encryptionContextEquals": { CONTEXT: id } },
            "keyId": key,
            "granteePrincipal": PRINCIPAL,
            "operations": ["Encrypt", "Decrypt", "RetireGrant"],
            "retiringPrincipal": PRINCIPAL,
        })
    );
    let listed = grants(&world, &key).await;
    assert_eq!(
        event["responseElements"],
        json!({ "grantId": listed[0]["GrantId"], "keyId": key })
    );
    let event = &events(&world, "GenerateDataKeyWithoutPlaintext").await[0];
    assert_eq!(
        event["requestParameters"]["encryptionContext"],
        json!({ CONTEXT: id })
    );
    assert_eq!(events(&world, "DescribeKey").await.len(), 1);
    let event = &events(&world, "CreateFileSystem").await[0];
    assert_eq!(event["eventSource"], "elasticfilesystem.amazonaws.com");
    assert_eq!(event["apiVersion"], "2015-02-01");
    assert_eq!(
        event["requestParameters"],
        json!({ "creationToken": "my-demo-efs", "performanceMode": "generalPurpose", "encrypted": true, "kmsKeyId": key, "throughputMode": "bursting" })
    );
    assert_eq!(event["responseElements"]["fileSystemId"], id.as_str());
    // The token is taken, and the second request leaves no grant.
    let mut expected = fault(
        "FileSystemAlreadyExists",
        &format!("File system '{id}' already exists with creation token 'my-demo-efs'"),
    );
    expected["FileSystemId"] = json!(id);
    let answer = create(&world, &alice, asked).await;
    assert_eq!(told(&answer), (409, "FileSystemAlreadyExists", expected));
    assert_eq!(grants(&world, &key).await.as_array().unwrap().len(), 1);
    // The agent makes it, and may open it as EFS.
    let volumes = own(&world, &agent, "PollVolumes", json!({})).await;
    assert_eq!(volumes["Volumes"][0]["VolumeId"], id.as_str());
    report(&world, &agent, &id, 1, "READY").await;
    let opened = own(&world, &agent, "OpenVolume", json!({ "VolumeId": id })).await;
    assert_eq!(opened["Plaintext"].as_str().unwrap().len(), 44);
    let one = format!("/file-systems?FileSystemId={id}");
    let found = body(&ask(&world, &alice, ("GET", &one), Value::Null).await);
    assert_eq!(found["FileSystems"][0]["LifeCycleState"], "available");
    assert_eq!(found["FileSystems"][0]["SizeInBytes"]["Value"], 4096);
    // Its end: the grant at once, the file system when the agent says so.
    let path = format!("/file-systems/{id}");
    let answer = ask(&world, &alice, ("DELETE", &path), Value::Null).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(grants(&world, &key).await, json!([]));
    let retired = &events(&world, "RetireGrant").await[0];
    assert_eq!(
        retired["userIdentity"],
        json!({ "type": "AWSService", "invokedBy": "elasticfilesystem.amazonaws.com" })
    );
    let found = body(&ask(&world, &alice, ("GET", &one), Value::Null).await);
    assert_eq!(found["FileSystems"][0]["LifeCycleState"], "deleting");
    let answer = ask(
        &world,
        &alice,
        ("PUT", &path),
        json!({ "ThroughputMode": "elastic" }),
    )
    .await;
    let text = format!("The file system '{id}' is in the state 'deleting'.");
    assert_eq!(
        told(&answer),
        (
            409,
            "IncorrectFileSystemLifeCycleState",
            fault("IncorrectFileSystemLifeCycleState", &text)
        )
    );
    report(&world, &agent, &id, 2, "GONE").await;
    let answer = ask(&world, &alice, ("GET", &one), Value::Null).await;
    let text = format!("File system '{id}' does not exist.");
    assert_eq!(
        told(&answer),
        (
            404,
            "FileSystemNotFound",
            fault("FileSystemNotFound", &text)
        )
    );
    // The token is free again.
    let answer = create(&world, &alice, json!({ "CreationToken": "my-demo-efs" })).await;
    assert_eq!(body(&answer)["Encrypted"], false);
}

#[tokio::test]
async fn without_an_agent_nothing_is_created() {
    let world = World::new().await;
    let root = world.root.clone();
    // Nobody knows whether one that never called has heard of its access key.
    registered(&world).await;
    let answer = create(
        &world,
        &root,
        json!({ "CreationToken": "t", "Encrypted": true }),
    )
    .await;
    let text = format!(
        "No agent stores volumes of account {OWN} in us-east-1. Use a Region that has an agent (`keyward agent list --region REGION`), or create a token with `keyward agent token` and register an agent with it."
    );
    assert_eq!(
        told(&answer),
        (
            500,
            "InternalServerError",
            fault("InternalServerError", &text)
        )
    );
    assert!(events(&world, "CreateGrant").await.is_empty());
    let found = body(&ask(&world, &root, ("GET", "/file-systems"), Value::Null).await);
    assert_eq!(found, json!({ "FileSystems": [] }));
}

#[tokio::test]
async fn the_default_key_is_the_aws_managed_one() {
    let world = World::new().await;
    agent(&world).await;
    let bob = world.user(OWN, "bob", Some(ALLOWED)).await;
    let answer = create(
        &world,
        &bob,
        json!({ "CreationToken": "t", "Encrypted": true }),
    )
    .await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let key = body(&answer)["KmsKeyId"].as_str().unwrap().to_owned();
    let root = world.root.clone();
    let described = kms(
        &world,
        &root,
        "DescribeKey",
        json!({ "KeyId": "alias/aws/elasticfilesystem" }),
    )
    .await;
    assert_eq!(described["KeyMetadata"]["Arn"], key.as_str());
    assert_eq!(described["KeyMetadata"]["KeyManager"], "AWS");
}

#[tokio::test]
async fn what_kms_refuses_leaves_nothing() {
    let world = World::new().await;
    agent(&world).await;
    let alice = world.user(OWN, "alice", Some(ALLOWED)).await;
    let bob = world.user(OWN, "bob", Some(ALLOWED)).await;
    let root = world.root.clone();
    let key = article_key(&world, "alice").await;
    let create_with = async |who: &Key, key: &str| {
        create(
            &world,
            who,
            json!({ "CreationToken": "t", "Encrypted": true, "KmsKeyId": key }),
        )
        .await
    };
    // Somebody whom the key's policy does not know.
    let answer = create_with(&bob, &key).await;
    let text = format!(
        "User: arn:aws:iam::{OWN}:user/bob is not authorized to perform: kms:DescribeKey on resource: {key} because no resource-based policy allows the kms:DescribeKey action"
    );
    assert_eq!(
        told(&answer),
        (403, "AccessDeniedException", json!({ "Message": text }))
    );
    assert_eq!(
        events(&world, "CreateFileSystem").await.last().unwrap()["errorCode"],
        "AccessDenied"
    );
    // A key that is not there, and one that cannot be used.
    let absent = format!("arn:aws:kms:us-east-1:{OWN}:key/12345678-1234-1234-1234-123456789012");
    let text = format!("Key '{absent}' does not exist [error=NotFoundException]");
    let answer = create_with(&alice, &absent).await;
    assert_eq!(
        told(&answer),
        (400, "BadRequest", fault("BadRequest", &text))
    );
    kms(&world, &root, "DisableKey", json!({ "KeyId": key })).await;
    let text = format!("{key} is disabled. [error=DisabledException]");
    let answer = create_with(&alice, &key).await;
    assert_eq!(
        told(&answer),
        (400, "BadRequest", fault("BadRequest", &text))
    );
    kms(&world, &root, "EnableKey", json!({ "KeyId": key })).await;
    kms(
        &world,
        &root,
        "ScheduleKeyDeletion",
        json!({ "KeyId": key }),
    )
    .await;
    let text = format!("{key} is pending deletion. [error=KMSInvalidStateException]");
    let answer = create_with(&alice, &key).await;
    assert_eq!(
        told(&answer),
        (400, "BadRequest", fault("BadRequest", &text))
    );
    let foreign = format!("arn:aws:kms:us-east-1:{OTHER}:key/12345678-1234-1234-1234-123456789012");
    assert_eq!(
        create_with(&alice, &foreign).await.error_type.as_deref(),
        Some("AccessDeniedException")
    );
    // Nothing of it remains, and the token is free.
    assert!(events(&world, "CreateGrant").await.is_empty());
    let found = body(&ask(&world, &alice, ("GET", "/file-systems"), Value::Null).await);
    assert_eq!(found, json!({ "FileSystems": [] }));
    let answer = create(&world, &alice, json!({ "CreationToken": "t" })).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[tokio::test]
async fn the_caller_needs_each_permission() {
    let world = World::new().await;
    agent(&world).await;
    let root = world.root.clone();
    let made = kms(&world, &root, "CreateKey", json!({})).await;
    let key = made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let needed = [
        "elasticfilesystem:CreateFileSystem",
        "kms:DescribeKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:CreateGrant",
    ];
    for (at, left_out) in needed.iter().enumerate() {
        let rest: Vec<&str> = needed
            .iter()
            .copied()
            .filter(|one| one != left_out)
            .collect();
        let statement = json!({ "Effect": "Allow", "Action": rest, "Resource": "*" }).to_string();
        let user = world.user(OWN, &format!("u{at}"), Some(&statement)).await;
        let asked =
            json!({ "CreationToken": format!("t{at}"), "Encrypted": true, "KmsKeyId": key });
        let answer = create(&world, &user, asked).await;
        assert_eq!(
            (answer.status, answer.error_type.as_deref()),
            (403, Some("AccessDeniedException")),
            "{left_out}"
        );
        assert!(answer.body.contains(left_out), "{}", answer.body);
    }
    assert_eq!(grants(&world, &key).await, json!([]));
    let statement = json!({ "Effect": "Allow", "Action": needed, "Resource": "*" }).to_string();
    let user = world.user(OWN, "all", Some(&statement)).await;
    let asked = json!({ "CreationToken": "all", "Encrypted": true, "KmsKeyId": key });
    assert_eq!(create(&world, &user, asked).await.status, 201);
    let tagged = json!({ "CreationToken": "tagged", "Tags": [{ "Key": "team", "Value": "red" }] });
    let answer = create(&world, &user, tagged).await;
    let text = format!(
        "User: arn:aws:iam::{OWN}:user/all is not authorized to perform: elasticfilesystem:TagResource on the specified resource"
    );
    assert_eq!(
        told(&answer),
        (403, "AccessDeniedException", json!({ "Message": text }))
    );
}

#[tokio::test]
async fn a_policy_can_demand_encryption() {
    let world = World::new().await;
    agent(&world).await;
    let statement = r#"{"Effect":"Allow","Action":"elasticfilesystem:CreateFileSystem","Resource":"*","Condition":{"Bool":{"elasticfilesystem:Encrypted":"true"}}},{"Effect":"Allow","Action":"elasticfilesystem:TagResource","Resource":"*","Condition":{"StringEquals":{"elasticfilesystem:CreateAction":"CreateFileSystem","aws:RequestTag/team":"red"}}}"#;
    let user = world.user(OWN, "carol", Some(statement)).await;
    let plain = create(&world, &user, json!({ "CreationToken": "a" })).await;
    assert_eq!(plain.error_type.as_deref(), Some("AccessDeniedException"));
    for (team, status) in [("red", 201), ("blue", 403)] {
        let tags = json!([{ "Key": "team", "Value": team }]);
        let asked = json!({ "CreationToken": team, "Encrypted": true, "Tags": tags });
        let answer = create(&world, &user, asked).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}
