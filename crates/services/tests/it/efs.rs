//! Amazon EFS below the wire: what is made for a file system, what is not, and when it is there.

mod creation;
mod grants;
mod hangs_up;
mod life;
mod strangers;

use keyward_testkit::{
    answer::{Answer, Key},
    world::{OTHER, OWN, World},
};
use serde_json::{Value, json};

const SERVICE: &str = "elasticfilesystem";
const PRINCIPAL: &str = "elasticfilesystem.us-east-1.amazonaws.com";
const CONTEXT: &str = "aws:elasticfilesystem:filesystem:id";

async fn ask(world: &World, key: &Key, line: (&str, &str), body: Value) -> Answer {
    let (method, target) = line;
    let target = format!("/2015-02-01{target}");
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    world
        .rest(Some(key), SERVICE, (method, &target), &body)
        .await
}

async fn create(world: &World, key: &Key, body: Value) -> Answer {
    ask(world, key, ("POST", "/file-systems"), body).await
}

async fn kms(world: &World, key: &Key, operation: &str, body: Value) -> Value {
    let target = format!("TrentService.{operation}");
    let answer = world.json(key, "kms", &target, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_default()
}

async fn own(world: &World, key: &Key, operation: &str, body: Value) -> Value {
    let target = format!("Keyward_20261101.{operation}");
    let answer = world.json(key, "keyward", &target, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// What an agent signs with, after it has registered and called.
async fn agent(world: &World) -> Key {
    let key = registered(world).await;
    own(world, &key, "PollVolumes", json!({})).await;
    key
}

/// What an agent signs with, after it has registered.
async fn registered(world: &World) -> Key {
    let root = world.root.clone();
    let token = own(
        world,
        &root,
        "CreateAgentToken",
        json!({ "AgentName": "a" }),
    )
    .await;
    let body = json!({ "Token": token["Token"] }).to_string();
    let target = "Keyward_20261101.RegisterAgent";
    let answer = world.unsigned_json(target, &body).await;
    let made: Value = serde_json::from_str(&answer.body).unwrap();
    Key {
        id: made["AccessKeyId"].as_str().unwrap().to_owned(),
        secret: made["SecretAccessKey"].as_str().unwrap().to_owned(),
        token: None,
    }
}

async fn report(world: &World, agent: &Key, id: &str, generation: u64, state: &str) {
    let report = json!({ "VolumeId": id, "Generation": generation, "State": state, "Bytes": 4096 });
    let stale = own(
        world,
        agent,
        "ReportVolumes",
        json!({ "Volumes": [report] }),
    )
    .await;
    assert_eq!(stale["Stale"], json!([]));
}

fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

fn told(answer: &Answer) -> (u16, &str, Value) {
    (
        answer.status,
        answer.error_type.as_deref().unwrap_or("none"),
        body(answer),
    )
}

fn fault(code: &str, message: &str) -> Value {
    json!({ "ErrorCode": code, "Message": message })
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

/// A key with the article's policy: the user may use it, and create grants for services alone.
async fn article_key(world: &World, user: &str) -> String {
    let root = world.root.clone();
    let user = format!("arn:aws:iam::{OWN}:user/{user}");
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{OWN}:root") }, "Action": ["kms:Put*", "kms:Disable*", "kms:Enable*", "kms:Schedule*", "kms:Cancel*", "kms:ListGrants"], "Resource": "*" },
        { "Effect": "Allow", "Principal": { "AWS": user }, "Action": ["kms:DescribeKey", "kms:GenerateDataKey*", "kms:Decrypt"], "Resource": "*" },
        { "Sid": "Allow access to create and manage key grants", "Effect": "Allow", "Principal": { "AWS": user }, "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"], "Resource": "*", "Condition": { "Bool": { "kms:GrantIsForAWSResource": "true" } } },
    ] });
    let made = kms(
        world,
        &root,
        "CreateKey",
        json!({ "Policy": policy.to_string() }),
    )
    .await;
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

const ALLOWED: &str = r#"{"Effect":"Allow","Action":"elasticfilesystem:*","Resource":"*"}"#;

async fn grants(world: &World, key: &str) -> Value {
    let root = world.root.clone();
    kms(world, &root, "ListGrants", json!({ "KeyId": key })).await["Grants"].clone()
}
