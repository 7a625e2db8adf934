//! What a copy consists of.
//!
//! A manifest has exactly one form for each content: what is parsed renders to the same bytes.

use std::collections::BTreeMap;

use keyward_crypto::digest;

use crate::{
    Error,
    bytes::{Reader, VERSION},
    name::Hash,
    packed::is_possible,
    pieces::{MAX_PIECES, Pieces},
};

const MAGIC: &[u8; 8] = b"KWVCOPYM";
/// The most bytes of what is noted down with a copy, lengths included.
pub const MAX_ABOUT_BYTES: usize = 8 * 1024;
/// Bytes of a chunk's place, length and hash.
const ENTRY_BYTES: u64 = 40;
/// Bytes before what is noted down, and of the hash at the end.
const FIXED_BYTES: u64 = 32 + 32;
/// The most bytes of a manifest.
pub(crate) const MAX_BYTES: u64 = FIXED_BYTES + MAX_ABOUT_BYTES as u64 + MAX_PIECES * ENTRY_BYTES;

/// What is noted down with a copy, by name. It can be read, and changed, by whoever can read or change the place.
pub type About = BTreeMap<String, String>;

/// A piece of the image that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Which piece: it begins so many pieces behind the beginning of the image.
    pub index: u32,
    /// How many bytes are stored for it.
    pub stored_bytes: u32,
    /// The hash of the piece.
    pub hash: Hash,
}

/// An image, piece by piece. A piece that is not listed is zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub(crate) pieces: Pieces,
    about: About,
    chunks: Vec<Chunk>,
}

impl Manifest {
    /// Puts a manifest together; `chunks` are in ascending order.
    pub(crate) const fn new(pieces: Pieces, about: About, chunks: Vec<Chunk>) -> Self {
        Self {
            pieces,
            about,
            chunks,
        }
    }

    /// Bytes of the image.
    pub const fn image_bytes(&self) -> u64 {
        self.pieces.image_bytes
    }

    /// What is noted down.
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// The pieces that are stored, in ascending order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Bytes that are stored. Pieces that are alike are stored once, and count each time.
    pub fn stored_bytes(&self) -> u64 {
        let lengths = self.chunks.iter();
        lengths.map(|chunk| u64::from(chunk.stored_bytes)).sum()
    }

    /// The bytes.
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.pieces.piece_bytes.to_be_bytes());
        out.extend_from_slice(&self.pieces.image_bytes.to_be_bytes());
        // Within their limits, both numbers fit.
        out.extend_from_slice(&(self.about.len() as u32).to_be_bytes());
        out.extend_from_slice(&(self.chunks.len() as u32).to_be_bytes());
        for text in self.about.iter().flat_map(|(name, value)| [name, value]) {
            out.extend_from_slice(&(text.len() as u16).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        for chunk in &self.chunks {
            out.extend_from_slice(&chunk.index.to_be_bytes());
            out.extend_from_slice(&chunk.stored_bytes.to_be_bytes());
            out.extend_from_slice(chunk.hash.as_bytes());
        }
        let hash = digest::sha256(&out);
        out.extend_from_slice(&hash);
        out
    }

    /// Reads a manifest; `what` says of what it is, for messages.
    ///
    /// # Errors
    /// When it is not whole, is of another version, or is beyond what is possible.
    pub fn parse(what: &str, bytes: &[u8]) -> Result<Self, Error> {
        let damaged = |why| Error::Manifest {
            what: what.to_owned(),
            why,
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(damaged("it is longer than a manifest can be"));
        }
        let short = "it ends too early";
        let mut head = Reader(bytes);
        if head.array() != Some(*MAGIC) {
            return Err(damaged("it does not begin as a manifest does"));
        }
        // Before the hash: another version may have another one.
        let version = head.u16().ok_or_else(|| damaged(short))?;
        if version != VERSION {
            return Err(Error::Version {
                what: format!("the manifest of {what}"),
                version,
            });
        }
        let (used, hash) = bytes
            .split_last_chunk::<32>()
            .ok_or_else(|| damaged(short))?;
        if digest::sha256(used) != *hash {
            return Err(damaged("its hash is another one"));
        }
        parse(used).map_err(damaged)
    }
}

