//! Looks after the copies of a place.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Error, Place, Progress,
    manifest::{Chunk, Manifest},
    name::{CopyName, Hash, VolumeName},
    objects::{self, Key},
    threads::spread,
};

/// What is wrong with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It is not what its name says.
    Damaged,
}

/// What was found of a copy.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What it consists of.
    pub manifest: Manifest,
    /// The chunks that cannot be used, by their paths; in a bucket, by the place and their keys.
    pub faults: BTreeMap<String, Fault>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many chunks no copy needed any more.
    pub chunks: u64,
    /// How many bytes these had.
    pub bytes: u64,
}

/// The copies of a place, in ascending order of their names.
///
/// # Errors
/// When the place fails.
pub fn list(place: &Place) -> Result<Vec<CopyName>, Error> {
    Ok(objects::copies(place.objects())?.into_iter().collect())
}

/// What a copy consists of. That its chunks are there is not verified.
///
/// # Errors
/// When there is no such copy, its manifest is not whole, or the place fails.
pub fn manifest(place: &Place, name: &CopyName) -> Result<Manifest, Error> {
    objects::manifest(place.objects(), name)
}

/// Reads a copy, and finds what of it cannot be used.
///
/// # Errors
/// When there is no such copy, its manifest is not whole, or the place fails.
pub fn verify(place: &Place, name: &CopyName, progress: Progress<'_>) -> Result<Verified, Error> {
    let objects = place.objects();
    let manifest = objects::manifest(objects, name)?;
    let pieces = manifest.pieces;
    // Each once, but if the manifest says different things of the same chunk, one of them is wrong.
    let chunks: BTreeMap<(Hash, u32, u64), Chunk> = manifest
        .chunks()
        .iter()
        .map(|chunk| {
            let length = pieces.length(chunk.index);
            ((chunk.hash, chunk.stored_bytes, length), *chunk)
        })
        .collect();
    let length = |chunk: &Chunk| u64::from(chunk.stored_bytes);
    let total = chunks.values().map(length).sum();
    let (mut done, mut faults) = (0, BTreeMap::new());
    let work = |chunk| match objects::chunk(objects, name, (pieces, chunk)) {
        Ok(_) => Ok((length(&chunk), None)),
        Err(Error::ChunkMissing { path, .. }) => Ok((length(&chunk), Some((path, Fault::Missing)))),
        Err(Error::ChunkDamaged { path, .. }) => Ok((length(&chunk), Some((path, Fault::Damaged)))),
        Err(error) => Err(error),
    };
    let chunks = chunks.into_values();
    spread(pieces.piece_bytes, chunks, work, |(length, fault)| {
        faults.extend(fault);
        done += length;
        if progress(done, total) {
            Ok(())
        } else {
            Err(Error::Stopped)
        }
    })?;
    Ok(Verified { manifest, faults })
}

/// Removes copies of one volume, and the chunks that no other copy of it needs; also those that interrupted sending
/// has left.
///
/// # Errors
/// When there is no such copy, the manifest of another copy cannot be read, since nobody knows then which chunks it
/// needs, or the place fails.
pub fn remove(place: &Place, volume: &VolumeName, names: &[CopyName]) -> Result<Removed, Error> {
    let objects = place.objects();
    let _alone = objects.lock(volume)?;
    let copies = objects::copies(objects)?;
    let missing = |name: &&CopyName| name.volume() != volume || !copies.contains(*name);
    if let Some(name) = names.iter().find(missing) {
        return Err(Error::Missing {
            name: name.clone(),
            place: objects.shown(),
        });
    }
    let mut needed = BTreeSet::new();
    for name in &copies {
        if name.volume() == volume && !names.contains(name) {
            let manifest = objects::manifest(objects, name)?;
            needed.extend(manifest.chunks().iter().map(|chunk| chunk.hash));
        }
    }
    for name in names {
        objects.remove(&Key::copy(name))?;
    }
    // A copy must not outlast its chunks.
    objects.settle()?;
    let mut removed = Removed::default();
    for (hash, bytes) in objects::chunks(objects, volume)? {
        if !needed.contains(&hash) {
            objects.remove(&Key::chunk(volume, hash))?;
            removed.chunks += 1;
            removed.bytes += bytes;
        }
    }
    Ok(removed)
}
