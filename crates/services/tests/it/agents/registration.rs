//! Tokens, and agents that register with them.

use keyward_engine::directory::records::storage::AgentRecord;
use keyward_types::storage::AgentTokenId;

use super::*;

#[tokio::test]
async fn a_token_lets_one_agent_in_and_soon() {
    let world = World::new().await;
    let good = token(&world, 3600).await;
    let (_, key) = registered(&world, &good).await;
    asked(&world, &key, "PollVolumes", json!({})).await;
    let text = "The token is not valid: it was used, has expired, was never created, or is not complete. Create another one with `keyward agent token`.";
    let bad = (403, "InvalidTokenException".to_owned(), text.to_owned());
    assert_eq!(told(&register(&world, &good).await), bad);
    let late = token(&world, 60).await;
    let wrong = format!("{}AAAA", late.get(..late.len() - 4).unwrap());
    assert_eq!(told(&register(&world, &wrong).await), bad);
    assert_eq!(told(&register(&world, "keyward-agent.x").await), bad);
    assert_eq!(
        told(&register(&world, &late.replace(OWN, OTHER)).await),
        bad
    );
    world.advance(60).await;
    assert_eq!(told(&register(&world, &late).await), bad);
    // The trail has the one that came, without any secret; those who failed are not on it.
    let registered = events(&world, "RegisterAgent").await;
    assert_eq!(registered.len(), 1);
    let event = &registered[0];
    assert_eq!(event["userIdentity"]["type"], "KeywardAgent");
    assert_eq!(event["recipientAccountId"], OWN);
    assert_eq!(event["requestParameters"], Value::Null);
    assert_eq!(event["responseElements"]["agentName"], "storage-1");
    let trail = world.trail() + &world.outbox().await;
    let secret = good.rsplit('.').next().unwrap();
    assert!(!trail.contains(secret) && !trail.contains("SecretAccessKey"));
    let created = &events(&world, "CreateAgentToken").await[0];
    assert_eq!(created["requestParameters"]["agentName"], "storage-1");
    assert!(created["responseElements"]["tokenId"].is_string());
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_token() {
    let world = World::new().await;
    let token = token(&world, 3600).await;
    let (first, lost) = registered(&world, &token).await;
    let (again, key) = registered(&world, &token).await;
    assert_eq!(first, again);
    let listed = asked(&world, &world.root, "ListAgents", json!({})).await;
    assert_eq!(listed["Agents"].as_array().unwrap().len(), 1);
    assert_eq!(listed["Agents"][0]["FirstCallTime"], Value::Null);
    assert_eq!(listed["Tokens"].as_array().unwrap().len(), 1);
    let unknown = "UnrecognizedClientException";
    let answer = ask(&world, &lost, "PollVolumes", json!({})).await;
    assert_eq!(told(&answer).1, unknown);
    let now = world.front.shared().clock().now();
    asked(&world, &key, "PollVolumes", json!({})).await;
    let listed = asked(&world, &world.root, "ListAgents", json!({})).await;
    let called = listed["Agents"][0]["FirstCallTime"].as_f64().unwrap();
    assert_eq!(called * 1000.0, now.millis() as f64);
    assert_eq!(listed["Tokens"], json!([]));
    // It has called, so that the token is used up, and whoever else has it gets nothing by it.
    let answer = register(&world, &token).await;
    assert_eq!(told(&answer).1, "InvalidTokenException");
    asked(&world, &key, "PollVolumes", json!({})).await;
    let body = json!({ "AgentId": again.as_str() });
    asked(&world, &world.root, "RemoveAgent", body).await;
    let answer = ask(&world, &key, "PollVolumes", json!({})).await;
    assert_eq!(told(&answer).1, unknown);
}

#[tokio::test]
async fn a_token_does_not_bring_back_an_agent_that_was_removed() {
    let world = World::new().await;
    let token = token(&world, 3600).await;
    let (id, key) = registered(&world, &token).await;
    let body = json!({ "AgentId": id.as_str() });
    asked(&world, &world.root, "RemoveAgent", body).await;
    let answer = ask(&world, &key, "PollVolumes", json!({})).await;
    assert_eq!(told(&answer).1, "UnrecognizedClientException");
    let answer = register(&world, &token).await;
    assert_eq!(told(&answer).1, "InvalidTokenException");
}

#[tokio::test]
async fn an_agent_that_never_called_goes_with_its_token() {
    let world = World::new().await;
    let token = token(&world, 3600).await;
    let (_, lost) = registered(&world, &token).await;
    let (_, key) = registered(&world, &token).await;
    let id = token.split('.').nth(3).unwrap();
    asked(&world, &world.root, "RemoveAgent", json!({ "AgentId": id })).await;
    for key in [lost, key] {
        let answer = ask(&world, &key, "PollVolumes", json!({})).await;
        assert_eq!(told(&answer).1, "UnrecognizedClientException");
    }
    let listed = asked(&world, &world.root, "ListAgents", json!({})).await;
    assert_eq!(
        listed,
        json!({
            "Agents": [], "Tokens": [], "VolumesWithoutAgent": [], "WaitingVolumes": [], "FailedVolumes": [],
            "FailedBackups": [],
        })
    );
    assert_eq!(
        told(&register(&world, &token).await).1,
        "InvalidTokenException"
    );
}

#[tokio::test]
async fn an_agent_that_has_called_does_not_go_with_its_token() {
    let world = World::new().await;
    let token = token(&world, 3600).await;
    let (agent, key) = registered(&world, &token).await;
    // As if the token had stayed when the agent called.
    let region = Region::parse("us-east-1").unwrap();
    let path = paths::agent(region, account(OWN), &agent);
    let kept = world
        .directory()
        .rare::<AgentRecord>(&path, purpose::AGENT)
        .await;
    let (mut record, revision) = kept.unwrap().unwrap();
    record.called = Some(world.front.shared().clock().now());
    let bytes = records::encode(&record).unwrap();
    let mut batch = world.workers.batch();
    let at = Precondition::At(revision);
    batch.put(path, purpose::AGENT, &bytes, at).unwrap();
    world.workers.commit(batch).await.unwrap();
    let id = token.split('.').nth(3).unwrap();
    let answer = ask(&world, &world.root, "RemoveAgent", json!({ "AgentId": id })).await;
    let message = format!(
        "Agent {agent} has registered with the token {id} and has called. Remove the agent."
    );
    assert_eq!(
        told(&answer),
        (400, "ConflictException".to_owned(), message)
    );
    asked(&world, &key, "PollVolumes", json!({})).await;
}

#[tokio::test]
async fn a_token_that_was_used_names_its_agent_when_it_is_removed() {
    let world = World::new().await;
    let token = token(&world, 3600).await;
    let (agent, key) = registered(&world, &token).await;
    asked(&world, &key, "PollVolumes", json!({})).await;
    let id = token.split('.').nth(3).unwrap();
    let answer = ask(&world, &world.root, "RemoveAgent", json!({ "AgentId": id })).await;
    let message = format!(
        "Agent {agent} has registered with the token {id} and has called. Remove the agent."
    );
    assert_eq!(
        told(&answer),
        (400, "ConflictException".to_owned(), message)
    );
}

#[tokio::test]
async fn an_agent_that_never_called_goes_with_its_expired_token() {
    let world = World::new().await;
    let (_, called) = agent(&world).await;
    let mut keys = Vec::new();
    for _ in 0..20 {
        let token = token(&world, 60).await;
        keys.push(registered(&world, &token).await.1);
    }
    world.advance(60).await;
    let text = "The token is not valid: it was used, has expired, was never created, or is not complete. Create another one with `keyward agent token`.";
    let bad = (403, "InvalidTokenException".to_owned(), text.to_owned());
    let last = keys.last().unwrap();
    let answer = ask(&world, last, "PollVolumes", json!({})).await;
    assert_eq!(told(&answer), bad);
    token(&world, 60).await;
    for key in &keys {
        let answer = ask(&world, key, "PollVolumes", json!({})).await;
        assert_eq!(told(&answer).1, "UnrecognizedClientException");
    }
    let listed = asked(&world, &world.root, "ListAgents", json!({})).await;
    assert_eq!(listed["Agents"].as_array().unwrap().len(), 1);
    asked(&world, &called, "PollVolumes", json!({})).await;
}

#[tokio::test]
async fn a_first_call_needs_the_token() {
    let world = World::new().await;
    let token = token(&world, 3600).await;
    let (_, key) = registered(&world, &token).await;
    let region = Region::parse("us-east-1").unwrap();
    let id = AgentTokenId::parse(token.split('.').nth(3).unwrap()).unwrap();
    // As if it had been removed by somebody who did not see the agent.
    let mut batch = world.workers.batch();
    let path = paths::agent_token(region, account(OWN), &id);
    batch.delete(path, Precondition::Any).unwrap();
    world.workers.commit(batch).await.unwrap();
    let answer = ask(&world, &key, "PollVolumes", json!({})).await;
    assert_eq!(told(&answer).1, "InvalidTokenException");
    let listed = asked(&world, &world.root, "ListAgents", json!({})).await;
    assert_eq!(listed["Agents"][0]["FirstCallTime"], Value::Null);
}

#[tokio::test]
async fn a_token_registers_five_times_at_most() {
    let world = World::new().await;
    let token = token(&world, 3600).await;
    for _ in 0..5 {
        registered(&world, &token).await;
    }
    let answer = register(&world, &token).await;
    assert_eq!(told(&answer).1, "InvalidTokenException");
}

#[tokio::test]
async fn tokens_are_listed_revoked_and_forgotten_when_they_expire() {
    let world = World::new().await;
    let root = world.root.clone();
    let ids = async || {
        let listed = asked(&world, &root, "ListAgents", json!({})).await;
        let tokens = listed["Tokens"].as_array().unwrap().clone();
        let ids = tokens
            .iter()
            .map(|token| token["TokenId"].as_str().unwrap().to_owned());
        ids.collect::<Vec<String>>()
    };
    let revoked = token(&world, 3600).await;
    let id = revoked.split('.').nth(3).unwrap();
    assert_eq!(ids().await, [id]);
    let body = json!({ "AgentId": id });
    asked(&world, &root, "RemoveAgent", body.clone()).await;
    assert_eq!(
        told(&register(&world, &revoked).await).1,
        "InvalidTokenException"
    );
    let message = format!("There is no token {id} in your account and Region.");
    let answer = ask(&world, &root, "RemoveAgent", body).await;
    assert_eq!(
        told(&answer),
        (400, "NotFoundException".to_owned(), message)
    );
    // As many as there may be.
    for _ in 0..20 {
        token(&world, 60).await;
    }
    let answer = ask(
        &world,
        &root,
        "CreateAgentToken",
        json!({ "AgentName": "x" }),
    )
    .await;
    let message = "Your account has 20 tokens for agents in this Region, as many as there may be. Remove one with `keyward agent remove`.";
    assert_eq!(
        told(&answer),
        (400, "LimitExceededException".to_owned(), message.to_owned())
    );
    world.advance(60).await;
    assert_eq!(ids().await, Vec::<String>::new());
    let last = token(&world, 60).await;
    let region = Region::parse("us-east-1").unwrap();
    let kept = paths::agent_tokens(region, account(OWN));
    let kept = world.directory().reader().range(&kept, None, 100).await;
    let kept: Vec<_> = (kept.unwrap().value.iter())
        .map(|record| record.path.segments().last().unwrap().to_owned())
        .collect();
    assert_eq!(kept, [last.split('.').nth(3).unwrap()]);
}

#[tokio::test]
async fn there_is_a_most_of_agents() {
    let world = World::new().await;
    for _ in 0..100 {
        agent(&world).await;
    }
    let token = token(&world, 60).await;
    let message = "Your account has 100 agents in this Region, as many as there may be. Remove one with `keyward agent remove`.";
    assert_eq!(
        told(&register(&world, &token).await),
        (400, "LimitExceededException".to_owned(), message.to_owned())
    );
}
