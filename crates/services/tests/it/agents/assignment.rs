//! Volumes that another agent stores from now on.

use keyward_engine::directory::records::storage::{BackupReport, TargetRecord, TargetState};
use keyward_types::time::Timestamp;

use super::*;

pub(super) async fn record(world: &World, id: &str) -> VolumeRecord {
    let region = Region::parse("us-east-1").unwrap();
    let path = paths::volume(region, account(OWN), &VolumeId::parse(id).unwrap());
    let found = world
        .directory()
        .rare::<VolumeRecord>(&path, purpose::VOLUME);
    found.await.unwrap().unwrap().0
}

async fn write(world: &World, volume: &VolumeRecord) {
    let region = Region::parse("us-east-1").unwrap();
    let mut batch = world.workers.batch();
    let bytes = records::encode(volume).unwrap();
    let path = paths::volume(region, account(OWN), &volume.id);
    batch
        .put(path, purpose::VOLUME, &bytes, Precondition::Any)
        .unwrap();
    world.workers.commit(batch).await.unwrap();
}

fn assignment(id: &str, agent: &AgentId) -> Value {
    json!({ "VolumeId": id, "AgentId": agent.as_str() })
}

fn report(generation: u64, state: &str) -> Value {
    json!({ "Volumes": [{ "VolumeId": FIRST, "Generation": generation, "State": state }] })
}

#[tokio::test]
async fn only_the_new_agent_opens_a_volume_and_hears_of_it_at_once() {
    let world = World::new().await;
    let (old, old_key) = agent(&world).await;
    let (new, new_key) = agent(&world).await;
    volume(&world, FIRST, &old, Some(volume_key(&world, FIRST).await)).await;
    asked(&world, &old_key, "ReportVolumes", report(1, "READY")).await;
    let poll = async |key: &Key, body: Value| asked(&world, key, "PollVolumes", body).await;
    let waits = |known: &Value| json!({ "Known": known["Known"], "WaitSeconds": 20 });
    let (of_old, of_new) = (
        poll(&old_key, json!({})).await,
        poll(&new_key, json!({})).await,
    );
    let root = world.root.clone();
    let (lost, found, answer) = tokio::join!(
        poll(&old_key, waits(&of_old)),
        poll(&new_key, waits(&of_new)),
        asked(&world, &root, "AssignVolume", assignment(FIRST, &new)),
    );
    let expected = json!({ "VolumeId": FIRST, "AgentId": new.as_str(), "PreviousAgentId": old.as_str(), "Generation": 2, "Made": true, "Connected": true, "ImageAgentId": old.as_str() });
    assert_eq!(answer, expected);
    assert_eq!(lost["Volumes"], json!([]));
    assert_eq!(
        (
            &found["Volumes"][0]["VolumeId"],
            &found["Volumes"][0]["Generation"],
            &found["Volumes"][0]["Made"]
        ),
        (&json!(FIRST), &json!(2), &json!(true))
    );
    let open = async |key: &Key| ask(&world, key, "OpenVolume", json!({ "VolumeId": FIRST })).await;
    let not_its = (
        400,
        "NotFoundException".to_owned(),
        format!("No volume {FIRST} is assigned to this agent."),
    );
    assert_eq!(told(&open(&old_key).await), not_its);
    let opened = open(&new_key).await;
    assert_eq!(opened.status, 200, "{}", opened.body);
    // What the agent before says counts no more, and neither do reports of a generation before.
    for generation in [1, 2] {
        let answer = ask(
            &world,
            &old_key,
            "ReportVolumes",
            report(generation, "READY"),
        )
        .await;
        assert_eq!(told(&answer), not_its);
    }
    let stale = asked(&world, &new_key, "ReportVolumes", report(1, "READY")).await;
    assert_eq!(stale, json!({ "Stale": [FIRST] }));
    assert_eq!(record(&world, FIRST).await.reported, None);
    asked(&world, &new_key, "ReportVolumes", report(2, "READY")).await;
    assert!(record(&world, FIRST).await.is_ready());
    // Once more is no change.
    let again = asked(&world, &root, "AssignVolume", assignment(FIRST, &new)).await;
    let expected = json!({ "VolumeId": FIRST, "AgentId": new.as_str(), "PreviousAgentId": new.as_str(), "Generation": 2, "Made": true, "Connected": true, "ImageAgentId": new.as_str() });
    assert_eq!(again, expected);
    assert!(record(&world, FIRST).await.is_ready());
    let recorded = events(&world, "AssignVolume").await;
    assert_eq!(recorded.len(), 2);
    for event in &recorded {
        assert_eq!(
            event["requestParameters"],
            json!({ "volumeId": FIRST, "agentId": new.as_str() })
        );
    }
    let from = |agent: &AgentId| {
        let shown = json!({ "previousAgentId": agent.as_str() });
        let told = recorded.iter().map(|event| &event["responseElements"]);
        told.filter(|elements| **elements == shown).count()
    };
    assert_eq!((from(&old), from(&new)), (1, 1));
}

