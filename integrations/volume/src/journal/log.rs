//! The end of the journal, where records are appended.

use super::record::{Body, Header};
use crate::{
    Error,
    disk::Disk,
    layout::{BLOCK, BLOCK_BYTES, Layout},
    seal::Keys,
    superblock::JournalStart,
};

/// The region that records are appended to.
#[derive(Clone, Copy, Debug)]
struct Segment {
    region: u8,
    /// Bytes in use.
    used: u64,
    /// Sequence number of its first record.
    first: u64,
    /// The MAC of the record before that.
    previous: [u8; 32],
}

/// The end of the journal.
#[derive(Debug)]
pub(crate) struct Log {
    layout: Layout,
    session: [u8; 16],
    generation: u64,
    /// The sequence number of the next record.
    next: u64,
    /// The MAC of the last record.
    previous: [u8; 32],
    /// `None` until what was found when the volume was opened has gone home.
    active: Option<Segment>,
    /// Whether the other region, or both without an active one, hold records that have not gone home.
    occupied: bool,
}

impl Log {
    /// The end of a journal that was replayed: nothing can be appended until it has gone home.
    pub(crate) fn replayed(layout: Layout, start: JournalStart, next: u64) -> Self {
        Self {
            layout,
            session: start.session,
            generation: 0,
            next,
            previous: start.previous,
            active: None,
            occupied: true,
        }
    }

    /// Begins anew, with both regions free, after what was replayed has gone home.
    pub(crate) fn begin(&mut self, start: JournalStart) {
        self.session = start.session;
        self.previous = start.previous;
        self.active = Some(Segment {
            region: start.region,
            used: 0,
            first: self.next,
            previous: self.previous,
        });
        self.occupied = false;
    }

    /// The sequence number of the active region's first record; `None` while nothing can be appended.
    pub(crate) fn first(&self) -> Option<u64> {
        self.active.as_ref().map(|segment| segment.first)
    }

    /// The sequence number of the next record.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Where replay begins once all that is not in the active region has gone home.
    pub(crate) fn start(&self, flushed: u64) -> Option<JournalStart> {
        self.active.as_ref().map(|segment| JournalStart {
            session: self.session,
            region: segment.region,
            sequence: segment.first,
            previous: segment.previous,
            flushed,
        })
    }

    /// Which generation the following records name.
    pub(crate) fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Continues in the other region; false if that is occupied.
    pub(crate) fn switch(&mut self) -> bool {
        match &mut self.active {
            Some(segment) if !self.occupied => {
                *segment = Segment {
                    region: segment.region ^ 1,
                    used: 0,
                    first: self.next,
                    previous: self.previous,
                };
                self.occupied = true;
                true
            }
            _ => false,
        }
    }

    /// The region that is not active is free.
    pub(crate) fn release(&mut self) {
        self.occupied = false;
    }

    /// Appends a record and returns the offset of its first ciphertext; `None` if the region is full. The
    /// buffer holds room for the header, zeros, and the ciphertexts.
    pub(crate) fn append(
        &mut self,
        disk: &dyn Disk,
        keys: &Keys,
        flushed: u64,
        body: Body,
        buffer: &mut [u8],
    ) -> Result<Option<u64>, Error> {
        let length = buffer.len() as u64;
        let Some(segment) = &mut self.active else {
            return Ok(None);
        };
        if segment.used + length > self.layout.journal_bytes() {
            return Ok(None);
        }
        let header = Header {
            session: self.session,
            sequence: self.next,
            flushed,
            generation: self.generation,
            previous: self.previous,
            body,
        };
        let page = buffer.get_mut(..BLOCK_BYTES).unwrap_or_default();
        let mac = header.render(keys, page);
        let offset = self.layout.region(segment.region) + segment.used;
        disk.write_at(offset, buffer)?;
        segment.used += length;
        self.next += 1;
        self.previous = mac;
        Ok(Some(offset + BLOCK))
    }
}
