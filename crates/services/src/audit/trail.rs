//! The audit trail on disk: JSON lines in segments, closed batch by batch with a chained MAC.
//!
//! A segment is `trail-NNNNNNNN.jsonl`. A batch is any number of event lines followed by one
//! closing line that names the format version, how many lines it closes, up to which revision
//! of the store changes have been copied here, and a MAC over all of that and the MAC before it.
//! Segments are bounded in size and never deleted; the chain runs on from one to the next.
//! The layout is drawn in `docs/formats.md`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use keyward_crypto::{mac, secret::arena::ArenaSecret};
use serde::{Deserialize, Serialize};

/// The version of the closing line and of what its MAC covers.
const FORMAT: u32 = 1;
/// The label that begins what a MAC covers, so that the key is good for nothing else.
const LABEL: &[u8] = b"keyward audit batch v1";
/// The longest closing line, in bytes.
const MAX_CLOSING: usize = 512;
/// How many bytes of a segment are written before they are brought to the disk ahead of its end.
const FLUSH_BYTES: u64 = 4 << 20;

/// How the trail is written.
#[derive(Clone, Debug)]
pub struct TrailOptions {
    /// A new segment begins when the current one has reached this many bytes.
    pub segment_bytes: u64,
    /// Whether a batch is on disk (`fdatasync`) before it counts as written.
    pub strict: bool,
}

impl Default for TrailOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            strict: false,
        }
    }
}

/// Why the trail cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The operating system refused.
    #[error("the audit trail cannot be {doing} at {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A batch does not fit its MAC: the trail was edited, or written under another key.
    #[error("the audit trail is damaged: line {line} of {} does not fit its MAC", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// The closing line's number, from 1.
        line: u64,
    },
    /// Written by a newer version.
    #[error("{} has a batch of format {found}; this version knows {FORMAT}", path.display())]
    Newer {
        /// The segment.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
}

/// The line that closes a batch.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Closing {
    /// Always [`FORMAT`]; named so that no event line looks like a closing line.
    #[serde(rename = "keywardBatch")]
    format: u32,
    /// How many lines the batch has.
    count: u64,
    /// Every change up to this revision of the store has its event in the trail.
    revision: u64,
    /// Whether the lines are what a crash left behind, perhaps with a cut end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    torn: bool,
    /// HMAC-SHA-256, 64 hexadecimal digits.
    mac: String,
}

/// The open trail; one process has it.
#[derive(Debug)]
pub struct Trail {
    directory: PathBuf,
    options: TrailOptions,
    key: ArenaSecret,
    file: File,
    number: u64,
    length: u64,
    /// How much of the segment is on disk or on its way there.
    flushed: u64,
    previous: [u8; 32],
    revision: u64,
}

impl Trail {
    /// Opens the trail in a directory, or begins it. What a crash left without closing line is
    /// closed as torn, so that nothing is lost and the chain goes on.
    ///
    /// # Errors
    /// When the system refuses, or the last segment does not fit its MACs.
    pub fn open(
        directory: &Path,
        options: TrailOptions,
        key: ArenaSecret,
    ) -> Result<Self, TrailError> {
        fs::create_dir_all(directory).map_err(io_at("made", directory))?;
        let numbers = segments(directory)?;
        let (mut previous, mut revision) = ([0; 32], 0);
        let mut tail = None;
        // The chain's last link stands at the end of the segment before, so two are read.
        for number in numbers.iter().rev().take(2).rev() {
            let path = segment_path(directory, *number);
            let start = if tail.is_none() && numbers.len() > 1 {
                None
            } else {
                Some(previous)
            };
            let scan = scan(&path, key.expose(), start)?;
            previous = scan.previous;
            // A segment that was begun and not yet written to says nothing of the revision.
            if scan.batches > 0 {
                revision = scan.revision;
            }
            tail = Some((*number, scan));
        }
        let number = tail.as_ref().map_or(1, |(number, _)| *number);
        let path = segment_path(directory, number);
        let file = open_segment(&path)?;
        sync_directory(directory)?;
        let mut trail = Self {
            directory: directory.to_owned(),
            options,
            key,
            file,
            number,
            length: 0,
            flushed: 0,
            previous,
            revision,
        };
        if let Some((_, scan)) = tail {
            trail.length = scan.length;
            if !scan.torn.is_empty() {
                trail.close_torn(&path, scan.torn)?;
            }
        }
        Ok(trail)
    }

