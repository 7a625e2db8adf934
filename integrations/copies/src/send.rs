//! Sends an image to a place.

use std::{collections::HashSet, fs::File};

use parking_lot::Mutex;

use crate::{
    Error, Place, Progress,
    image::pieces_with_data,
    manifest::{About, Chunk, Manifest, check_about},
    name::CopyName,
    objects::{self, Key, Objects},
    packed::Packed,
    pieces::Pieces,
    threads::spread,
};

/// A copy that was made.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What it consists of.
    pub manifest: Manifest,
    /// How many chunks were sent.
    pub new_chunks: u64,
    /// How many bytes are stored for these.
    pub new_bytes: u64,
    /// How many pieces of the image have a chunk that was there.
    pub reused: u64,
}

/// What is enough for not sending a chunk again that the place has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It has the length that it should have: nothing is read.
    Length,
    /// It was read, and is what it should be.
    Content,
}

/// Sends an image, which nobody may write to meanwhile. What is in the place already is not sent again, if that is to
/// be trusted; so after an interruption the same call goes on.
///
/// # Errors
/// When the place has a copy of that name, or the image or the place fails. Then there is no such copy.
pub fn send(
    image: &File,
    place: &Place,
    name: &CopyName,
    (about, trust): (&About, Trust),
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
    let (mut new_bytes, mut chunks, mut read_bytes) = (0, Vec::new(), 0);
    let begun = Mutex::new(HashSet::new());
    let work = |index| {
        let length = pieces.length(index);
        let Some((hash, packed)) = Packed::read(image, pieces, index).map_err(failed)? else {
            return Ok((length, None));
        };
        let chunk = Chunk {
            index,
            stored_bytes: packed.stored_bytes(),
            hash,
        };
        let key = Key::chunk(name.volume(), hash);
        let is_first = begun.lock().insert(hash);
        let is_there = || match (
            present.get(&hash) == Some(&chunk.stored_bytes.into()),
            trust,
        ) {
            (true, Trust::Content) => {
                let there = objects.get(&key, chunk.stored_bytes.into())?;
                Ok::<_, Error>(there.is_some_and(|there| there == packed.as_bytes()))
            }
            (has_length, _) => Ok(has_length),
        };
        let is_new = is_first && !is_there()?;
        if is_new {
            objects.put(&key, packed.into_bytes())?;
        }
        Ok((length, Some((chunk, is_new))))
    };
    let mut new = HashSet::new();
    spread(pieces.piece_bytes, indices, work, |(length, stored)| {
        if let Some((chunk, is_new)) = stored {
            chunks.push(chunk);
            if is_new {
                new.insert(chunk.hash);
                new_bytes += u64::from(chunk.stored_bytes);
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
    let reused = chunks.iter().filter(|chunk| !new.contains(&chunk.hash));
    let reused = reused.count() as u64;
    let manifest = Manifest::new(pieces, about.clone(), chunks);
    finish(objects, name, &manifest)?;
    Ok(Sent {
        manifest,
        new_chunks: new.len() as u64,
        new_bytes,
        reused,
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
    let is_there = |chunk: &Chunk| present.get(&chunk.hash) == Some(&chunk.stored_bytes.into());
    if !manifest.chunks().iter().all(is_there) {
        objects.remove(&key)?;
        return Err(Error::Overtaken {
            name: name.clone(),
            place: objects.shown(),
        });
    }
    Ok(())
}
