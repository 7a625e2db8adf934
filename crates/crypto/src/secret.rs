//! Secrets: bytes that are wiped when they are dropped, and the arena in which those rest that
//! live for long.
//!
//! No type here is `Clone`, `PartialEq`, `Display` or serializable; `Debug` prints the type's name
//! and `expose` is the only way to the bytes, so that `grep 'expose('` lists who sees them.

pub mod arena;
mod lock;
pub mod process;

use std::fmt;

use zeroize::Zeroize;

pub use self::arena::{Arena, ArenaFull, ArenaReport, ArenaSecret};
pub use self::process::{HardenReport, harden_process};

/// Secret bytes on the heap, wiped on drop. They are never moved or reallocated.
pub struct SecretBytes(Box<[u8]>);

impl SecretBytes {
    /// Makes a secret in place: `fill` gets `len` zero bytes to write.
    pub fn init(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut secret = Self(vec![0; len].into_boxed_slice());
        fill(&mut secret.0);
        secret
    }

    /// Like [`init`](Self::init); what a failed `fill` has written is wiped.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn try_init<E>(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut secret = Self(vec![0; len].into_boxed_slice());
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// Takes the bytes over. A vector with spare capacity would be reallocated, so that one is
    /// copied and wiped instead.
    pub fn from_vec(mut bytes: Vec<u8>) -> Self {
        if bytes.len() == bytes.capacity() {
            return Self(bytes.into_boxed_slice());
        }
        let secret = Self::init(bytes.len(), |out| out.copy_from_slice(&bytes));
        bytes.zeroize();
        secret
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
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_the_type_and_nothing_of_the_secret() {
        let secret = SecretBytes::from_vec(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "SecretBytes");
        assert_eq!(format!("{secret:#?}"), "SecretBytes");
    }

    #[test]
    fn a_vector_with_and_without_spare_room_keeps_its_bytes() {
        let mut roomy = Vec::with_capacity(100);
        roomy.extend_from_slice(b"abc");
        assert_eq!(SecretBytes::from_vec(roomy).expose(), b"abc");
        let tight = SecretBytes::from_vec(vec![1, 2, 3]);
        assert_eq!((tight.expose(), tight.len()), ([1, 2, 3].as_slice(), 3));
        assert!(SecretBytes::from_vec(Vec::new()).is_empty());
    }

    #[test]
    fn a_failed_fill_makes_no_secret() {
        let failed = SecretBytes::try_init(4, |_| Err("no"));
        assert_eq!(failed.unwrap_err(), "no");
    }
}
