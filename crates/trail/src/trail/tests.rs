//! A trail that is examined, gone on with and checked.

use std::{fs, path::Path};

use keyward_crypto::secret::arena::Arena;
use keyward_types::store_id::StoreId;

use super::*;
use crate::{
    chain::ChainId,
    examine::{self, examine},
    head::{Head, KnownChain},
    set_aside,
    verify::{Verified, verify},
};

const STORE: StoreId = StoreId::from_bytes([3; 16]);

fn chain() -> Chain {
    of(STORE)
}

/// The chain of a store; all have the same key.
fn of(store: StoreId) -> Chain {
    let (arena, _) = Arena::new(4096).unwrap();
    let key = arena.store_bytes(&[9; 32]).unwrap();
    Chain::new(ChainId::only(store), Arc::new(key))
}

/// The frontier of a store that holds nothing.
fn newborn() -> Arc<Frontier> {
    Frontier::new(&Head::newborn(0))
}

/// What a store knows that keeps what the frontier says.
fn known(frontier: &Frontier) -> KnownChain {
    KnownChain {
        end: frontier.synced(),
        ..Head::newborn(frontier.stored()).known()
    }
}

/// Opens a trail with a frontier of its own.
pub(crate) fn open(directory: &Path, options: TrailOptions) -> Trail {
    open_for(directory, options, &newborn())
}

/// Opens what stands in a directory, which must be what the frontier says.
fn open_for(directory: &Path, options: TrailOptions, frontier: &Arc<Frontier>) -> Trail {
    let found = examine(directory, &chain(), &known(frontier)).unwrap();
    let frontier = Arc::clone(frontier);
    Trail::open(directory, options, chain(), &found, frontier).unwrap()
}

/// Checks a trail from its first segment on.
pub(crate) fn whole(directory: &Path) -> Verified {
    verify((directory, &[]), &chain(), &known(&newborn())).unwrap()
}

/// Appends so many events, each a batch of its own.
fn append(trail: &mut Trail, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let mut lines = format!("{{\"number\":{number}}}\n").into_bytes();
        trail.append(&mut lines, 1, None).unwrap();
    }
}

/// A trail of that many events, all on disk, a segment for each two or so.
fn written(events: u32) -> (tempfile::TempDir, Arc<Frontier>) {
    let home = tempfile::tempdir().unwrap();
    let frontier = newborn();
    let options = TrailOptions {
        segment_bytes: 700,
        strict: true,
    };
    append(&mut open_for(home.path(), options, &frontier), 0..events);
    (home, frontier)
}

fn examined(home: &Path, frontier: &Frontier) -> Result<examine::AuthenticTrail, TrailError> {
    examine(home, &chain(), &known(frontier))
}

fn verified(
    home: &Path,
    archives: &[PathBuf],
    frontier: &Frontier,
) -> Result<Verified, TrailError> {
    verify((home, archives), &chain(), &known(frontier))
}

fn numbers(home: &Path) -> Vec<u64> {
    segment::all(home).unwrap().into_keys().collect()
}

#[test]
fn a_trail_goes_on_from_segment_to_segment_and_from_start_to_start() {
    let (home, frontier) = written(5);
    append(
        &mut open_for(home.path(), TrailOptions::default(), &frontier),
        5..9,
    );
    let found = verified(home.path(), &[], &frontier).unwrap();
    assert_eq!((found.events, found.batches, found.first), (9, 9, Some(1)));
    assert_eq!(found.segments, numbers(home.path()).len() as u64);
    assert!(found.segments > 2, "{found:?}");
    for (number, path) in segment::all(home.path()).unwrap() {
        let text = fs::read_to_string(path).unwrap();
        let (chain, header) =
            match format::parse(text.split_inclusive('\n').next().unwrap().as_bytes()) {
                Some(format::Own::Header(chain, header, _)) => (chain, header),
                _ => panic!("it begins with a header"),
            };
        assert_eq!((chain, header.number), (ChainId::only(STORE), number));
    }
}

#[test]
fn what_is_taken_from_what_was_on_disk_is_found() {
    let (home, frontier) = written(6);
    let all = segment::all(home.path()).unwrap();
    let last = all.values().next_back().unwrap();
    let bytes = fs::read(last).unwrap();
    let refused = || examined(home.path(), &frontier).unwrap_err();
    // Whatever is cut off.
    for length in 0..bytes.len() {
        fs::write(last, &bytes[..length]).unwrap();
        let error = refused();
        assert!(error.is_loss(), "{length}: {error}");
    }
    // Whatever is changed.
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(last, &changed).unwrap();
        let error = examined(home.path(), &frontier);
        assert!(error.is_err(), "byte {at}");
    }
    fs::write(last, &bytes).unwrap();
    examined(home.path(), &frontier).unwrap();
    // The last segment, or all of them.
    fs::remove_file(last).unwrap();
    let text = format!("a part of the audit trail is missing: {}", last.display());
    assert_eq!(refused().to_string(), text);
    for path in all.values() {
        let _ = fs::remove_file(path);
    }
    assert_eq!(refused().to_string(), text);
}

