//! A piece of an image as it is stored: which of its blocks are not zeros, and those blocks.
//!
//! A piece has exactly one form: what is parsed is what [`Packed::pack`] makes of the same piece.

use std::{fmt, fs::File, io, os::unix::fs::FileExt as _};

use keyward_crypto::digest::Sha256;

use crate::{
    bytes::{Reader, VERSION},
    image::{is_zero, zeros},
    name::Hash,
    pieces::{MAX_PIECE_BYTES, Pieces},
};

const MAGIC: &[u8; 8] = b"KWVCHUNK";
/// Bytes before the bitmap.
const HEAD: usize = 16;
/// What is left out if it is zeros, in bytes.
const BLOCK: usize = 4096;

/// A piece that is not all zeros, in the form in which it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed {
    bytes: Vec<u8>,
    piece_bytes: u32,
}

/// The blocks of a piece that are not zeros, neighbors together: how many bytes after the beginning of the piece they
/// begin, and their bytes.
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    bitmap: &'a [u8],
    data: &'a [u8],
    piece_bytes: usize,
    next: usize,
}

/// Bytes before the blocks of a piece with so many bytes.
const fn overhead(piece_bytes: usize) -> usize {
    HEAD + piece_bytes.div_ceil(BLOCK).div_ceil(8)
}

/// Whether a piece with so many bytes can be stored in so many.
pub(crate) fn is_possible(piece_bytes: u64, stored_bytes: u32) -> bool {
    // Nothing here is more than 128 MiB and a few KiB.
    let (piece_bytes, stored_bytes) = (piece_bytes as usize, stored_bytes as usize);
    let (whole, tail) = (piece_bytes / BLOCK, piece_bytes % BLOCK);
    stored_bytes
        .checked_sub(overhead(piece_bytes))
        .is_some_and(|data| {
            data > 0 && data / BLOCK <= whole && (data % BLOCK == 0 || data % BLOCK == tail)
        })
}

impl Packed {
    /// Reads a piece of an image; `None` if it is zeros. The hash is that of the whole piece. It takes the memory of
    /// one piece.
    pub(crate) fn read(
        image: &File,
        pieces: Pieces,
        index: u32,
    ) -> io::Result<Option<(Hash, Self)>> {
        // At most 128 MiB.
        let piece_bytes = pieces.length(index) as usize;
        let head = overhead(piece_bytes);
        let mut bytes = vec![0; head + piece_bytes];
        let piece = bytes.get_mut(head..).unwrap_or_default();
        image.read_exact_at(piece, pieces.start(index))?;
        if is_zero(piece) {
            return Ok(None);
        }
        let hash = Hash::of(piece);
        Ok(Some((hash, Self::pack_in_place(bytes, piece_bytes))))
    }

    /// The form in which a piece of at most 128 MiB is stored; `None` if it is zeros, and so is not stored.
    pub fn pack(piece: &[u8]) -> Option<Self> {
        if is_zero(piece) {
            return None;
        }
        let mut bytes = vec![0; overhead(piece.len())];
        bytes.extend_from_slice(piece);
        Some(Self::pack_in_place(bytes, piece.len()))
    }

    /// Moves the blocks that are not zeros together; before the piece, there is room for the rest.
    fn pack_in_place(mut bytes: Vec<u8>, piece_bytes: usize) -> Self {
        let head = overhead(piece_bytes);
        let (mut from, mut end) = (head, head);
        for number in 0..piece_bytes.div_ceil(BLOCK) {
            let to = (from + BLOCK).min(bytes.len());
            if bytes.get(from..to).is_some_and(|block| !is_zero(block)) {
                bytes.copy_within(from..to, end);
                end += to - from;
                if let Some(byte) = bytes.get_mut(HEAD + number / 8) {
                    *byte |= bit(number);
                }
            }
            from = to;
        }
        bytes.truncate(end);
        let piece_bytes = piece_bytes as u32;
        let fields = [
            &MAGIC[..],
            &VERSION.to_be_bytes(),
            &[0; 2],
            &piece_bytes.to_be_bytes(),
        ];
        if let Some(first) = bytes.get_mut(..HEAD) {
            first.copy_from_slice(&fields.concat());
        }
        Self { bytes, piece_bytes }
    }

