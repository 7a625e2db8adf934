//! A record: a header of 4 KiB, then the ciphertexts of the blocks that it writes.

use crate::{
    bytes::Reader,
    layout::{BLOCK_BYTES, MAX_BLOCKS, RECORD_BLOCKS},
    seal::{FORMAT, Keys, Sealed},
};

const MAGIC: &[u8; 8] = b"KWVRECRD";
/// Bytes before the MAC.
const HEAD_BYTES: usize = 88;
const WRITE: u8 = 1;
const DISCARD: u8 = 2;

/// The header of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(crate) session: [u8; 16],
    pub(crate) sequence: u64,
    /// Records up to this one had been flushed when this one was written.
    pub(crate) flushed: u64,
    /// The generation of the superblock at that time.
    pub(crate) generation: u64,
    /// The MAC of the record before.
    pub(crate) previous: [u8; 32],
    pub(crate) body: Body,
}

/// What a record does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Writes these blocks; the ciphertexts follow in the same order.
    Write(Vec<(u64, Sealed)>),
    /// Discards so many blocks from the first on.
    Discard(u64, u64),
}

impl Body {
    /// How many ciphertexts follow the header.
    pub(crate) fn ciphertexts(&self) -> usize {
        match self {
            Self::Write(blocks) => blocks.len(),
            Self::Discard(..) => 0,
        }
    }

    /// Whether all blocks are in a volume of so many.
    pub(crate) fn is_within(&self, blocks: u64) -> bool {
        match self {
            Self::Write(entries) => entries.iter().all(|(block, _)| *block < blocks),
            Self::Discard(first, length) => first + length <= blocks,
        }
    }
}

impl Header {
    /// Reads a header, without verifying that it is authentic; the MAC is beside it.
    pub fn parse(page: &[u8; BLOCK_BYTES]) -> Option<(Self, [u8; 32])> {
        let mut reader = Reader(page);
        if reader.array() != Some(*MAGIC) || reader.u16() != Some(u16::from(FORMAT)) {
            return None;
        }
        let (kind, zero, count) = (reader.u8()?, reader.u8()?, reader.u32()?);
        let session = reader.array()?;
        let (sequence, flushed, generation) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (previous, mac) = (reader.array()?, reader.array()?);
        let count = usize::try_from(count).ok()?;
        let body = match kind {
            WRITE if (1..=RECORD_BLOCKS).contains(&count) => {
                let mut entries = Vec::with_capacity(count);
                for _ in 0..count {
                    let block = reader.u64().filter(|block| *block < MAX_BLOCKS)?;
                    let (nonce, tag) = (reader.array()?, reader.array()?);
                    entries.push((block, Sealed { nonce, tag }));
                }
                Body::Write(entries)
            }
            DISCARD if count == 1 => {
                let (first, length) = (reader.u64()?, reader.u64()?);
                let end = first.checked_add(length)?;
                if length == 0 || end > MAX_BLOCKS {
                    return None;
                }
                Body::Discard(first, length)
            }
            _ => return None,
        };
        if zero != 0 || !reader.is_zero() {
            return None;
        }
        let header = Self {
            session,
            sequence,
            flushed,
            generation,
            previous,
            body,
        };
        Some((header, mac))
    }

    /// Writes a header and its MAC into a page of zeros, and returns the MAC.
    pub(crate) fn render(&self, keys: &Keys, page: &mut [u8]) -> [u8; 32] {
        let (head, entries) = self.parts();
        let mac = keys.record_mac(&[&head, &entries]);
        let bytes = head.iter().chain(&mac).chain(&entries);
        for (to, from) in page.iter_mut().zip(bytes) {
            *to = *from;
        }
        mac
    }

    /// Whether this is the MAC of the header.
    pub(crate) fn is_authentic(&self, keys: &Keys, mac: &[u8; 32]) -> bool {
        let (head, entries) = self.parts();
        keyward_crypto::mac::equal(&keys.record_mac(&[&head, &entries]), mac)
    }

    /// What is before the MAC, and what is behind it.
    fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        let (kind, count) = match &self.body {
            // A record has at most RECORD_BLOCKS of them.
            Body::Write(entries) => (WRITE, entries.len() as u32),
            Body::Discard(..) => (DISCARD, 1),
        };
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&[0, FORMAT, kind, 0]);
        head.extend_from_slice(&count.to_be_bytes());
        head.extend_from_slice(&self.session);
        head.extend_from_slice(&self.sequence.to_be_bytes());
        head.extend_from_slice(&self.flushed.to_be_bytes());
        head.extend_from_slice(&self.generation.to_be_bytes());
        head.extend_from_slice(&self.previous);
        let mut rest = Vec::new();
        match &self.body {
            Body::Write(entries) => {
                for (block, sealed) in entries {
                    rest.extend_from_slice(&block.to_be_bytes());
                    sealed.render(&mut rest);
                }
            }
            Body::Discard(first, length) => {
                rest.extend_from_slice(&first.to_be_bytes());
                rest.extend_from_slice(&length.to_be_bytes());
            }
        }
        (head, rest)
    }
}