/// Reads what is before the hash.
fn parse(used: &[u8]) -> Result<Manifest, &'static str> {
    let short = "it ends too early";
    let mut reader = Reader(used);
    reader.slice(10).ok_or(short)?; // checked by the caller
    if reader.u16() != Some(0) {
        return Err("a flag is not known");
    }
    let piece_bytes = reader.u32().ok_or(short)?;
    let image_bytes = reader.u64().ok_or(short)?;
    let pieces = Pieces::new(piece_bytes, image_bytes).ok_or("its size is not possible")?;
    let (pairs, count) = (reader.u32().ok_or(short)?, reader.u32().ok_or(short)?);
    let mut about = About::new();
    for _ in 0..pairs {
        let name = text(&mut reader)?;
        let value = text(&mut reader)?;
        if about
            .last_key_value()
            .is_some_and(|(last, _)| *last >= name)
        {
            return Err("its notes are not sorted");
        }
        about.insert(name, value);
        if about_bytes(&about) > MAX_ABOUT_BYTES {
            return Err("its notes are too long");
        }
    }
    // What is left says how many there can be.
    if reader.0.len() as u64 != u64::from(count) * ENTRY_BYTES {
        return Err("its length is not that of its chunks");
    }
    let mut chunks: Vec<Chunk> = Vec::new();
    for _ in 0..count {
        let index = reader.u32().ok_or(short)?;
        let stored_bytes = reader.u32().ok_or(short)?;
        let hash = Hash::from_bytes(reader.array().ok_or(short)?);
        if chunks.last().is_some_and(|last| last.index >= index) {
            return Err("its chunks are not sorted");
        }
        if pieces.length(index) == 0 {
            return Err("a chunk is behind the end of the image");
        }
        if !is_possible(pieces.length(index), stored_bytes) {
            return Err("the length of a chunk is not possible");
        }
        chunks.push(Chunk {
            index,
            stored_bytes,
            hash,
        });
    }
    Ok(Manifest::new(pieces, about, chunks))
}

