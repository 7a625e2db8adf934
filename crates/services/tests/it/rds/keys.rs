//! What DB instances need of KMS, and what becomes of them without it.

use keyward_api_own::{left_volumes, stray_grants::StrayGrants};
use keyward_engine::directory::paths;
use keyward_store::batch::Precondition;
use keyward_testkit::world::account;
use keyward_types::{region::Region, storage::VolumeId};

use super::*;

#[tokio::test]
async fn an_encrypted_instance_has_two_grants() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let statement = r#"{"Effect":"Allow","Action":["rds:*","kms:DescribeKey","kms:CreateGrant"],"Resource":"*"}"#;
    let alice = world.user(OWN, "alice", Some(statement)).await;
    let key = key(&world).await;
    let encrypted = [("StorageEncrypted", "true"), ("KmsKeyId", key.as_str())];
    let answer = create(&world, &alice, &encrypted).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(element(&answer.body, "KmsKeyId"), key);
    assert_eq!(element(&answer.body, "StorageEncrypted"), "true");
    assert_eq!(element(&answer.body, "StorageEncryptionType"), "sse-kms");
    let id = element(&answer.body, "DbiResourceId").to_owned();
    let arn = format!("arn:aws:rds:us-east-1:{OWN}:db:orders");
    let wanted = volume(&world, &agent).await;
    let context = wanted["EncryptionContext"].clone();
    let ebs = context["aws:ebs:id"].as_str().unwrap();
    assert_eq!(ebs.len(), 21);
    assert_eq!(context, json!({ "aws:rds:db-id": id, "aws:ebs:id": ebs }));
    let created = events(&world, "CreateGrant").await;
    let [first, second] = created.as_slice() else {
        panic!("{created:?}")
    };
    // The first in the caller's name, through RDS.
    assert_eq!(first["userIdentity"]["userName"], "alice");
    assert_eq!(first["userIdentity"]["invokedBy"], "rds.amazonaws.com");
    assert_eq!(
        first["requestParameters"],
        json!({
            "keyId": key,
            "granteePrincipal": PRINCIPAL,
            "retiringPrincipal": PRINCIPAL,
            "operations": ["DescribeKey", "CreateGrant", "RetireGrant", "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"],
            "constraints": { "encryptionContextSubset": { "aws:rds:db-id": id } },
        })
    );
    // The second by RDS itself, by virtue of the first.
    assert_eq!(
        second["userIdentity"],
        json!({ "type": "AWSService", "invokedBy": "rds.amazonaws.com" })
    );
    assert_eq!(
        second["requestParameters"],
        json!({
            "keyId": key,
            "granteeServicePrincipal": "ec2.us-east-1.amazonaws.com",
            "retiringServicePrincipal": PRINCIPAL,
            "operations": ["Decrypt"],
            "constraints": { "encryptionContextSubset": context, "sourceArn": arn },
        })
    );
    let made = &events(&world, "GenerateDataKeyWithoutPlaintext").await[0];
    assert_eq!(made["userIdentity"]["invokedBy"], "rds.amazonaws.com");
    assert_eq!(made["requestParameters"]["encryptionContext"], context);
    // The agent is given the key as EC2's volume.
    let opened = own(&world, &agent, "OpenVolume", json!({ "VolumeId": id })).await;
    assert_eq!(opened["Plaintext"].as_str().unwrap().len(), 44);
    let decrypted = &events(&world, "Decrypt").await[0];
    assert_eq!(decrypted["userIdentity"]["invokedBy"], "ec2.amazonaws.com");
    // Its end: the grants at once, the instance when the agent says so.
    report(&world, &agent, "READY", "RUNNING").await;
    let answer = ask(&world, "DeleteDBInstance", &[("SkipFinalSnapshot", "true")]).await;
    assert_eq!(element(&answer.body, "DBInstanceStatus"), "deleting");
    assert_eq!(grants(&world, &key).await, [Value::Null; 0]);
    report(&world, &agent, "GONE", "").await;
    let expected = refusal(404, "DBInstanceNotFound", "DBInstance orders not found.");
    assert_eq!(told(&describe(&world).await), expected);
    // Name and address are free again.
    let answer = create(&world, &alice, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        volume(&world, &agent).await["Database"]["Address"],
        "127.0.0.1"
    );
}

