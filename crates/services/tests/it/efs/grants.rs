//! When the grant of an encrypted file system is made and retired: it is there as long as the file system is, whatever
//! is refused or fails in between.

use keyward_api_own::stray_grants::StrayGrants;
use keyward_engine::directory::{
    paths, purpose,
    records::{
        self, ServiceRecord, V1,
        storage::{VolumeRecord, Wanted},
    },
};
use keyward_store::batch::Precondition;
use keyward_testkit::world::account;
use keyward_types::{region::Region, storage::VolumeId};

use super::*;

/// An encrypted file system that its agent has made, and its key.
async fn encrypted(world: &World, agent: &Key) -> (String, String) {
    let root = &world.root;
    let key = kms(world, root, "CreateKey", json!({})).await;
    let key = key["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let token = key.rsplit('/').next();
    let asked = json!({ "CreationToken": token, "Encrypted": true, "KmsKeyId": key });
    let made = create(world, root, asked).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = body(&made)["FileSystemId"].as_str().unwrap().to_owned();
    report(world, agent, &id, 1, "READY").await;
    (id, key)
}

async fn delete(world: &World, id: &str) -> Answer {
    let path = format!("/file-systems/{id}");
    ask(world, &world.root, ("DELETE", &path), Value::Null).await
}

async fn are_there(world: &World) -> Value {
    let all = ask(world, &world.root, ("GET", "/file-systems"), Value::Null).await;
    body(&all)["FileSystems"].clone()
}

/// As a server leaves it that fails after it has committed that the file system is to be gone.
async fn left_to_be_gone(world: &World, id: &str) {
    let region = Region::parse("us-east-1").unwrap();
    let path = paths::volume(region, account(OWN), &VolumeId::parse(id).unwrap());
    let found = world
        .directory()
        .rare::<VolumeRecord>(&path, purpose::VOLUME);
    let (mut record, revision) = found.await.unwrap().unwrap();
    record.wanted = Wanted::Absent;
    record.generation += 1;
    record.reported = None;
    let bytes = records::encode(&record).unwrap();
    let mut batch = world.workers.batch();
    batch
        .put(path, purpose::VOLUME, &bytes, Precondition::At(revision))
        .unwrap();
    world.workers.commit(batch).await.unwrap();
}

async fn remove_agent(world: &World) {
    let agents = own(world, &world.root, "ListAgents", json!({})).await;
    let removed = json!({ "AgentId": agents["Agents"][0]["AgentId"] });
    own(world, &world.root, "RemoveAgent", removed).await;
}

#[tokio::test]
async fn a_file_system_that_is_not_deleted_keeps_its_grant() {
    const ROUNDS: usize = 8;
    let world = World::new().await;
    let agent = agent(&world).await;
    let root = world.root.clone();
    let mut refused = 0;
    for round in 0..ROUNDS {
        let (id, key) = encrypted(&world, &agent).await;
        let address = format!("127.0.0.{}", 100 + round);
        let target = json!({ "FileSystemId": id, "SubnetId": "subnet-00000000000000001", "IpAddress": address });
        let target = ask(&world, &root, ("POST", "/mount-targets"), target);
        // Now the one begins and now the other, and both before either has committed.
        let (deleted, target) = if round % 2 == 0 {
            tokio::join!(delete(&world, &id), target)
        } else {
            let (target, deleted) = tokio::join!(target, delete(&world, &id));
            (deleted, target)
        };
        let count = grants(&world, &key).await.as_array().unwrap().len();
        let came = (deleted.status, target.status, count);
        match deleted.status {
            204 => assert_eq!(came, (204, 409, 0), "{}", target.body),
            _ => {
                assert_eq!(told(&deleted).1, "FileSystemInUse");
                assert_eq!(came, (409, 200, 1), "{}", target.body);
                refused += 1;
            }
        }
    }
    assert!(
        (1..ROUNDS).contains(&refused),
        "one always came first: {refused}"
    );
}

#[tokio::test]
async fn a_grant_that_was_not_retired_at_once_is_retired_before_the_file_system_is_forgotten() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let (id, key) = encrypted(&world, &agent).await;
    left_to_be_gone(&world, &id).await;
    report(&world, &agent, &id, 2, "GONE").await;
    assert_eq!(are_there(&world).await[0]["LifeCycleState"], "deleting");
    assert_eq!(grants(&world, &key).await.as_array().unwrap().len(), 1);
    keyward_api_own::left_volumes::end(&world.workers).await;
    assert_eq!(grants(&world, &key).await, json!([]));
    assert_eq!(are_there(&world).await, json!([]));
    let retired = events(&world, "RetireGrant").await;
    assert_eq!(retired.len(), 1);
    assert_eq!(
        retired[0]["userIdentity"],
        json!({ "type": "AWSService", "invokedBy": "elasticfilesystem.amazonaws.com" })
    );
}

#[tokio::test]
async fn it_is_retired_while_the_agent_has_not_answered_yet() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let (id, key) = encrypted(&world, &agent).await;
    left_to_be_gone(&world, &id).await;
    for _ in 0..2 {
        keyward_api_own::left_volumes::end(&world.workers).await;
        assert_eq!(grants(&world, &key).await, json!([]));
        assert_eq!(are_there(&world).await[0]["LifeCycleState"], "deleting");
    }
    // Once is enough.
    assert_eq!(events(&world, "RetireGrant").await.len(), 1);
    report(&world, &agent, &id, 2, "GONE").await;
    assert_eq!(are_there(&world).await, json!([]));
}

