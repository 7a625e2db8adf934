//! Polls: agents that wait to hear of their volumes.

use keyward_engine::directory::records::storage::{AgentRecord, BackupReport};
use keyward_types::time::Timestamp;

use super::*;

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
async fn of_an_agents_polls_the_newest_waits_and_the_others_are_told() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    let poll = knowing(&world, &key).await;
    // What is overtaken waits on for a while, and hears of news.
    let (first, second, ()) = tokio::join!(
        asked(&world, &key, "PollVolumes", poll.clone()),
        async {
            waiting(&world, 1).await;
            asked(&world, &key, "PollVolumes", poll.clone()).await
        },
        async {
            waiting(&world, 1).await;
            // For the second one. What it finds is the same if it comes later.
            tokio::time::sleep(Duration::from_millis(200)).await;
            volume(&world, FIRST, &id, None).await;
        }
    );
    assert_eq!(first["Volumes"][0]["VolumeId"], FIRST);
    assert_eq!(second, first);
    let poll = knowing(&world, &key).await;
    let (first, second) = tokio::join!(
        async {
            let first = ask(&world, &key, "PollVolumes", poll.clone()).await;
            // The second one still waits.
            waiting(&world, 1).await;
            volume(&world, SECOND, &id, None).await;
            first
        },
        async {
            waiting(&world, 1).await;
            asked(&world, &key, "PollVolumes", poll.clone()).await
        }
    );
    let message = format!(
        "A newer request of agent {id} waits. If the agent was not just started again, another process uses its identity: its state directory or its machine was copied. Remove one of them, and register the other one again with `keyward agent token` and another --state-dir."
    );
    assert_eq!(
        told(&first),
        (400, "OvertakenException".to_owned(), message)
    );
    assert_eq!(second["Volumes"][1]["VolumeId"], SECOND);
    waiting(&world, 0).await;
}

#[tokio::test]
async fn two_that_say_different_things_of_one_agent_do_not_wake_each_other() {
    let world = World::new().await;
    let (_, key) = agent(&world).await;
    let plain = knowing(&world, &key).await;
    let mut backs_up = plain.clone();
    backs_up["BacksUp"] = json!(true);
    let (waited, last) = tokio::join!(
        async {
            let waited = ask(&world, &key, "PollVolumes", plain).await;
            waiting(&world, 1).await;
            world.front.shared().end_waiting();
            waited
        },
        async {
            waiting(&world, 1).await;
            // It is answered at once, because it says something new, and waits the next time.
            asked(&world, &key, "PollVolumes", backs_up.clone()).await;
            asked(&world, &key, "PollVolumes", backs_up.clone()).await
        }
    );
    assert_eq!(last["Known"], backs_up["Known"]);
    assert_eq!(told(&waited).1, "OvertakenException");
    let listed = asked(&world, &world.root, "ListAgents", json!({})).await;
    assert_eq!(listed["Agents"][0]["BacksUp"], json!(true));
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

#[tokio::test]
async fn an_agent_hears_at_once_what_may_take_a_key_of_its_volumes_away_or_give_it_back() {
    let world = World::new().await;
    let (id, agent) = agent(&world).await;
    let own = volume_key(&world, FIRST).await;
    let key = json!(own.key);
    volume(&world, FIRST, &id, Some(own.clone())).await;
    let deny =
        json!({ "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*" });
    let allow = json!({
        "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{OWN}:root") },
        "Action": "kms:*", "Resource": "*",
    });
    let policy = json!({ "Version": "2012-10-17", "Statement": [allow, deny] }).to_string();
    for (operation, body) in [
        ("DisableKey", json!({ "KeyId": key })),
        ("EnableKey", json!({ "KeyId": key })),
        (
            "PutKeyPolicy",
            json!({ "KeyId": key, "PolicyName": "default", "Policy": policy }),
        ),
        ("RevokeGrant", json!({ "KeyId": key, "GrantId": own.grant })),
        (
            "ScheduleKeyDeletion",
            json!({ "KeyId": key, "PendingWindowInDays": 7 }),
        ),
    ] {
        let poll = knowing(&world, &agent).await;
        let (answer, ()) =
            tokio::join!(asked(&world, &agent, "PollVolumes", poll.clone()), async {
                waiting(&world, 1).await;
                let target = format!("TrentService.{operation}");
                let body = body.to_string();
                let answer = world.json(&world.root, "kms", &target, &body).await;
                assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
            });
        assert_ne!(answer["Known"], poll["Known"], "{operation}");
        assert_eq!(answer["Volumes"][0]["Generation"], 1);
    }
}