    /// Takes what somebody else says is a piece. Its hash is not looked at.
    ///
    /// # Errors
    /// What is wrong, if it is not the one form of a piece.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, &'static str> {
        let short = "a chunk ends too early";
        let mut reader = Reader(&bytes);
        if reader.array() != Some(*MAGIC) {
            return Err("a chunk does not begin with a valid header");
        }
        if reader.u16() != Some(VERSION) {
            return Err("a chunk has another version than its manifest");
        }
        if reader.u16() != Some(0) {
            return Err("a flag of a chunk is not known");
        }
        let piece_bytes = reader.u32().ok_or(short)?;
        if piece_bytes > MAX_PIECE_BYTES {
            return Err("the size of a chunk is not possible");
        }
        let blocks = (piece_bytes as usize).div_ceil(BLOCK);
        let bitmap = reader.slice(blocks.div_ceil(8)).ok_or(short)?;
        if (blocks..bitmap.len() * 8).any(|number| is_set(bitmap, number)) {
            return Err("a chunk has a block after its end");
        }
        let runs = Runs {
            bitmap,
            data: reader.0,
            piece_bytes: piece_bytes as usize,
            next: 0,
        };
        let mut rest = runs.clone();
        let found: usize = rest.by_ref().map(|(_, run)| run.len()).sum();
        if rest.next < blocks || !rest.data.is_empty() {
            return Err("a chunk does not have the length of its blocks");
        }
        if runs.flat_map(|(_, run)| run.chunks(BLOCK)).any(is_zero) {
            return Err("a chunk has a block that is zeros");
        }
        if found == 0 {
            return Err("a chunk has no block");
        }
        Ok(Self { bytes, piece_bytes })
    }

    /// The bytes that are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that are stored.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many bytes are stored.
    pub(crate) const fn stored_bytes(&self) -> u32 {
        // A little more than the piece at most.
        self.bytes.len() as u32
    }

    /// How many bytes the piece has.
    pub const fn piece_bytes(&self) -> u32 {
        self.piece_bytes
    }

    /// The hash of the piece, zeros included.
    pub fn hash(&self) -> Hash {
        let mut hash = Sha256::new();
        let (mut at, length) = (0, self.piece_bytes as usize);
        for (start, run) in self.runs().chain([(length, &[][..])]) {
            while at < start {
                let some = zeros(start - at);
                hash.update(some);
                at += some.len();
            }
            hash.update(run);
            at += run.len();
        }
        Hash::from_bytes(hash.finish())
    }

    /// The blocks that are not zeros.
    pub fn runs(&self) -> Runs<'_> {
        let piece_bytes = self.piece_bytes as usize;
        let rest = self.bytes.get(HEAD..).unwrap_or_default();
        let bitmap = overhead(piece_bytes) - HEAD;
        let (bitmap, data) = rest.split_at_checked(bitmap).unwrap_or_default();
        Runs {
            bitmap,
            data,
            piece_bytes,
            next: 0,
        }
    }

    /// Writes the piece to where nothing but a hole is.
    pub(crate) fn write(&self, image: &File, offset: u64) -> io::Result<()> {
        for (start, run) in self.runs() {
            image.write_all_at(run, offset + start as u64)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Packed({} bytes of {})",
            self.bytes.len(),
            self.piece_bytes
        )
    }
}

