//! Types that hold secrets: they cannot be printed, cloned, compared or serialized, and they are
//! wiped when they are dropped. `expose` is the only way to read them.

pub mod allocator;
pub mod arena;
mod lock;
pub mod process;

use std::fmt;

use zeroize::zeroize_bytes;

/// Secret bytes on the heap, wiped on drop.
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes bytes over; no copy stays behind.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as an array, if they are so many.
    pub fn expose_array<const N: usize>(&self) -> Option<&[u8; N]> {
        self.0.as_slice().try_into().ok()
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        // What lies behind the bytes may have held some of them before.
        self.0.resize(self.0.capacity(), 0);
        zeroize_bytes(&mut self.0);
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes")
    }
}