#[tokio::test]
async fn what_happens_to_other_keys_and_grants_wakes_no_agent() {
    let world = World::new().await;
    let (id, agent) = agent(&world).await;
    let (own, other) = (
        volume_key(&world, FIRST).await,
        volume_key(&world, SECOND).await,
    );
    volume(&world, FIRST, &id, Some(own.clone())).await;
    let poll = knowing(&world, &agent).await;
    let (answer, ()) = tokio::join!(asked(&world, &agent, "PollVolumes", poll.clone()), async {
        waiting(&world, 1).await;
        let root = world.root.clone();
        let principal = format!("arn:aws:iam::{OWN}:root");
        for (operation, body) in [
            ("DisableKey", json!({ "KeyId": other.key })),
            (
                "CreateGrant",
                json!({
                    "KeyId": own.key, "GranteePrincipal": principal, "Operations": ["Decrypt"],
                }),
            ),
            (
                "GenerateDataKey",
                json!({ "KeyId": own.key, "KeySpec": "AES_256" }),
            ),
        ] {
            let target = format!("TrentService.{operation}");
            let answer = world.json(&root, "kms", &target, &body.to_string()).await;
            assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
        }
        waiting(&world, 1).await;
        world.front.shared().end_waiting();
    });
    assert_eq!(answer["Known"], poll["Known"]);
}

#[tokio::test]
async fn whoever_has_a_new_place_for_backups_does_not_wait() {
    let world = World::new().await;
    let (_, key) = agent(&world).await;
    let mut knowing = knowing(&world, &key).await;
    knowing["BacksUp"] = json!(true);
    let answer = asked(&world, &key, "PollVolumes", knowing.clone());
    let answer = tokio::time::timeout(Duration::from_secs(15), answer).await;
    assert_eq!(answer.expect("it waited")["Known"], knowing["Known"]);
    let listed = asked(&world, &world.root, "ListAgents", json!({})).await;
    assert_eq!(listed["Agents"][0]["BacksUp"], json!(true));
}

#[tokio::test]
async fn backups_that_fail_are_counted_until_one_does_not() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    volume(&world, FIRST, &id, None).await;
    let report = async |message: Option<&str>| {
        let mut backup = json!({ "Tried": 1_700_000_000 });
        if let Some(message) = message {
            backup["Message"] = json!(message);
        }
        let volume =
            json!({ "VolumeId": FIRST, "Generation": 1, "State": "READY", "Backup": backup });
        asked(
            &world,
            &key,
            "ReportVolumes",
            json!({ "Volumes": [volume] }),
        )
        .await;
        let metrics = world.front.render_metrics();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("keyward_failed_backups "));
        line.unwrap_or_default().to_owned()
    };
    assert_eq!(report(Some("no space")).await, "keyward_failed_backups 1");
    assert_eq!(report(Some("no space")).await, "keyward_failed_backups 1");
    assert_eq!(report(None).await, "keyward_failed_backups 0");
}

#[tokio::test]
async fn an_agent_is_connected_while_it_waits_and_not_after_it_has_hung_up() {
    let world = World::new().await;
    let (_, key) = agent(&world).await;
    let connected = async || {
        let listed = asked(&world, &world.root, "ListAgents", json!({})).await;
        listed["Agents"][0]["Connected"].clone()
    };
    // It was answered a moment ago.
    assert_eq!(connected().await, json!(true));
    let poll = knowing(&world, &key).await;
    let waits = ask(&world, &key, "PollVolumes", poll.clone());
    let given_up = tokio::select! {
        _ = waits => false,
        () = waiting(&world, 1) => true,
    };
    assert!(given_up);
    assert_eq!(connected().await, json!(false));
    asked(&world, &key, "PollVolumes", json!({})).await;
    assert_eq!(connected().await, json!(true));
}