#[tokio::test]
async fn the_default_key_is_the_aws_managed_one() {
    let world = World::new().await;
    agent(&world).await;
    let statement = r#"{"Effect":"Allow","Action":"rds:*","Resource":"*"}"#;
    let bob = world.user(OWN, "bob", Some(statement)).await;
    let answer = create(&world, &bob, &[("StorageEncrypted", "true")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let root = world.root.clone();
    let described = kms(
        &world,
        &root,
        "DescribeKey",
        json!({ "KeyId": "alias/aws/rds" }),
    )
    .await;
    assert_eq!(
        described["KeyMetadata"]["Arn"],
        element(&answer.body, "KmsKeyId")
    );
    assert_eq!(described["KeyMetadata"]["KeyManager"], "AWS");
}

#[tokio::test]
async fn a_key_is_named_in_every_form() {
    let world = World::new().await;
    agent(&world).await;
    let root = world.root.clone();
    let arn = key(&world).await;
    let id = arn.rsplit('/').next().unwrap().to_owned();
    let alias = json!({ "AliasName": "alias/orders", "TargetKeyId": id });
    kms(&world, &root, "CreateAlias", alias).await;
    let alias_arn = format!("arn:aws:kms:us-east-1:{OWN}:alias/orders");
    for (number, named) in [
        arn.as_str(),
        id.as_str(),
        "alias/orders",
        alias_arn.as_str(),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("db{number}");
        let members = [
            ("DBInstanceIdentifier", name.as_str()),
            ("StorageEncrypted", "true"),
            ("KmsKeyId", named),
        ];
        let answer = create(&world, &root, &members).await;
        assert_eq!(element(&answer.body, "KmsKeyId"), arn, "{}", answer.body);
    }
}

#[tokio::test]
async fn what_kms_refuses_leaves_nothing() {
    let world = World::new().await;
    agent(&world).await;
    let root = world.root.clone();
    let key = key(&world).await;
    let start = |named: &str| {
        format!(
            "The specified KMS key [{named}] does not exist, is not enabled or you do not have permissions to access it. [error="
        )
    };
    let refused = async |who: &Key, named: &str, code: &str| {
        let encrypted = [("StorageEncrypted", "true"), ("KmsKeyId", named)];
        let answer = create(&world, who, &encrypted).await;
        let (status, found, message) = told(&answer);
        assert_eq!(
            (status, found.as_str()),
            (400, "KMSKeyNotAccessibleFault"),
            "{message}"
        );
        let expected = format!("{}{code}]", start(named));
        assert!(message.starts_with(&expected), "{message}");
    };
    refused(&root, "alias/nothing", "NotFoundException").await;
    refused(&root, "no key", "NotFoundException").await;
    kms(&world, &root, "DisableKey", json!({ "KeyId": key })).await;
    refused(&root, &key, "DisabledException").await;
    kms(&world, &root, "EnableKey", json!({ "KeyId": key })).await;
    // Each permission that the caller needs.
    let needed = ["rds:CreateDBInstance", "kms:DescribeKey", "kms:CreateGrant"];
    for (at, left_out) in needed.iter().enumerate().skip(1) {
        let rest: Vec<&&str> = needed.iter().filter(|one| *one != left_out).collect();
        let statement = json!({ "Effect": "Allow", "Action": rest, "Resource": "*" }).to_string();
        let user = world.user(OWN, &format!("u{at}"), Some(&statement)).await;
        refused(&user, &key, "AccessDeniedException").await;
    }
    // The key's policy lets RDS make the first grant, and not use it.
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{OWN}:root") }, "Action": "kms:*", "Resource": "*" },
        { "Effect": "Deny", "Principal": "*", "Action": "kms:GenerateDataKeyWithoutPlaintext", "Resource": "*" },
    ] });
    let put = json!({ "KeyId": key, "Policy": policy.to_string() });
    kms(&world, &root, "PutKeyPolicy", put).await;
    refused(&root, &key, "AccessDeniedException").await;
    assert_eq!(grants(&world, &key).await, [Value::Null; 0]);
    let answer = world.rds(&root, "DescribeDBInstances", &[]).await;
    assert_eq!(element(&answer.body, "DBInstances"), "");
}