    /// Every change up to this revision of the store has its event in the trail.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether appending so many bytes waits for the disk by design; otherwise it does so only if
    /// the system is short of memory for what is not yet on disk.
    pub fn waits_for_disk(&self, bytes: usize) -> bool {
        let end = self.length + (bytes + MAX_CLOSING) as u64;
        self.options.strict || end >= self.options.segment_bytes
    }

    /// Gives the segment to `begin`, which begins to bring it to the disk or says that it does not,
    /// if enough has been appended since that was last begun.
    pub fn flush_ahead(&mut self, begin: impl FnOnce(&File) -> bool) {
        let unflushed = self.length.saturating_sub(self.flushed);
        if !self.options.strict && unflushed >= FLUSH_BYTES && begin(&self.file) {
            self.flushed = self.length;
        }
    }

    /// Appends a batch: `lines` holds `count` lines, each with its line feed; `revision` is the
    /// new value of [`revision`](Self::revision).
    ///
    /// # Errors
    /// When the system refuses; the file is then as it was before.
    pub fn append(&mut self, lines: &mut Vec<u8>, count: u64, revision: u64) -> io::Result<()> {
        self.append_batch(lines, count, revision, false)
    }

    fn append_batch(
        &mut self,
        lines: &mut Vec<u8>,
        count: u64,
        revision: u64,
        torn: bool,
    ) -> io::Result<()> {
        let mac = batch_mac(
            self.key.expose(),
            &self.previous,
            count,
            revision,
            torn,
            lines,
        );
        let closing = Closing {
            format: FORMAT,
            count,
            revision,
            torn,
            mac: hex::encode(mac),
        };
        serde_json::to_writer(&mut *lines, &closing)?;
        lines.push(b'\n');
        let written = self.file.write_all(lines).and_then(|()| {
            if self.options.strict {
                self.file.sync_data()
            } else {
                Ok(())
            }
        });
        if let Err(error) = written {
            // A partial batch must not stay: what follows would not fit its MAC.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::End(0))?;
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.previous = mac;
        self.revision = revision;
        if self.length >= self.options.segment_bytes {
            self.next_segment()?;
        }
        Ok(())
    }

    /// Writes what the operating system holds back to the disk.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn next_segment(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let path = segment_path(&self.directory, self.number + 1);
        self.file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)?;
        File::open(&self.directory)?.sync_all()?;
        self.number += 1;
        (self.length, self.flushed) = (0, 0);
        Ok(())
    }

    fn close_torn(&mut self, path: &Path, mut torn: Vec<u8>) -> Result<(), TrailError> {
        self.length -= torn.len() as u64;
        self.file
            .set_len(self.length)
            .map_err(io_at("mended", path))?;
        if torn.last() != Some(&b'\n') {
            torn.push(b'\n');
        }
        let count = torn.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.append_batch(&mut torn, count, self.revision, true)
            .map_err(io_at("mended", path))
    }
}

/// Checks every batch of a trail from its first segment on.
///
/// # Errors
/// [`TrailError::Damaged`] names the first batch that does not fit.
pub fn verify(directory: &Path, key: &[u8]) -> Result<Verified, TrailError> {
    let mut verified = Verified {
        segments: 0,
        batches: 0,
        events: 0,
        torn: 0,
    };
    let mut previous = [0; 32];
    for number in segments(directory)? {
        let scan = scan(&segment_path(directory, number), key, Some(previous))?;
        previous = scan.previous;
        verified.segments += 1;
        verified.batches += scan.batches;
        verified.events += scan.events;
        verified.torn += scan.torn_batches;
    }
    Ok(verified)
}

