//! Agents: how one becomes known, what it may do, and what a stolen one may not.

mod registration;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use keyward_engine::{
    directory::{
        paths, purpose,
        records::{
            self, V1,
            storage::{VolumeKey, VolumeRecord, Wanted},
        },
    },
    server::Quotas,
};
use keyward_store::{batch::Precondition, path::Path};
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
        paths::of_kind(place.0, place.1, "access-point-token", &name).unwrap()
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
        paths::of_kind(region, account(OWN), kind, id).unwrap()
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
        reported: None,
        source: arn(id.as_str()),
        belongings: paths.into(),
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
    let message = format!("There is no agent {second} in your account and Region.");
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
    let wanted = json!([{ "VolumeId": FIRST, "Service": "elasticfilesystem", "AccountId": OWN, "Generation": 1, "Wanted": "PRESENT", "Encrypted": false }]);
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
    let answer = report(2, "READY").await;
    assert_eq!(
        (answer.status, answer.body),
        (200, format!(r#"{{"Stale":["{FIRST}"]}}"#))
    );
    let answer = report(1, "READY").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"Stale":[]}"#)
    );
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

/// Ids of volumes, all different.
fn ids(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("fs-{number:017x}"))
        .collect()
}

/// How many of these volumes are there, and how many records that end with them.
async fn left(world: &World, ids: &[String]) -> (usize, usize) {
    let region = Region::parse("us-east-1").unwrap();
    let reader = world.directory().reader();
    let (mut volumes, mut others) = (0, 0);
    for id in ids {
        let path = paths::volume(region, account(OWN), &VolumeId::parse(id).unwrap());
        volumes += usize::from(reader.get(&path).await.unwrap().value.is_some());
        for path in belongings(id) {
            others += usize::from(reader.get(&path).await.unwrap().value.is_some());
        }
    }
    (volumes, others)
}

#[tokio::test]
async fn an_agent_with_many_volumes_to_be_gone_is_cut_off_at_once() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    let (other, _) = agent(&world).await;
    let gone = ids(40);
    for volume in &gone {
        wanted_volume(&world, volume, &id, (None, Wanted::Absent)).await;
    }
    let stay = [
        "fs-a0000000000000001".to_owned(),
        "fs-a0000000000000002".to_owned(),
    ];
    wanted_volume(&world, &stay[0], &id, (None, Wanted::Present)).await;
    wanted_volume(&world, &stay[1], &other, (None, Wanted::Absent)).await;
    asked(
        &world,
        &world.root,
        "RemoveAgent",
        json!({ "AgentId": id.as_str() }),
    )
    .await;
    let answer = ask(&world, &key, "PollVolumes", json!({})).await;
    assert_eq!(told(&answer).1, "UnrecognizedClientException");
    // What ends with it, ends afterwards; what was not to be gone, or is another agent's, does not.
    keyward_api_own::left_volumes::end(&world.workers).await;
    assert_eq!(left(&world, &gone).await, (0, 0));
    assert_eq!(left(&world, &stay).await, (2, 4));
}

