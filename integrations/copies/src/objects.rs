//! What a place has to be able to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
};

use crate::{
    Error,
    manifest::{Chunk, MAX_BYTES, Manifest},
    name::{CopyName, Hash, VolumeName},
    packed::Packed,
    pieces::Pieces,
};

/// The most copies in a place.
const MAX_COPIES: usize = 100_000;
/// The most chunks of the copies of one volume.
const MAX_CHUNKS: usize = 1 << 22;
/// The folder with a folder of manifests for each volume.
pub(crate) const COPIES: &str = "copies";
/// The folder with a folder of chunks for each volume, which has 256 folders by the first two digits of their hashes.
pub(crate) const CHUNKS: &str = "chunks";

/// The path of something in a place. Its parts are letters, digits, `.`, `_` and `-`, and none begins with `.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(Vec<String>);

impl Key {
    /// A manifest.
    pub(crate) fn copy(name: &CopyName) -> Self {
        let volume = name.volume().as_str();
        Self([COPIES, volume, name.name()].map(ToOwned::to_owned).into())
    }

    /// A chunk.
    pub(crate) fn chunk(volume: &VolumeName, hash: Hash) -> Self {
        let hash = hash.to_string();
        let first = hash.get(..2).unwrap_or_default().to_owned();
        Self(vec![
            CHUNKS.to_owned(),
            volume.as_str().to_owned(),
            first,
            hash,
        ])
    }

    /// The folders, and the name in the last of them.
    pub(crate) fn split(&self) -> (&[String], &str) {
        match self.0.split_last() {
            Some((name, folders)) => (folders, name),
            None => (&[], ""),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// Is told of an object: the last two parts of its path, and how many bytes it has.
pub(crate) type Each<'a> = &'a mut dyn FnMut([&str; 2], u64) -> Result<(), Error>;

/// A place, as what keeps bytes by names. Threads use it at once.
pub(crate) trait Objects: Send + Sync + fmt::Debug {
    /// The place, for messages.
    fn shown(&self) -> String;

    /// The path of an object, or the place and its key, for messages.
    fn whole(&self, key: &Key) -> String;

    /// Stores bytes, whole or not at all, over what was there.
    fn put(&self, key: &Key, bytes: Vec<u8>) -> Result<(), Error>;

    /// The bytes, but at most one more than the limit; none of what is no object such as ours; `None` if there is nothing
    /// of that name.
    fn get(&self, key: &Key, limit: u64) -> Result<Option<Vec<u8>>, Error>;

    /// Lists everything that is two levels below these folders.
    fn list(&self, folders: &[&str], each: Each<'_>) -> Result<(), Error>;

    /// Removes an object. None is no error.
    fn remove(&self, key: &Key) -> Result<(), Error>;

    /// Makes everything durable that was done before.
    fn settle(&self) -> Result<(), Error>;

    /// Keeps others, as far as the place can, from changing the copies of a volume until what is answered is dropped.
    fn lock(&self, volume: &VolumeName) -> Result<Option<File>, Error>;
}

/// The names of all copies, in ascending order. What has another name is not ours.
pub(crate) fn copies(objects: &dyn Objects) -> Result<BTreeSet<CopyName>, Error> {
    let mut found = BTreeSet::new();
    objects.list(&[COPIES], &mut |[volume, name], _| {
        if let Ok(name) = CopyName::parse(&format!("{volume}/{name}")) {
            found.insert(name);
        }
        if found.len() > MAX_COPIES {
            return Err(Error::TooMuch(
                "the place has more than 100,000 copies: remove some with the tools of the place",
            ));
        }
        Ok(())
    })?;
    Ok(found)
}

/// The chunks of a volume, and how many bytes each has.
pub(crate) fn chunks(
    objects: &dyn Objects,
    volume: &VolumeName,
) -> Result<BTreeMap<Hash, u64>, Error> {
    let mut found = BTreeMap::new();
    objects.list(&[CHUNKS, volume.as_str()], &mut |[_, name], bytes| {
        if let Some(hash) = Hash::parse(name) {
            found.insert(hash, bytes);
        }
        if found.len() > MAX_CHUNKS {
            return Err(Error::TooMuch(
                "the place has more than 4,194,304 chunks of the volume: use another place",
            ));
        }
        Ok(())
    })?;
    Ok(found)
}

/// The manifest of a copy.
pub(crate) fn manifest(objects: &dyn Objects, name: &CopyName) -> Result<Manifest, Error> {
    match objects.get(&Key::copy(name), MAX_BYTES)? {
        Some(bytes) => Manifest::parse(&format!("`{name}`"), &bytes),
        None => Err(Error::Missing {
            name: name.clone(),
            place: objects.shown(),
        }),
    }
}

/// A chunk of a copy, verified.
pub(crate) fn chunk(
    objects: &dyn Objects,
    name: &CopyName,
    (pieces, chunk): (Pieces, Chunk),
) -> Result<Packed, Error> {
    let key = Key::chunk(name.volume(), chunk.hash);
    let Some(bytes) = objects.get(&key, chunk.stored_bytes.into())? else {
        return Err(Error::ChunkMissing {
            path: objects.whole(&key),
            name: name.clone(),
        });
    };
    let is_whole = bytes.len() == chunk.stored_bytes as usize;
    let packed = is_whole.then(|| Packed::parse(bytes).ok()).flatten();
    let is_meant = |packed: &Packed| {
        u64::from(packed.piece_bytes()) == pieces.length(chunk.index) && packed.hash() == chunk.hash
    };
    packed.filter(is_meant).ok_or_else(|| Error::ChunkDamaged {
        path: objects.whole(&key),
        name: name.clone(),
    })
}