#[tokio::test]
async fn a_volume_whose_agent_is_gone_is_listed_and_can_be_assigned() {
    let world = World::new().await;
    let (old, _) = agent(&world).await;
    let (new, new_key) = agent(&world).await;
    volume(&world, FIRST, &old, None).await;
    wanted_volume(&world, SECOND, &old, (None, Wanted::Absent)).await;
    let root = world.root.clone();
    let left = async || {
        let listed = asked(&world, &root, "ListAgents", json!({})).await;
        listed["VolumesWithoutAgent"].clone()
    };
    assert_eq!(left().await, json!([]));
    let body = json!({ "AgentId": old.as_str() });
    asked(&world, &root, "RemoveAgent", body).await;
    let expected = json!([{ "VolumeId": FIRST, "PreviousAgentId": old.as_str() }]);
    assert_eq!(left().await, expected);
    // It was never there, so that its new agent makes it.
    // What is known of its backups tells the new agent which ones are old.
    let mut backed_up = record(&world, FIRST).await;
    backed_up.backup = Some(BackupReport {
        tried: Timestamp::from_millis(1_700_000_000_000),
        at: None,
        generation: Some(7),
        failure: None,
        by_hand: false,
    });
    write(&world, &backed_up).await;
    let answer = asked(&world, &root, "AssignVolume", assignment(FIRST, &new)).await;
    assert_eq!(answer["Made"], json!(false));
    assert_eq!(left().await, json!([]));
    let polled = asked(&world, &new_key, "PollVolumes", json!({})).await;
    assert_eq!(polled["Volumes"][0]["Made"], json!(false));
    asked(&world, &new_key, "ReportVolumes", report(2, "READY")).await;
    assert!(record(&world, FIRST).await.was_made());
    assert_eq!(record(&world, FIRST).await.backup, backed_up.backup);
}

#[tokio::test]
async fn mount_targets_are_served_by_the_new_agent_once_it_says_so() {
    let world = World::new().await;
    let (old, _) = agent(&world).await;
    let (new, new_key) = agent(&world).await;
    volume(&world, FIRST, &old, None).await;
    let mut volume = record(&world, FIRST).await;
    let target = |id: &str, state| TargetRecord {
        id: id.to_owned(),
        subnet: "subnet-00000000000000001".to_owned(),
        vpc: "vpc-00000000000000001".to_owned(),
        zone: "us-east-1a".to_owned(),
        address: [127, 0, 0, 1].into(),
        interface: "eni-00000000".to_owned(),
        groups: Vec::new(),
        state,
        belongings: Vec::new(),
    };
    volume.targets = vec![
        target("fsmt-1", TargetState::Available),
        target("fsmt-2", TargetState::Error),
        target("fsmt-3", TargetState::Deleting),
    ];
    write(&world, &volume).await;
    let root = world.root.clone();
    asked(&world, &root, "AssignVolume", assignment(FIRST, &new)).await;
    let states = async || {
        let targets = record(&world, FIRST).await.targets.into_iter();
        let states = targets.map(|target| (target.id, target.state));
        states.collect::<Vec<_>>()
    };
    let named = |id: &str, state| (id.to_owned(), state);
    let expected = [
        named("fsmt-1", TargetState::Creating),
        named("fsmt-2", TargetState::Creating),
        named("fsmt-3", TargetState::Deleting),
    ];
    assert_eq!(states().await, expected);
    let served = json!([{ "MountTargetId": "fsmt-1", "State": "READY" }]);
    let report = json!({ "Volumes": [{ "VolumeId": FIRST, "Generation": 2, "State": "READY", "Targets": served }] });
    asked(&world, &new_key, "ReportVolumes", report).await;
    let expected = [
        named("fsmt-1", TargetState::Available),
        named("fsmt-2", TargetState::Creating),
    ];
    assert_eq!(states().await, expected);
}

