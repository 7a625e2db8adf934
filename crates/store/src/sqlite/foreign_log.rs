//! A write-ahead log that is not this file's: a `store.db` that was restored beside the `store.db-wal` of a server that
//! was killed. SQLite would write the log's pages into the restored file, which damages it or undoes the restore, and
//! notices nothing. So the two are compared before SQLite opens either.
//!
//! Every transaction writes the page of the table `meta`. It says there which store it is, at which revision the
//! transaction began, and at which it ended. The file alone is at a revision between where the first transaction in the
//! log began and where the last one ended: whatever a checkpoint has brought into it, it was taken from this log.
//!
//! A file that was copied from the same store since the log began passes. SQLite then restores the newest state, which
//! undoes the restore but damages nothing.
//!
//! <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    path::{Path as FilePath, PathBuf},
};

use rusqlite::{Connection, MAIN_DB, OptionalExtension};

use super::{failed, guard, steps::PAGE_BYTES};
use crate::error::StoreError;

/// The first bytes of a log: with checksums of little-endian words, or of big-endian ones.
const MAGIC: [u32; 2] = [0x377f_0682, 0x377f_0683];
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const PAGE: usize = PAGE_BYTES as usize;
/// Pages from the start of the file among which the schema and `meta` are.
const FIRST_PAGES: u32 = 8;

/// The first pages of a file, by number; the first has number 1.
type Pages = BTreeMap<u32, Vec<u8>>;

/// What the table `meta` says.
#[derive(Clone, Copy, Debug)]
struct Meta {
    /// The store's own number, which stores of earlier releases do not have.
    id: Option<i64>,
    /// The revision at which the last transaction began, likewise.
    began: Option<i64>,
    revision: i64,
}

/// Refuses a file beside which the log of another one lies.
pub(super) fn check(file: &FilePath) -> Result<(), StoreError> {
    let log = beside(file);
    let compared = compare(file, &log);
    match compared.map_err(|error| failed(&error))? {
        true => Ok(()),
        false => Err(StoreError::ForeignLog { log }),
    }
}

/// The log of a file.
fn beside(file: &FilePath) -> PathBuf {
    let mut name = OsString::from(file);
    name.push("-wal");
    name.into()
}

/// Whether the log can be the file's. Where one of them cannot be read, SQLite says what is wrong with it.
fn compare(file: &FilePath, log: &FilePath) -> io::Result<bool> {
    let log = match File::open(log) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let Some((first, last)) = commits(BufReader::new(log))? else {
        return Ok(true);
    };
    let alone = first_pages(&File::open(file)?)?;
    let after = |commit: Pages| {
        let mut pages = alone.clone();
        pages.extend(commit);
        meta(&pages)
    };
    let (Some(first), Some(last)) = (after(first), after(last)) else {
        return Ok(true);
    };
    let Some(alone) = meta(&alone) else {
        return Ok(true);
    };
    let is_other = alone
        .id
        .zip(first.id)
        .is_some_and(|(own, other)| own != other);
    let is_older = first.began.is_some_and(|began| alone.revision < began);
    let is_newer = alone.revision > last.revision;
    Ok(!(is_other || is_older || is_newer))
}

/// The first pages as the first commit in a log has them, as far as they are in it, and as the last one has. None if
/// there is no commit.
fn commits(mut log: impl Read) -> io::Result<Option<(Pages, Pages)>> {
    let mut header = [0; HEADER];
    if !fills(&mut log, &mut header)? {
        return Ok(None);
    }
    let word = |at: usize| big_endian(&header, at);
    let swapped = match MAGIC.iter().position(|magic| *magic == word(0)) {
        Some(kind) => kind == 1,
        None => return Ok(None),
    };
    let mut sum = checksum((0, 0), header.get(..24).unwrap_or_default(), swapped);
    if (word(24), word(28)) != sum || u64::from(word(8)) != PAGE_BYTES {
        return Ok(None);
    }
    let salt = (word(16), word(20));
    let (mut frame, mut page) = ([0; FRAME_HEADER], vec![0; PAGE]);
    let (mut begun, mut last) = (Pages::new(), Pages::new());
    let mut first = None;
    while fills(&mut log, &mut frame)? && fills(&mut log, &mut page)? {
        let word = |at: usize| big_endian(&frame, at);
        sum = checksum(sum, frame.get(..8).unwrap_or_default(), swapped);
        sum = checksum(sum, &page, swapped);
        // From here on, what lies in the file is of an earlier log, or was not written completely.
        if (word(8), word(12)) != salt || (word(16), word(20)) != sum {
            break;
        }
        let number = word(0);
        if (1..=FIRST_PAGES).contains(&number) {
            begun.insert(number, page.clone());
        }
        let is_commit = word(4) != 0;
        if is_commit {
            last.append(&mut begun);
            first.get_or_insert_with(|| last.clone());
        }
    }
    Ok(first.map(|first| (first, last)))
}

fn big_endian(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.copied().map_or(0, u32::from_be_bytes)
}

/// SQLite's checksum, continued.
fn checksum(before: (u32, u32), bytes: &[u8], big: bool) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let bytes: [u8; 4] = bytes.try_into().unwrap_or_default();
        match big {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        }
    };
    bytes.chunks_exact(8).fold(before, |(one, other), pair| {
        let (left, right) = pair.split_at(4);
        let one = one.wrapping_add(word(left)).wrapping_add(other);
        (one, other.wrapping_add(word(right)).wrapping_add(one))
    })
}

/// Fills the buffer; answers whether there was enough.
fn fills(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn first_pages(file: &File) -> io::Result<Pages> {
    let mut pages = Pages::new();
    for number in 1..=FIRST_PAGES {
        let mut page = vec![0; PAGE];
        match file.read_exact_at(&mut page, u64::from(number - 1) * PAGE_BYTES) {
            Ok(()) => pages.insert(number, page),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        };
    }
    Ok(pages)
}

/// What the table `meta` says, read by SQLite from a copy of the first pages; none if it cannot be read.
fn meta(pages: &Pages) -> Option<Meta> {
    let mut image = Vec::with_capacity(PAGE * pages.len());
    for (expected, (number, page)) in (1..).zip(pages) {
        // What comes after a gap is of no use.
        if *number != expected {
            break;
        }
        image.extend_from_slice(page);
    }
    // It is a file of its own, of this many pages and without a log.
    let count = u32::try_from(image.len() / PAGE).ok()?;
    image.get_mut(28..32)?.copy_from_slice(&count.to_be_bytes());
    image.get_mut(18..20)?.copy_from_slice(&[1, 1]);
    let mut copy = Connection::open_in_memory().ok()?;
    guard::harden(&copy).ok()?;
    copy.deserialize_read_exact(MAIN_DB, image.as_slice(), image.len(), true)
        .ok()?;
    guard::check_kinds(&copy).ok()?;
    let value = |name: &str| {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        let found = copy.query_row(sql, [name], |row| row.get(0)).optional();
        found.ok()
    };
    Some(Meta {
        id: value("id")?,
        began: value("began")?,
        revision: value("revision")??,
    })
}
