//! The relay against an engine in memory, with a trail in a folder.

use std::fs;

use keyward_crypto::secret::arena::Arena;
use keyward_store::{
    log::FeedOptions,
    memory::Memory,
    node::NodeOptions,
    sealed::{
        Sealed,
        keys::{SealKey, SealKeyId, SealKeys},
    },
    store::Store as _,
};
use keyward_trail::{
    chain::{Chain, ChainId},
    examine::{AuthenticTrail, examine},
    head::Head,
    trail::{Trail, TrailOptions},
};
use keyward_types::{
    store_id::StoreId,
    time::{Clock, Monotonic, Timestamp},
};
use tempfile::TempDir;

use super::{places::Slot, *};
use crate::audit::ledger::keep::keep;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_millis(0)
    }
}

/// An engine that remembers one change.
fn forgetful() -> FeedOptions {
    FeedOptions {
        retained: 1,
        ..FeedOptions::default()
    }
}

async fn node(arena: &Arena, options: FeedOptions) -> (Arc<Node>, Arc<Ledger>) {
    let store = Memory::new(options);
    let secret = || arena.store_bytes(&[7; 32]).unwrap();
    let id = SealKeyId {
        id: [1; 16],
        version: 1,
    };
    let current = SealKey::new(id, secret()).unwrap();
    let keys = SealKeys::new(StoreId::from_bytes([2; 16]), current, Vec::new(), secret());
    let keys = Arc::new(keys.unwrap());
    let path = paths::trail_head();
    let ledger = Ledger::new(path, Arc::clone(&keys), chain(), Head::newborn(0));
    store.stamp(Arc::clone(&ledger) as _).await.unwrap();
    let sealed = Sealed::new(Arc::new(store), keys);
    let node = Node::start(sealed, Arc::new(Still), NodeOptions::default(), Vec::new());
    (node.await.unwrap(), ledger)
}

/// The relay, and what brings the trail to the disk for it.
async fn run(node: Arc<Node>, writer: Writer, places: Arc<Places>, ledger: Arc<Ledger>) {
    let keeps = keep(Arc::clone(&node), writer.clone(), Arc::clone(&ledger));
    tokio::select! {
        () = keeps => {}
        () = relay(node, writer, places, (ledger, Copied::default())) => {}
    }
}

fn chain() -> Chain {
    let (arena, _) = Arena::new(4096).unwrap();
    let key = arena.store_bytes(&[9; 32]).unwrap();
    Chain::new(ChainId::only(StoreId::from_bytes([2; 16])), Arc::new(key))
}

/// What there is of a trail that the store knows nothing of.
fn examined(directory: &std::path::Path) -> AuthenticTrail {
    examine(directory, &chain(), &Head::newborn(0).known()).unwrap()
}

/// A node on an engine, and a trail in a folder of its own.
async fn world(options: FeedOptions) -> (TempDir, Arc<Node>, Writer, Arc<Ledger>) {
    let home = tempfile::tempdir().unwrap();
    let (arena, _) = Arena::new(64 << 10).unwrap();
    let (node, ledger) = node(&arena, options).await;
    let trail = Trail::open(
        home.path(),
        TrailOptions::default(),
        chain(),
        &examined(home.path()),
        Arc::clone(ledger.frontier()),
    );
    let (writer, _) = Writer::start(trail.unwrap()).unwrap();
    (home, node, writer, ledger)
}

/// Commits the events of that many changes, before anybody else has a turn.
async fn commit_events(node: &Node, numbers: std::ops::Range<u32>) {
    for number in numbers {
        // In the store's order, which is not that of the paths.
        let path = paths::outbox(Timestamp::default(), &format!("{:04}", 9999 - number)).unwrap();
        let mut batch = node.batch();
        let event = format!("event {number}");
        batch
            .put(
                path,
                purpose::OUTBOX,
                event.as_bytes(),
                Precondition::Absent,
            )
            .unwrap();
        node.sealed().commit(batch).await.unwrap();
    }
}