#[tokio::test]
async fn a_volume_that_cannot_end_holds_up_no_other() {
    let world = World::new().await;
    let region = Region::parse("us-east-1").unwrap();
    let mut batch = world.workers.batch();
    let mut put = |owner: &str, id: &str, belongings: Vec<String>| {
        let record = VolumeRecord {
            version: V1,
            id: VolumeId::parse(id).unwrap(),
            service: "elasticfilesystem".to_owned(),
            agent: AgentId::from_random([1; 9]),
            created: world.front.shared().clock().now(),
            generation: 1,
            wanted: Wanted::Absent,
            key: None,
            reported: None,
            source: arn(id),
            belongings,
        };
        let path = paths::volume(region, account(owner), &record.id);
        let bytes = records::encode(&record).unwrap();
        batch
            .put(path.clone(), purpose::VOLUME, &bytes, Precondition::Any)
            .unwrap();
        path
    };
    let (mut stuck, mut free) = (Vec::new(), Vec::new());
    // Whichever account comes first, one that cannot end stands before others, in it and in the other.
    for owner in [OWN, OTHER] {
        stuck.push(put(owner, FIRST, vec!["no//path".to_owned()]));
        free.push(put(owner, SECOND, Vec::new()));
    }
    world.workers.commit(batch).await.unwrap();
    keyward_api_own::left_volumes::end(&world.workers).await;
    for (paths, are_there) in [(stuck, true), (free, false)] {
        for path in paths {
            let found = world.directory().reader().get(&path).await.unwrap();
            assert_eq!(found.value.is_some(), are_there, "{path:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_cannot_report_its_removal_away() {
    let world = Arc::new(World::new().await);
    let (id, key) = agent(&world).await;
    let ids = ids(20);
    for volume in &ids {
        wanted_volume(&world, volume, &id, (None, Wanted::Absent)).await;
    }
    let reports: Vec<_> = (ids.iter())
        .map(|id| json!({ "VolumeId": id, "Generation": 1, "State": "FAILED" }))
        .collect();
    let looping = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            loop {
                let body = json!({ "Volumes": reports });
                let answer = ask(&world, &key, "ReportVolumes", body).await;
                if answer.status != 200 {
                    return told(&answer).1;
                }
            }
        }
    });
    while events(&world, "ReportVolumes").await.len() < 3 {
        tokio::task::yield_now().await;
    }
    asked(
        &world,
        &world.root,
        "RemoveAgent",
        json!({ "AgentId": id.as_str() }),
    )
    .await;
    assert_eq!(looping.await.unwrap(), "UnrecognizedClientException");
    keyward_api_own::left_volumes::end(&world.workers).await;
    assert_eq!(left(&world, &ids).await, (0, 0));
}

