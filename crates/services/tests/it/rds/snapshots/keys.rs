//! What snapshots need of KMS.

use keyward_api_own::stray_grants::StrayGrants;

use super::*;

async fn encrypted(world: &World, agent: &Key) -> String {
    let key = key(world).await;
    let members = [("StorageEncrypted", "true"), ("KmsKeyId", key.as_str())];
    with_snapshot(world, agent, &members).await;
    key
}

async fn copy(world: &World, key: &Key, more: &[(&str, &str)]) -> Answer {
    let needed = [
        ("SourceDBSnapshotIdentifier", "monday"),
        ("TargetDBSnapshotIdentifier", "copy"),
    ];
    let members: Vec<(&str, &str)> = needed.into_iter().chain(more.iter().copied()).collect();
    world.rds(key, "CopyDBSnapshot", &members).await
}

async fn restore(world: &World, key: &Key, (snapshot, name): (&str, &str)) -> Answer {
    let members = [
        ("DBInstanceIdentifier", name),
        ("DBSnapshotIdentifier", snapshot),
    ];
    world
        .rds(key, "RestoreDBInstanceFromDBSnapshot", &members)
        .await
}

async fn opens(world: &World, agent: &Key, volume: &Value) -> Option<String> {
    let asked = json!({ "VolumeId": volume["VolumeId"] });
    let answer = own_answer(world, agent, "OpenVolume", asked).await;
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    told["Plaintext"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn rds_makes_a_snapshot_by_the_grants_of_its_instance() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let key = key(&world).await;
    let members = [("StorageEncrypted", "true"), ("KmsKeyId", key.as_str())];
    available(&world, &agent, &members).await;
    // The caller has no right to the key.
    let statement = r#"{"Effect":"Allow","Action":"rds:*","Resource":"*"}"#;
    let alice = world.user(OWN, "alice", Some(statement)).await;
    let answer = snapshot(&world, &alice, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(element(&answer.body, "KmsKeyId"), key);
    assert_eq!(element(&answer.body, "Encrypted"), "true");
    let instance = told_of(&world, &agent, is_instance).await;
    let made = told_of(&world, &agent, is_unmade).await;
    let context = json!({ "aws:rds:db-id": instance["VolumeId"], "aws:ebs:id": made["VolumeId"] });
    assert_eq!(made["EncryptionContext"], context);
    assert_ne!(made["CiphertextBlob"], instance["CiphertextBlob"]);
    // Two grants of its own, for it alone.
    let arn = format!("arn:aws:rds:us-east-1:{OWN}:snapshot:monday");
    let all = grants(&world, &key).await;
    let of_snapshot: Vec<&Value> = all
        .iter()
        .filter(|grant| grant["Constraints"]["EncryptionContextSubset"] == context)
        .collect();
    assert_eq!((all.len(), of_snapshot.len()), (4, 2));
    for grant in &of_snapshot {
        assert_eq!(grant["Constraints"]["SourceArn"], arn);
    }
    let wrapped = &events(&world, "ReEncrypt").await[0];
    assert_eq!(
        wrapped["userIdentity"],
        json!({ "type": "AWSService", "invokedBy": "rds.amazonaws.com" })
    );
    assert_eq!(
        wrapped["requestParameters"]["destinationEncryptionContext"],
        context
    );
    // The data key is the same. The agent is given it until the snapshot is there.
    let own_key = opens(&world, &agent, &instance).await;
    assert!(own_key.is_some());
    assert_eq!(opens(&world, &agent, &made).await, own_key);
    say(&world, &agent, &made, "READY").await;
    assert_eq!(opens(&world, &agent, &made).await, None);
    let impact = own(
        &world,
        &world.root.clone(),
        "DescribeKeyImpact",
        json!({ "KeyId": key }),
    )
    .await;
    let expected = json!({ "Arn": arn, "Type": "AWS::RDS::DBSnapshot", "Name": "monday" });
    assert_eq!(impact["Resources"][1], expected);
    // It outlasts its instance.
    let answer = ask(&world, "DeleteDBInstance", &[("SkipFinalSnapshot", "true")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(grants(&world, &key).await.len(), 2);
    let ending = told_of(&world, &agent, is_instance).await;
    say(&world, &agent, &ending, "GONE").await;
    assert_eq!(status_of(&world, "monday").await, "available");
    let root = world.root.clone();
    let answer = restore(&world, &root, ("monday", "again")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let restored = told_of(&world, &agent, is_unmade).await;
    assert_eq!(opens(&world, &agent, &restored).await, own_key);
    assert_eq!(opens(&world, &agent, &made).await, own_key);
}

#[tokio::test]
async fn a_copy_under_another_key_has_another_data_key() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let first = encrypted(&world, &agent).await;
    let other = key(&world).await;
    let statement = r#"{"Effect":"Allow","Action":["rds:*","kms:DescribeKey","kms:CreateGrant"],"Resource":"*"}"#;
    let alice = world.user(OWN, "alice", Some(statement)).await;
    let answer = copy(&world, &alice, &[("KmsKeyId", &other)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(element(&answer.body, "KmsKeyId"), other);
    assert_eq!(
        element(&answer.body, "SourceDBSnapshotIdentifier"),
        format!("arn:aws:rds:us-east-1:{OWN}:snapshot:monday")
    );
    let made = told_of(&world, &agent, is_unmade).await;
    assert_eq!(made["Origin"]["Reseal"], true);
    let all = volumes(&world, &agent).await;
    let original = all
        .iter()
        .find(|volume| volume["VolumeId"] == made["Origin"]["VolumeId"])
        .unwrap();
    // The agent is given both keys until the copy is there.
    let (new, old) = (
        opens(&world, &agent, &made).await,
        opens(&world, &agent, original).await,
    );
    assert!(new.is_some() && old.is_some() && new != old);
    say(&world, &agent, &made, "READY").await;
    assert_eq!(opens(&world, &agent, &made).await, None);
    assert_eq!(opens(&world, &agent, original).await, None);
    // It does not need the first key any more, and is restored under its own.
    kms(
        &world,
        &world.root.clone(),
        "DisableKey",
        json!({ "KeyId": first }),
    )
    .await;
    let answer = restore(&world, &alice, ("copy", "again")).await;
    assert_eq!(element(&answer.body, "KmsKeyId"), other, "{}", answer.body);
    let answer = restore(&world, &alice, ("monday", "third")).await;
    assert_eq!(element(&answer.body, "Code"), "KMSKeyNotAccessibleFault");
}

#[tokio::test]
async fn a_copy_under_the_same_key_is_the_same_ciphertext() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let key = encrypted(&world, &agent).await;
    let root = world.root.clone();
    let answer = copy(&world, &root, &[]).await;
    assert_eq!(element(&answer.body, "KmsKeyId"), key, "{}", answer.body);
    let made = told_of(&world, &agent, is_unmade).await;
    assert_eq!(made["Origin"]["Reseal"], false);
    let instance = told_of(&world, &agent, is_instance).await;
    let (one, other) = (
        opens(&world, &agent, &made).await,
        opens(&world, &agent, &instance).await,
    );
    assert!(one.is_some());
    assert_eq!(one, other);
    assert_eq!(grants(&world, &key).await.len(), 6);
}

#[tokio::test]
async fn what_kms_refuses_leaves_no_snapshot_and_no_grant() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let key = encrypted(&world, &agent).await;
    let root = world.root.clone();
    let before = grants(&world, &key).await.len();
    let refused = async |answer: Answer| {
        let (status, code, message) = told(&answer);
        assert_eq!(
            (status, code.as_str()),
            (400, "KMSKeyNotAccessibleFault"),
            "{message}"
        );
        assert_eq!(grants(&world, &key).await.len(), before);
    };
    kms(&world, &root, "DisableKey", json!({ "KeyId": key })).await;
    refused(snapshot(&world, &root, &[("DBSnapshotIdentifier", "b")]).await).await;
    refused(copy(&world, &root, &[]).await).await;
    refused(restore(&world, &root, ("monday", "again")).await).await;
    kms(&world, &root, "EnableKey", json!({ "KeyId": key })).await;
    refused(copy(&world, &root, &[("KmsKeyId", "alias/none")]).await).await;
    // Whoever copies or restores needs the rights that whoever creates an instance does.
    let statement = r#"{"Effect":"Allow","Action":["rds:*","kms:DescribeKey"],"Resource":"*"}"#;
    let alice = world.user(OWN, "alice", Some(statement)).await;
    refused(copy(&world, &alice, &[]).await).await;
    refused(restore(&world, &alice, ("monday", "again")).await).await;
    assert_eq!(grants(&world, &key).await.len(), before);
}

#[tokio::test]
async fn to_revoke_either_grant_closes_the_snapshot_and_not_its_instance() {
    for revoked in 0..2 {
        let world = World::new().await;
        let agent = agent(&world).await;
        let key = encrypted(&world, &agent).await;
        let root = world.root.clone();
        let made = volumes(&world, &agent).await;
        let made = made.iter().find(|volume| volume["AtRest"] == true).unwrap();
        let context = &made["EncryptionContext"];
        let mut own_grants = grants(&world, &key).await;
        own_grants.retain(|grant| grant["Constraints"]["EncryptionContextSubset"] == *context);
        own_grants.sort_by_key(|grant| grant["Operations"].as_array().unwrap().len());
        let revoke = json!({ "KeyId": key, "GrantId": own_grants[revoked]["GrantId"] });
        kms(&world, &root, "RevokeGrant", revoke).await;
        for answer in [
            restore(&world, &root, ("monday", "again")).await,
            copy(&world, &root, &[]).await,
        ] {
            assert_eq!(element(&answer.body, "Code"), "KMSKeyNotAccessibleFault");
        }
        let answer = snapshot(&world, &root, &[("DBSnapshotIdentifier", "b")]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        // One that is closed can be deleted.
        let answer = about(&world, "DeleteDBSnapshot", "monday").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let made = told_of(&world, &agent, is_unmade).await;
        say(&world, &agent, &made, "READY").await;
        assert_eq!(grants(&world, &key).await.len(), 4);
    }
}

#[tokio::test]
async fn grants_of_a_snapshot_that_was_never_made_are_retired_after_a_while() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let key = encrypted(&world, &agent).await;
    let made = volumes(&world, &agent).await;
    let made = made.iter().find(|volume| volume["AtRest"] == true).unwrap();
    let id = keyward_types::storage::VolumeId::parse(made["VolumeId"].as_str().unwrap()).unwrap();
    let region = keyward_types::region::Region::parse("us-east-1").unwrap();
    let account = keyward_testkit::world::account(OWN);
    let path = keyward_engine::directory::paths::volume(region, account, &id);
    let mut batch = world.workers.batch();
    batch
        .delete(path, keyward_store::batch::Precondition::Any)
        .unwrap();
    world.workers.commit(batch).await.unwrap();
    let stray = StrayGrants::default();
    for left in [4, 4, 2, 2] {
        stray.round(&world.workers).await;
        assert_eq!(grants(&world, &key).await.len(), left);
    }
}
