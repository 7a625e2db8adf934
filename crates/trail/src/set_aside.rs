//! Bytes that no MAC covers never become part of the trail: they are moved to files of their own.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use keyward_crypto::digest;

use crate::{
    chain::{Chain, End, Mark, Position},
    error::{TrailError, io_at},
    examine::{AuthenticTrail, Torn, remains},
    files,
    head::Head,
    segment,
};

/// The most bytes that are set aside: a crash leaves one batch or two.
const MAX_TORN: u64 = 256 << 20;

/// Bytes that were set aside.
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
/// If the system refuses, or if there is more than a crash can leave.
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

/// What to move and cut off, so that only authentic content is left in place.
#[derive(Debug, Default)]
pub struct Clearing {
    moves: Vec<(PathBuf, PathBuf)>,
    torn: Option<Torn>,
}

impl Clearing {
    /// Carries it out. What was done before a crash is not done again.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn carry_out(&self, directory: &Path) -> Result<(), TrailError> {
        for (from, to) in &self.moves {
            fs::rename(from, to)
                .and_then(|()| files::sync_folder(directory))
                .map_err(io_at("moved aside", from))?;
        }
        if let Some(torn) = &self.torn {
            cut(torn).map_err(io_at("cut", &torn.path))?;
        }
        Ok(())
    }
}

/// Looks how to clear the way for a new segment after a loss: what is authentic stays where it is, and
/// what is not is set aside. Answers where the trail goes on, what is to be done, and the files that
/// things are set aside in. A file is only copied until the clearing is carried out.
///
/// # Errors
/// When the system refuses, something is of another store or version, or no segment can follow.
pub fn clear(
    directory: &Path,
    chain: &Chain,
    head: &Head,
) -> Result<(AuthenticTrail, Clearing, Vec<String>), TrailError> {
    let known = head.chain.end;
    let rest = remains(directory, chain, known.at)?;
    let next_segment = rest.last.max(known.at.segment) + 1;
    if next_segment > segment::LAST {
        let path = segment::path(directory, rest.last);
        return Err(TrailError::Last { path });
    }
    let (mut clearing, mut files) = (Clearing::default(), Vec::new());
    for segment in rest.foreign {
        let (file, to) = free_name(directory, &segment);
        files.push(file);
        clearing.moves.push((segment, to));
    }
    if let Some(torn) = rest.torn {
        files.push(copy(directory, &torn)?.file);
        clearing.torn = Some(torn);
    }
    let found = AuthenticTrail {
        end: End {
            at: Position::default(),
            mac: known.mac,
        },
        mark: Mark {
            store: rest.mark.store.max(head.revision),
            ..rest.mark
        },
        torn: None,
        next_segment: Some(next_segment),
        after_loss: true,
    };
    Ok((found, clearing, files))
}

/// Cuts off what is torn.
fn cut(torn: &Torn) -> io::Result<()> {
    let file = File::options().write(true).open(&torn.path)?;
    file.set_len(torn.at.length)?;
    file.sync_all()
}

/// A name beside the trail that no file has, and its path.
fn free_name(directory: &Path, segment: &Path) -> (String, PathBuf) {
    let name = segment.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or("trail");
    let target = |number: u32| format!("{name}.not-authentic-{number}");
    let free = |number: &u32| !directory.join(target(*number)).exists();
    let file = target((1..u32::MAX).find(free).unwrap_or(u32::MAX));
    let path = directory.join(&file);
    (file, path)
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
