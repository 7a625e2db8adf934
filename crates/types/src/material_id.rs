//! Key material ids: 64 lower-case hexadecimal digits, one per material of a KMS key.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// The id of one key material. It is an HMAC of the key id and the material under a key of the
/// account, so that it confirms no guess at imported material.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct MaterialId([u8; 32]);

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key material id is 64 lower-case hexadecimal digits")]
pub struct MaterialIdError;

impl MaterialId {
    /// The id of these 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, MaterialIdError> {
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| MaterialIdError)?;
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(MaterialIdError),
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let &[high, low] = pair else {
                return Err(MaterialIdError);
            };
            *byte = nibble(high)? << 4 | nibble(low)?;
        }
        Ok(Self(bytes))
    }

    /// The digits.
    fn digits(self) -> [u8; 64] {
        // Without a branch or a table, so that many are made at once.
        let digit = |half: u8| half + b'0' + u8::from(half > 9) * (b'a' - b'9' - 1);
        let mut text = [0; 64];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        text
    }
}

impl fmt::Display for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl Serialize for MaterialId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl fmt::Debug for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for MaterialId {
    type Error = MaterialIdError;
    fn try_from(text: String) -> Result<Self, MaterialIdError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_each_others_inverse() {
        let id = MaterialId::from_bytes(std::array::from_fn(|i| u8::try_from(i * 7).unwrap()));
        assert_eq!(MaterialId::parse(&id.to_string()), Ok(id));
        assert_eq!(
            MaterialId::parse(&id.to_string().to_uppercase()),
            Err(MaterialIdError)
        );
    }
}