#[test]
fn a_segment_that_is_missing_between_others_is_found() {
    let (home, frontier) = written(9);
    let all = segment::all(home.path()).unwrap();
    assert!(all.len() >= 4);
    fs::remove_file(&all[&2]).unwrap();
    let text = format!(
        "a part of the audit trail is missing: {}",
        all[&2].display()
    );
    assert_eq!(
        examined(home.path(), &frontier).unwrap_err().to_string(),
        text
    );
    let error = verified(home.path(), &[], &frontier).unwrap_err();
    assert_eq!(error.to_string(), text);
}

#[test]
fn an_emptied_segment_is_called_that_by_start_and_verify() {
    let (home, frontier) = written(1);
    let early = known(&frontier);
    let options = TrailOptions {
        segment_bytes: 700,
        strict: true,
    };
    append(&mut open_for(home.path(), options, &frontier), 1..9);
    let (all, late) = (segment::all(home.path()).unwrap(), known(&frontier));
    let last = *all.keys().next_back().unwrap();
    assert!(last >= 4);
    for (number, path) in &all {
        let bytes = fs::read(path).unwrap();
        fs::write(path, b"").unwrap();
        let text = format!("the audit trail was cut short: {} is empty", path.display());
        let error = verify((home.path(), &[]), &chain(), &late).unwrap_err();
        assert_eq!(error.to_string(), text, "verify, segment {number}");
        // A start looks no further back than what it knows, and may find the last one just begun.
        let known = if *number == last { &late } else { &early };
        let error = examine(home.path(), &chain(), known).unwrap_err();
        assert_eq!(error.to_string(), text, "start, segment {number}");
        assert!(error.is_loss());
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn segments_that_were_moved_away_break_neither_start_nor_verify() {
    let (home, frontier) = written(9);
    let archive = tempfile::tempdir().unwrap();
    let all = segment::all(home.path()).unwrap();
    let last = *all.keys().next_back().unwrap();
    for (number, path) in all.range(..last) {
        fs::rename(path, segment::path(archive.path(), *number)).unwrap();
    }
    examined(home.path(), &frontier).unwrap();
    let found = verified(home.path(), &[], &frontier).unwrap();
    assert_eq!((found.first, found.segments), (Some(last), 1));
    let found = verified(home.path(), &[archive.path().to_owned()], &frontier).unwrap();
    assert_eq!((found.first, found.events), (Some(1), 9));
    // What was moved is checked with the rest.
    let moved = segment::path(archive.path(), 2);
    let text = fs::read_to_string(&moved).unwrap();
    fs::write(&moved, text.replacen("{\"number\":", "{\"number\": ", 1)).unwrap();
    let error = verified(home.path(), &[archive.path().to_owned()], &frontier).unwrap_err();
    let expected = format!(
        "the audit trail was altered: line 3 of {} does not match its MAC",
        moved.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_line_of_keywards_own_is_written_in_one_way() {
    let (home, frontier) = written(6);
    let first = segment::path(home.path(), 1);
    let text = fs::read_to_string(&first).unwrap();
    for (from, line) in [("{\"keywardSegment\":", 1), ("{\"keywardBatch\":", 3)] {
        fs::write(&first, text.replacen(from, &format!("{from} "), 1)).unwrap();
        let error = verified(home.path(), &[], &frontier).unwrap_err();
        let place = format!("line {line} of {} does not match its MAC", first.display());
        assert_eq!(
            error.to_string(),
            format!("the audit trail was altered: {place}")
        );
    }
}

#[test]
fn a_segment_of_another_place_or_store_is_no_segment() {
    let (home, frontier) = written(9);
    let all = segment::all(home.path()).unwrap();
    let second = fs::read(&all[&2]).unwrap();
    fs::copy(&all[&3], &all[&2]).unwrap();
    let error = verified(home.path(), &[], &frontier).unwrap_err();
    let expected = format!(
        "the audit trail was altered: line 1 of {} does not match its MAC",
        all[&2].display()
    );
    assert_eq!(error.to_string(), expected);
    fs::write(&all[&2], second).unwrap();
    let other = of(StoreId::from_bytes([4; 16]));
    let error = examine(home.path(), &other, &known(&frontier)).unwrap_err();
    assert!(matches!(error, TrailError::Foreign { .. }), "{error}");
    assert!(!error.is_loss());
}

#[test]
fn a_power_cut_after_what_was_on_disk_never_refuses() {
    let home = tempfile::tempdir().unwrap();
    let frontier = newborn();
    let options = TrailOptions {
        segment_bytes: 700,
        strict: false,
    };
    let mut trail = open_for(home.path(), options, &frontier);
    append(&mut trail, 0..7);
    drop(trail);
    let synced = frontier.synced();
    let all = segment::all(home.path()).unwrap();
    let (last, path) = all.iter().next_back().unwrap();
    let bytes = fs::read(path).unwrap();
    // The end of the segment before was on disk; this one has never been brought there.
    assert_eq!(synced.at.segment + 1, *last);
    let mut ends = std::collections::BTreeSet::new();
    for length in 0..=bytes.len() {
        for filler in [None, Some(0), Some(b'\n'), Some(b'x')] {
            let mut left = bytes[..length].to_vec();
            // Lengths are on disk before what they count, now and then.
            left.resize(filler.map_or(length, |_| bytes.len()), filler.unwrap_or(0));
            fs::write(path, &left).unwrap();
            let found = examined(home.path(), &frontier).unwrap();
            let torn = found.torn.as_ref().map_or(0, |torn| torn.bytes);
            let kept = if found.end.at.segment == *last {
                found.end.at.length
            } else {
                0
            };
            assert_eq!(kept + torn, left.len() as u64);
            ends.insert(found.end.at);
            if filler.is_some() || length % 8 > 0 {
                continue;
            }
            // It goes on, and what is torn is no part of it.
            let options = TrailOptions::default();
            let trail = Trail::open(home.path(), options, chain(), &found, newborn());
            let mut trail = trail.unwrap();
            append(&mut trail, 90..91);
            let whole = verified(home.path(), &[], &frontier).unwrap();
            assert_eq!(whole.rest, 0);
        }
    }
    // Of each batch all or nothing.
    assert!(ends.len() > 2, "{ends:?}");
}

#[test]
fn a_forged_end_is_never_closed_by_a_mac() {
    let home = tempfile::tempdir().unwrap();
    let frontier = newborn();
    let mut trail = open_for(home.path(), TrailOptions::default(), &frontier);
    append(&mut trail, 0..1);
    trail.sync().unwrap();
    append(&mut trail, 1..2);
    drop(trail);
    // Somebody changes the last event and drops its closing line.
    let path = segment::path(home.path(), 1);
    let text = fs::read_to_string(&path).unwrap();
    let (before, _) = text.split_once("{\"number\":1}").unwrap();
    let event = before.len();
    fs::write(&path, format!("{before}{}", "{\"number\":8}\n")).unwrap();
    let found = examined(home.path(), &frontier).unwrap();
    let torn = found.torn.clone().unwrap();
    assert_eq!((torn.at.length, torn.bytes), (event as u64, 13));
    let aside = set_aside::copy(home.path(), &torn).unwrap();
    assert_eq!(
        fs::read(home.path().join(&aside.file)).unwrap(),
        b"{\"number\":8}\n"
    );
    let trail = Trail::open(
        home.path(),
        TrailOptions::default(),
        chain(),
        &found,
        Arc::clone(&frontier),
    );
    append(&mut trail.unwrap(), 2..3);
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("{\"number\":8}"), "{text}");
    let whole = verified(home.path(), &[], &frontier).unwrap();
    assert_eq!((whole.events, whole.set_aside), (2, 1));
}

#[test]
fn another_history_of_the_same_store_is_found() {
    let (home, frontier) = written(1);
    let (other, _) = written(2);
    let path = segment::path(home.path(), 1);
    fs::copy(segment::path(other.path(), 1), &path).unwrap();
    // The first event is the same in both, so both are what the store knows.
    examined(home.path(), &frontier).unwrap();
    let different = tempfile::tempdir().unwrap();
    let mut trail = open(different.path(), TrailOptions::default());
    append(&mut trail, 5..7);
    fs::copy(segment::path(different.path(), 1), &path).unwrap();
    let error = examined(home.path(), &frontier).unwrap_err();
    let expected = format!(
        "this is not the audit trail that the store knows: {} differs",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn numbers_that_no_segment_has_are_no_segments() {
    let home = tempfile::tempdir().unwrap();
    drop(open(home.path(), TrailOptions::default()));
    let before = whole(home.path());
    for number in [0, u64::MAX] {
        fs::write(segment::path(home.path(), number), "not a segment").unwrap();
    }
    assert_eq!(whole(home.path()), before);
    drop(open_for(home.path(), TrailOptions::default(), &newborn()));
}

#[test]
fn a_loss_is_cleared_only_when_that_is_carried_out() {
    let home = tempfile::tempdir().unwrap();
    drop(open(home.path(), TrailOptions::default()));
    let foreign = segment::path(home.path(), 3);
    fs::write(&foreign, "not a segment").unwrap();
    let (found, clearing, files) =
        set_aside::clear(home.path(), &chain(), &Head::newborn(0)).unwrap();
    assert_eq!(found.next_segment, Some(4));
    assert_eq!(files, ["trail-00000003.jsonl.not-authentic-1"]);
    assert!(foreign.exists());
    clearing.carry_out(home.path()).unwrap();
    assert!(!foreign.exists());
    assert!(home.path().join(&files[0]).exists());
    // The highest number leaves none to go on with.
    let highest = segment::path(home.path(), segment::LAST);
    fs::write(&highest, "not a segment").unwrap();
    let error = set_aside::clear(home.path(), &chain(), &Head::newborn(0)).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("18446744073709551614.jsonl: move it away")
    );
    assert!(highest.exists());
}