impl<'a> Iterator for Runs<'a> {
    type Item = (usize, &'a [u8]);

    /// Ends early, before `next` is the number of blocks, if bytes are missing.
    fn next(&mut self) -> Option<Self::Item> {
        let blocks = self.piece_bytes.div_ceil(BLOCK);
        let first = (self.next..blocks).find(|number| is_set(self.bitmap, *number));
        let Some(first) = first else {
            self.next = blocks;
            return None;
        };
        let after = (first..blocks).find(|number| !is_set(self.bitmap, *number));
        let after = after.unwrap_or(blocks);
        let (start, end) = (first * BLOCK, (after * BLOCK).min(self.piece_bytes));
        let (run, rest) = self.data.split_at_checked(end - start)?;
        self.data = rest;
        self.next = after;
        Some((start, run))
    }
}

/// The bit of a block in its byte of the bitmap: the first block has the most significant one.
const fn bit(number: usize) -> u8 {
    0x80 >> (number % 8)
}

fn is_set(bitmap: &[u8], number: usize) -> bool {
    let byte = bitmap.get(number / 8);
    byte.is_some_and(|byte| byte & bit(number) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = 9 * BLOCK + 100;
    /// Bytes before the blocks of such a piece: 10 blocks have 2 bytes of the bitmap.
    const BLOCKS: usize = 18;

    /// A piece of so many bytes in which some blocks are not zeros.
    fn piece(length: usize, blocks: &[usize]) -> Vec<u8> {
        let mut piece = vec![0; length];
        for block in blocks {
            piece[(block * BLOCK + 99).min(length - 1)] = 1 + *block as u8;
        }
        piece
    }

    fn unpacked(packed: &Packed) -> Vec<u8> {
        let mut piece = vec![0; packed.piece_bytes() as usize];
        for (start, run) in packed.runs() {
            piece[start..start + run.len()].copy_from_slice(run);
        }
        piece
    }

    /// What is said of a chunk that was changed.
    fn said(change: impl FnOnce(&mut Vec<u8>)) -> &'static str {
        let mut bytes = Packed::pack(&piece(LENGTH, &[0, 1, 5, 9]))
            .unwrap()
            .into_bytes();
        change(&mut bytes);
        match Packed::parse(bytes) {
            Ok(_) => "nothing",
            Err(why) => why,
        }
    }

    #[test]
    fn a_piece_comes_back_from_its_blocks() {
        let all: Vec<usize> = (0..10).collect();
        for (length, blocks, data) in [
            (LENGTH, &[0][..], BLOCK),
            (LENGTH, &[9], 100),
            (LENGTH, &[0, 1, 5, 9], 3 * BLOCK + 100),
            (LENGTH, &all, LENGTH),
            (8 * BLOCK, &[7], BLOCK),
            (8 * BLOCK, &[2, 3, 4], 3 * BLOCK),
            (1, &[0], 1),
        ] {
            let piece = piece(length, blocks);
            let packed = Packed::pack(&piece).unwrap();
            assert_eq!(packed.as_bytes().len(), overhead(length) + data);
            assert!(is_possible(length as u64, packed.stored_bytes()));
            assert_eq!(packed.hash(), Hash::of(&piece));
            assert_eq!(unpacked(&packed), piece);
            let parsed = Packed::parse(packed.as_bytes().to_vec()).unwrap();
            assert_eq!(parsed, packed);
        }
        assert_eq!(Packed::pack(&[0; LENGTH]), None);
        assert_eq!(Packed::pack(&[]), None);
    }

    #[test]
    fn neighbors_are_one_run() {
        let packed = Packed::pack(&piece(LENGTH, &[0, 1, 5, 8, 9])).unwrap();
        let runs: Vec<_> = packed.runs().map(|(at, run)| (at, run.len())).collect();
        let expected = [(0, 2 * BLOCK), (5 * BLOCK, BLOCK), (8 * BLOCK, BLOCK + 100)];
        assert_eq!(runs, expected);
    }

    #[test]
    fn another_form_of_a_piece_is_refused() {
        let put = |at: usize, with: &'static [u8]| {
            move |bytes: &mut Vec<u8>| bytes[at..at + with.len()].copy_from_slice(with)
        };
        assert_eq!(said(|_| {}), "nothing");
        assert_eq!(
            said(put(0, b"X")),
            "a chunk does not begin with a valid header"
        );
        let version = "a chunk has another version than its manifest";
        assert_eq!(said(put(8, &[0, 1])), version);
        assert_eq!(said(put(8, &[0, 3])), version);
        assert_eq!(said(put(11, &[1])), "a flag of a chunk is not known");
        let size = "the size of a chunk is not possible";
        assert_eq!(said(put(12, &[8, 0, 0, 1])), size);
        assert_eq!(said(put(12, &[0xff; 4])), size);
        let short = "a chunk ends too early";
        assert_eq!(said(|bytes| bytes.truncate(BLOCKS - 1)), short);
        assert_eq!(said(|bytes| bytes.truncate(14)), short);
        // A bit of a block that the piece does not have.
        let after = "a chunk has a block after its end";
        assert_eq!(said(put(17, &[0x60])), after);
        assert_eq!(said(put(17, &[0x41])), after);
        // A block more or less than there are bytes; and of another length than the last one has.
        let length = "a chunk does not have the length of its blocks";
        assert_eq!(said(put(16, &[0xc6])), length);
        assert_eq!(said(put(16, &[0x44])), length);
        assert_eq!(said(put(17, &[0x80])), length);
        assert_eq!(said(put(12, &[0, 0, 0x90, 99])), length);
        assert_eq!(said(put(12, &[8, 0, 0, 0])), length);
        assert_eq!(said(|bytes| bytes.push(1)), length);
        assert_eq!(said(|bytes| bytes.truncate(bytes.len() - 1)), length);
        assert_eq!(said(|bytes| bytes.truncate(BLOCKS)), length);
        let zeros = "a chunk has a block that is zeros";
        assert_eq!(said(|bytes| bytes[BLOCKS..][..BLOCK].fill(0)), zeros);
        assert_eq!(said(|bytes| bytes[BLOCKS + 3 * BLOCK..].fill(0)), zeros);
        let none = "a chunk has no block";
        let empty = |bytes: &mut Vec<u8>| {
            bytes.truncate(BLOCKS);
            bytes[16..].fill(0);
        };
        assert_eq!(said(empty), none);
        let nothing = |bytes: &mut Vec<u8>| {
            bytes.truncate(HEAD);
            bytes[12..].fill(0);
        };
        assert_eq!(said(nothing), none);
    }

    #[test]
    fn only_lengths_that_a_piece_can_have_are_possible() {
        let length = LENGTH as u64;
        let possible = |data: usize| is_possible(length, (BLOCKS + data) as u32);
        for blocks in 1..=9 {
            assert!(possible(blocks * BLOCK));
            assert!(possible(blocks * BLOCK + 100));
        }
        assert!(possible(100));
        for data in [
            0,
            1,
            99,
            101,
            BLOCK - 1,
            BLOCK + 99,
            10 * BLOCK,
            10 * BLOCK + 100,
        ] {
            assert!(!possible(data), "{data}");
        }
        assert!(!is_possible(length, BLOCKS as u32 - 1));
        assert!(!is_possible(length, 0));
        assert!(!is_possible(length, u32::MAX));
        // Without a shorter block at the end.
        let even = (HEAD + 1 + 8 * BLOCK) as u32;
        assert!(is_possible(8 * BLOCK as u64, even));
        assert!(!is_possible(8 * BLOCK as u64, even + 1));
        assert!(!is_possible(8 * BLOCK as u64, even + BLOCK as u32));
        assert!(!is_possible(0, HEAD as u32));
    }
}
