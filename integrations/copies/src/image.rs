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

use crate::pieces::Pieces;

/// Zeros that are written, hashed or compared at once.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// Some zeros, at most so many.
pub(crate) fn zeros(most: usize) -> &'static [u8] {
    ZEROS.get(..most).unwrap_or(&ZEROS)
}

/// Whether there is nothing but zeros.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let mut parts = bytes.chunks(ZEROS.len());
    parts.all(|part| part == zeros(part.len()))
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

/// Makes a range zeros.
pub(crate) fn clear(image: &File, mut from: u64, end: u64) -> io::Result<()> {
    while let Some(data) = next_data(image, from, end)? {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(image, flags, data, end - data) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP) => {
                let some = zeros(usize::try_from(end - data).unwrap_or(usize::MAX));
                image.write_all_at(some, data)?;
                from = data + some.len() as u64;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