#[tokio::test]
async fn without_its_agent_a_file_system_ends_with_its_grant() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let (id, key) = encrypted(&world, &agent).await;
    let (left, of_left) = encrypted(&world, &agent).await;
    remove_agent(&world).await;
    left_to_be_gone(&world, &left).await;
    let answer = delete(&world, &id).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(grants(&world, &key).await, json!([]));
    keyward_api_own::left_volumes::end(&world.workers).await;
    assert_eq!(grants(&world, &of_left).await, json!([]));
    assert_eq!(are_there(&world).await, json!([]));
}

#[tokio::test]
async fn of_two_that_are_created_with_one_token_one_has_a_grant() {
    let world = World::new().await;
    agent(&world).await;
    let root = world.root.clone();
    let key = kms(&world, &root, "CreateKey", json!({})).await;
    let key = key["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let mut both_made = 0;
    for round in 0..8 {
        let asked =
            json!({ "CreationToken": format!("t{round}"), "Encrypted": true, "KmsKeyId": key });
        let (one, other) = tokio::join!(
            create(&world, &root, asked.clone()),
            create(&world, &root, asked)
        );
        let mut came = [one.status, other.status];
        came.sort_unstable();
        assert_eq!(came, [201, 409], "{} {}", one.body, other.body);
        let count = grants(&world, &key).await.as_array().unwrap().len();
        assert_eq!(count, round + 1);
        both_made += events(&world, "RetireGrant").await.len();
    }
    assert!(both_made > 0, "no two ever made a grant at the same time");
}

/// As a server leaves it that is killed after KMS has committed the grant, and before the file system is.
async fn never_made(world: &World, id: &str) {
    let region = Region::parse("us-east-1").unwrap();
    let path = paths::volume(region, account(OWN), &VolumeId::parse(id).unwrap());
    let mut batch = world.workers.batch();
    batch.delete(path, Precondition::Any).unwrap();
    world.workers.commit(batch).await.unwrap();
}

#[tokio::test]
async fn a_grant_whose_file_system_was_never_made_is_retired_after_a_while() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let (stays, of_stays) = encrypted(&world, &agent).await;
    let (lost, of_lost) = encrypted(&world, &agent).await;
    // Grants that are for something else, with the same service.
    let service = "elasticfilesystem.us-east-1.amazonaws.com";
    for (operations, context) in [
        (
            json!(["Decrypt"]),
            json!({ "aws:elasticfilesystem:filesystem:id": "fs-00000009" }),
        ),
        (
            json!(["Encrypt", "Decrypt", "RetireGrant"]),
            json!({ "other": "fs-00000009" }),
        ),
    ] {
        let arn = format!("arn:aws:elasticfilesystem:us-east-1:{OWN}:file-system/fs-00000009");
        let asked = json!({
            "KeyId": of_stays, "GranteeServicePrincipal": service, "RetiringServicePrincipal": service,
            "Operations": operations,
            "Constraints": { "EncryptionContextEquals": context, "SourceArn": arn },
        });
        kms(&world, &world.root, "CreateGrant", asked).await;
    }
    let stray = StrayGrants::default();
    let count = async |key: &str| grants(&world, key).await.as_array().unwrap().len();
    for _ in 0..4 {
        stray.round(&world.workers).await;
        assert_eq!((count(&of_stays).await, count(&of_lost).await), (3, 1));
    }
    never_made(&world, &lost).await;
    // A request may be about to make it.
    for _ in 0..2 {
        stray.round(&world.workers).await;
        assert_eq!(count(&of_lost).await, 1);
    }
    // Another start begins to count anew.
    let stray = StrayGrants::default();
    for left in [1, 1, 0, 0] {
        stray.round(&world.workers).await;
        assert_eq!((count(&of_stays).await, count(&of_lost).await), (3, left));
    }
    let retired = events(&world, "RetireGrant").await;
    assert_eq!(retired.len(), 1);
    assert_eq!(
        retired[0]["userIdentity"],
        json!({ "type": "AWSService", "invokedBy": "elasticfilesystem.amazonaws.com" })
    );
    assert_eq!(are_there(&world).await[0]["FileSystemId"], stays.as_str());
}

#[tokio::test]
async fn the_grants_of_a_service_outside_of_the_server_are_its_own_affair() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let (lost, key) = encrypted(&world, &agent).await;
    never_made(&world, &lost).await;
    let service = ServiceRecord {
        version: V1,
        name: "elasticfilesystem".to_owned(),
        access_keys: Vec::new(),
    };
    let region = Region::parse("us-east-1").unwrap();
    let path = paths::service(region.partition(), account(OWN), &service.name).unwrap();
    let bytes = records::encode(&service).unwrap();
    let mut batch = world.workers.batch();
    let put = batch.put(path.clone(), purpose::SERVICE, &bytes, Precondition::Absent);
    put.unwrap();
    world.workers.commit(batch).await.unwrap();
    let stray = StrayGrants::default();
    let count = async || grants(&world, &key).await.as_array().unwrap().len();
    for _ in 0..5 {
        stray.round(&world.workers).await;
        assert_eq!(count().await, 1);
    }
    // Without it, EFS of the server is the only one that could have made it.
    let mut batch = world.workers.batch();
    batch.delete(path, Precondition::Any).unwrap();
    world.workers.commit(batch).await.unwrap();
    for left in [1, 1, 0] {
        stray.round(&world.workers).await;
        assert_eq!(count().await, left);
    }
}
