//! What a start finds of the trail, compared with what the store knows about it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    chain::{Chain, End, Mark, Position},
    error::TrailError,
    head::KnownChain,
    scan::{Scan, scan},
    segment,
};

/// The authentic part of the trail in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticTrail {
    /// Where it ends.
    pub end: End,
    /// What it says about the store at its end.
    pub mark: Mark,
    /// Bytes after the end that are not authentic: a crash may have left them.
    pub torn: Option<Torn>,
    /// The segment to begin, if the last one cannot be continued.
    pub next_segment: Option<u64>,
    /// Whether that segment begins after a loss that was accepted.
    pub after_loss: bool,
}

/// Bytes at the end of a segment that no MAC covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment's file.
    pub path: PathBuf,
    /// Where they begin.
    pub at: Position,
    /// How many there are.
    pub bytes: u64,
}

/// Reads the trail, beginning with the last segment that the store knows.
///
/// What comes after the last position known to be on disk may be gone or incomplete after a power
/// cut: it becomes [`AuthenticTrail::torn`], and is not an error. Everything before it must be unchanged.
///
/// # Errors
/// [`TrailError::is_loss`] if something is missing or was changed.
pub fn examine(
    directory: &Path,
    chain: &Chain,
    known: &KnownChain,
) -> Result<AuthenticTrail, TrailError> {
    let segments = segment::all(directory)?;
    let missing = |number: u64| TrailError::Missing {
        path: segment::path(directory, number),
    };
    if let Some(gap) = gap(&segments, known.first) {
        return Err(missing(gap));
    }
    let from = known.end.at.segment.max(1);
    if segments.contains_key(&from) {
        return read(&segments, from, chain, known);
    }
    if segments.is_empty() && known.end.at.segment == 0 {
        return Ok(AuthenticTrail {
            next_segment: Some(1),
            ..AuthenticTrail::default()
        });
    }
    // A restored store may be older than segments that have been moved away since. Then the
    // segments that are there are ahead of it.
    if let Some((later, _)) = segments.range(from..).next()
        && let Ok(found) = read(&segments, *later, chain, known)
        && found.mark.store > known.store
    {
        return Ok(found);
    }
    Err(missing(from))
}

/// The first number, from `first` on, that is missing between two others.
fn gap(segments: &BTreeMap<u64, PathBuf>, first: u64) -> Option<u64> {
    let mut numbers = segments.range(first..).map(|(number, _)| *number);
    let expected = numbers.next()? + 1;
    (expected..)
        .zip(numbers)
        .find_map(|(expected, number)| (number != expected).then_some(expected))
}

fn read(
    segments: &BTreeMap<u64, PathBuf>,
    from: u64,
    chain: &Chain,
    known: &KnownChain,
) -> Result<AuthenticTrail, TrailError> {
    let last = segments.keys().next_back().copied();
    let mut found = AuthenticTrail::default();
    for (number, path) in segments.range(from..) {
        let is_last = last == Some(*number);
        let scan = scan(path, *number, chain, &known.end)?;
        let Some(header) = scan.header else {
            if is_last && *number > known.end.at.segment {
                // A crash came while it was being started.
                found.next_segment = Some(*number);
                found.torn = torn(path, &scan);
                return Ok(found);
            }
            return Err(altered(path, &scan, known));
        };
        let goes_on = found.end.mac == header.previous;
        if (*number > from || from == 1) && !goes_on && !header.after_loss {
            return Err(TrailError::Unlinked { path: path.clone() });
        }
        let is_known = *number == known.end.at.segment;
        if (is_known && !scan.passes) || (!is_last && scan.rest > 0) {
            return Err(altered(path, &scan, known));
        }
        (found.end, found.mark) = (scan.end, scan.mark);
        found.torn = torn(path, &scan);
    }
    Ok(found)
}

fn torn(path: &Path, scan: &Scan) -> Option<Torn> {
    (scan.rest > 0).then(|| Torn {
        path: path.to_owned(),
        at: scan.end.at,
        bytes: scan.rest,
    })
}

/// What is wrong with a segment that has been changed.
pub(crate) fn altered(path: &Path, scan: &Scan, known: &KnownChain) -> TrailError {
    let path = path.to_owned();
    let least = match known.end.at {
        Position { segment, length } if segment == scan.end.at.segment => length,
        _ => 0,
    };
    match scan.misfit {
        None if scan.lines == 0 => TrailError::Empty { path },
        Some(line) => TrailError::Altered { path, line },
        None if scan.end.at.length < least && scan.rest == 0 => TrailError::Short {
            path,
            found: scan.end.at.length,
            least,
        },
        None if scan.end.at.length >= least && scan.rest == 0 => TrailError::Other { path },
        None => TrailError::Altered {
            path,
            line: scan.lines,
        },
    }
}

/// What is left of a trail that has been changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remains {
    /// What the last authentic line of the known segment says about the store.
    pub mark: Mark,
    /// The highest number of a segment.
    pub last: u64,
    /// The part of the known segment that is not authentic.
    pub torn: Option<Torn>,
    /// Segments of which nothing can be kept: their beginning was changed, or they come later.
    pub foreign: Vec<PathBuf>,
}

/// Finds the authentic part of a trail, beginning with the segment that was known to be on disk.
///
/// # Errors
/// When something cannot be read, or is of another store or version.
pub(crate) fn remains(
    directory: &Path,
    chain: &Chain,
    known: Position,
) -> Result<Remains, TrailError> {
    let segments = segment::all(directory)?;
    let mut rest = Remains {
        last: segments.keys().next_back().copied().unwrap_or(0),
        ..Remains::default()
    };
    let from = known.segment.max(1);
    let mut end = End::default();
    for (number, path) in segments.range(from..) {
        let scan = scan(path, *number, chain, &End::default())?;
        let goes_on = scan.header.is_some_and(|header| {
            let linked = header.previous == end.mac && end.at.segment + 1 == *number;
            *number == from || (linked && rest.torn.is_none())
        });
        if goes_on && rest.foreign.is_empty() {
            (end, rest.mark) = (scan.end, scan.mark);
            rest.torn = torn(path, &scan);
        } else {
            rest.foreign.push(path.clone());
        }
    }
    Ok(rest)
}