fn text(reader: &mut Reader<'_>) -> Result<String, &'static str> {
    let length = reader.u16().map(usize::from);
    let bytes = length
        .and_then(|length| reader.slice(length))
        .ok_or("it ends too early")?;
    String::from_utf8(bytes.to_vec()).map_err(|_| "a note is not UTF-8")
}

fn about_bytes(about: &About) -> usize {
    let pairs = about.iter();
    pairs
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum()
}

/// Refuses notes that are too long.
pub(crate) fn check_about(about: &About) -> Result<(), Error> {
    if about_bytes(about) > MAX_ABOUT_BYTES {
        return Err(Error::TooMuch(
            "the notes of a copy have at most 8192 bytes",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let about = [("from", "a.img"), ("generation", "7")];
        let about = about.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let chunk = |index, stored_bytes, byte| Chunk {
            index,
            stored_bytes,
            hash: Hash::from_bytes([byte; 32]),
        };
        Manifest::new(
            Pieces::new(1 << 16, (3 << 16) + 5).unwrap(),
            about.into(),
            vec![chunk(0, 18 + 2 * 4096, 1), chunk(3, 17 + 5, 2)],
        )
    }

    /// What is said of a manifest whose bytes before the hash were changed.
    fn said(change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = manifest().render();
        bytes.truncate(bytes.len() - 32);
        change(&mut bytes);
        let hash = digest::sha256(&bytes);
        bytes.extend_from_slice(&hash);
        match Manifest::parse("`a/b`", &bytes) {
            Ok(_) => "nothing".to_owned(),
            Err(Error::Manifest { why, .. }) => why.to_owned(),
            Err(other) => other.to_string(),
        }
    }

    #[test]
    fn a_manifest_is_read_back_and_has_one_form() {
        let manifest = manifest();
        let bytes = manifest.render();
        assert_eq!(Manifest::parse("x", &bytes).unwrap(), manifest);
        assert_eq!(manifest.stored_bytes(), 18 + 2 * 4096 + 17 + 5);
        assert_eq!(said(|_| {}), "nothing");
    }

    #[test]
    fn any_changed_byte_and_any_length_is_refused() {
        let bytes = manifest().render();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Manifest::parse("x", &changed).is_err(), "{at}");
            assert!(Manifest::parse("x", &bytes[..at]).is_err(), "{at}");
        }
        let longer = [&bytes[..], &[0]].concat();
        let said = Manifest::parse("`a/b`", &longer).unwrap_err().to_string();
        assert_eq!(
            said,
            "the manifest of `a/b` is damaged: its hash is another one. Use another copy; if the place itself is \
             a copy, bring the manifest again"
        );
    }

    #[test]
    fn what_a_stranger_says_is_within_limits() {
        let put = |at: usize, with: &'static [u8]| {
            move |bytes: &mut Vec<u8>| bytes[at..at + with.len()].copy_from_slice(with)
        };
        assert_eq!(
            said(put(8, &[0, 3])),
            "the manifest of `a/b` has version 3, and this release knows version 2: use a newer release"
        );
        assert_eq!(
            said(put(8, &[0, 1])),
            "the manifest of `a/b` has version 1, and this release knows version 2: send the volume again, if it \
             still exists; otherwise use the release that sent it"
        );
        assert_eq!(said(put(10, &[1])), "a flag is not known");
        let size = "its size is not possible";
        assert_eq!(said(put(12, &[0, 1, 0, 1])), size);
        assert_eq!(said(put(12, &[0, 0, 0x80, 0])), size);
        assert_eq!(said(put(12, &[0x10, 0, 0, 0])), size);
        assert_eq!(said(put(16, &[0xff; 8])), size);
        assert_eq!(said(put(24, &[0xff; 4])), "its notes are not sorted");
        assert_eq!(
            said(put(28, &[0xff; 4])),
            "its length is not that of its chunks"
        );
        assert_eq!(
            said(|bytes| bytes.truncate(70)),
            "its length is not that of its chunks"
        );
        // The names of the notes: `from` becomes `zrom`.
        assert_eq!(said(put(34, b"z")), "its notes are not sorted");
        assert_eq!(said(put(34, &[0xff])), "a note is not UTF-8");
        let entries = 32 + (2 + 4 + 2 + 5) + (2 + 10 + 2 + 1);
        assert_eq!(
            said(put(entries + 40, &[0, 0, 0, 0])),
            "its chunks are not sorted"
        );
        assert_eq!(
            said(put(entries + 40, &[0, 0, 0, 4])),
            "a chunk is behind the end of the image"
        );
        let length = "the length of a chunk is not possible";
        assert_eq!(said(put(entries + 4, &[0, 0, 0, 18])), length);
        assert_eq!(said(put(entries + 4, &[0, 0, 0x20, 19])), length);
        assert_eq!(said(put(entries + 4, &[0, 2, 0, 0])), length);
        assert_eq!(said(put(entries + 44, &[0, 0, 0, 21])), length);
        assert_eq!(said(put(entries + 44, &[0, 0, 0, 23])), length);
        assert_eq!(said(put(entries + 4, &[0, 0, 0x10, 18])), "nothing");
        let mut long = manifest();
        long.about
            .insert("x".to_owned(), "y".repeat(MAX_ABOUT_BYTES));
        assert!(matches!(
            Manifest::parse("x", &long.render()),
            Err(Error::Manifest {
                why: "its notes are too long",
                ..
            })
        ));
        assert!(check_about(&long.about).is_err());
    }
}
