//! What was deleted or overwritten stands in no file after a scrub.

use std::{collections::HashSet, path::Path as FilePath};

use keyward_crypto::random;
use keyward_store::{
    batch::{Batch, Precondition},
    path::Prefix,
    sqlite::{Sqlite, SqliteOptions},
    store::Store,
};

use crate::fixtures::path;

/// As much of a value as is searched for: enough to occur once only.
const WINDOW: usize = 8;

#[tokio::test]
async fn deleted_and_overwritten_values_are_in_no_file_after_a_scrub() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = Sqlite::open(SqliteOptions::new(&file)).unwrap();
    // Sizes from within one page to many overflow pages, strewn over the index.
    let mut gone = HashSet::new();
    let mut kept = HashSet::new();
    let mut first = Vec::new();
    for number in 0..600_usize {
        let at = path(&format!("{:x}", number.wrapping_mul(0x9e37_79b9) % 0xffff));
        let value = random_value(40 + (number * 37) % 9000);
        first.push((at, value));
    }
    for some in first.chunks(40) {
        let mut batch = Batch::new();
        for (at, value) in some {
            let line = batch.put(at.clone(), value.clone(), Precondition::Absent);
            line.unwrap();
        }
        store.commit(batch).await.unwrap();
    }
    assert!(
        found(&file, &windows(&first[0].1).into_iter().collect()) > 0,
        "the search finds"
    );

    for (number, (at, value)) in first.iter().enumerate() {
        let mut batch = Batch::new();
        match number % 4 {
            0 => batch.delete(at.clone(), Precondition::Any).unwrap(),
            // Shorter, as long and longer than before: cells move between pages.
            1 | 2 => {
                let length = [value.len(), 30, value.len() + 500][number % 3];
                let value = random_value(length);
                kept.extend(windows(&value));
                batch.put(at.clone(), value, Precondition::Any).unwrap();
            }
            _ => {
                kept.extend(windows(value));
                continue;
            }
        }
        gone.extend(windows(value));
        store.commit(batch).await.unwrap();
    }
    assert!(found(&file, &gone) > 0, "before the scrub they linger");
    store.scrub().await.unwrap();
    assert_eq!(found(&file, &gone), 0);
    // But for what lies across the end of a page.
    let there = found(&file, &kept);
    assert!(there > kept.len() / 100 * 99, "nothing else is gone");

    // Everything goes: the file is free pages, and they are blank.
    let all = Prefix::all();
    for entry in store.range(&all, None, 1000).await.unwrap().value {
        let mut batch = Batch::new();
        batch.delete(entry.path, Precondition::Any).unwrap();
        store.commit(batch).await.unwrap();
    }
    store.scrub().await.unwrap();
    assert_eq!(found(&file, &kept), 0);
    store.check().await.unwrap();
}

fn random_value(length: usize) -> Vec<u8> {
    let mut value = vec![0; length];
    random::fill(&mut value);
    value
}

fn windows(value: &[u8]) -> Vec<[u8; WINDOW]> {
    value.as_chunks::<WINDOW>().0.to_vec()
}

/// How many of them stand in the store's files, at any offset.
fn found(file: &FilePath, wanted: &HashSet<[u8; WINDOW]>) -> usize {
    let mut seen = HashSet::new();
    for name in std::fs::read_dir(file.parent().unwrap()).unwrap() {
        let bytes = std::fs::read(name.unwrap().path()).unwrap();
        for window in bytes.windows(WINDOW) {
            let window: [u8; WINDOW] = window.try_into().unwrap();
            if wanted.contains(&window) {
                seen.insert(window);
            }
        }
    }
    seen.len()
}