#[tokio::test]
async fn what_cannot_be_assigned_says_why_and_changes_nothing() {
    let world = World::new().await;
    let (old, _) = agent(&world).await;
    let (silent, _) = registered(&world, &token(&world, 3600).await).await;
    let (new, _) = agent(&world).await;
    volume(&world, FIRST, &old, None).await;
    wanted_volume(&world, SECOND, &old, (None, Wanted::Absent)).await;
    let root = world.root.clone();
    let nobody = AgentId::from_random([7; 9]);
    let unknown = |id: &str| {
        format!(
            "There is no volume {id} in your account and Region. A volume has the ID of its file system. A backup of a deleted one can be opened with `keyward volume receive` and `keyward volume rekey --file-system`."
        )
    };
    let no_agent = |id: &str| {
        format!(
            "There is no agent {id} in your account and Region. `keyward agent list` shows the IDs."
        )
    };
    for (id, agent, code, message) in [
        ("fs-9", new.as_str(), "NotFoundException", unknown("fs-9")),
        (
            "Nothing",
            new.as_str(),
            "NotFoundException",
            unknown("Nothing"),
        ),
        (
            FIRST,
            nobody.as_str(),
            "NotFoundException",
            no_agent(nobody.as_str()),
        ),
        (
            FIRST,
            "storage-1",
            "NotFoundException",
            no_agent("storage-1"),
        ),
        (
            FIRST,
            silent.as_str(),
            "ConflictException",
            format!(
                "Agent {silent} has never called the server, and is given no volumes until it does. Start it with `keyward agent run`."
            ),
        ),
        (
            SECOND,
            new.as_str(),
            "ConflictException",
            format!("{SECOND} is being deleted, and cannot be assigned to another agent."),
        ),
    ] {
        let body = json!({ "VolumeId": id, "AgentId": agent });
        let answer = ask(&world, &root, "AssignVolume", body).await;
        assert_eq!(told(&answer), (400, code.to_owned(), message));
    }
    // A backup policy is not lost on the way.
    let mut backed_up = record(&world, FIRST).await;
    backed_up.backs_up = true;
    write(&world, &backed_up).await;
    let answer = ask(&world, &root, "AssignVolume", assignment(FIRST, &new)).await;
    let message = format!(
        "The backup policy of {FIRST} is ENABLED, and agent {new} has no place for backups. Start the agent with `keyward agent run --backup-to`, or disable the backup policy (`aws efs put-backup-policy --file-system-id {FIRST} --backup-policy Status=DISABLED`)."
    );
    assert_eq!(
        told(&answer),
        (400, "ConflictException".to_owned(), message)
    );
    // Another account and another Region have neither.
    let all = r#"{"Effect":"Allow","Action":"keyward:*","Resource":"*"}"#;
    let other = world.user(OTHER, "eve", Some(all)).await;
    let answer = ask(&world, &other, "AssignVolume", assignment(FIRST, &new)).await;
    let expected = (400, "NotFoundException".to_owned(), unknown(FIRST));
    assert_eq!(told(&answer), expected);
    let alice = world.user(OWN, "alice", None).await;
    let answer = ask(&world, &alice, "AssignVolume", assignment(FIRST, &new)).await;
    let message = format!(
        "User: arn:aws:iam::{OWN}:user/alice is not authorized to perform: keyward:AssignVolume on resource: * because no identity-based policy allows the keyward:AssignVolume action"
    );
    let expected = (400, "AccessDeniedException".to_owned(), message);
    assert_eq!(told(&answer), expected);
    let found = record(&world, FIRST).await;
    assert_eq!((found.agent, found.generation), (old, 1));
}
