//! Bytes that no MAC covers are never made part of the trail: they are put beside it.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use keyward_crypto::digest;

use crate::{
    chain::{Chain, End, Mark, Position},
    error::{TrailError, io_at},
    examine::{Found, Torn, remains},
    files,
    head::Head,
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
        files::folder(directory)?;
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

/// Clears the way for a new segment after a loss: keeps what is authentic where it is, and sets aside
/// what is not. Answers where the trail goes on, and the files that were set aside.
///
/// # Errors
/// When the system refuses, or something is of another store or version.
pub fn clear(
    directory: &Path,
    chain: &Chain,
    head: &Head,
) -> Result<(Found, Vec<String>), TrailError> {
    let known = head.chain.end;
    let rest = remains(directory, chain, known.at)?;
    let mut files = Vec::new();
    for segment in &rest.foreign {
        files.push(move_segment(directory, segment)?);
    }
    if let Some(torn) = &rest.torn {
        files.push(copy(directory, torn)?.file);
        cut(torn).map_err(io_at("cut", &torn.path))?;
    }
    let found = Found {
        end: End {
            at: Position::default(),
            mac: known.mac,
        },
        mark: Mark {
            store: rest.mark.store.max(head.revision),
            ..rest.mark
        },
        torn: None,
        next_segment: Some(rest.last.max(known.at.segment) + 1),
        after_loss: true,
    };
    Ok((found, files))
}

/// Cuts off what is torn.
fn cut(torn: &Torn) -> io::Result<()> {
    let file = File::options().write(true).open(&torn.path)?;
    file.set_len(torn.at.length)?;
    file.sync_all()
}

/// Moves a whole segment out of the trail's way, under a name that no other has.
fn move_segment(directory: &Path, segment: &Path) -> Result<String, TrailError> {
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
