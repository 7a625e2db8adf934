//! How bytes are read and written: piece by piece, each under the locks of its blocks.

use std::sync::atomic::Ordering;

use parking_lot::RwLock;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Appended, EXTENT, LEAST_ITEMS, LOCKS, View, Volume};
use crate::{
    Error,
    journal::{index::JournalBlock, record::Body},
    layout::{BLOCK, BLOCK_BYTES, RECORD_BLOCKS},
    seal::{Keys, Sealed},
};

/// Never taken: there is a lock for each block.
static UNUSED: RwLock<()> = RwLock::new(());

impl Volume {
    /// How many of the bytes from an offset on one record can have, under one lock.
    pub(super) fn piece(&self, offset: u64, length: usize) -> usize {
        let block = offset / BLOCK;
        let records = self.layout.record_blocks() as u64;
        let end = (block / EXTENT + 1) * EXTENT;
        let end = end.min(block + records) * BLOCK;
        usize::try_from(end - offset).map_or(length, |most| most.min(length))
    }

    pub(super) fn lock_of(&self, block: u64) -> &RwLock<()> {
        let at = usize::try_from(block / EXTENT % LOCKS).unwrap_or(0);
        self.locks.get(at).unwrap_or(&UNUSED)
    }

    /// The locks of a run of blocks, in the order in which all who need several take them.
    pub(super) fn locks_of(&self, first: u64, count: u64) -> impl Iterator<Item = &RwLock<()>> {
        let (from, to) = (first / EXTENT, (first + count - 1) / EXTENT);
        let needed = move |at: u64| to - from >= LOCKS - 1 || (from..=to).any(|n| n % LOCKS == at);
        let locks = (0..).zip(&self.locks);
        locks
            .filter(move |(at, _)| needed(*at))
            .map(|(_, lock)| lock)
    }

    pub(super) fn read_range(&self, keys: &Keys, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.check_range(offset, out.len() as u64)?;
        let (mut at, mut rest) = (offset, out);
        while !rest.is_empty() {
            let piece = self.piece(at, rest.len());
            let (now, later) = rest.split_at_mut(piece);
            let _lock = self.lock_of(at / BLOCK).read();
            self.read_piece(keys, at, now)?;
            at += piece as u64;
            rest = later;
        }
        Ok(())
    }

    /// Reads bytes whose blocks the caller has locked.
    fn read_piece(&self, keys: &Keys, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let first = offset / BLOCK;
        let end = (offset + out.len() as u64).div_ceil(BLOCK);
        let places = self.locate(keys, first, end - first)?;
        let mut skip = usize::try_from(offset % BLOCK).unwrap_or(0);
        let (mut block, mut places, mut rest) = (first, places.as_slice(), out);
        while let Some(place) = places.first() {
            // Blocks that stand one behind the other are read at once.
            let together = (0..)
                .zip(places)
                .take_while(|(at, other)| match (place, other) {
                    (Some(place), Some(other)) => other.offset == place.offset + at * BLOCK,
                    (None, None) => true,
                    _ => false,
                });
            let count = together.count();
            let (now, later) = places.split_at(count);
            places = later;
            let mut ciphertexts = Vec::new();
            if let Some(place) = place {
                ciphertexts.resize(count * BLOCK_BYTES, 0);
                self.disk.read_at(place.offset, &mut ciphertexts)?;
            }
            let mut ciphertexts = ciphertexts.chunks_exact(BLOCK_BYTES);
            for place in now {
                let (part, behind) = rest.split_at_mut(rest.len().min(BLOCK_BYTES - skip));
                match (place, ciphertexts.next()) {
                    (Some(place), Some(ciphertext)) => {
                        open_part(keys, block, &place.sealed, ciphertext, skip, part)?;
                    }
                    _ => part.fill(0),
                }
                (rest, skip, block) = (behind, 0, block + 1);
            }
        }
        Ok(())
    }

    /// Where blocks are that the caller has locked; `None` for zeros.
    fn locate(
        &self,
        keys: &Keys,
        first: u64,
        count: u64,
    ) -> Result<Vec<Option<JournalBlock>>, Error> {
        let (found, root) = {
            let view = self.view.read();
            let found: Vec<_> = (first..first + count)
                .map(|block| view.get(block))
                .collect();
            (found, view.root)
        };
        let mut leaf = None;
        let mut places = Vec::with_capacity(found.len());
        for (block, found) in (first..).zip(found) {
            if let Some(place) = found {
                places.push(place);
                continue;
            }
            let (number, within) = (
                block / crate::layout::LEAF_BLOCKS,
                block % crate::layout::LEAF_BLOCKS,
            );
            let page = match leaf.take() {
                Some((kept, page)) if kept == number => page,
                _ => self.tree.leaf(keys, root, number)?,
            };
            let sealed = page.as_ref().and_then(|page| page.node.entry(within));
            leaf = Some((number, page));
            places.push(sealed.map(|sealed| JournalBlock {
                offset: self.layout.block(block),
                sealed,
            }));
        }
        Ok(places)
    }