#[tokio::test]
async fn an_instance_that_loses_its_key_comes_back_within_seven_days() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let key = key(&world).await;
    let encrypted = [("StorageEncrypted", "true"), ("KmsKeyId", key.as_str())];
    available(&world, &agent, &encrypted).await;
    let id = volume(&world, &agent).await["VolumeId"]
        .as_str()
        .unwrap()
        .to_owned();
    // A database that is down while its key is good is not locked.
    report(&world, &agent, "READY", "FAILED").await;
    assert_eq!(status(&world).await, "failed");
    report(&world, &agent, "READY", "RUNNING").await;
    assert_eq!(status(&world).await, "available");
    kms(&world, &root, "DisableKey", json!({ "KeyId": key })).await;
    // The agent finds out, and shuts the database down.
    let answer = own_answer(&world, &agent, "OpenVolume", json!({ "VolumeId": id })).await;
    assert_eq!(answer.status, 400);
    report(&world, &agent, "READY", "STOPPED").await;
    let recoverable = "inaccessible-encryption-credentials-recoverable";
    assert_eq!(status(&world).await, recoverable);
    assert_eq!(volume(&world, &agent).await["Database"]["Running"], false);
    // It does not start without the key, nor by itself when the key is back.
    let answer = ask(&world, "StartDBInstance", &[]).await;
    let (status_code, code, message) = told(&answer);
    assert_eq!(
        (status_code, code.as_str()),
        (400, "KMSKeyNotAccessibleFault"),
        "{message}"
    );
    assert!(message.contains("[error=DisabledException]"), "{message}");
    kms(&world, &root, "EnableKey", json!({ "KeyId": key })).await;
    report(&world, &agent, "READY", "STOPPED").await;
    assert_eq!(status(&world).await, recoverable);
    let answer = ask(&world, "StartDBInstance", &[]).await;
    assert_eq!(
        element(&answer.body, "DBInstanceStatus"),
        "starting",
        "{}",
        answer.body
    );
    report(&world, &agent, "READY", "RUNNING").await;
    assert_eq!(status(&world).await, "available");
    // So it is if the agent says that the volume has failed, and of one that is stopped.
    for is_stopped in [false, true] {
        if is_stopped {
            ask(&world, "StopDBInstance", &[]).await;
            report(&world, &agent, "READY", "STOPPED").await;
            assert_eq!(status(&world).await, "stopped");
        }
        kms(&world, &root, "DisableKey", json!({ "KeyId": key })).await;
        report(&world, &agent, "FAILED", "FAILED").await;
        assert_eq!(status(&world).await, recoverable);
        kms(&world, &root, "EnableKey", json!({ "KeyId": key })).await;
        let answer = ask(&world, "StartDBInstance", &[]).await;
        assert_eq!(element(&answer.body, "DBInstanceStatus"), "starting");
        report(&world, &agent, "READY", "RUNNING").await;
        assert_eq!(status(&world).await, "available");
    }
    // Once more, for longer.
    kms(&world, &root, "DisableKey", json!({ "KeyId": key })).await;
    report(&world, &agent, "FAILED", "").await;
    assert_eq!(status(&world).await, recoverable);
    kms(&world, &root, "EnableKey", json!({ "KeyId": key })).await;
    world.advance(7 * 24 * 3600 - 1).await;
    assert_eq!(status(&world).await, recoverable);
    world.advance(1).await;
    assert_eq!(status(&world).await, "inaccessible-encryption-credentials");
    let answer = ask(&world, "StartDBInstance", &[]).await;
    let text = "Instance orders cannot be started as it is not in one of the following statuses: 'stopped, inaccessible-encryption-credentials-recoverable, incompatible-network (only valid for non-SqlServer instances).'";
    assert_eq!(told(&answer), refusal(400, "InvalidDBInstanceState", text));
    // It can be deleted.
    let answer = ask(&world, "DeleteDBInstance", &[("SkipFinalSnapshot", "true")]).await;
    assert_eq!(
        element(&answer.body, "DBInstanceStatus"),
        "deleting",
        "{}",
        answer.body
    );
    assert_eq!(grants(&world, &key).await, [Value::Null; 0]);
}

