//! The files of the trail: one for each segment, named by its number.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::error::{TrailError, io_at};

/// The segments of a trail, the oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let segments = all(directory).map_err(io::Error::other)?;
    Ok(segments.into_values().collect())
}

/// Syncs a segment to disk, if it exists.
///
/// # Errors
/// When the system refuses.
pub fn sync(directory: &Path, number: u64) -> io::Result<()> {
    let path = path(directory, number);
    if path.exists() {
        File::open(path)?.sync_data()?;
    }
    Ok(())
}

/// The highest number that a segment may have, so that its successor still is a valid number.
pub(crate) const LAST: u64 = u64::MAX - 1;

/// The segments that are in a directory, by number; none if it does not exist.
pub(crate) fn all(directory: &Path) -> Result<BTreeMap<u64, PathBuf>, TrailError> {
    let mut found = BTreeMap::new();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(io_at("read", directory)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(io_at("read", directory))?;
        let file = entry.file_name();
        let number: Option<u64> = file.to_str().and_then(|text| {
            let digits = text.strip_prefix("trail-")?.strip_suffix(".jsonl")?;
            digits.parse().ok()
        });
        // Each number has one name: `trail-1.jsonl` is not a segment. The first segment has number 1.
        let segment = |number: &u64| (1..=LAST).contains(number) && file == name(*number).as_str();
        if let Some(number) = number.filter(segment) {
            found.insert(number, entry.path());
        }
    }
    Ok(found)
}

/// The path of the segment with this number.
pub(crate) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(name(number))
}

fn name(number: u64) -> String {
    format!("trail-{number:08}.jsonl")
}
