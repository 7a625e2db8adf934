//! Images as files with holes.

use std::{
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt as _},
};

use rustix::{
    fs::{FallocateFlags, SeekFrom, fallocate, seek},
    io::Errno,
};

use crate::manifest::Pieces;

/// What is skipped if it is zeros, in bytes.
const BLOCK: usize = 4096;
/// Zeros that are written at once where no hole can be made.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// Whether there is nothing but zeros.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// The pieces that are not holes as a whole.
pub(crate) fn pieces_with_data(image: &File, pieces: Pieces) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(data) = next_data(image, at, pieces.image_bytes)? {
        // There are at most 2^20.
        let index = (data / u64::from(pieces.piece_bytes)) as u32;
        found.push(index);
        at = pieces.start(index) + u64::from(pieces.piece_bytes);
    }
    Ok(found)
}

/// Where the first byte is, from an offset on and before an end, that is not in a hole.
pub(crate) fn next_data(image: impl AsFd, from: u64, end: u64) -> io::Result<Option<u64>> {
    if from >= end {
        return Ok(None);
    }
    match seek(image, SeekFrom::Data(from)) {
        Ok(data) => Ok(Some(data).filter(|data| *data < end)),
        Err(Errno::NXIO) => Ok(None),
        // The file system knows no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(from)),
        Err(error) => Err(error.into()),
    }
}

/// Reads a piece.
pub(crate) fn read(image: &File, pieces: Pieces, index: u32) -> io::Result<Vec<u8>> {
    // At most 128 MiB.
    let mut bytes = vec![0; pieces.length(index) as usize];
    image.read_exact_at(&mut bytes, pieces.start(index))?;
    Ok(bytes)
}

/// Writes a piece to where nothing but a hole is.
pub(crate) fn write_sparse(image: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    // Neighbors are written at once.
    let (mut start, mut end) = (0, 0);
    for block in bytes.chunks(BLOCK) {
        let next = end + block.len();
        if is_zero(block) {
            write_range(image, offset, bytes, (start, end))?;
            start = next;
        }
        end = next;
    }
    write_range(image, offset, bytes, (start, end))
}

fn write_range(
    image: &File,
    offset: u64,
    bytes: &[u8],
    (start, end): (usize, usize),
) -> io::Result<()> {
    match bytes.get(start..end) {
        Some(range) if !range.is_empty() => image.write_all_at(range, offset + start as u64),
        _ => Ok(()),
    }
}

/// Makes a range zeros.
pub(crate) fn clear(image: &File, mut from: u64, end: u64) -> io::Result<()> {
    while let Some(data) = next_data(image, from, end)? {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(image, flags, data, end - data) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP) => {
                let length = (end - data).min(ZEROS.len() as u64) as usize;
                image.write_all_at(ZEROS.get(..length).unwrap_or(&ZEROS), data)?;
                from = data + length as u64;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
