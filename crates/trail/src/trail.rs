//! The audit trail on disk: JSON lines in segments, closed batch by batch with a chained MAC.
//!
//! A segment is `trail-NNNNNNNN.jsonl`. It begins with a header under MAC that names its store,
//! chain and number and links it to the segment before. A batch is any number of event lines
//! followed by one closing line with a MAC over them, over what the trail has of the store, and
//! over the MAC before it. Segments are bounded in size and never deleted; the chain continues from
//! one to the next. The layout is drawn in `docs/formats.md`.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    chain::{Chain, Copied, End, Mark, Position},
    error::{TrailError, io_at},
    examine::AuthenticTrail,
    files,
    format::{self, Closing, Header},
    frontier::Frontier,
    segment,
};

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

/// The open trail. Only one process has it open.
#[derive(Debug)]
pub struct Trail {
    directory: PathBuf,
    options: TrailOptions,
    chain: Chain,
    frontier: Arc<Frontier>,
    file: File,
    end: End,
    copied: Copied,
    /// The newest revision of the store that the trail knew when it was opened.
    stored: u64,
    /// How much of the segment is on disk or on its way there.
    flushed: u64,
    /// Whether there may be something after the end that must be cut off.
    ragged: bool,
}

impl Trail {
    /// Continues the trail that was found in a directory, in its last segment or with a new one.
    /// What is not authentic at its end is cut off, and must have been set aside before.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(
        directory: &Path,
        options: TrailOptions,
        chain: Chain,
        found: &AuthenticTrail,
        frontier: Arc<Frontier>,
    ) -> Result<Self, TrailError> {
        files::folder(directory).map_err(io_at("created", directory))?;
        let begins = found.next_segment.is_some();
        let number = found.next_segment.unwrap_or(found.end.at.segment);
        let path = segment::path(directory, number);
        let file = files::append(&path).map_err(io_at("opened", &path))?;
        let mut trail = Self {
            directory: directory.to_owned(),
            options,
            chain,
            frontier,
            file,
            end: found.end,
            copied: found.mark.copied,
            stored: found.mark.store,
            flushed: 0,
            ragged: !begins,
        };
        let made = if begins {
            let begun = trail.begin_segment(&trail.file, number, found.after_loss);
            begun.map(|end| trail.end = end)
        } else {
            trail.mend()
        };
        made.and_then(|()| trail.sync())
            .and_then(|()| files::sync_folder(directory))
            .map_err(io_at("repaired", &path))?;
        Ok(trail)
    }

    /// Which events of changes the trail has.
    pub fn copied(&self) -> Copied {
        self.copied
    }

    /// Where it ends.
    pub fn end(&self) -> End {
        self.end
    }

    /// Whether everything is on disk.
    pub(crate) fn is_synced(&self) -> bool {
        self.frontier.is_synced(self.end.at)
    }

    /// What the trail and the store tell each other.
    pub(crate) fn frontier(&self) -> &Arc<Frontier> {
        &self.frontier
    }

    /// Whether appending waits for the disk by design; otherwise it does so only if the system is
    /// short of memory for what is not yet on disk.
    pub(crate) fn waits_for_disk(&self) -> bool {
        self.options.strict || self.is_full()
    }

    /// Gives the segment to `begin`, which begins to bring it to the disk or says that it does not,
    /// if enough has been appended since that was last begun.
    pub(crate) fn flush_ahead(&mut self, begin: impl FnOnce(&File, End) -> bool) {
        let unflushed = self.end.at.length.saturating_sub(self.flushed);
        if !self.options.strict && unflushed >= FLUSH_BYTES {
            self.flush(begin);
        }
    }

    /// Gives the segment to `begin` as [`flush_ahead`](Self::flush_ahead) does, however little is
    /// new.
    pub(crate) fn flush(&mut self, begin: impl FnOnce(&File, End) -> bool) {
        if begin(&self.file, self.end) {
            self.flushed = self.end.at.length;
        }
    }

    /// Appends a batch: `lines` holds `count` lines, each with its line feed; `copied` is what the
    /// trail has of the changes with them, if that is more than before.
    ///
    /// # Errors
    /// When the system refuses; nothing of the batch then counts as written.
    pub(crate) fn append(
        &mut self,
        lines: &mut Vec<u8>,
        count: u64,
        copied: Option<Copied>,
    ) -> io::Result<()> {
        self.mend()?;
        if self.is_full() {
            self.next_segment()?;
        }
        let copied = copied.unwrap_or(self.copied);
        let mark = self.mark(copied);
        let mac = format::batch_mac(&self.chain, &self.end.mac, count, mark, lines);
        Closing { count, mark, mac }.render(lines);
        self.write(lines, mac)?;
        self.copied = copied;
        Ok(())
    }

    /// Writes what the operating system holds back to the disk.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.frontier.set_synced(self.end);
        Ok(())
    }

    fn mark(&self, copied: Copied) -> Mark {
        let store = self.frontier.stored().max(self.stored);
        Mark { copied, store }
    }

    fn is_full(&self) -> bool {
        self.end.at.length >= self.options.segment_bytes
    }

    /// Writes at the end, and removes what was written only in part.
    fn write(&mut self, bytes: &[u8], mac: [u8; 32]) -> io::Result<()> {
        self.ragged = true;
        let written = self.file.write_all(bytes).and_then(|()| {
            if self.options.strict {
                self.file.sync_data()
            } else {
                Ok(())
            }
        });
        if let Err(error) = written {
            // A partial batch must not stay: what follows would not fit its MAC. If it cannot be
            // cut off now, nothing more is written until it can.
            if let Err(error) = self.mend() {
                tracing::error!(%error, "a partial batch cannot be cut off the audit trail yet");
            }
            return Err(error);
        }
        self.ragged = false;
        self.end.at.length += bytes.len() as u64;
        self.end.mac = mac;
        if self.options.strict {
            self.frontier.set_synced(self.end);
        }
        Ok(())
    }

    /// Cuts off what comes after the end.
    fn mend(&mut self) -> io::Result<()> {
        if self.ragged {
            self.file.set_len(self.end.at.length)?;
            self.file.seek(SeekFrom::End(0))?;
            self.ragged = false;
        }
        Ok(())
    }

    fn next_segment(&mut self) -> io::Result<()> {
        self.sync()?;
        let number = self.end.at.segment + 1;
        let file = files::append(&segment::path(&self.directory, number))?;
        let end = self.begin_segment(&file, number, false)?;
        files::sync_folder(&self.directory)?;
        (self.file, self.end, self.flushed) = (file, end, 0);
        Ok(())
    }

    /// Writes the header of a segment; answers where it ends.
    fn begin_segment(&self, mut file: &File, number: u64, after_loss: bool) -> io::Result<End> {
        let header = Header {
            number,
            previous: self.end.mac,
            mark: self.mark(self.copied),
            after_loss,
        };
        let mac = header.mac(&self.chain);
        let line = header.render(self.chain.id(), mac)?;
        // What is there was left by a change of segments that did not finish.
        file.set_len(0)?;
        file.write_all(&line)?;
        if self.options.strict {
            file.sync_data()?;
        }
        let length = line.len() as u64;
        let at = Position {
            segment: number,
            length,
        };
        Ok(End { at, mac })
    }
}

#[cfg(test)]
pub(crate) mod tests;