/// The segments of a trail, the oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn segment_paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let numbers = segments(directory).map_err(io::Error::other)?;
    let paths = numbers.into_iter().map(|n| segment_path(directory, n));
    Ok(paths.collect())
}

/// What [`verify`] found to be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Segments read.
    pub segments: u64,
    /// Batches whose MACs fit.
    pub batches: u64,
    /// Event lines in them.
    pub events: u64,
    /// Batches that a crash left behind and the next start closed.
    pub torn: u64,
}

struct Scan {
    previous: [u8; 32],
    revision: u64,
    length: u64,
    batches: u64,
    events: u64,
    torn_batches: u64,
    torn: Vec<u8>,
}

/// Reads a segment batch by batch. Without `start` the first batch's link is taken on trust
/// (the segment before is not at hand), later ones are checked.
fn scan(path: &Path, key: &[u8], start: Option<[u8; 32]>) -> Result<Scan, TrailError> {
    let file = File::open(path).map_err(io_at("read", path))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut scan = Scan {
        previous: start.unwrap_or_default(),
        revision: 0,
        length: 0,
        batches: 0,
        events: 0,
        torn_batches: 0,
        torn: Vec::new(),
    };
    let (mut trusted, mut line_number) = (start.is_some(), 0);
    let mut pending = Vec::new();
    loop {
        let line_start = pending.len();
        let read = reader
            .read_until(b'\n', &mut pending)
            .map_err(io_at("read", path))?;
        if read == 0 {
            break;
        }
        line_number += 1;
        scan.length += read as u64;
        let line = pending.get(line_start..).unwrap_or_default();
        let Some(closing) = parse_closing(line) else {
            continue;
        };
        if closing.format != FORMAT {
            return Err(TrailError::Newer {
                path: path.to_owned(),
                found: closing.format,
            });
        }
        let damaged = || TrailError::Damaged {
            path: path.to_owned(),
            line: line_number,
        };
        let found: [u8; 32] = hex::decode(&closing.mac)
            .ok()
            .and_then(|mac| mac.try_into().ok())
            .ok_or_else(damaged)?;
        pending.truncate(line_start);
        let Closing {
            count,
            revision,
            torn,
            ..
        } = closing;
        let expect = batch_mac(key, &scan.previous, count, revision, torn, &pending);
        if trusted && !mac::equal(&expect, &found) {
            return Err(damaged());
        }
        trusted = true;
        pending.clear();
        scan.previous = found;
        scan.revision = revision;
        scan.batches += 1;
        scan.events += count;
        scan.torn_batches += u64::from(torn);
    }
    scan.torn = pending;
    Ok(scan)
}

fn parse_closing(line: &[u8]) -> Option<Closing> {
    let candidate = line.len() <= MAX_CLOSING
        && line.starts_with(b"{\"keywardBatch\":")
        && line.ends_with(b"\n");
    if candidate {
        serde_json::from_slice(line).ok()
    } else {
        None
    }
}

fn batch_mac(
    key: &[u8],
    previous: &[u8; 32],
    count: u64,
    revision: u64,
    torn: bool,
    lines: &[u8],
) -> [u8; 32] {
    let (count, revision) = (count.to_be_bytes(), revision.to_be_bytes());
    mac::hmac_sha256(
        key,
        &[LABEL, previous, &count, &revision, &[u8::from(torn)], lines],
    )
}

fn segments(directory: &Path) -> Result<Vec<u64>, TrailError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory).map_err(io_at("read", directory))? {
        let name = entry.map_err(io_at("read", directory))?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| {
            name.strip_prefix("trail-")?
                .strip_suffix(".jsonl")?
                .parse()
                .ok()
        });
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("trail-{number:08}.jsonl"))
}

fn open_segment(path: &Path) -> Result<File, TrailError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(io_at("opened", path))
}

fn sync_directory(directory: &Path) -> Result<(), TrailError> {
    let sync = || File::open(directory)?.sync_all();
    sync().map_err(io_at("synced", directory))
}

fn io_at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TrailError {
    let path = path.to_owned();
    move |source| TrailError::Io {
        doing,
        path,
        source,
    }
}
