//! The suite that every engine runs: what the trait [`Store`] promises, as tests.
//!
//! An engine is put to it by one line in `tests/it/conformance.rs`:
//!
//! ```ignore
//! keyward_store::store_conformance!(memory, open_memory);
//! ```
//!
//! where `open_memory` takes [`FeedOptions`](crate::log::FeedOptions) and answers [`TestStore`].

use std::{any::Any, fmt, sync::Arc};

use crate::{
    batch::{Batch, Precondition},
    error::CommitError,
    path::{Path, Prefix},
    revision::Revision,
    store::{Entry, Store},
};

pub mod commits;
pub mod feeds;
pub mod reads;
pub mod stamps;

/// An empty store, and what must live as long as it does (its folder).
pub struct TestStore {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Dropped after it.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for TestStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

/// Makes one module of tests for an engine.
#[macro_export]
macro_rules! store_conformance {
    ($engine:ident, $open:path) => {
        mod $engine {
            $crate::store_conformance!(@each $open, commits:
                a_fresh_store_is_at_revision_zero
                what_is_put_is_read_back_with_its_revision
                a_false_precondition_names_its_path_and_keeps_nothing
                a_batch_of_checks_writes_nothing
                a_deleted_entry_is_absent_and_can_be_made_again
                the_largest_value_and_the_largest_batch_are_kept
                concurrent_increments_lose_none
                an_answered_commit_is_seen_by_every_later_read
                random_batches_do_what_they_do_to_a_plain_map
                probing_and_scrubbing_change_nothing
            );
            $crate::store_conformance!(@each $open, reads:
                a_range_is_ordered_by_bytes
                a_range_stays_within_its_prefix
                a_range_is_paged_by_after_and_limit
                a_range_never_answers_more_than_its_most
                a_range_shows_one_revision_while_others_write
                an_entry_keeps_its_revision_while_others_change
            );
            $crate::store_conformance!(@each $open, stamps:
                a_batch_may_raise_the_revision
                a_stamp_goes_with_every_transaction_that_writes
            );
            $crate::store_conformance!(@each $open, feeds:
                changes_come_in_order_without_gaps_under_concurrent_writers
                a_feed_begins_after_the_revision_it_is_asked_from
                a_feed_is_complete_to_what_was_answered_before_it_was_asked
                a_silent_store_sends_heartbeats
                a_feed_may_be_dropped_while_it_waits
                a_reader_too_far_behind_is_told_that_changes_are_gone
                a_reader_ahead_of_the_store_is_told_to_forget
            );
        }
    };
    (@each $open:path, $topic:ident: $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                use $crate::conformance::$topic as topic;
                let opened = $open(topic::options());
                topic::$name(std::sync::Arc::clone(&opened.store)).await;
            }
        )*
    };
}

fn path(text: &str) -> Path {
    Path::parse(text).expect("the suite's paths are good")
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).expect("the suite's prefixes are good")
}

/// A batch of one put.
fn put(at: &str, value: &[u8], precondition: Precondition) -> Batch {
    let mut batch = Batch::new();
    batch
        .put(path(at), value.to_vec(), precondition)
        .expect("one small value is within the limits");
    batch
}

async fn commit(store: &Arc<dyn Store>, batch: Batch) -> Revision {
    store.commit(batch).await.expect("the commit is kept")
}

async fn conflict(store: &Arc<dyn Store>, batch: Batch) -> Option<Path> {
    match store.commit(batch).await {
        Err(CommitError::Conflict { path }) => Some(path),
        _ => None,
    }
}

async fn entry(store: &Arc<dyn Store>, at: &str) -> Option<Entry> {
    store.get(&path(at)).await.expect("the read works").value
}

async fn entries(store: &Arc<dyn Store>, under: &str) -> Vec<Entry> {
    let read = store.range(&prefix(under), None, usize::MAX).await;
    read.expect("the read works").value
}

fn paths(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

/// A generator of small numbers, the same in every run (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).map_or(0, |number| number % end)
    }
}
