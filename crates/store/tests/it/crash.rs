//! A process that is killed while it commits loses nothing that it has acknowledged.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path as FilePath,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use keyward_store::{
    batch::{Batch, Precondition},
    error::{CommitError, StoreError},
    path::Prefix,
    sqlite::{Sqlite, SqliteOptions},
    store::Store,
};

use crate::fixtures::{path, put};

/// Tells the child, which is this test program again, where its store lies.
const FOLDER: &str = "STORE_TEST_FOLDER";
const WRITERS: u64 = 8;
const KILLS: usize = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        commit_for_ever(FilePath::new(&folder)).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..KILLS {
        let name = "crash::nothing_acknowledged_is_lost_when_the_process_is_killed";
        let mut child = this_program(name, folder.path()).spawn().unwrap();
        // Killed after more and more acknowledgements, some of them in the first transactions.
        let seen = kill_after(&mut child, 1 + round * 37, &mut acknowledged);
        assert!(seen > round * 37, "the child was at work");

        let store = open(folder.path());
        store.check().await.unwrap();
        for (writer, last) in &acknowledged {
            let pair = format!("w/{writer}/");
            let pair = Prefix::parse(&pair).unwrap();
            let pair = store.range(&pair, None, 10).await.unwrap().value;
            assert_eq!(pair.len(), 2);
            assert_eq!(pair[0].value, pair[1].value, "all or nothing");
            assert_eq!(pair[0].revision, pair[1].revision);
            let kept = number(&pair[0].value);
            assert!(
                kept >= *last,
                "writer {writer}: {kept} kept, {last} acknowledged"
            );
        }
    }
    assert_eq!(acknowledged.len() as u64, WRITERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_grow_refuses_writes_and_loses_nothing() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        commit_until_refused(FilePath::new(&folder)).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let name = "crash::a_file_that_may_not_grow_refuses_writes_and_loses_nothing";
    let program = this_program(name, folder.path());
    let mut limited = Command::new("sh");
    // Without a handler the signal would end the process; ignored, the write fails.
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped());
    let output = limited.output().unwrap();
    assert!(output.status.success(), "the child's own assertions hold");
    let text = String::from_utf8(output.stdout).unwrap();
    let kept = text
        .lines()
        .filter_map(acknowledgement)
        .next_back()
        .unwrap()
        .1;
    assert!(kept > 5, "some fitted");

    let store = open(folder.path());
    store.check().await.unwrap();
    let all = Prefix::parse("n/").unwrap();
    let all = store.range(&all, None, 1000).await.unwrap().value;
    assert_eq!(all.len() as u64, kept, "what was refused left nothing");
    assert!(
        store
            .commit(put("n/more", b"", Precondition::Absent))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_torn_journal_leaves_a_whole_number_of_batches() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut sizes = Vec::new();
    for round in 1..=12_u64 {
        let mut batch = Batch::new();
        for at in ["a", "b", "c"] {
            let value = round.to_be_bytes().repeat(100 + 200 * round as usize % 700);
            let line = batch.put(path(at), value, Precondition::Any);
            line.unwrap();
        }
        store.commit(batch).await.unwrap();
        sizes.push(journal(folder.path()).len());
    }
    let (whole, database) = (
        journal(folder.path()),
        std::fs::read(folder.path().join("store.db")).unwrap(),
    );
    // Each cut is what a power failure may leave of the last writes; each flip, a torn sector.
    let mut cases = Vec::new();
    for cut in (0..whole.len()).step_by(1111).chain(sizes.iter().copied()) {
        cases.push(whole[..cut].to_vec());
        let mut torn = whole.clone();
        if let Some(byte) = torn.get_mut(cut) {
            *byte ^= 0xff;
            cases.push(torn);
        }
    }
    let mut outcomes = BTreeMap::new();
    for journal in cases {
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("store.db"), &database).unwrap();
        std::fs::write(copy.path().join("store.db-wal"), &journal).unwrap();
        // The journal's beginning may hold the schema itself: then the store is a new one.
        let torn = open(copy.path());
        torn.check().await.unwrap();
        let read = torn.range(&Prefix::all(), None, 10).await.unwrap();
        let rounds: Vec<u64> = read
            .value
            .iter()
            .map(|entry| number(&entry.value))
            .collect();
        let at = read.at.number();
        let expected = if at == 0 { vec![] } else { vec![at; 3] };
        assert_eq!(rounds, expected);
        *outcomes.entry(at).or_insert(0) += 1;
    }
    assert!(
        outcomes.len() > 8,
        "the cuts fell between batches: {outcomes:?}"
    );
}

/// The child of the first test.
async fn commit_for_ever(folder: &FilePath) {
    let store = Arc::new(open(folder));
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let one = path(&format!("w/{writer}/one"));
            let two = path(&format!("w/{writer}/two"));
            let before = store.get(&one).await.unwrap().value;
            let mut last = before.map_or(0, |entry| number(&entry.value));
            loop {
                last += 1;
                // Of different sizes, so that pages split and overflow.
                let value = last.to_be_bytes().repeat(1 + (last as usize * 13) % 600);
                let mut batch = Batch::new();
                batch
                    .put(one.clone(), value.clone(), Precondition::Any)
                    .unwrap();
                batch.put(two.clone(), value, Precondition::Any).unwrap();
                store.commit(batch).await.unwrap();
                acknowledge(writer, last);
            }
        });
    }
    tasks.join_all().await;
}

/// The child of the second test.
async fn commit_until_refused(folder: &FilePath) {
    let store = open(folder);
    for number in 1_u64.. {
        let at = format!("n/{number:04}");
        match store
            .commit(put(&at, &[7; 3000], Precondition::Absent))
            .await
        {
            Ok(_) => acknowledge(0, number),
            Err(error) => {
                assert_eq!(error, CommitError::Store(StoreError::Full));
                break;
            }
        }
    }
    // A probe is one page: a few may still fit where the batch did not.
    let mut probe = store.probe().await;
    for _ in 0..10 {
        probe = store.probe().await;
    }
    assert_eq!(probe, Err(StoreError::Full), "readiness is red");
    let first = store.get(&path("n/0001")).await.unwrap();
    assert!(first.value.is_some(), "reads go on");
}

fn open(folder: &FilePath) -> Sqlite {
    Sqlite::open(SqliteOptions::new(folder.join("store.db"))).unwrap()
}

fn journal(folder: &FilePath) -> Vec<u8> {
    std::fs::read(folder.join("store.db-wal")).unwrap()
}

/// This test program, running one test in the role of the child.
fn this_program(test: &str, folder: &FilePath) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

fn kill_after(child: &mut Child, count: usize, last: &mut BTreeMap<u64, u64>) -> usize {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    while let Some(Ok(line)) = lines.next() {
        if let Some((writer, number)) = acknowledgement(&line) {
            last.insert(writer, number);
            seen += 1;
            if seen == count {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    seen
}

fn acknowledge(writer: u64, number: u64) {
    // One write, so that lines of different tasks do not mix.
    let line = format!("ack {writer} {number}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

fn acknowledgement(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split(' ');
    (words.next() == Some("ack")).then_some(())?;
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Values are a number, over and over.
fn number(value: &[u8]) -> u64 {
    let (numbers, rest) = value.as_chunks::<8>();
    assert!(rest.is_empty() && numbers.iter().all(|number| *number == numbers[0]));
    u64::from_be_bytes(numbers[0])
}
