//! Sends an image to a place.

use std::{collections::HashSet, fs::File};

use parking_lot::Mutex;

use crate::{
    Error, Place, Progress,
    image::{is_zero, pieces_with_data, read},
    manifest::{About, Chunk, Manifest, Pieces, check_about},
    name::{CopyName, Hash},
    objects::{self, Key, Objects},
    threads::spread,
};

/// A copy that was made.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What it consists of.
    pub manifest: Manifest,
    /// How many chunks were sent; the others were there.
    pub new_chunks: u64,
    /// How many bytes these have.
    pub new_bytes: u64,
}

/// Sends an image, which nobody may write to meanwhile. What is in the place already is not sent again; so after an
/// interruption the same call goes on.
///
/// # Errors
/// When the place has a copy of that name, or the image or the place fails. Then there is no such copy.
pub fn send(
    image: &File,
    place: &Place,
    name: &CopyName,
    about: &About,
    progress: Progress<'_>,
) -> Result<Sent, Error> {
    check_about(about)?;
    let objects = place.objects();
    let _alone = objects.lock(name.volume())?;
    if objects::copies(objects)?.contains(name) {
        return Err(Error::Exists {
            name: name.clone(),
            place: objects.shown(),
        });
    }
    let failed = |error| Error::io("read", "the image", error);
    let metadata = image.metadata().map_err(failed)?;
    let pieces = Pieces::usual(metadata.len())?;
    let indices = pieces_with_data(image, pieces).map_err(failed)?;
    let total: u64 = indices.iter().map(|index| pieces.length(*index)).sum();
    let present = objects::chunks(objects, name.volume())?;
    let (mut sent, mut chunks, mut read_bytes) = ((0, 0), Vec::new(), 0);
    let begun = Mutex::new(HashSet::new());
    let work = |index| {
        let bytes = read(image, pieces, index).map_err(failed)?;
        let length = bytes.len() as u64;
        if is_zero(&bytes) {
            return Ok((length, None));
        }
        let hash = Hash::of(&bytes);
        // One of another length is not whole.
        let is_new = present.get(&hash) != Some(&length) && begun.lock().insert(hash);
        if is_new {
            objects.put(&Key::chunk(name.volume(), hash), bytes)?;
        }
        Ok((length, Some((Chunk { index, hash }, is_new))))
    };
    spread(pieces.piece_bytes, indices, work, |(length, stored)| {
        if let Some((chunk, is_new)) = stored {
            chunks.push(chunk);
            if is_new {
                sent = (sent.0 + 1, sent.1 + length);
            }
        }
        read_bytes += length;
        if progress(read_bytes, total) {
            Ok(())
        } else {
            Err(Error::Stopped)
        }
    })?;
    chunks.sort_unstable_by_key(|chunk| chunk.index);
    let manifest = Manifest::new(pieces, about.clone(), chunks);
    finish(objects, name, &manifest)?;
    Ok(Sent {
        manifest,
        new_chunks: sent.0,
        new_bytes: sent.1,
    })
}

/// Writes the manifest, once everything else is durable.
fn finish(objects: &dyn Objects, name: &CopyName, manifest: &Manifest) -> Result<(), Error> {
    let key = Key::copy(name);
    objects.settle()?;
    objects.put(&key, manifest.render())?;
    objects.settle()?;
    // Who removed another copy meanwhile did not know of this one.
    let present = objects::chunks(objects, name.volume())?;
    let is_there =
        |chunk: &Chunk| present.get(&chunk.hash) == Some(&manifest.pieces.length(chunk.index));
    if !manifest.chunks().iter().all(is_there) {
        objects.remove(&key)?;
        return Err(Error::Overtaken {
            name: name.clone(),
            place: objects.shown(),
        });
    }
    Ok(())
}