#[tokio::test]
async fn what_is_wrong_is_listed_with_its_reason_and_by_volume() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    let (other, _) = agent(&world).await;
    volume(&world, FIRST, &id, None).await;
    volume(&world, SECOND, &other, None).await;
    let report = async |state: &str, message: Option<&str>, backup: Value| {
        let mut volume =
            json!({ "VolumeId": FIRST, "Generation": 1, "State": state, "Backup": backup });
        if let Some(message) = message {
            volume["Message"] = json!(message);
        }
        let report = json!({ "Volumes": [volume] });
        asked(&world, &key, "ReportVolumes", report).await;
    };
    let listed = async |body: Value| asked(&world, &world.root, "ListAgents", body).await;
    // The policy is disabled: what the schedule could not do once is nobody's trouble.
    let mut backup = json!({ "Tried": 1_700_000_000, "Message": "no space" });
    report("READY", None, backup.clone()).await;
    let nothing = listed(json!({})).await;
    assert_eq!(nothing["FailedBackups"], json!([]));
    assert_eq!(nothing["FailedVolumes"], json!([]));
    // Whoever has tried by hand wanted it.
    backup["ByHand"] = json!(true);
    report("FAILED", Some("it is cut off"), backup).await;
    let polled = json!({ "BacksUp": true, "BackupFailure": "no such directory" });
    asked(&world, &key, "PollVolumes", polled).await;
    let found = listed(json!({ "VolumeId": FIRST })).await;
    let failed = json!([{
        "VolumeId": FIRST, "AgentId": id.as_str(), "Time": 1_700_000_000.0, "Message": "no space",
    }]);
    assert_eq!(found["FailedBackups"], failed);
    assert_eq!(found["FailedVolumes"][0]["Message"], json!("it is cut off"));
    let [only] = found["Agents"].as_array().unwrap().as_slice() else {
        panic!("{found}")
    };
    assert_eq!(only["AgentId"], json!(id.as_str()));
    assert_eq!(only["NumberOfFailedBackups"], json!(1));
    assert_eq!(only["BackupFailure"], json!("no such directory"));
    let metrics = world.front.render_metrics();
    assert!(metrics.contains("\nkeyward_failed_backups 1\n"));
    // It is all well again.
    let good = json!({ "Tried": 1_700_000_009, "Time": 1_700_000_009, "ByHand": true });
    report("READY", None, good).await;
    // Whoever has made a backup since can use its place.
    let found = listed(json!({})).await;
    assert!(found["Agents"][0].get("BackupFailure").is_none());
    asked(&world, &key, "PollVolumes", json!({ "BacksUp": true })).await;
    let found = listed(json!({})).await;
    assert_eq!(
        (&found["FailedBackups"], &found["FailedVolumes"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(found["Agents"].as_array().unwrap().len(), 2);
    assert!(found["Agents"][0].get("BackupFailure").is_none());
    let unknown = json!({ "VolumeId": "fs-99999999999999999" });
    let answer = ask(&world, &world.root, "ListAgents", unknown).await;
    assert_eq!(told(&answer).1, "NotFoundException");
}

#[tokio::test]
async fn the_newest_backup_that_was_ever_told_stays_known() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    volume(&world, FIRST, &id, None).await;
    for (generation, known) in [(Some(7), 7), (None, 7), (Some(5), 7), (Some(9), 9)] {
        let mut backup = json!({ "Tried": 1_700_000_000 });
        if let Some(generation) = generation {
            backup["Time"] = json!(1_700_000_000);
            backup["Generation"] = json!(generation);
        }
        let volume =
            json!({ "VolumeId": FIRST, "Generation": 1, "State": "READY", "Backup": backup });
        let report = json!({ "Volumes": [volume] });
        asked(&world, &key, "ReportVolumes", report).await;
        let polled = asked(&world, &key, "PollVolumes", json!({})).await;
        assert_eq!(polled["Volumes"][0]["BackupGeneration"], json!(known));
    }
}

#[tokio::test]
async fn the_newest_image_that_was_ever_told_stays_known() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    volume(&world, FIRST, &id, None).await;
    let known = async || asked(&world, &key, "PollVolumes", json!({})).await;
    assert!(known().await["Volumes"][0].get("ImageGeneration").is_none());
    let mut before = known().await["Known"].clone();
    for (generation, newest) in [(Some(7), 7), (None, 7), (Some(5), 7), (Some(9), 9)] {
        let mut volume = json!({ "VolumeId": FIRST, "Generation": 1, "State": "READY" });
        if let Some(generation) = generation {
            volume["ImageGeneration"] = json!(generation);
        }
        asked(
            &world,
            &key,
            "ReportVolumes",
            json!({ "Volumes": [volume] }),
        )
        .await;
        let polled = known().await;
        assert_eq!(polled["Volumes"][0]["ImageGeneration"], json!(newest));
        // It is no news for who has said it. (That the volume was made is.)
        let now = polled["Known"].clone();
        assert!(newest == 7 || now == before);
        before = now;
    }
}