#[tokio::test]
async fn to_revoke_either_grant_closes_the_instance() {
    for revoked in 0..2 {
        let world = World::new().await;
        let agent = agent(&world).await;
        let root = world.root.clone();
        let key = key(&world).await;
        let encrypted = [("StorageEncrypted", "true"), ("KmsKeyId", key.as_str())];
        available(&world, &agent, &encrypted).await;
        let known = own(&world, &agent, "PollVolumes", installed()).await["Known"].clone();
        let id = volume(&world, &agent).await["VolumeId"].clone();
        own(&world, &agent, "OpenVolume", json!({ "VolumeId": id })).await;
        let mut all = grants(&world, &key).await;
        all.sort_by_key(|grant| grant["Operations"].as_array().unwrap().len());
        let revoke = json!({ "KeyId": key, "GrantId": all[revoked]["GrantId"] });
        kms(&world, &root, "RevokeGrant", revoke).await;
        // The agent is told at once, and is given the key no more.
        let heard = own(&world, &agent, "PollVolumes", installed()).await;
        assert_ne!(heard["Known"], known);
        let answer = own_answer(&world, &agent, "OpenVolume", json!({ "VolumeId": id })).await;
        assert_eq!(answer.status, 400);
        assert!(
            answer.body.contains("AccessDeniedException"),
            "{}",
            answer.body
        );
        report(&world, &agent, "READY", "STOPPED").await;
        let recoverable = "inaccessible-encryption-credentials-recoverable";
        assert_eq!(status(&world).await, recoverable);
        let (_, code, _) = told(&ask(&world, "StartDBInstance", &[]).await);
        assert_eq!(code, "KMSKeyNotAccessibleFault");
        // Deleted, it leaves no grant.
        let answer = ask(&world, "DeleteDBInstance", &[("SkipFinalSnapshot", "true")]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(grants(&world, &key).await, [Value::Null; 0]);
    }
}

#[tokio::test]
async fn a_key_protects_the_instances_that_are_under_it() {
    let world = World::new().await;
    agent(&world).await;
    let root = world.root.clone();
    let key = key(&world).await;
    let encrypted = [("StorageEncrypted", "true"), ("KmsKeyId", key.as_str())];
    create(&world, &root, &encrypted).await;
    create(&world, &root, &[("DBInstanceIdentifier", "plain")]).await;
    let impact = own(&world, &root, "DescribeKeyImpact", json!({ "KeyId": key })).await;
    assert_eq!(
        impact["Resources"],
        json!([{ "Arn": format!("arn:aws:rds:us-east-1:{OWN}:db:orders"), "Type": "AWS::RDS::DBInstance", "Name": "orders" }])
    );
}

#[tokio::test]
async fn grants_whose_instance_was_never_made_are_retired_after_a_while() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let (stays, lost) = (key(&world).await, key(&world).await);
    let mut ids = Vec::new();
    for (name, key) in [("stays", &stays), ("lost", &lost)] {
        let members = [
            ("DBInstanceIdentifier", name),
            ("StorageEncrypted", "true"),
            ("KmsKeyId", key.as_str()),
        ];
        let answer = create(&world, &root, &members).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        ids.push(element(&answer.body, "DbiResourceId").to_owned());
    }
    // As a server leaves it that is killed after KMS has committed the grants, and before the instance is.
    let region = Region::parse("us-east-1").unwrap();
    let path = paths::volume(region, account(OWN), &VolumeId::parse(&ids[1]).unwrap());
    let mut batch = world.workers.batch();
    batch.delete(path, Precondition::Any).unwrap();
    world.workers.commit(batch).await.unwrap();
    let stray = StrayGrants::default();
    for left in [2, 2, 0, 0] {
        stray.round(&world.workers).await;
        assert_eq!(grants(&world, &lost).await.len(), left);
        assert_eq!(grants(&world, &stays).await.len(), 2);
    }
    assert_eq!(volumes(&world, &agent).await.len(), 1);
}

#[tokio::test]
async fn what_a_deletion_leaves_a_worker_ends() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let key = key(&world).await;
    let encrypted = [("StorageEncrypted", "true"), ("KmsKeyId", key.as_str())];
    available(&world, &agent, &encrypted).await;
    let listed = own(&world, &root, "ListAgents", json!({})).await;
    let id = listed["Agents"][0]["AgentId"].clone();
    own(&world, &root, "RemoveAgent", json!({ "AgentId": id })).await;
    let answer = ask(&world, "DeleteDBInstance", &[("SkipFinalSnapshot", "true")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(grants(&world, &key).await, [Value::Null; 0]);
    left_volumes::end(&world.workers).await;
    let expected = refusal(404, "DBInstanceNotFound", "DBInstance orders not found.");
    assert_eq!(told(&describe(&world).await), expected);
}
