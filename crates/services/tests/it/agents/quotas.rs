//! Quotas are exact, however many requests run at the same time.

use keyward_engine::directory::records::storage::AgentRecord;
use keyward_types::unique_id::AccessKeyId;
use tokio::task::JoinSet;

use super::*;

/// Requests at the same time.
const AT_ONCE: usize = 50;

/// What they came to, each with how often: statuses with codes.
async fn at_once<F>(
    world: &Arc<World>,
    request: impl Fn(Arc<World>, usize) -> F,
) -> Vec<(u16, String, usize)>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let mut requests = JoinSet::new();
    for number in 0..AT_ONCE {
        requests.spawn(request(Arc::clone(world), number));
    }
    let mut came: BTreeMap<(u16, String), usize> = BTreeMap::new();
    for answer in requests.join_all().await {
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let code = body["__type"].as_str().or(body["ErrorCode"].as_str());
        let code = code.unwrap_or_default().to_owned();
        *came.entry((answer.status, code)).or_default() += 1;
    }
    came.into_iter()
        .map(|((status, code), count)| (status, code, count))
        .collect()
}

async fn count(world: &World, name: &str) -> usize {
    let listed = asked(world, &world.root, "ListAgents", json!({})).await;
    listed[name].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_at_once_make_as_many_tokens_as_there_may_be() {
    let world = Arc::new(World::new().await);
    let came = at_once(&world, |world, _| async move {
        let root = world.root.clone();
        ask(
            &world,
            &root,
            "CreateAgentToken",
            json!({ "AgentName": "a" }),
        )
        .await
    });
    let expected = [
        (200, String::new(), 20),
        (400, "LimitExceededException".to_owned(), 30),
    ];
    assert_eq!(came.await, expected);
    assert_eq!(count(&world, "Tokens").await, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_that_register_at_once_are_as_many_as_there_may_be() {
    const FEWER: usize = 4;
    let world = Arc::new(World::new().await);
    let mut tokens = Vec::new();
    for _ in 0..20 {
        tokens.push(token(&world, 3600).await);
    }
    let region = Region::parse("us-east-1").unwrap();
    for number in 0..100 - FEWER {
        let number = u8::try_from(number).unwrap();
        let record = AgentRecord {
            version: V1,
            id: AgentId::from_random([number; 9]),
            name: "a".to_owned(),
            created: world.front.shared().clock().now(),
            access_keys: vec![AccessKeyId::long_term(account(OWN), [number; 7])],
            token: None,
            called: None,
            backs_up: false,
            databases: Vec::new(),
            database_authority: None,
            copies: false,
        };
        let mut batch = world.workers.batch();
        let path = paths::agent(region, account(OWN), &record.id);
        let bytes = records::encode(&record).unwrap();
        batch
            .put(path, purpose::AGENT, &bytes, Precondition::Absent)
            .unwrap();
        world.workers.commit(batch).await.unwrap();
    }
    let tokens = Arc::new(tokens);
    let came = at_once(&world, |world, number| {
        let tokens = Arc::clone(&tokens);
        async move { register(&world, &tokens[number % 20]).await }
    });
    let came = came.await;
    // A token registers the same agent again.
    assert!(
        came.iter().all(|(status, code, _)| *status == 200
            || code == "LimitExceededException"
            || code == "InvalidTokenException"),
        "{came:?}"
    );
    assert_eq!(count(&world, "Agents").await, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_at_once_make_as_many_file_systems_as_there_may_be() {
    const FEWER: usize = 10;
    let world = Arc::new(World::new().await);
    let (id, _) = agent(&world).await;
    for number in 0..1000 - FEWER {
        volume(&world, &format!("fs-{number:017x}"), &id, None).await;
    }
    let key = volume_key(&world, "fs-00000009").await.key;
    let came = at_once(&world, |world, number| {
        // Half of them are encrypted.
        let body = match number % 2 {
            0 => json!({ "CreationToken": number.to_string() }),
            _ => json!({ "CreationToken": number.to_string(), "Encrypted": true, "KmsKeyId": key }),
        };
        async move {
            let root = world.root.clone();
            let line = ("POST", "/2015-02-01/file-systems");
            let body = body.to_string();
            world
                .rest(Some(&root), "elasticfilesystem", line, &body)
                .await
        }
    });
    let expected = [
        (201, String::new(), FEWER),
        (403, "FileSystemLimitExceeded".to_owned(), AT_ONCE - FEWER),
    ];
    assert_eq!(came.await, expected);
}
