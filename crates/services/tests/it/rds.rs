//! Amazon RDS below the wire: what is made for a DB instance, what is not, and what its status is.

mod creation;
mod keys;
mod life;
mod policies;
mod snapshots;

use keyward_testkit::{
    answer::{Answer, Key},
    world::{OWN, World},
};
use serde_json::{Value, json};

const PRINCIPAL: &str = "rds.us-east-1.amazonaws.com";
const PASSWORD: &str = "correct-horse-battery";

/// The text of the first element of that name.
fn element<'a>(answer: &'a str, name: &str) -> &'a str {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let rest = answer.split_once(open.as_str()).map(|(_, rest)| rest);
    let text = rest.and_then(|rest| rest.split_once(close.as_str()));
    text.map_or("", |(text, _)| text)
}

/// Status, code and message of a refusal.
fn told(answer: &Answer) -> (u16, String, String) {
    let message = element(&answer.body, "Message");
    let message = message.replace("&apos;", "'").replace("&quot;", "\"");
    let code = element(&answer.body, "Code").to_owned();
    (answer.status, code, message)
}

fn refusal(status: u16, code: &str, message: &str) -> (u16, String, String) {
    (status, code.to_owned(), message.to_owned())
}

async fn kms(world: &World, key: &Key, operation: &str, body: Value) -> Value {
    let target = format!("TrentService.{operation}");
    let answer = world.json(key, "kms", &target, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_default()
}

async fn own_answer(world: &World, key: &Key, operation: &str, body: Value) -> Answer {
    let target = format!("Keyward_20261101.{operation}");
    world.json(key, "keyward", &target, &body.to_string()).await
}

async fn own(world: &World, key: &Key, operation: &str, body: Value) -> Value {
    let answer = own_answer(world, key, operation, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// What an agent says of itself that has PostgreSQL.
fn installed() -> Value {
    json!({ "Databases": [
        { "Engine": "postgres", "EngineVersion": "15.14" },
        { "Engine": "postgres", "EngineVersion": "13.22" },
    ], "Copies": true })
}

/// What an agent signs with that has registered and called, and says that of itself.
async fn agent_with(world: &World, says: Value) -> Key {
    let root = world.root.clone();
    let asked = json!({ "AgentName": "a" });
    let token = own(world, &root, "CreateAgentToken", asked).await;
    let body = json!({ "Token": token["Token"] }).to_string();
    let target = "Keyward_20261101.RegisterAgent";
    let answer = world.unsigned_json(target, &body).await;
    let made: Value = serde_json::from_str(&answer.body).unwrap();
    let key = Key {
        id: made["AccessKeyId"].as_str().unwrap().to_owned(),
        secret: made["SecretAccessKey"].as_str().unwrap().to_owned(),
        token: None,
    };
    own(world, &key, "PollVolumes", says).await;
    key
}

async fn agent(world: &World) -> Key {
    agent_with(world, installed()).await
}

/// The volumes that an agent is told of.
async fn volumes(world: &World, agent: &Key) -> Vec<Value> {
    let told = own(world, agent, "PollVolumes", installed()).await;
    told["Volumes"].as_array().unwrap().clone()
}

async fn volume(world: &World, agent: &Key) -> Value {
    let mut volumes = volumes(world, agent).await;
    assert_eq!(volumes.len(), 1);
    volumes.remove(0)
}

/// Has an agent say how its one volume and the database on it are, as it is told to have them.
async fn report(world: &World, agent: &Key, on_volume: &str, of_database: &str) {
    let volume = volume(world, agent).await;
    let database = &volume["Database"];
    let mut report = json!({
        "VolumeId": volume["VolumeId"],
        "Generation": volume["Generation"],
        "State": on_volume,
    });
    if !of_database.is_empty() {
        report["Database"] = json!({
            "State": of_database,
            "EngineVersion": database["EngineVersion"],
            "RestartEpoch": database["RestartEpoch"],
            "PasswordEpoch": database["PasswordEpoch"],
        });
    }
    let reports = json!({ "Volumes": [report] });
    let stale = own(world, agent, "ReportVolumes", reports).await;
    assert_eq!(stale["Stale"], json!([]));
}

const NEEDED: &[(&str, &str)] = &[
    ("DBInstanceIdentifier", "orders"),
    ("DBInstanceClass", "db.t3.micro"),
    ("Engine", "postgres"),
    ("AllocatedStorage", "20"),
    ("MasterUsername", "master"),
    ("MasterUserPassword", PASSWORD),
];

/// Asks for an instance, with these members in place of those that are needed or beside them.
async fn create(world: &World, key: &Key, more: &[(&str, &str)]) -> Answer {
    let needed = NEEDED.iter().copied();
    let needed = needed.filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    let members: Vec<(&str, &str)> = needed
        .chain(more.iter().copied())
        .filter(|(_, value)| *value != "-")
        .collect();
    world.rds(key, "CreateDBInstance", &members).await
}

/// An instance that is available.
async fn available(world: &World, agent: &Key, more: &[(&str, &str)]) {
    let root = world.root.clone();
    let answer = create(world, &root, more).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    report(world, agent, "READY", "RUNNING").await;
    assert_eq!(status(world).await, "available");
}

async fn describe(world: &World) -> Answer {
    let root = world.root.clone();
    let named = [("DBInstanceIdentifier", "orders")];
    world.rds(&root, "DescribeDBInstances", &named).await
}

async fn status(world: &World) -> String {
    let answer = describe(world).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    element(&answer.body, "DBInstanceStatus").to_owned()
}

/// Asks something about the instance.
async fn ask(world: &World, action: &str, more: &[(&str, &str)]) -> Answer {
    let root = world.root.clone();
    let named = [("DBInstanceIdentifier", "orders")];
    let members: Vec<(&str, &str)> = named.iter().chain(more).copied().collect();
    world.rds(&root, action, &members).await
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

async fn key(world: &World) -> String {
    let root = world.root.clone();
    let made = kms(world, &root, "CreateKey", json!({})).await;
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

async fn grants(world: &World, key: &str) -> Vec<Value> {
    let root = world.root.clone();
    let listed = kms(world, &root, "ListGrants", json!({ "KeyId": key })).await;
    listed["Grants"].as_array().unwrap().clone()
}
