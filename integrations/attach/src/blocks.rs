//! What a volume is: bytes that can be read, written, flushed and discarded.

use std::io;

/// Bytes of a sector of the loop device, and of a block of ext4: what is read and written is aligned to this.
pub const SECTOR_BYTES: u64 = 4096;

/// A volume. Several threads call it at the same time.
///
/// Ranges are in bytes, and never reach beyond [`len`](Blocks::len). They are multiples of [`SECTOR_BYTES`]
/// when the loop device asks, but need not be when somebody else reads the file: an implementor with blocks
/// of its own reads, changes and writes those.
///
/// An error becomes EIO for whoever reads or writes, except [`io::ErrorKind::StorageFull`] (and
/// [`io::ErrorKind::QuotaExceeded`]), which becomes ENOSPC. A panic becomes EIO.
pub trait Blocks: Send + Sync {
    /// The size in bytes, a multiple of [`SECTOR_BYTES`]. It may grow while the volume is served, and
    /// must not shrink.
    fn len(&self) -> u64;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `bytes` with what is at `offset`. What was never written is zeros.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes `bytes` at `offset`. Later reads see them. They are on disk after the next
    /// [`flush`](Blocks::flush).
    ///
    /// # Errors
    /// When they cannot be written.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all that was written or discarded before the call is on disk.
    ///
    /// # Errors
    /// When it is not.
    fn flush(&self) -> io::Result<()>;

    /// Makes `length` bytes at `offset` zeros, and gives back the space that they took, where that is possible.
    ///
    /// # Errors
    /// When they are not zeros.
    fn discard(&self, offset: u64, length: u64) -> io::Result<()>;
}
