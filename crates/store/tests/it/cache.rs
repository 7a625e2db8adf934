//! The cache and the node: an acknowledged change holds, whatever was under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use keyward_store::{
    batch::Precondition,
    cache::{Cache, CacheOptions},
    log::FeedOptions,
    memory::Memory,
    node::{Node, NodeOptions},
    path::Path,
    reader::Reader,
    sealed::{Purpose, SealedError},
};
use keyward_types::time::Clock;
use tokio::sync::oneshot;

use crate::fixtures::{TestClock, sealed};

const PURPOSE: Purpose = Purpose::new(1);

fn path() -> Path {
    Path::parse("aws/000000000000/us-east-1/key/a").unwrap()
}

async fn node(heartbeat_millis: u64) -> (Arc<Node>, Arc<Cache<String>>, Arc<TestClock>) {
    node_that_remembers(FeedOptions::default().retained, heartbeat_millis).await
}

/// On an engine that remembers so many changes.
async fn node_that_remembers(
    retained: usize,
    heartbeat_millis: u64,
) -> (Arc<Node>, Arc<Cache<String>>, Arc<TestClock>) {
    node_with(NodeOptions::default(), retained, heartbeat_millis).await
}

async fn node_with(
    options: NodeOptions,
    retained: usize,
    heartbeat_millis: u64,
) -> (Arc<Node>, Arc<Cache<String>>, Arc<TestClock>) {
    let cache = Cache::new(CacheOptions {
        name: "texts",
        max_weight: 1 << 20,
        expected_units: 64,
        weigh: |text: &String| text.len() as u64,
        unit: |path| Some(path.whole()),
    });
    let clock = Arc::new(TestClock::default());
    let heartbeat = Duration::from_millis(heartbeat_millis);
    let store = Memory::new(FeedOptions {
        heartbeat,
        retained,
    });
    let node = Node::start(
        sealed(Arc::new(store)),
        Arc::clone(&clock) as Arc<dyn Clock>,
        options,
        vec![Arc::clone(&cache) as _],
    )
    .await
    .unwrap();
    (node, cache, clock)
}

async fn put(node: &Node, text: &str) {
    put_at(node, &path(), text).await;
}

async fn put_at(node: &Node, path: &Path, text: &str) {
    let mut batch = node.batch();
    let value = text.as_bytes();
    batch
        .put(path.clone(), PURPOSE, value, Precondition::Any)
        .unwrap();
    node.commit(batch).await.unwrap();
}

async fn read(node: &Arc<Node>, cache: &Cache<String>) -> Option<String> {
    let unit = cache
        .get(
            &Reader::new(Arc::clone(node)),
            &path(),
            |record| async move {
                Ok::<_, SealedError>(String::from_utf8(record.bytes().to_vec()).unwrap())
            },
        )
        .await
        .unwrap();
    unit.map(|text| text.to_string())
}

#[tokio::test]
async fn absence_is_remembered_until_something_stands_there() {
    let (node, cache, _) = node(1000).await;
    assert_eq!(read(&node, &cache).await, None);
    assert_eq!(cache.peek(path().as_str()), Some(None));
    put(&node, "first").await;
    assert_eq!(cache.peek(path().as_str()), None);
    assert_eq!(read(&node, &cache).await.as_deref(), Some("first"));
}

