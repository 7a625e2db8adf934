//! Agents: how one becomes known, what it may do, and what a stolen one may not.

mod assignment;
mod ending;
mod polls;
mod quotas;
mod rates;
mod registration;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use keyward_engine::{
    directory::{
        paths, purpose,
        records::{
            self, V1,
            copies::Copies,
            storage::{VolumeKey, VolumeRecord, Wanted},
        },
    },
    server::Quotas,
};
use keyward_store::{
    batch::Precondition,
    path::{Path, Segment},
};
use keyward_testkit::{
    answer::{Answer, Key},
    world::{OTHER, OWN, World, account},
};
use keyward_types::{
    region::Region,
    storage::{AgentId, VolumeId},
};
use serde_json::{Value, json};

const CONTEXT: &str = "aws:elasticfilesystem:filesystem:id";
const FIRST: &str = "fs-00000000000000001";
const SECOND: &str = "fs-00000000000000002";

async fn ask(world: &World, key: &Key, operation: &str, body: Value) -> Answer {
    let target = format!("Keyward_20261101.{operation}");
    let body = body.to_string();
    world.json(key, "keyward", &target, &body).await
}

async fn asked(world: &World, key: &Key, operation: &str, body: Value) -> Value {
    let answer = ask(world, key, operation, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

fn told(answer: &Answer) -> (u16, String, String) {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let message = format!("{}{}", text("message"), text("Message"));
    (answer.status, text("__type"), message)
}

async fn token(world: &World, seconds: i64) -> String {
    let body = json!({ "AgentName": "storage-1", "DurationSeconds": seconds });
    let root = world.root.clone();
    let made = asked(world, &root, "CreateAgentToken", body).await;
    made["Token"].as_str().unwrap().to_owned()
}

async fn register(world: &World, token: &str) -> Answer {
    let body = json!({ "Token": token }).to_string();
    world
        .unsigned_json("Keyward_20261101.RegisterAgent", &body)
        .await
}

/// An agent that has called: its id, and what it signs with.
async fn agent(world: &World) -> (AgentId, Key) {
    let (id, key) = registered(world, &token(world, 3600).await).await;
    asked(world, &key, "PollVolumes", json!({})).await;
    (id, key)
}

/// An agent that registers with that token: its id, and what it signs with.
async fn registered(world: &World, token: &str) -> (AgentId, Key) {
    let answer = register(world, token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let key = Key {
        id: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
        token: None,
    };
    assert_eq!(
        (text("AccountId"), text("Region")),
        (OWN.to_owned(), "us-east-1".to_owned())
    );
    (AgentId::parse(&text("AgentId")).unwrap(), key)
}

fn arn(id: &str) -> String {
    format!("arn:aws:elasticfilesystem:us-east-1:{OWN}:file-system/{id}")
}

/// Stores a volume as a service would that made it for a caller.
async fn volume(world: &World, id: &str, agent: &AgentId, key: Option<VolumeKey>) {
    wanted_volume(world, id, agent, (key, Wanted::Present)).await;
}

/// Stores a volume with which as many more records end, as access points do, with paths as long as there are.
async fn volume_with_more(
    world: &World,
    id: &str,
    agent: &AgentId,
    ((key, wanted), more): ((Option<VolumeKey>, Wanted), usize),
) -> Vec<Path> {
    let region = Region::parse("us-east-1").unwrap();
    let place = (region, account(OWN));
    let long = |number: usize| {
        let name = format!("{id}-{number:0>43}");
        paths::of_kind(place.0, place.1, Segment::word("access-point-token"), &name).unwrap()
    };
    let more: Vec<Path> = (0..more).map(long).collect();
    for some in more.chunks(90) {
        let mut batch = world.workers.batch();
        for path in some {
            batch
                .put(
                    path.clone(),
                    purpose::CREATION_TOKEN,
                    b"{}",
                    Precondition::Any,
                )
                .unwrap();
        }
        world.workers.commit(batch).await.unwrap();
    }
    wanted_volume(world, id, agent, (key, wanted)).await;
    let path = paths::volume(place.0, place.1, &VolumeId::parse(id).unwrap());
    let found = world
        .directory()
        .rare::<VolumeRecord>(&path, purpose::VOLUME);
    let mut record = found.await.unwrap().unwrap().0;
    let texts = more.iter().map(|path| path.as_str().to_owned());
    record.belongings.extend(texts);
    let mut batch = world.workers.batch();
    let bytes = records::encode(&record).unwrap();
    batch
        .put(path, purpose::VOLUME, &bytes, Precondition::Any)
        .unwrap();
    world.workers.commit(batch).await.unwrap();
    more
}

/// Where two records stand that end with a volume.
fn belongings(id: &str) -> [Path; 2] {
    ["file-system", "file-system-token"].map(|kind| {
        let region = Region::parse("us-east-1").unwrap();
        paths::of_kind(region, account(OWN), Segment::word(kind), id).unwrap()
    })
}

/// Stores a volume, with two records that end with it.
async fn wanted_volume(
    world: &World,
    id: &str,
    agent: &AgentId,
    (key, wanted): (Option<VolumeKey>, Wanted),
) {
    let region = Region::parse("us-east-1").unwrap();
    let mut batch = world.workers.batch();
    for path in belongings(id) {
        batch
            .put(path, purpose::CREATION_TOKEN, b"{}", Precondition::Any)
            .unwrap();
    }
    let paths = belongings(id).map(|path| path.as_str().to_owned());
    let id = VolumeId::parse(id).unwrap();
    let record = VolumeRecord {
        version: V1,
        id: id.clone(),
        service: "elasticfilesystem".to_owned(),
        agent: agent.clone(),
        created: world.front.shared().clock().now(),
        generation: 1,
        wanted,
        key,
        made: false,
        available_on: None,
        reported: None,
        source: arn(id.as_str()),
        belongings: paths.into(),
        targets: Vec::new(),
        authorization: 1,
        backs_up: false,
        backup: None,
        size: None,
        database: None,
        image_generation: None,
        copies: Copies::default(),
    };
    let path = paths::volume(region, account(OWN), &id);
    let bytes = records::encode(&record).unwrap();
    batch
        .put(path, purpose::VOLUME, &bytes, Precondition::Any)
        .unwrap();
    world.workers.commit(batch).await.unwrap();
}

/// A data key for a volume, and the grant by which EFS unwraps it.
async fn volume_key(world: &World, id: &str) -> VolumeKey {
    let root = world.root.clone();
    let kms = async |operation: &str, body: Value| {
        let target = format!("TrentService.{operation}");
        let answer = world.json(&root, "kms", &target, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let made = kms("CreateKey", json!({})).await;
    let key = made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let context = json!({ CONTEXT: id });
    let body = json!({ "KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context });
    let data = kms("GenerateDataKeyWithoutPlaintext", body).await;
    let grant = kms(
        "CreateGrant",
        json!({
            "KeyId": key,
            "GranteeServicePrincipal": "elasticfilesystem.us-east-1.amazonaws.com",
            "RetiringServicePrincipal": "elasticfilesystem.us-east-1.amazonaws.com",
            "Operations": ["Decrypt"],
            "Constraints": { "EncryptionContextEquals": context, "SourceArn": arn(id) },
        }),
    );
    VolumeKey {
        key: key.clone(),
        ciphertext: data["CiphertextBlob"].as_str().unwrap().to_owned(),
        context: BTreeMap::from([(CONTEXT.to_owned(), id.to_owned())]),
        grant: grant.await["GrantId"].as_str().unwrap().to_owned(),
        opened_by: None,
        further_grants: Vec::new(),
    }
}

async fn events(world: &World, name: &str) -> Vec<Value> {
    let trail = world.trail() + &world.outbox().await;
    let lines = trail
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|event: &Value| event["eventName"] == name)
        .collect()
}

#[tokio::test]
async fn an_agent_does_what_is_for_agents_and_nothing_else() {
    let world = World::new().await;
    let (id, agent) = agent(&world).await;
    let known = asked(&world, &agent, "PollVolumes", json!({})).await;
    assert_eq!(known["Volumes"], json!([]));
    for operation in [
        "ListAgents",
        "CreateAgentToken",
        "CreateForwardAccessSession",
        "WhoCan",
    ] {
        let (status, code, message) = told(&ask(&world, &agent, operation, json!({})).await);
        assert_eq!(
            (status, code.as_str()),
            (400, "AccessDeniedException"),
            "{operation}"
        );
        assert!(
            message.contains(&format!("keyward:{operation}")),
            "{message}"
        );
    }
    let answer = world
        .json(&agent, "kms", "TrentService.ListKeys", "{}")
        .await;
    assert_eq!(told(&answer).1, "UnrecognizedClientException");
    assert_eq!(
        world.sts(&agent, "GetCallerIdentity", &[]).await.status,
        403
    );
    // And nobody else does it.
    let root = world.root.clone();
    for operation in ["PollVolumes", "OpenVolume", "ReportVolumes"] {
        let body = json!({ "VolumeId": FIRST, "Volumes": [] });
        let (status, code, _) = told(&ask(&world, &root, operation, body).await);
        assert_eq!(
            (status, code.as_str()),
            (400, "AccessDeniedException"),
            "{operation}"
        );
    }
    let alice = world.user(OWN, "alice", None).await;
    for (operation, body) in [
        ("CreateAgentToken", json!({ "AgentName": "x" })),
        ("ListAgents", json!({})),
        ("RemoveAgent", json!({ "AgentId": id.as_str() })),
    ] {
        let (status, code, message) = told(&ask(&world, &alice, operation, body).await);
        assert_eq!(
            (status, code.as_str()),
            (400, "AccessDeniedException"),
            "{operation}"
        );
        assert_eq!(
            message,
            format!(
                "User: arn:aws:iam::{OWN}:user/alice is not authorized to perform: keyward:{operation} on resource: * because no identity-based policy allows the keyward:{operation} action"
            )
        );
    }
}

#[tokio::test]
async fn an_agent_opens_its_own_volumes_in_the_name_of_their_service() {
    let world = World::new().await;
    let (first, first_key) = agent(&world).await;
    let (second, second_key) = agent(&world).await;
    let (one, two) = (
        volume_key(&world, FIRST).await,
        volume_key(&world, SECOND).await,
    );
    volume(&world, FIRST, &first, Some(one.clone())).await;
    volume(&world, SECOND, &second, Some(two)).await;
    let opened = asked(
        &world,
        &first_key,
        "OpenVolume",
        json!({ "VolumeId": FIRST }),
    )
    .await;
    assert_eq!(opened["Generation"], 1);
    assert_eq!(opened["Plaintext"].as_str().unwrap().len(), 44);
    let decrypted = events(&world, "Decrypt").await;
    let event = decrypted.last().unwrap();
    assert_eq!(
        event["userIdentity"],
        json!({ "type": "AWSService", "invokedBy": "elasticfilesystem.amazonaws.com" })
    );
    assert_eq!(
        event["requestParameters"]["encryptionContext"],
        json!({ CONTEXT: FIRST })
    );
    assert_eq!(
        event["keyward"]["decisions"][0]["by"]["grant"],
        one.grant.as_str()
    );
    assert_eq!(event["recipientAccountId"], OWN);
    assert!(
        !world
            .trail()
            .contains(opened["Plaintext"].as_str().unwrap())
    );
    // What is another agent's is not there.
    for (volume, key) in [
        (SECOND, &first_key),
        (FIRST, &second_key),
        ("fs-1", &first_key),
        ("A", &first_key),
    ] {
        let message = format!("No volume {volume} is assigned to this agent.");
        let expected = (400, "NotFoundException".to_owned(), message);
        let answer = ask(&world, key, "OpenVolume", json!({ "VolumeId": volume })).await;
        assert_eq!(told(&answer), expected);
        let report = json!({ "VolumeId": volume, "Generation": 1, "State": "READY" });
        let answer = ask(&world, key, "ReportVolumes", json!({ "Volumes": [report] })).await;
        assert_eq!(told(&answer), expected);
    }
    // The grant decides.
    let root = world.root.clone();
    let body = json!({ "KeyId": one.key, "GrantId": one.grant }).to_string();
    let revoked = world
        .json(&root, "kms", "TrentService.RevokeGrant", &body)
        .await;
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    let answer = ask(
        &world,
        &first_key,
        "OpenVolume",
        json!({ "VolumeId": FIRST }),
    )
    .await;
    assert_eq!(told(&answer).1, "AccessDeniedException");
    // A removed agent is nobody from then on.
    let body = json!({ "AgentId": second.as_str() });
    asked(&world, &root, "RemoveAgent", body.clone()).await;
    let answer = ask(
        &world,
        &second_key,
        "OpenVolume",
        json!({ "VolumeId": SECOND }),
    )
    .await;
    assert_eq!(told(&answer).1, "UnrecognizedClientException");
    let answer = ask(&world, &root, "RemoveAgent", body).await;
    let message = format!(
        "There is no agent {second} in your account and Region. `keyward agent list` shows the IDs."
    );
    assert_eq!(
        told(&answer),
        (400, "NotFoundException".to_owned(), message)
    );
    let listed = asked(&world, &root, "ListAgents", json!({})).await;
    assert_eq!(listed["Agents"].as_array().unwrap().len(), 1);
    assert_eq!(listed["Agents"][0]["NumberOfVolumes"], 1);
}

#[tokio::test]
async fn an_agent_hears_of_what_is_wanted_when_it_changes() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    let known = asked(&world, &key, "PollVolumes", json!({})).await;
    let body = json!({ "Known": known["Known"], "WaitSeconds": 20 });
    let (heard, ()) = tokio::join!(asked(&world, &key, "PollVolumes", body), async {
        // What changes nothing of it wakes it in vain.
        world.user(OWN, "bob", None).await;
        volume(&world, FIRST, &id, None).await;
    });
    assert_ne!(heard["Known"], known["Known"]);
    let wanted = json!([{ "VolumeId": FIRST, "Service": "elasticfilesystem", "AccountId": OWN, "Generation": 1, "Wanted": "PRESENT", "Made": false, "Encrypted": false, "AuthorizationRevision": 1, "BackUp": false, "Targets": [] }]);
    assert_eq!(heard["Volumes"], wanted);
    let again = json!({ "Known": heard["Known"], "WaitSeconds": 0 });
    let again = asked(&world, &key, "PollVolumes", again).await;
    assert_eq!(again["Known"], heard["Known"]);
    // A volume without a key has none to open.
    let answer = ask(&world, &key, "OpenVolume", json!({ "VolumeId": FIRST })).await;
    let message = format!("{FIRST} is not encrypted, or is to be gone.");
    assert_eq!(
        told(&answer),
        (400, "ValidationException".to_owned(), message)
    );
}

#[tokio::test]
async fn a_report_is_of_what_was_wanted_last() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    volume(&world, FIRST, &id, None).await;
    let report = async |generation: u64, state: &str| {
        let report = json!({ "VolumeId": FIRST, "Generation": generation, "State": state });
        ask(
            &world,
            &key,
            "ReportVolumes",
            json!({ "Volumes": [report] }),
        )
        .await
    };
    let made = async || {
        let polled = asked(&world, &key, "PollVolumes", json!({})).await;
        let known = polled["Known"].as_str().unwrap().to_owned();
        (polled["Volumes"][0]["Made"].as_bool().unwrap(), known)
    };
    let answer = report(2, "READY").await;
    assert_eq!(
        (answer.status, answer.body),
        (200, format!(r#"{{"Stale":["{FIRST}"]}}"#))
    );
    assert_eq!(report(1, "FAILED").await.status, 200);
    let (is_made, known) = made().await;
    assert!(!is_made);
    let answer = report(1, "READY").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"Stale":[]}"#)
    );
    // The agent hears of it, and whatever it reports afterwards changes nothing of that.
    let (is_made, after) = made().await;
    assert!(is_made && known != after);
    assert_eq!(report(1, "FAILED").await.status, 200);
    assert_eq!(made().await, (true, after));
    assert_eq!(report(1, "READY").await.status, 200);
    let answer = report(1, "GONE").await;
    let message = format!("{FIRST} cannot be GONE: it is wanted PRESENT.");
    assert_eq!(
        told(&answer),
        (400, "ValidationException".to_owned(), message)
    );
    let twice = json!({ "VolumeId": FIRST, "Generation": 1, "State": "READY" });
    let twice = json!({ "Volumes": [twice, twice] });
    let answer = ask(&world, &key, "ReportVolumes", twice).await;
    let message = format!("{FIRST} must not occur twice in a report.");
    assert_eq!(
        told(&answer),
        (400, "ValidationException".to_owned(), message)
    );
}

#[tokio::test]
async fn an_agents_key_is_good_in_its_own_region_alone() {
    let world = World::in_regions(&["us-east-1", "eu-west-1"]).await;
    let (_, key) = agent(&world).await;
    let nobody = Key {
        id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret: "s".to_owned(),
        token: None,
    };
    let poll = async |region: &str, key: &Key| {
        let target = "Keyward_20261101.PollVolumes";
        world.json_in(region, key, "keyward", target, "{}").await
    };
    assert_eq!(poll("us-east-1", &key).await.status, 200);
    let refused = told(&poll("eu-west-1", &key).await);
    assert_eq!(refused.1, "UnrecognizedClientException");
    assert_eq!(refused, told(&poll("eu-west-1", &nobody).await));
    let all = events(&world, "PollVolumes").await;
    assert!(all.iter().all(|event| event["awsRegion"] == "us-east-1"));
}
