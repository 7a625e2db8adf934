//! What a feed promises.

use std::{sync::Arc, time::Duration};

use super::{commit, path, put};
use crate::{
    batch::{Batch, Precondition},
    feed::{Changed, Feed, Progress},
    log::FeedOptions,
    revision::Revision,
    store::Store,
};

const RETAINED: usize = 1500;

/// How the store of these tests is opened: forgetful, and quick to say that nothing happened.
pub fn options() -> FeedOptions {
    FeedOptions {
        heartbeat: Duration::from_millis(20),
        retained: RETAINED,
    }
}

async fn feed(store: &Arc<dyn Store>, from: Revision) -> Box<dyn Feed> {
    store.changes(from).await.expect("the feed begins")
}

/// Every change up to `end`, and whether the feed kept its rules.
async fn changes_to(feed: &mut Box<dyn Feed>, from: Revision, end: Revision) -> Vec<Changed> {
    let mut all: Vec<Changed> = Vec::new();
    let mut complete = from;
    while complete < end {
        let progress = feed.next().await.expect("the feed goes on");
        let Progress::Changes {
            changes,
            complete_to,
            ..
        } = progress
        else {
            assert_eq!(progress, heartbeat(end), "nothing is compacted");
            break;
        };
        assert!(complete_to >= complete, "completeness never goes back");
        for change in &changes {
            assert!(change.revision > complete && change.revision <= complete_to);
        }
        all.extend(changes);
        complete = complete_to;
    }
    assert!(all.is_sorted_by_key(|change| change.revision));
    all
}

fn heartbeat(complete_to: Revision) -> Progress {
    Progress::Changes {
        changes: Vec::new(),
        complete_to,
        caught_up: true,
    }
}

/// The feed tells exactly what was answered, while eight writers are at it.
pub async fn changes_come_in_order_without_gaps_under_concurrent_writers(store: Arc<dyn Store>) {
    const ROUNDS: u64 = 40;
    let mut begun = feed(&store, Revision::new(0)).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8_u64 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let mut written = Vec::new();
            for round in 0..ROUNDS {
                let mut batch = Batch::new();
                let (own, shared) = (format!("{writer}/{round}"), format!("all/{writer}"));
                let line = batch.put(path(&own), vec![1], Precondition::Absent);
                line.expect("within the limits");
                let deleted = round % 3 == 2;
                let line = if deleted {
                    batch.delete(path(&shared), Precondition::Any)
                } else {
                    batch.put(path(&shared), vec![2], Precondition::Any)
                };
                line.expect("within the limits");
                let line = batch.check(path("nothing"), Precondition::Absent);
                line.expect("within the limits");
                let revision = commit(&store, batch).await;
                for (at, deleted) in [(own, false), (shared, deleted)] {
                    written.push(Changed {
                        revision,
                        path: path(&at),
                        deleted,
                    });
                }
            }
            written
        });
    }
    let watched = tokio::spawn(async move {
        let end = Revision::new(8 * ROUNDS);
        changes_to(&mut begun, Revision::new(0), end).await
    });
    let mut written = Vec::new();
    while let Some(writer) = writers.join_next().await {
        written.extend(writer.expect("no writer fails"));
    }
    written.sort_by_key(|change| change.revision);
    assert_eq!(watched.await.expect("the watcher goes on"), written);
    // Whoever comes later is told the same.
    let newest = store.revision().await.expect("the read works");
    let mut late = feed(&store, Revision::new(0)).await;
    assert_eq!(
        changes_to(&mut late, Revision::new(0), newest).await,
        written
    );
}

/// From R means after R.
pub async fn a_feed_begins_after_the_revision_it_is_asked_from(store: Arc<dyn Store>) {
    let first = commit(&store, put("a", b"1", Precondition::Any)).await;
    let second = commit(&store, put("b", b"2", Precondition::Any)).await;
    let mut begun = feed(&store, first).await;
    let progress = begun.next().await;
    let changes = vec![Changed {
        revision: second,
        path: path("b"),
        deleted: false,
    }];
    assert_eq!(
        progress,
        Ok(Progress::Changes {
            changes,
            complete_to: second,
            caught_up: true,
        })
    );
}

