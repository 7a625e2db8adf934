//! How an image is divided.

use crate::Error;

/// The pieces that an image is divided into have at least and at most so many bytes, a power of two.
const PIECE_BYTES: std::ops::RangeInclusive<u32> = 1 << 16..=MAX_PIECE_BYTES;
/// The most bytes of a piece.
pub(crate) const MAX_PIECE_BYTES: u32 = 1 << 27;
/// The pieces of an image have so many bytes, unless there would be too many.
const USUAL_PIECE_BYTES: u32 = 4 << 20;
/// The most pieces of an image.
pub const MAX_PIECES: u64 = 1 << 20;
/// The most bytes of an image, 128 TiB.
pub const MAX_IMAGE_BYTES: u64 = MAX_PIECES * MAX_PIECE_BYTES as u64;

/// How an image is divided into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// Bytes of each, but perhaps not of the last.
    pub(crate) piece_bytes: u32,
    /// Bytes of the image.
    pub(crate) image_bytes: u64,
}

impl Pieces {
    /// How an image of this size is divided.
    pub(crate) fn usual(image_bytes: u64) -> Result<Self, Error> {
        let mut pieces = Self {
            piece_bytes: USUAL_PIECE_BYTES,
            image_bytes,
        };
        while pieces.count() > MAX_PIECES {
            pieces.piece_bytes = pieces.piece_bytes.saturating_mul(2);
            if !PIECE_BYTES.contains(&pieces.piece_bytes) {
                return Err(Error::TooMuch(
                    "the image has more than 128 TiB, which a copy cannot have",
                ));
            }
        }
        Ok(pieces)
    }

    /// Takes what somebody else says; `None` if that is not possible.
    pub(crate) fn new(piece_bytes: u32, image_bytes: u64) -> Option<Self> {
        let pieces = Self {
            piece_bytes,
            image_bytes,
        };
        let possible = PIECE_BYTES.contains(&piece_bytes)
            && piece_bytes.is_power_of_two()
            && pieces.count() <= MAX_PIECES;
        possible.then_some(pieces)
    }

    /// How many there are.
    pub(crate) const fn count(self) -> u64 {
        self.image_bytes.div_ceil(self.piece_bytes as u64)
    }

    /// Where a piece begins.
    pub(crate) fn start(self, index: u32) -> u64 {
        u64::from(index) * u64::from(self.piece_bytes)
    }

    /// How many bytes a piece has; `None` if there is no such piece.
    pub(crate) fn length(self, index: u32) -> u64 {
        let rest = self.image_bytes.saturating_sub(self.start(index));
        rest.min(u64::from(self.piece_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_images_have_larger_pieces() {
        let usual = |bytes| Pieces::usual(bytes).map(|pieces| (pieces.piece_bytes, pieces.count()));
        assert_eq!(usual(0).unwrap(), (4 << 20, 0));
        assert_eq!(usual(4 << 40).unwrap(), (4 << 20, MAX_PIECES));
        assert_eq!(usual((4 << 40) + 1).unwrap(), (8 << 20, MAX_PIECES / 2 + 1));
        assert_eq!(usual(MAX_IMAGE_BYTES).unwrap(), (128 << 20, MAX_PIECES));
        assert!(usual(MAX_IMAGE_BYTES + 1).is_err());
        assert!(usual(u64::MAX).is_err());
    }
}