#[tokio::test]
async fn the_longest_report_of_every_state_is_taken() {
    const MOST: usize = 20;
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    let ids = ids(MOST);
    let report = async |state: &str, ids: &[String]| {
        let one = |id: &String| json!({ "VolumeId": id, "Generation": 1, "State": state, "Bytes": i64::MAX, "Message": "\u{1}".repeat(1024) });
        let reports: Vec<Value> = ids.iter().map(one).collect();
        ask(&world, &key, "ReportVolumes", json!({ "Volumes": reports })).await
    };
    for (state, wanted) in [
        ("READY", Wanted::Present),
        ("FAILED", Wanted::Present),
        ("FAILED", Wanted::Absent),
        ("GONE", Wanted::Absent),
    ] {
        for volume in &ids {
            let key = VolumeKey {
                key: "k".repeat(100),
                ciphertext: "c".repeat(1000),
                context: BTreeMap::from([(CONTEXT.to_owned(), volume.clone())]),
                grant: "g".repeat(64),
            };
            let what = ((Some(key), wanted), 240);
            volume_with_more(&world, volume, &id, what).await;
        }
        let answer = report(state, &ids).await;
        let taken = (200, r#"{"Stale":[]}"#);
        assert_eq!((answer.status, answer.body.as_str()), taken, "{state}");
    }
    for volume in &ids {
        wanted_volume(&world, volume, &id, (None, Wanted::Absent)).await;
    }
    assert_eq!(report("GONE", &ids).await.status, 200);
    assert_eq!(left(&world, &ids).await, (0, 0));
    let more = [&ids[..], &["fs-b".to_owned()]].concat();
    let (status, code, message) = told(&report("GONE", &more).await);
    assert_eq!((status, code.as_str()), (400, "ValidationException"));
    let text = "Member must have length less than or equal to 20";
    assert!(message.contains(text), "{message}");
}

#[tokio::test]
async fn what_ends_with_a_volume_ends_however_much_it_is() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    let (other, _) = agent(&world).await;
    // As many as fit the batch of a report are gone with it.
    let what = ((None, Wanted::Absent), 96);
    let more = volume_with_more(&world, FIRST, &id, what).await;
    let report = json!({ "Volumes": [{ "VolumeId": FIRST, "Generation": 1, "State": "GONE" }] });
    asked(&world, &key, "ReportVolumes", report).await;
    assert_eq!(left(&world, &[FIRST.to_owned()]).await, (0, 0));
    let last = world.directory().reader().get(&more[95]).await.unwrap();
    assert!(last.value.is_none());
    let what = ((None, Wanted::Absent), 240);
    let mut more = volume_with_more(&world, FIRST, &id, what.clone()).await;
    more.extend(volume_with_more(&world, SECOND, &other, what).await);
    let report = json!({ "Volumes": [{ "VolumeId": FIRST, "Generation": 1, "State": "GONE" }] });
    asked(&world, &key, "ReportVolumes", report.clone()).await;
    // For its agent it is gone.
    let polled = asked(&world, &key, "PollVolumes", json!({})).await;
    assert_eq!(polled["Volumes"], json!([]));
    let answer = ask(&world, &key, "ReportVolumes", report).await;
    assert_eq!(told(&answer).1, "NotFoundException");
    let body = json!({ "AgentId": other.as_str() });
    asked(&world, &world.root, "RemoveAgent", body).await;
    keyward_api_own::left_volumes::end(&world.workers).await;
    let ids = [FIRST.to_owned(), SECOND.to_owned()];
    assert_eq!(left(&world, &ids).await, (0, 0));
    for path in more {
        let found = world.directory().reader().get(&path).await.unwrap();
        assert!(found.value.is_none(), "{path:?}");
    }
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

/// Until so many agents wait.
async fn waiting(world: &World, agents: usize) {
    let gauge = format!("\nkeyward_waiting_agents {agents}\n");
    while !world.front.render_metrics().contains(&gauge) {
        tokio::task::yield_now().await;
    }
}

/// What a poll of an agent that knows everything is, so that it waits.
async fn knowing(world: &World, key: &Key) -> Value {
    let known = asked(world, key, "PollVolumes", json!({})).await;
    json!({ "Known": known["Known"], "WaitSeconds": 20 })
}

#[tokio::test]
async fn agents_that_wait_take_no_turn_and_end_with_the_server() {
    // With two turns in all, two agents that kept theirs would keep everybody out.
    let world = World::with(Quotas {
        requests_at_once: 2,
        ..Quotas::default()
    })
    .await;
    let (_, first) = agent(&world).await;
    let (_, second) = agent(&world).await;
    let (one, two) = (
        knowing(&world, &first).await,
        knowing(&world, &second).await,
    );
    let ended = tokio::time::timeout(Duration::from_secs(15), async {
        tokio::join!(
            async {
                tokio::join!(
                    asked(&world, &first, "PollVolumes", one.clone()),
                    asked(&world, &second, "PollVolumes", two),
                )
            },
            async {
                waiting(&world, 2).await;
                for _ in 0..10 {
                    let keys = world.json(&world.root, "kms", "TrentService.ListKeys", "{}");
                    let keys = keys.await;
                    assert_eq!(keys.status, 200, "{}", keys.body);
                }
                waiting(&world, 2).await;
                world.front.shared().end_waiting();
            }
        )
    });
    let (answers, ()) = ended.await.expect("they waited to the end");
    assert_eq!(answers.0["Known"], one["Known"]);
    waiting(&world, 0).await;
    assert_eq!(events(&world, "PollVolumes").await.len(), 6);
    // Whoever comes while the server stops does not wait.
    let again = asked(&world, &first, "PollVolumes", one.clone());
    let again = tokio::time::timeout(Duration::from_secs(15), again).await;
    assert_eq!(again.expect("it waited")["Known"], one["Known"]);
}

#[tokio::test]
async fn of_an_agents_polls_the_newest_waits() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    let poll = knowing(&world, &key).await;
    let second = async {
        waiting(&world, 1).await;
        asked(&world, &key, "PollVolumes", poll.clone()).await
    };
    let ask_first = async {
        let first = asked(&world, &key, "PollVolumes", poll.clone()).await;
        assert_eq!(first["Known"], poll["Known"], "it was overtaken");
        waiting(&world, 1).await;
        volume(&world, FIRST, &id, None).await;
    };
    let (second, ()) = tokio::join!(second, ask_first);
    assert_eq!(second["Volumes"][0]["VolumeId"], FIRST);
    waiting(&world, 0).await;
}

#[tokio::test]
async fn an_agent_that_is_removed_while_it_waits_hears_nothing_more() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    let poll = knowing(&world, &key).await;
    let (answer, ()) = tokio::join!(ask(&world, &key, "PollVolumes", poll), async {
        waiting(&world, 1).await;
        let body = json!({ "AgentId": id.as_str() });
        asked(&world, &world.root, "RemoveAgent", body).await;
    });
    assert_eq!(told(&answer).1, "UnrecognizedClientException");
}
