//! The writer on trails in scratch folders.

use super::*;
use crate::{
    chain::End,
    trail::{
        TrailOptions,
        tests::{open, whole},
    },
};

/// Records a hundred events, and tells in how many batches they were written.
async fn hundred_events(options: TrailOptions) -> u64 {
    let home = tempfile::tempdir().unwrap();
    let trail = open(home.path(), options);
    let (writer, thread) = Writer::start(trail).unwrap();
    let record = |number: u32| {
        let writer = writer.clone();
        let line = format!(r#"{{"number":{number}}}"#).into_bytes();
        tokio::spawn(async move { writer.record(line).await })
    };
    let events: Vec<_> = (0..100).map(record).collect();
    for event in events {
        assert_eq!(event.await.unwrap(), Ok(()));
    }
    assert_eq!(writer.state().events(), 100);
    assert_eq!(writer.probe().await, Ok(()));
    let batches = writer.state().batches();
    drop(writer);
    let ended = tokio::task::spawn_blocking(|| thread.join()).await;
    ended.unwrap().unwrap();
    assert_eq!(whole(home.path()).events, 100);
    batches
}

#[tokio::test]
async fn events_that_come_together_are_written_together() {
    let batches = hundred_events(TrailOptions::default()).await;
    assert!(batches < 10, "{batches}");
}

#[tokio::test]
async fn what_waits_for_the_disk_is_written_as_well() {
    let strict = TrailOptions {
        strict: true,
        ..TrailOptions::default()
    };
    let batches = hundred_events(strict).await;
    assert!(batches < 10, "{batches}");
    // Each batch begins a segment.
    let short = TrailOptions {
        segment_bytes: 1,
        ..TrailOptions::default()
    };
    hundred_events(short).await;
}

#[tokio::test]
async fn after_a_slow_write_the_thread_writes_for_a_while() {
    let home = tempfile::tempdir().unwrap();
    let trail = open(home.path(), TrailOptions::default());
    let (jobs, given) = hand_over::sync_channel(1);
    let (word, words) = mpsc::channel(1);
    let state = Arc::new(WriterState::default());
    let flusher = Flusher::start(Arc::clone(trail.frontier())).unwrap();
    let mut gatherer = Gatherer::new(trail, (jobs, words), flusher, Arc::clone(&state));
    gatherer.probation = 1;
    // A thread whose first write is slow, and every other quick, whatever the clock says.
    let shared = Arc::clone(&state);
    let thread = thread::spawn(move || {
        let mut writes = 0;
        while let Ok(Job::Write(trail, batch)) = given.recv() {
            let mut written = append(trail, batch, &shared);
            written.took = if writes == 0 {
                QUICK * 2
            } else {
                Duration::ZERO
            };
            writes += 1;
            word.blocking_send(written).unwrap();
        }
        writes
    });
    let (queue, items) = mpsc::channel(QUEUE);
    tokio::spawn(gatherer.run(items));
    let writer = Writer { queue, state };
    // The slow one, those of the probation, and one that is not the thread's any more.
    for _ in 0..1 + PROBATION + 1 {
        assert_eq!(writer.record(b"{}".to_vec()).await, Ok(()));
    }
    assert_eq!(writer.state().batches(), u64::from(1 + PROBATION + 1));
    drop(writer);
    let writes = tokio::task::spawn_blocking(|| thread.join());
    assert_eq!(writes.await.unwrap().unwrap(), 1 + PROBATION);
    let events = whole(home.path()).events;
    assert_eq!(events, u64::from(1 + PROBATION + 1));
}

#[tokio::test]
async fn what_could_not_be_brought_to_the_disk_fails_one_batch() {
    let home = tempfile::tempdir().unwrap();
    let trail = open(home.path(), TrailOptions::default());
    let flusher = Flusher::start(Arc::clone(trail.frontier())).unwrap();
    // It is not a file that can be synced. The second is taken when the first has been refused.
    let bad = std::fs::File::open("/dev/null").unwrap();
    for _ in 0..2 {
        while !flusher.begin(&bad, End::default(), None) {
            tokio::task::yield_now().await;
        }
    }
    while !flusher.begin(&tempfile::tempfile().unwrap(), End::default(), None) {
        tokio::task::yield_now().await;
    }
    let state = Arc::new(WriterState::default());
    let channels = (hand_over::sync_channel(1).0, mpsc::channel(1).1);
    let gatherer = Gatherer::new(trail, channels, flusher, Arc::clone(&state));
    let (queue, items) = mpsc::channel(QUEUE);
    tokio::spawn(gatherer.run(items));
    let writer = Writer { queue, state };
    let refused = writer.record(br#"{"refused":1}"#.to_vec()).await;
    assert_eq!(refused, Err(NotRecorded::Failed));
    assert!(writer.state().is_failing());
    assert_eq!(writer.record(b"{}".to_vec()).await, Ok(()));
    assert!(!writer.state().is_failing());
    assert_eq!(whole(home.path()).events, 1);
}

#[test]
fn a_segment_is_flushed_when_enough_of_it_is_new() {
    let home = tempfile::tempdir().unwrap();
    let mut trail = open(home.path(), TrailOptions::default());
    let mut begun = |takes: bool| {
        let mut lines = vec![b' '; 1 << 20];
        lines.push(b'\n');
        trail.append(&mut lines, 1, None).unwrap();
        let mut asked = false;
        trail.flush_ahead(|_, _| {
            asked = true;
            takes
        });
        asked
    };
    // A MiB and a little more each: four of them are enough.
    assert_eq!(
        [true; 5].map(&mut begun),
        [false, false, false, true, false]
    );
    // It is asked again until it takes it.
    assert_eq!(
        [false, false, false, false, true, true].map(&mut begun),
        [false, false, true, true, true, false]
    );
}

#[tokio::test]
async fn without_its_thread_nothing_is_recorded_and_the_state_says_so() {
    let home = tempfile::tempdir().unwrap();
    let strict = TrailOptions {
        strict: true,
        ..TrailOptions::default()
    };
    let (jobs, given) = hand_over::sync_channel(1);
    drop(given);
    let state = Arc::new(WriterState::default());
    let trail = open(home.path(), strict);
    let channels = (jobs, mpsc::channel(1).1);
    let flusher = Flusher::start(Arc::clone(trail.frontier())).unwrap();
    let gatherer = Gatherer::new(trail, channels, flusher, Arc::clone(&state));
    let (queue, items) = mpsc::channel(QUEUE);
    tokio::spawn(gatherer.run(items));
    let writer = Writer { queue, state };
    assert!(!writer.state().is_failing());
    for _ in 0..2 {
        assert_eq!(
            writer.record(b"{}".to_vec()).await,
            Err(NotRecorded::Failed)
        );
        assert!(writer.state().is_failing());
    }
    assert_eq!(writer.state().events(), 0);
}

#[tokio::test]
async fn the_trail_is_closed_when_the_runtime_ends_before_the_writer() {
    let home = tempfile::tempdir().unwrap();
    let trail = open(home.path(), TrailOptions::default());
    let thread = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (writer, thread) = runtime.block_on(async {
            let (writer, thread) = Writer::start(trail).unwrap();
            assert_eq!(writer.record(b"{}".to_vec()).await, Ok(()));
            (writer, thread)
        });
        drop(runtime);
        // The handle is still held, and yet the thread ends.
        thread.join().unwrap();
        drop(writer);
    });
    let ended = tokio::task::spawn_blocking(|| thread.join()).await;
    ended.unwrap().unwrap();
    assert_eq!(whole(home.path()).events, 1);
}
