//! Volumes that end, and agents that are removed.

use super::*;

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
            made: false,
            available_on: None,
            reported: None,
            source: arn(id),
            belongings,
            targets: Vec::new(),
            authorization: 1,
            backs_up: false,
            backup: None,
            size: None,
            database: None,
            image_generation: None,
            copies: Copies::default(),
        };
        let path = paths::volume(region, account(owner), &record.id);
        let bytes = records::encode(&record).unwrap();
        batch
            .put(path.clone(), purpose::VOLUME, &bytes, Precondition::Any)
            .unwrap();
        path
    };
    let (mut stuck, mut free) = (Vec::new(), Vec::new());
    // Whichever account comes first, one that cannot end comes before others, in it and in the other.
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
                opened_by: None,
                further_grants: Vec::new(),
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