#[tokio::test]
async fn events_whose_changes_are_forgotten_are_copied_once_and_in_order() {
    let (home, node, writer, ledger) = world(forgetful()).await;
    let relay = tokio::spawn(run(Arc::clone(&node), writer, Arc::default(), ledger));
    // Three times the relay falls behind what the engine remembers.
    for round in 0..3 {
        commit_events(&node, round * 250..(round + 1) * 250).await;
        let everything = paths::all_outbox();
        while !node
            .sealed()
            .range(&everything, None, 1)
            .await
            .unwrap()
            .value
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    relay.abort();
    let text = fs::read_to_string(home.path().join("trail-00000001.jsonl")).unwrap();
    let events: Vec<&str> = text.lines().filter(|l| l.starts_with("event")).collect();
    let expected: Vec<String> = (0..750).map(|number| format!("event {number}")).collect();
    assert_eq!(events, expected);
}

/// Commits an event to its place.
async fn commit_to(node: &Node, place: &Slot<'_>, text: &str) -> (Revision, Generation) {
    let mut batch = node.batch();
    let (path, text) = (place.path().clone(), text.as_bytes());
    let generation = batch.put(path, purpose::OUTBOX, text, Precondition::Any);
    let revision = node.sealed().commit(batch).await.unwrap();
    (revision, generation.unwrap())
}

fn events_on(home: &TempDir) -> Vec<String> {
    let text = fs::read_to_string(home.path().join("trail-00000001.jsonl")).unwrap();
    let events = text.lines().filter(|line| line.starts_with("event"));
    events.map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_at_hand_is_not_read_back() {
    let (home, node, writer, ledger) = world(forgetful()).await;
    let places = Arc::new(Places::default());
    let relay = tokio::spawn(run(
        Arc::clone(&node),
        writer.clone(),
        Arc::clone(&places),
        Arc::clone(&ledger),
    ));
    // Until the relay follows the store.
    tokio::time::sleep(Duration::from_millis(50)).await;
    // The first is kept and committed, the second kept and then given up.
    for number in 0..2 {
        let place = places.take().unwrap();
        let (_, generation) = commit_to(&node, &place, &format!("event {number}")).await;
        place.keep(generation, format!("event {number} at hand").into_bytes());
        if number == 0 {
            place.committed();
        } else {
            drop(place);
        }
        let patience = Duration::from_secs(10);
        assert!(emptied(&node, &places, &writer, patience).await.unwrap());
    }
    relay.abort();
    assert_eq!(events_on(&home), ["event 0 at hand", "event 1"]);
}

/// Writes events one after the other, as requests do: of five, one is refused by the store,
/// and of another nobody learns what came of it.
async fn write(node: Arc<Node>, places: Arc<Places>, writer: u32) -> Vec<(Revision, String)> {
    let mut written = Vec::new();
    for number in 0..250 {
        let text = format!("event {writer} {number}");
        let place = places.take().unwrap();
        if number % 5 == 0 {
            place.keep(Generation::random(), text.into_bytes());
            place.refused();
            continue;
        }
        let (revision, generation) = commit_to(&node, &place, &text).await;
        place.keep(generation, text.clone().into_bytes());
        if number % 5 == 1 {
            drop(place);
        } else {
            place.committed();
        }
        written.push((revision, text));
        if number % 50 == 0 {
            // Long enough for the relay to have nothing to do.
            tokio::time::sleep(GATHER * 3).await;
        }
        tokio::task::yield_now().await;
    }
    written
}

/// The relay copies what four write, while it falls behind or is idle now and then.
async fn every_event_once_and_in_order(options: FeedOptions) {
    let (home, node, writer, ledger) = world(options).await;
    let places = Arc::new(Places::default());
    let relay = tokio::spawn(run(
        Arc::clone(&node),
        writer.clone(),
        Arc::clone(&places),
        Arc::clone(&ledger),
    ));
    let mut writers = JoinSet::new();
    for number in 0..4 {
        writers.spawn(write(Arc::clone(&node), Arc::clone(&places), number));
    }
    let mut written = writers.join_all().await.concat();
    let patience = Duration::from_secs(30);
    assert!(emptied(&node, &places, &writer, patience).await.unwrap());
    relay.abort();
    written.sort();
    let expected: Vec<String> = written.into_iter().map(|(_, text)| text).collect();
    assert_eq!(expected.len(), 800);
    assert_eq!(events_on(&home), expected);
    // The trail says itself that it has all of them, and no others.
    let (copied, made) = (examined(home.path()).mark.copied, ledger.head().made);
    assert_eq!((copied.events, copied.sum), (made.events, made.sum));
    assert_eq!(copied.events, 800);
}

#[tokio::test]
async fn events_in_places_written_over_are_copied_once_and_in_order() {
    let heartbeat = Duration::from_millis(5);
    let options = FeedOptions {
        heartbeat,
        ..FeedOptions::default()
    };
    every_event_once_and_in_order(options).await;
}

#[tokio::test]
async fn events_in_places_written_over_are_copied_once_though_changes_are_forgotten() {
    every_event_once_and_in_order(forgetful()).await;
}

#[tokio::test]
async fn places_are_written_over_while_there_is_work_and_removed_after_it() {
    let (_home, node, writer, ledger) = world(FeedOptions::default()).await;
    let places = Arc::new(Places::default());
    let relay = tokio::spawn(run(
        Arc::clone(&node),
        writer.clone(),
        Arc::clone(&places),
        Arc::clone(&ledger),
    ));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut seen = std::collections::HashSet::new();
    for number in 0..20 {
        let place = places.take().unwrap();
        seen.insert(place.path().clone());
        let (_, generation) = commit_to(&node, &place, &format!("event {number}")).await;
        place.keep(generation, b"event".to_vec());
        place.committed();
        tokio::time::sleep(GATHER * 2).await;
        // A place is free when its event is on disk.
        writer.sync().await;
    }
    assert!(seen.len() < 10, "{} places for 20 events", seen.len());
    let prefix = paths::all_outbox();
    let left = || async {
        let read = node.sealed().range(&prefix, None, 100).await.unwrap();
        read.value.len()
    };
    assert!(left().await > 0, "they are not removed while there is work");
    while left().await > 0 {
        tokio::time::sleep(GATHER).await;
    }
    relay.abort();
}

fn lengths(revisions: &[u64]) -> Vec<usize> {
    let batches = batches(revisions, |revision| Revision::new(*revision));
    batches.map(<[u64]>::len).collect()
}

#[test]
fn no_batch_ends_between_two_events_of_one_revision() {
    let one_each: Vec<u64> = (1..=250).collect();
    assert_eq!(lengths(&one_each), [100, 100, 50]);
    // The hundredth and its neighbour stand under one revision.
    let mut pairs = one_each;
    pairs[99] = 101;
    assert_eq!(lengths(&pairs), [99, 100, 51]);
    assert_eq!(lengths(&[]), [] as [usize; 0]);
}

#[tokio::test]
async fn a_place_is_emptied_though_what_was_to_stand_there_never_came() {
    let heartbeat = Duration::from_millis(5);
    let options = FeedOptions {
        heartbeat,
        ..FeedOptions::default()
    };
    let (home, node, writer, ledger) = world(options).await;
    let places = Arc::new(Places::default());
    let relay = tokio::spawn(run(
        Arc::clone(&node),
        writer.clone(),
        Arc::clone(&places),
        Arc::clone(&ledger),
    ));
    tokio::time::sleep(Duration::from_millis(50)).await;
    // One event is on the trail, in a place that is not given back any more.
    let place = places.take().unwrap();
    commit_to(&node, &place, "event 0").await;
    let path = place.path().clone();
    place.committed();
    while !places.give_up().contains(&path) {
        tokio::task::yield_now().await;
    }
    // And somebody wrote over it, in vain and without learning so; another in a new place.
    places.doubt(&[path]);
    drop(places.take().unwrap());
    let patience = Duration::from_secs(10);
    assert!(emptied(&node, &places, &writer, patience).await.unwrap());
    assert_eq!(events_on(&home), ["event 0"]);
    relay.abort();
}
