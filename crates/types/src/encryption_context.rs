//! The encryption context: non-secret pairs bound to a ciphertext as additional data.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html>

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most bytes the canonical form may take (8 KiB).
pub const MAX_CONTEXT_BYTES: usize = 8192;

/// Name and value pairs, sorted by the names' UTF-8 bytes. Absent and empty are the same. A clone
/// shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(String, String)>", into = "Vec<(String, String)>")]
pub struct EncryptionContext(Arc<[(String, String)]>);

impl TryFrom<Vec<(String, String)>> for EncryptionContext {
    type Error = EncryptionContextError;

    fn try_from(pairs: Vec<(String, String)>) -> Result<Self, EncryptionContextError> {
        Self::new(pairs)
    }
}

impl From<EncryptionContext> for Vec<(String, String)> {
    fn from(context: EncryptionContext) -> Self {
        context.0.to_vec()
    }
}

/// Why pairs are not an encryption context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionContextError {
    /// The canonical form would exceed [`MAX_CONTEXT_BYTES`].
    #[error("an encryption context has at most 8192 bytes")]
    TooLong,
    /// One name occurs twice.
    #[error("a name occurs twice in the encryption context")]
    Duplicate,
}

impl EncryptionContext {
    /// Sorts the pairs and checks them.
    pub fn new(mut pairs: Vec<(String, String)>) -> Result<Self, EncryptionContextError> {
        pairs.sort_unstable();
        if pairs
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.0 == b.0))
        {
            return Err(EncryptionContextError::Duplicate);
        }
        let context = Self(pairs.into());
        if context.canonical_len() > MAX_CONTEXT_BYTES {
            return Err(EncryptionContextError::TooLong);
        }
        Ok(context)
    }

    /// The pairs, sorted by name.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes [`write_canonical`](Self::write_canonical) writes.
    pub fn canonical_len(&self) -> usize {
        4 + self
            .0
            .iter()
            .map(|(name, value)| 8 + name.len() + value.len())
            .sum::<usize>()
    }

    /// Appends the injective canonical form: the number of pairs, then for each pair, sorted by
    /// name, length and bytes of name and value; all lengths are 32-bit big-endian.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
        out.extend_from_slice(&length(self.0.len()));
        for (name, value) in &*self.0 {
            out.extend_from_slice(&length(name.len()));
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(&length(value.len()));
            out.extend_from_slice(value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        let pairs = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        EncryptionContext::new(pairs).unwrap()
    }

    #[test]
    fn order_does_not_matter_and_boundaries_do() {
        let bytes = |context: EncryptionContext| {
            let mut out = Vec::new();
            context.write_canonical(&mut out);
            assert_eq!(out.len(), context.canonical_len());
            out
        };
        assert_eq!(
            bytes(context(&[("a", "1"), ("b", "2")])),
            bytes(context(&[("b", "2"), ("a", "1")]))
        );
        assert_ne!(
            bytes(context(&[("a", "1b")])),
            bytes(context(&[("a1", "b")]))
        );
        assert_eq!(
            bytes(context(&[("a", "b")])),
            b"\0\0\0\x01\0\0\0\x01a\0\0\0\x01b"
        );
    }

    #[test]
    fn a_name_stands_once_and_8192_bytes_are_the_limit() {
        let twice = vec![("a".into(), "1".into()), ("a".into(), "2".into())];
        assert_eq!(
            EncryptionContext::new(twice),
            Err(EncryptionContextError::Duplicate)
        );
        let long = |n| EncryptionContext::new(vec![("a".into(), "x".repeat(n))]);
        assert!(long(8192 - 13).is_ok());
        assert_eq!(long(8192 - 12), Err(EncryptionContextError::TooLong));
    }
}
