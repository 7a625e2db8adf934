//! Reads the journal when a volume is opened.

use super::{
    index::Index,
    record::{Body, Header},
};
use crate::{
    Error,
    disk::Disk,
    layout::{BLOCK, BLOCK_BYTES, Layout},
    seal::Keys,
    superblock::Superblock,
};

/// Pages that are looked through at once.
const SCAN_PAGES: u64 = 64;

/// What the journal holds.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) index: Index,
    /// The sequence number behind the last record.
    pub(crate) next: u64,
}

/// Reads all records from where the superblock says. The journal ends with the first record that is torn or
/// not there.
///
/// # Errors
/// [`Error::JournalDamaged`] if anything says that this record had been flushed, unless that is accepted.
pub(crate) fn replay(
    disk: &dyn Disk,
    keys: &Keys,
    superblock: &Superblock,
    accept_loss: bool,
) -> Result<Replayed, Error> {
    let mut replay = Replay {
        disk,
        keys,
        superblock,
        layout: superblock.layout(),
        next: superblock.journal.sequence,
        previous: superblock.journal.previous,
        index: Index::default(),
    };
    if superblock.clean {
        return Ok(replay.done());
    }
    let regions = [superblock.journal.region, superblock.journal.region ^ 1];
    let mut ends = Vec::new();
    for region in regions {
        ends.push((region, replay.region(region)?));
    }
    // A record behind the end, or the superblock, may know that more had been flushed.
    let mut flushed = superblock.journal.flushed;
    for (region, end) in ends {
        flushed = flushed.max(replay.scan(region, end)?);
    }
    if flushed >= replay.next && !accept_loss {
        return Err(Error::JournalDamaged {
            sequence: replay.next,
        });
    }
    Ok(replay.done())
}

struct Replay<'a> {
    disk: &'a dyn Disk,
    keys: &'a Keys,
    superblock: &'a Superblock,
    layout: Layout,
    next: u64,
    previous: [u8; 32],
    index: Index,
}

impl Replay<'_> {
    fn done(self) -> Replayed {
        Replayed {
            index: self.index,
            next: self.next,
        }
    }

    /// Reads the records of a region, and returns the offset in it where they end.
    fn region(&mut self, region: u8) -> Result<u64, Error> {
        let mut at = 0;
        while at + BLOCK <= self.layout.journal_bytes() {
            let offset = self.layout.region(region) + at;
            let mut page = [0; BLOCK_BYTES];
            self.disk.read_at(offset, &mut page)?;
            let Some((header, mac)) = self.authentic(&page) else {
                break;
            };
            let length = (1 + header.body.ciphertexts() as u64) * BLOCK;
            let fits = header.sequence == self.next
                && header.previous == self.previous
                && at + length <= self.layout.journal_bytes();
            if !fits || !self.apply(&header.body, offset + BLOCK)? {
                break;
            }
            self.next += 1;
            self.previous = mac;
            at += length;
        }
        Ok(at)
    }

    /// Notes down what a record does; false if one of its ciphertexts is torn.
    fn apply(&mut self, body: &Body, first: u64) -> Result<bool, Error> {
        if let Body::Write(entries) = body {
            let mut bytes = vec![0; entries.len() * BLOCK_BYTES];
            self.disk.read_at(first, &mut bytes)?;
            let mut plaintext = zeroize::Zeroizing::new([0; BLOCK_BYTES]);
            for ((block, sealed), ciphertext) in entries.iter().zip(bytes.chunks_exact(BLOCK_BYTES))
            {
                match self
                    .keys
                    .open_block(*block, sealed, ciphertext, &mut *plaintext)
                {
                    Ok(()) => {}
                    Err(Error::BlockDamaged { .. }) => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
        }
        self.index.apply(body, first);
        Ok(true)
    }

    /// The newest flushed record that any record of this session behind an offset knows of.
    fn scan(&self, region: u8, from: u64) -> Result<u64, Error> {
        let (mut at, end) = (from, self.layout.journal_bytes());
        let mut flushed = 0;
        while at < end {
            let pages = SCAN_PAGES.min((end - at) / BLOCK);
            let mut bytes = vec![0; usize::try_from(pages * BLOCK).unwrap_or(BLOCK_BYTES)];
            self.disk
                .read_at(self.layout.region(region) + at, &mut bytes)?;
            let (pages, _) = bytes.as_chunks::<BLOCK_BYTES>();
            for page in pages {
                // Records that the superblock has left behind say nothing about what follows.
                if let Some((header, _)) = self.authentic(page)
                    && header.sequence >= self.next
                {
                    flushed = flushed.max(header.flushed);
                }
            }
            at += bytes.len() as u64;
        }
        Ok(flushed)
    }

    /// A record of this volume and session, which could be one that follows the superblock.
    fn authentic(&self, page: &[u8; BLOCK_BYTES]) -> Option<(Header, [u8; 32])> {
        let (header, mac) = Header::parse(page)?;
        let possible = header.session == self.superblock.journal.session
            && header.body.is_within(self.superblock.blocks);
        (possible && header.is_authentic(self.keys, &mac)).then_some((header, mac))
    }
}