/// Freshness rests on it.
pub async fn a_feed_is_complete_to_what_was_answered_before_it_was_asked(store: Arc<dyn Store>) {
    let mut begun = feed(&store, Revision::new(0)).await;
    for number in 0..50_u32 {
        let revision = commit(&store, put("a", &number.to_be_bytes(), Precondition::Any)).await;
        let progress = begun.next().await.expect("the feed goes on");
        let Progress::Changes {
            complete_to,
            caught_up,
            ..
        } = progress
        else {
            assert_eq!(progress, heartbeat(revision), "nothing is compacted");
            return;
        };
        assert!(caught_up && complete_to >= revision);
    }
}

/// "Complete up to here" is said when there is nothing else to say.
pub async fn a_silent_store_sends_heartbeats(store: Arc<dyn Store>) {
    let first = commit(&store, put("a", b"1", Precondition::Any)).await;
    let mut begun = feed(&store, first).await;
    for _ in 0..3 {
        assert_eq!(begun.next().await, Ok(heartbeat(first)));
    }
}

/// A waiting reader that gives up and asks again misses nothing.
pub async fn a_feed_may_be_dropped_while_it_waits(store: Arc<dyn Store>) {
    let mut begun = feed(&store, Revision::new(0)).await;
    let mut seen = Vec::new();
    let mut complete = Revision::new(0);
    for number in 0..40_u32 {
        let commit = commit(&store, put("a", &number.to_be_bytes(), Precondition::Any));
        let answer = tokio::select! {
            progress = begun.next() => Some(progress),
            _ = commit => None,
        };
        if let Some(Ok(Progress::Changes {
            changes,
            complete_to,
            ..
        })) = answer
        {
            seen.extend(changes);
            complete = complete_to;
        }
    }
    // What was begun may still be kept: one last write is surely after all of it.
    let last = commit(&store, put("last", b"", Precondition::Any)).await;
    seen.extend(changes_to(&mut begun, complete, last).await);
    let mut again = feed(&store, Revision::new(0)).await;
    let all = changes_to(&mut again, Revision::new(0), last).await;
    assert!(!all.is_empty());
    assert_eq!(seen, all);
}

/// Then the feed goes on from the present.
pub async fn a_reader_too_far_behind_is_told_that_changes_are_gone(store: Arc<dyn Store>) {
    let mut waiting = feed(&store, Revision::new(0)).await;
    let mut newest = Revision::new(0);
    for round in 0..=RETAINED / 50 {
        let mut batch = Batch::new();
        for number in 0..51 {
            let at = path(&format!("{round}/{number}"));
            let line = batch.put(at, vec![1], Precondition::Any);
            line.expect("within the limits");
        }
        newest = commit(&store, batch).await;
    }
    let compacted = Progress::Compacted { resume_at: newest };
    assert_eq!(waiting.next().await, Ok(compacted.clone()));
    let mut late = feed(&store, Revision::new(0)).await;
    assert_eq!(late.next().await, Ok(compacted));
    let next = commit(&store, put("next", b"", Precondition::Any)).await;
    for feed in [&mut waiting, &mut late] {
        let changes = changes_to(feed, newest, next).await;
        assert_eq!(changes.len(), 1);
    }
}

/// Somebody put an older copy of the store back.
pub async fn a_reader_ahead_of_the_store_is_told_to_forget(store: Arc<dyn Store>) {
    let first = commit(&store, put("a", b"1", Precondition::Any)).await;
    let mut ahead = feed(&store, Revision::new(1_000_000)).await;
    let compacted = Progress::Compacted { resume_at: first };
    assert_eq!(ahead.next().await, Ok(compacted));
    assert_eq!(ahead.next().await, Ok(heartbeat(first)));
}