    /// Seals and appends bytes whose blocks the caller has locked.
    pub(super) fn write_piece(
        &self,
        keys: &Keys,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Appended, Error> {
        let first = offset / BLOCK;
        let end = offset + bytes.len() as u64;
        let count = end.div_ceil(BLOCK) - first;
        let blocks = usize::try_from(count).unwrap_or(RECORD_BLOCKS);
        // Room for the header, then the blocks.
        let mut buffer = vec![0; (1 + blocks) * BLOCK_BYTES];
        let (_, body) = buffer.split_at_mut(BLOCK_BYTES);
        match self.seal_piece(keys, offset, bytes, body) {
            Ok(entries) => self.append(keys, Body::Write(entries), &mut buffer),
            Err(error) => {
                // Not all of it was sealed.
                buffer.zeroize();
                Err(error)
            }
        }
    }

    /// Seals bytes into whole blocks. The first and the last are read if they are only partly covered.
    fn seal_piece(
        &self,
        keys: &Keys,
        offset: u64,
        bytes: &[u8],
        body: &mut [u8],
    ) -> Result<Vec<(u64, Sealed)>, Error> {
        let (first, end) = (offset / BLOCK, offset + bytes.len() as u64);
        let skip = usize::try_from(offset % BLOCK).unwrap_or(0);
        let last = body.len() - BLOCK_BYTES;
        if skip > 0 || end < (first + 1) * BLOCK {
            let (block, _) = body.split_at_mut(BLOCK_BYTES);
            self.read_piece(keys, first * BLOCK, block)?;
        }
        if last > 0 && !end.is_multiple_of(BLOCK) {
            let (_, block) = body.split_at_mut(last);
            self.read_piece(keys, end / BLOCK * BLOCK, block)?;
        }
        if let Some(covered) = body.get_mut(skip..skip + bytes.len()) {
            covered.copy_from_slice(bytes);
        }
        let blocks = (first..).zip(body.chunks_exact_mut(BLOCK_BYTES));
        let seal = |(block, bytes): (u64, &mut [u8])| {
            Ok((block, keys.seal_block(block, self.nonces.draw(), bytes)?))
        };
        blocks.map(seal).collect()
    }

    /// Appends a record, and shows it to readers.
    pub(super) fn append(
        &self,
        keys: &Keys,
        body: Body,
        buffer: &mut [u8],
    ) -> Result<Appended, Error> {
        let mut log = self.log.lock();
        if self.closing.load(Ordering::Acquire) {
            return Ok(Appended::Closing);
        }
        if self.flusher.has_failed() {
            return Err(Error::Failed);
        }
        let items = self.view.read().active.len() as u64;
        let most = (self.layout.journal_bytes() / BLOCK).max(LEAST_ITEMS);
        let sequence = log.next();
        let full = Appended::Full(log.first());
        if items + body.ciphertexts() as u64 + 2 > most {
            return Ok(full);
        }
        let flushed = self.flusher.flushed();
        let first = match log.append(&*self.disk, keys, flushed, body.clone(), buffer) {
            Ok(Some(first)) => first,
            Ok(None) => return Ok(full),
            Err(error) => {
                // The record may be on the disk all the same. If flushes went on, it could come back at the
                // next opening, older than what its caller knows.
                self.flusher.fail();
                return Err(error);
            }
        };
        self.view.write().active.apply(&body, first);
        self.flusher.appended(sequence);
        Ok(Appended::Done)
    }
}

impl View {
    /// What the journal has of a block.
    fn get(&self, block: u64) -> Option<Option<JournalBlock>> {
        let frozen = || self.frozen.as_ref().and_then(|index| index.get(block));
        self.active.get(block).or_else(frozen)
    }
}

/// Opens a block and copies out what is behind the bytes that are skipped.
fn open_part(
    keys: &Keys,
    block: u64,
    sealed: &Sealed,
    ciphertext: &[u8],
    skip: usize,
    out: &mut [u8],
) -> Result<(), Error> {
    if out.len() == BLOCK_BYTES {
        return keys.open_block(block, sealed, ciphertext, out);
    }
    let mut whole = Zeroizing::new([0; BLOCK_BYTES]);
    keys.open_block(block, sealed, ciphertext, &mut *whole)?;
    for (to, from) in out.iter_mut().zip(whole.iter().skip(skip)) {
        *to = *from;
    }
    Ok(())
}
