//! Checking every batch of a trail, beginning with the first segment that is there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    chain::{Chain, End},
    error::{TrailError, io_at},
    examine::altered,
    head::KnownChain,
    scan::scan,
    segment, set_aside,
};

/// What [`verify`] has checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments read.
    pub segments: u64,
    /// Batches with a correct MAC.
    pub batches: u64,
    /// Event lines in them.
    pub events: u64,
    /// Pieces that a crash left, and that a start has set aside.
    pub set_aside: u64,
    /// The first segment that is there.
    pub first: Option<u64>,
    /// Ranges of missing segments between others (first and last), whose loss was accepted.
    pub missing: Vec<(u64, u64)>,
    /// Segments that begin after a loss that was accepted.
    pub after_loss: Vec<u64>,
    /// The end.
    pub end: End,
    /// Bytes after the end that no MAC covers; the next start sets them aside.
    pub rest: u64,
}

/// Checks every batch of the segments in a directory, and of those that were moved to `archives`.
///
/// What comes before the first segment cannot be checked; its header states the last MAC of that
/// part.
///
/// # Errors
/// The first part that was changed, or a segment that is missing between two others and was not
/// accepted as lost.
pub fn verify(
    (directory, archives): (&Path, &[PathBuf]),
    chain: &Chain,
    known: &KnownChain,
) -> Result<Verified, TrailError> {
    let mut all: BTreeMap<u64, PathBuf> = BTreeMap::new();
    for place in archives.iter().map(PathBuf::as_path).chain([directory]) {
        all.extend(segment::all(place)?);
    }
    let last = all.keys().next_back().copied();
    let mut verified = Verified::default();
    if directory.exists() {
        verified.set_aside = set_aside::count(directory).map_err(io_at("read", directory))?;
    }
    let mut before: Option<(u64, End)> = None;
    for (number, path) in &all {
        let scan = scan(path, *number, chain, &known.end)?;
        let is_last = last == Some(*number);
        let Some(header) = scan.header else {
            if is_last && *number > known.end.at.segment {
                verified.rest = scan.rest;
                break;
            }
            return Err(altered(path, &scan, known));
        };
        match before {
            Some((at, _)) if at + 1 < *number => {
                if *number > known.first {
                    let path = segment::path(directory, at + 1);
                    return Err(TrailError::Missing { path });
                }
                verified.missing.push((at + 1, number - 1));
            }
            Some((_, end)) if end.mac != header.previous && !header.after_loss => {
                return Err(TrailError::Unlinked { path: path.clone() });
            }
            None if *number == 1 && header.previous != [0; 32] && !header.after_loss => {
                return Err(TrailError::Unlinked { path: path.clone() });
            }
            Some(_) | None => {}
        }
        if header.after_loss {
            verified.after_loss.push(*number);
        }
        if scan.rest > 0 && !is_last {
            return Err(altered(path, &scan, known));
        }
        verified.first = verified.first.or(Some(*number));
        verified.segments += 1;
        verified.batches += scan.batches;
        verified.events += scan.events;
        (verified.end, verified.rest) = (scan.end, scan.rest);
        before = Some((*number, scan.end));
    }
    Ok(verified)
}