#[tokio::test]
async fn a_unit_is_loaded_once_until_it_changes() {
    let (node, cache, _) = node(1000).await;
    put(&node, "first").await;
    let loads = AtomicUsize::new(0);
    for _ in 0..3 {
        let unit = cache
            .get(&Reader::new(Arc::clone(&node)), &path(), |_| async {
                loads.fetch_add(1, Ordering::SeqCst);
                Ok::<_, SealedError>("loaded".to_owned())
            })
            .await
            .unwrap();
        assert_eq!(unit.as_deref().map(String::as_str), Some("loaded"));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_first_record_stands_for_its_unit_until_any_of_it_changes() {
    let unit = Path::parse("aws/000000000000/us-east-1/entries/a").unwrap();
    let cache: Arc<Cache<String>> = Cache::new(CacheOptions {
        name: "firsts",
        max_weight: 1 << 20,
        expected_units: 64,
        weigh: |text: &String| text.len() as u64,
        unit: |path| path.first(5),
    });
    let node = Node::start(
        sealed(Arc::new(Memory::new(FeedOptions::default()))),
        Arc::new(TestClock::default()),
        NodeOptions::default(),
        vec![Arc::clone(&cache) as _],
    )
    .await
    .unwrap();
    let first = async || {
        let load = |record: keyward_store::sealed::Record| async move {
            Ok::<_, SealedError>(record.path.segments().last().unwrap().to_owned())
        };
        let found = cache
            .get_first(&Reader::new(Arc::clone(&node)), &unit, load)
            .await
            .unwrap();
        found.map(|name| name.to_string())
    };
    let change = async |name: &str, put: bool| {
        let (mut batch, path) = (node.batch(), unit.child(name).unwrap());
        if put {
            batch.put(path, PURPOSE, b"", Precondition::Any).unwrap();
        } else {
            batch.delete(path, Precondition::Any).unwrap();
        }
        node.commit(batch).await.unwrap();
    };
    assert_eq!(first().await, None);
    // More than one `range` reads: any one will do.
    for number in (0..1200).rev() {
        change(&format!("{number:04}"), true).await;
    }
    assert_eq!(first().await.as_deref(), Some("0000"));
    assert_eq!(cache.len(), 1);
    change("0900", false).await;
    assert_eq!(cache.peek(unit.as_str()), None);
    assert_eq!(first().await.as_deref(), Some("0000"));
    change("0000", false).await;
    assert_eq!(first().await.as_deref(), Some("0001"));
}

#[tokio::test]
async fn a_fill_under_way_when_its_unit_changes_is_not_kept() {
    let (node, cache, _) = node(1000).await;
    put(&node, "old").await;
    let (begun, has_begun) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let filling = tokio::spawn({
        let (node, cache) = (Arc::clone(&node), Arc::clone(&cache));
        async move {
            let load = |record: keyward_store::sealed::Record| async move {
                begun.send(()).unwrap();
                may_go_on.await.unwrap();
                Ok::<_, SealedError>(String::from_utf8(record.bytes().to_vec()).unwrap())
            };
            cache
                .get(&Reader::new(Arc::clone(&node)), &path(), load)
                .await
                .unwrap()
        }
    });
    has_begun.await.unwrap();
    // The old value is read and on its way into the cache; this change is acknowledged first.
    put(&node, "new").await;
    go_on.send(()).unwrap();
    assert_eq!(
        filling.await.unwrap().as_deref().map(String::as_str),
        Some("old")
    );
    assert_eq!(read(&node, &cache).await.as_deref(), Some("new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_begun_after_an_acknowledged_change_misses_it() {
    let (node, cache, _) = node(1000).await;
    put(&node, "0").await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (node, cache) = (Arc::clone(&node), Arc::clone(&cache));
            let acknowledged = Arc::clone(&acknowledged);
            tokio::spawn(async move {
                loop {
                    let least = acknowledged.load(Ordering::SeqCst);
                    let seen: usize = read(&node, &cache).await.unwrap().parse().unwrap();
                    assert!(
                        seen >= least,
                        "{seen} was read after {least} was acknowledged"
                    );
                    if seen == 3000 {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for number in 1..=3000_usize {
        put(&node, &number.to_string()).await;
        acknowledged.store(number, Ordering::SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_hears_nothing_goes_stale() {
    // An hour without heartbeat: nothing comes but what the first answer said.
    let (node, _, clock) = node(3_600_000).await;
    assert!(node.is_fresh(clock.monotonic()));
    clock.advance(5_001);
    assert!(!node.is_fresh(clock.monotonic()));
}

#[tokio::test]
async fn who_waits_for_a_stale_node_goes_on_as_soon_as_it_hears_again() {
    let (node, _, clock) = node(20).await;
    clock.advance(5_001);
    assert!(!node.is_fresh(clock.monotonic()));
    assert!(node.wait_fresh(&*clock).await);
    assert!(node.is_fresh(clock.monotonic()));
}

#[tokio::test]
async fn nobody_waits_for_ever_for_a_node_that_hears_nothing() {
    let options = NodeOptions {
        fresh_within: Duration::from_millis(20),
        ..NodeOptions::default()
    };
    let (node, _, clock) = node_with(options, 1, 3_600_000).await;
    clock.advance(5_001);
    assert!(!node.wait_fresh(&*clock).await);
}

#[tokio::test]
async fn a_node_too_far_behind_forgets_everything_and_goes_on() {
    let (node, cache, clock) = node_that_remembers(1, 1000).await;
    put(&node, "old").await;
    assert_eq!(read(&node, &cache).await.as_deref(), Some("old"));
    let absent = Path::parse("aws/000000000000/us-east-1/key/b").unwrap();
    let load = |_| async { Ok::<_, SealedError>(String::new()) };
    assert_eq!(
        cache
            .get(&Reader::new(Arc::clone(&node)), &absent, load)
            .await
            .unwrap(),
        None
    );
    let (begun, has_begun) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let other = Path::parse("aws/000000000000/us-east-1/key/c").unwrap();
    put_at(&node, &other, "other").await;
    let filling = tokio::spawn({
        let (node, cache, other) = (Arc::clone(&node), Arc::clone(&cache), other.clone());
        async move {
            let load = |_| async move {
                begun.send(()).unwrap();
                may_go_on.await.unwrap();
                Ok::<_, SealedError>("as it was".to_owned())
            };
            cache
                .get(&Reader::new(Arc::clone(&node)), &other, load)
                .await
                .unwrap()
        }
    });
    has_begun.await.unwrap();
    clock.advance(5_001);
    assert!(!node.is_fresh(clock.monotonic()));

    // Another server writes more than the engine remembers, before this node looks again.
    let mut last = None;
    for number in 0..5 {
        let mut batch = node.batch();
        let text = format!("new {number}");
        let value = text.as_bytes();
        batch
            .put(path(), PURPOSE, value, Precondition::Any)
            .unwrap();
        last = Some(node.sealed().commit(batch).await.unwrap());
    }
    assert!(
        Some(node.applied()) < last,
        "the node has not heard of it yet"
    );
    let mut applied = node.watch();
    applied
        .wait_for(|applied| Some(*applied) >= last)
        .await
        .unwrap();
    // Units that did not change are gone with those that did, for nobody can tell which did.
    assert_eq!(cache.peek(path().as_str()), None);
    assert_eq!(cache.peek(absent.as_str()), None);
    go_on.send(()).unwrap();
    filling.await.unwrap();
    assert_eq!(
        cache.peek(other.as_str()),
        None,
        "nor is what was being read kept"
    );
    assert_eq!(read(&node, &cache).await.as_deref(), Some("new 4"));
    put(&node, "newest").await;
    assert_eq!(read(&node, &cache).await.as_deref(), Some("newest"));
    assert!(node.is_fresh(clock.monotonic()));
}
