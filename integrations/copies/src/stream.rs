//! A copy as one stream, such as over `ssh`: the pieces in their order, and then the manifest.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use crate::{
    Error, Progress,
    bytes::VERSION,
    image::pieces_with_data,
    manifest::{About, Chunk, MAX_BYTES, Manifest, check_about},
    packed::{Packed, is_possible},
    pieces::Pieces,
    receive::{Draft, Received},
};

const MAGIC: &[u8; 8] = b"KWVCSTRM";
/// Begins a piece.
const PIECE: u8 = 1;
/// Begins the manifest.
const END: u8 = 2;

/// Writes an image, which nobody may write to meanwhile, to a stream.
///
/// # Errors
/// When the image cannot be read, or the stream takes nothing more.
pub fn send(
    image: &File,
    out: &mut dyn Write,
    about: &About,
    progress: Progress<'_>,
) -> Result<Manifest, Error> {
    check_about(about)?;
    let failed = |error| Error::io("read", "the image", error);
    let metadata = image.metadata().map_err(failed)?;
    let pieces = Pieces::usual(metadata.len())?;
    let indices = pieces_with_data(image, pieces).map_err(failed)?;
    let total: u64 = indices.iter().map(|index| pieces.length(*index)).sum();
    let mut put = |bytes: &[u8]| {
        let put = out.write_all(bytes);
        put.map_err(|error| Error::io("write", "the stream", error))
    };
    put(&head(pieces))?;
    let (mut chunks, mut done) = (Vec::new(), 0);
    for index in indices {
        let packed = Packed::read(image, pieces, index).map_err(failed)?;
        if let Some((hash, packed)) = packed {
            let stored_bytes = packed.stored_bytes();
            put(&[PIECE])?;
            put(&index.to_be_bytes())?;
            put(&stored_bytes.to_be_bytes())?;
            put(packed.as_bytes())?;
            chunks.push(Chunk {
                index,
                stored_bytes,
                hash,
            });
        }
        done += pieces.length(index);
        if !progress(done, total) {
            return Err(Error::Stopped);
        }
    }
    let manifest = Manifest::new(pieces, about.clone(), chunks);
    let bytes = manifest.render();
    put(&[END])?;
    put(&(bytes.len() as u32).to_be_bytes())?;
    put(&bytes)?;
    out.flush()
        .map_err(|error| Error::io("write", "the stream", error))?;
    Ok(manifest)
}

/// Makes an image of a stream, beside the path that it is to have.
///
/// # Errors
/// When something exists at that path, the stream is not whole, or the disk fails. Then nothing is left of it.
pub fn receive(input: &mut dyn Read, to: &Path, progress: Progress<'_>) -> Result<Received, Error> {
    let mut frames = Frames::begin(input)?;
    let draft = Draft::open(to)?;
    match write(&mut frames, &draft, progress) {
        Ok(manifest) => Ok(Received::new(manifest, draft)),
        Err(error) => {
            draft.discard()?;
            Err(error)
        }
    }
}

fn write<R: Read>(
    frames: &mut Frames<R>,
    draft: &Draft,
    progress: Progress<'_>,
) -> Result<Manifest, Error> {
    // Of an earlier attempt, nothing is of use.
    draft.set_len(0)?;
    let pieces = frames.pieces;
    draft.set_len(pieces.image_bytes)?;
    loop {
        match frames.next()? {
            Frame::Piece(chunk, piece) => {
                let start = pieces.start(chunk.index);
                let put = draft.put(start, &piece);
                put.map_err(|error| draft.failed("write", error))?;
                let done = start + u64::from(piece.piece_bytes());
                if !progress(done, pieces.image_bytes) {
                    return Err(Error::Stopped);
                }
            }
            Frame::End(manifest) => return Ok(manifest),
        }
    }
}

fn head(pieces: Pieces) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&pieces.piece_bytes.to_be_bytes());
    out.extend_from_slice(&pieces.image_bytes.to_be_bytes());
    out
}

