//! What a read promises.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{commit, entries, entry, path, paths, prefix, put};
use crate::{
    batch::{Batch, Precondition},
    log::FeedOptions,
    store::{MAX_RANGE, Store},
};

/// How the store of these tests is opened.
pub fn options() -> FeedOptions {
    FeedOptions::default()
}

async fn fill(store: &Arc<dyn Store>, all: &[&str]) {
    let mut batch = Batch::new();
    for at in all {
        let line = batch.put(path(at), at.as_bytes().to_vec(), Precondition::Absent);
        line.expect("within the limits");
    }
    commit(store, batch).await;
}

/// Not by any language's collation: `-` before `/` before digits before capitals before `_`.
pub async fn a_range_is_ordered_by_bytes(store: Arc<dyn Store>) {
    fill(
        &store,
        &["b", "a/b", "a-b", "a", "B", "a_b", "a0", "~", "!", "a/B"],
    )
    .await;
    let all = entries(&store, "").await;
    let sorted = ["!", "B", "a", "a-b", "a/B", "a/b", "a0", "a_b", "b", "~"];
    assert_eq!(paths(&all), sorted);
}

/// A prefix is the beginning of a text, and the last visible character is within it.
pub async fn a_range_stays_within_its_prefix(store: Arc<dyn Store>) {
    fill(
        &store,
        &["a", "a/!", "a/~", "a/~~/x", "a/b/c", "a/b", "a0", "b", "aa"],
    )
    .await;
    let below = entries(&store, "a/").await;
    assert_eq!(paths(&below), ["a/!", "a/b", "a/b/c", "a/~", "a/~~/x"]);
    assert_eq!(paths(&entries(&store, "a/b").await), ["a/b", "a/b/c"]);
    assert_eq!(paths(&entries(&store, "a/~").await), ["a/~", "a/~~/x"]);
    assert_eq!(paths(&entries(&store, "b").await), ["b"]);
    assert_eq!(paths(&entries(&store, "c").await), [""; 0]);
}

/// Paging by the last path seen meets each entry once.
pub async fn a_range_is_paged_by_after_and_limit(store: Arc<dyn Store>) {
    let all: Vec<String> = (0..25).map(|number| format!("p/{number:02}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    fill(&store, &all).await;
    fill(&store, &["o", "q"]).await;
    for limit in [1, 7, 25, 26] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let read = store.range(&prefix("p/"), after.as_ref(), limit).await;
            let page = read.expect("the read works").value;
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(last.path.clone());
            seen.extend(page.iter().map(|found| found.path.to_string()));
        }
        assert_eq!(seen, all);
    }
    let none = store.range(&prefix("p/"), None, 0).await;
    assert_eq!(none.expect("the read works").value, []);
    // A place to go on from need not stand there, nor lie within the prefix.
    for (after, first) in [("p/03~", Some("p/04")), ("a", Some("p/00")), ("q", None)] {
        let read = store.range(&prefix("p/"), Some(&path(after)), 1).await;
        let page = read.expect("the read works").value;
        assert_eq!(paths(&page).first().copied(), first);
    }
}

/// However much is asked.
pub async fn a_range_never_answers_more_than_its_most(store: Arc<dyn Store>) {
    let all: Vec<String> = (0..MAX_RANGE + 5)
        .map(|number| format!("{number:05}"))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for some in all.chunks(100) {
        fill(&store, some).await;
    }
    let read = store.range(&prefix(""), None, usize::MAX).await;
    let page = read.expect("the read works").value;
    assert_eq!(page.len(), MAX_RANGE);
    assert_eq!(
        paths(&page),
        all.into_iter().take(MAX_RANGE).collect::<Vec<_>>()
    );
}

/// Ten entries that are always written together are always read alike.
pub async fn a_range_shows_one_revision_while_others_write(store: Arc<dyn Store>) {
    fn all(value: u32) -> Batch {
        let mut batch = Batch::new();
        for number in 0..10 {
            let at = path(&format!("s/{number}"));
            let value = value.to_be_bytes().to_vec();
            batch
                .put(at, value, Precondition::Any)
                .expect("within the limits");
        }
        batch
    }
    commit(&store, all(0)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..3_u32 {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        writers.spawn(async move {
            let mut value = writer;
            while !stop.load(Ordering::Relaxed) {
                commit(&store, all(value)).await;
                value = value.wrapping_add(3);
            }
        });
    }
    let mut last = None;
    for _ in 0..200 {
        let read = store.range(&prefix("s/"), None, 100).await;
        let read = read.expect("the read works");
        assert_eq!(read.value.len(), 10);
        let first = read
            .value
            .first()
            .map(|found| (found.revision, &found.value));
        for found in &read.value {
            assert_eq!(Some((found.revision, &found.value)), first);
            assert!(found.revision <= read.at);
        }
        // Nobody else writes: the newest revision is the one that is shown.
        assert_eq!(first.map(|(revision, _)| revision), Some(read.at));
        assert!(last <= Some(read.at));
        last = Some(read.at);
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(writer) = writers.join_next().await {
        writer.expect("no writer fails");
    }
}

/// The revision of an entry is that of its own last change.
pub async fn an_entry_keeps_its_revision_while_others_change(store: Arc<dyn Store>) {
    let first = commit(&store, put("a", b"one", Precondition::Absent)).await;
    let second = commit(&store, put("b", b"two", Precondition::Absent)).await;
    assert_eq!(
        entry(&store, "a").await.map(|found| found.revision),
        Some(first)
    );
    let read = store.get(&path("a")).await.expect("the read works");
    assert_eq!(read.at, second);
}
