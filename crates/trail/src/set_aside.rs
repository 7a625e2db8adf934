//! Bytes that no MAC covers are never made part of the trail: they are put beside it.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use keyward_crypto::digest;

use crate::{
    error::{TrailError, io_at},
    examine::Torn,
    files,
};

/// The most bytes that are read to be set aside: what a crash leaves is one batch or two.
const MAX_TORN: u64 = 256 << 20;

/// Bytes that stand beside the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Their file's name, in the trail's directory.
    pub file: String,
    /// How many there are.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// Copies what is torn into a file of its own. The bytes stay where they are until the trail is
/// opened, so that a crash meanwhile loses nothing.
///
/// # Errors
/// When the system refuses, or there is more than a crash leaves.
pub fn copy(directory: &Path, torn: &Torn) -> Result<SetAside, TrailError> {
    let read = || -> io::Result<Vec<u8>> {
        if torn.bytes > MAX_TORN {
            let text = format!("{} bytes at its end are not authentic", torn.bytes);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let mut file = File::open(&torn.path)?;
        file.seek(SeekFrom::Start(torn.at.length))?;
        let mut bytes = Vec::new();
        file.take(torn.bytes).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(io_at("read", &torn.path))?;
    let sha256 = hex::encode(digest::sha256(&bytes));
    let short = sha256.get(..16).unwrap_or_default();
    let file = format!(
        "torn-{:08}-{}-{short}.bin",
        torn.at.segment.max(1),
        torn.at.length
    );
    let path = directory.join(&file);
    let write = || -> io::Result<()> {
        let mut file = files::create(&path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        files::sync_folder(directory)
    };
    write().map_err(io_at("written", &path))?;
    Ok(SetAside {
        file,
        bytes: bytes.len() as u64,
        sha256,
    })
}

/// Moves a whole segment out of the trail's way, under a name that no other has.
///
/// # Errors
/// When the system refuses.
pub fn move_segment(directory: &Path, segment: &Path) -> Result<String, TrailError> {
    let name = segment.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or("trail");
    let free = |number: &u32| !target(directory, name, *number).exists();
    let number = (1..u32::MAX).find(free).unwrap_or(u32::MAX);
    let to = target(directory, name, number);
    fs::rename(segment, &to)
        .and_then(|()| files::sync_folder(directory))
        .map_err(io_at("moved aside", segment))?;
    let moved = to.file_name().and_then(|name| name.to_str());
    Ok(moved.unwrap_or_default().to_owned())
}

/// How many files there are of what was set aside.
pub(crate) fn count(directory: &Path) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let torn = name.to_str().is_some_and(|name| name.starts_with("torn-"));
        count += u64::from(torn);
    }
    Ok(count)
}

fn target(directory: &Path, name: &str, number: u32) -> PathBuf {
    directory.join(format!("{name}.not-authentic-{number}"))
}