/// What a stream consists of, one after the other; each is verified as far as it can be.
#[derive(Debug)]
pub struct Frames<R> {
    input: R,
    pieces: Pieces,
    chunks: Vec<Chunk>,
}

/// A part of a stream.
#[derive(Debug)]
pub enum Frame {
    /// A piece of the image.
    Piece(Chunk, Packed),
    /// The end: what all pieces should have been, and were.
    End(Manifest),
}

impl<R: Read> Frames<R> {
    /// Reads the beginning.
    ///
    /// # Errors
    /// When it is none.
    pub fn begin(mut input: R) -> Result<Self, Error> {
        if array(&mut input)? != *MAGIC {
            return Err(Error::Stream(
                "it does not begin like a stream of `keyward volume send`",
            ));
        }
        let version = u16::from_be_bytes(array(&mut input)?);
        if version != VERSION {
            return Err(Error::Version {
                what: "the stream".to_owned(),
                version,
            });
        }
        if array(&mut input)? != [0; 2] {
            return Err(Error::Stream("a flag is not known"));
        }
        let piece_bytes = u32::from_be_bytes(array(&mut input)?);
        let image_bytes = u64::from_be_bytes(array(&mut input)?);
        let pieces = Pieces::new(piece_bytes, image_bytes);
        Ok(Self {
            input,
            pieces: pieces.ok_or(Error::Stream("its size is not possible"))?,
            chunks: Vec::new(),
        })
    }

    /// Reads the next part. There is none behind the end.
    ///
    /// # Errors
    /// When it is not what must follow.
    #[expect(
        clippy::should_implement_trait,
        reason = "it ends with a part, not with none"
    )]
    pub fn next(&mut self) -> Result<Frame, Error> {
        match array(&mut self.input)? {
            [PIECE] => self.piece(),
            [END] => self.end(),
            _ => Err(Error::Stream("a part of it is not known")),
        }
    }

    fn piece(&mut self) -> Result<Frame, Error> {
        let index = u32::from_be_bytes(array(&mut self.input)?);
        let stored_bytes = u32::from_be_bytes(array(&mut self.input)?);
        if self.chunks.last().is_some_and(|last| last.index >= index) {
            return Err(Error::Stream("its pieces are not sorted"));
        }
        let length = self.pieces.length(index);
        if !is_possible(length, stored_bytes) {
            return Err(Error::Stream(
                "a piece does not have a length that it can have",
            ));
        }
        let bytes = self.bytes(u64::from(stored_bytes))?;
        let packed = Packed::parse(bytes).map_err(Error::Stream)?;
        if u64::from(packed.piece_bytes()) != length {
            return Err(Error::Stream(
                "a piece does not have the size that it should have",
            ));
        }
        let chunk = Chunk {
            index,
            stored_bytes,
            hash: packed.hash(),
        };
        self.chunks.push(chunk);
        Ok(Frame::Piece(chunk, packed))
    }

    fn end(&mut self) -> Result<Frame, Error> {
        let length = u64::from(u32::from_be_bytes(array(&mut self.input)?));
        if length > MAX_BYTES {
            return Err(Error::Stream("its manifest is longer than one can be"));
        }
        let bytes = self.bytes(length)?;
        let manifest = Manifest::parse("the stream", &bytes).map_err(|error| match error {
            Error::Manifest { .. } => Error::Stream("its manifest is damaged"),
            other => other,
        })?;
        if manifest.pieces != self.pieces || manifest.chunks() != self.chunks {
            return Err(Error::Stream("its pieces are not what its manifest says"));
        }
        match self.input.read(&mut [0]).map_err(failed)? {
            0 => Ok(Frame::End(manifest)),
            _ => Err(Error::Stream("there are bytes behind its end")),
        }
    }

    /// So many bytes. Memory is taken as they arrive.
    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let input = &mut self.input;
        input.take(length).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 != length {
            return Err(Error::Stream(ENDS));
        }
        Ok(bytes)
    }
}

const ENDS: &str = "it ends too early";

fn array<const N: usize>(input: &mut impl Read) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    match input.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Error::Stream(ENDS)),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: io::Error) -> Error {
    Error::io("read", "the stream", error)
}