#[tokio::test]
async fn volumes_that_cannot_be_used_are_counted() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    volume(&world, FIRST, &id, None).await;
    let counted = || {
        let metrics = world.front.render_metrics();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("keyward_failed_volumes "));
        line.unwrap().to_owned()
    };
    assert_eq!(counted(), "keyward_failed_volumes 0");
    for (state, expected) in [
        ("READY", 0),
        ("FAILED", 1),
        ("FAILED", 1),
        ("READY", 0),
        ("FAILED", 1),
    ] {
        let volume = json!({ "VolumeId": FIRST, "Generation": 1, "State": state });
        asked(
            &world,
            &key,
            "ReportVolumes",
            json!({ "Volumes": [volume] }),
        )
        .await;
        assert_eq!(counted(), format!("keyward_failed_volumes {expected}"));
    }
}

/// A stolen agent may say anything, and what was said of the future would stay known until then.
#[tokio::test]
async fn what_an_agent_says_of_the_future_is_taken_as_now() {
    let world = World::new().await;
    let (id, key) = agent(&world).await;
    volume(&world, FIRST, &id, None).await;
    let now = world.front.shared().clock().now();
    let told = async |at: i64| {
        let backup = json!({ "Tried": at, "Time": at });
        let volume =
            json!({ "VolumeId": FIRST, "Generation": 1, "State": "READY", "Backup": backup });
        let report = json!({ "Volumes": [volume] });
        asked(&world, &key, "ReportVolumes", report).await;
        assignment::record(&world, FIRST).await.backup.unwrap()
    };
    let found = told(253_402_300_799).await;
    assert_eq!((found.tried, found.at), (now, Some(now)));
    let past = now.plus_days(-1);
    let found = told(past.seconds()).await;
    assert_eq!(
        (found.tried.seconds(), found.at),
        (past.seconds(), Some(now))
    );
}

#[test]
fn a_time_to_come_that_was_known_already_does_not_stay() {
    let [now, never] = [1_700_000_000, 253_402_300_799].map(Timestamp::from_seconds);
    let known = |at| BackupReport {
        tried: at,
        at: Some(at),
        generation: None,
        failure: None,
        by_hand: false,
    };
    let after = known(now.plus_days(-1)).after(Some(&known(never)), now);
    assert_eq!(after.at, Some(now));
}

#[test]
fn what_was_stored_before_there_were_backups_is_still_read() {
    let agent: AgentRecord = serde_json::from_str(
        r#"{"version":1,"id":"agent-0123456789abcdef0","name":"storage-1","created":0,"access_keys":[]}"#,
    )
    .unwrap();
    assert!(!agent.backs_up);
    let text = r#"{"version":1,"id":"fs-00000000000000001","service":"elasticfilesystem","agent":"agent-0123456789abcdef0","created":0,"generation":1,"wanted":"present","source":"","belongings":[]}"#;
    let volume: VolumeRecord = serde_json::from_str(text).unwrap();
    assert_eq!((volume.backs_up, &volume.backup), (false, &None));
    // What says nothing of backups is what an older server can read.
    assert_eq!(serde_json::to_string(&volume).unwrap(), text);
}
