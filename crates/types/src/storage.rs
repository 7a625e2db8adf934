//! The ids of agents, which keep volumes on other machines, and of what they keep.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most characters of an id.
pub const MAX_ID: usize = 64;

/// The text has not the shape of the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of an agent, a token or a volume")]
pub struct StorageIdError;

/// A prefix and hexadecimal digits.
fn has_shape(text: &str, prefix: &str) -> bool {
    let digits = text.strip_prefix(prefix);
    digits.is_some_and(|digits| {
        (8..=40).contains(&digits.len())
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// A prefix and 17 hexadecimal digits, as AWS makes ids.
fn minted(prefix: &str, random: [u8; 9]) -> Box<str> {
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.get(..17).unwrap_or_default();
    format!("{prefix}{digits}").into()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Makes an id.
            pub fn from_random(random: [u8; 9]) -> Self {
                Self(minted($prefix, random))
            }

            /// Reads an id of this kind.
            ///
            /// # Errors
            /// When the text has not its shape.
            pub fn parse(text: &str) -> Result<Self, StorageIdError> {
                if has_shape(text, $prefix) {
                    Ok(Self(text.into()))
                } else {
                    Err(StorageIdError)
                }
            }

            /// The id's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = StorageIdError;
            fn try_from(text: String) -> Result<Self, StorageIdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }
    )*};
}

ids! {
    /// An agent.
    AgentId = "agent-";
    /// A token by which one agent may register.
    AgentTokenId = "token-";
}

/// A volume: the id of the resource that it holds, such as a file system's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeId(Box<str>);

impl VolumeId {
    /// Reads the id of a resource: small letters, digits and hyphens.
    ///
    /// # Errors
    /// When the text has another shape.
    pub fn parse(text: &str) -> Result<Self, StorageIdError> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let begins = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase());
        if begins && text.len() <= MAX_ID && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(StorageIdError)
        }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for VolumeId {
    type Error = StorageIdError;
    fn try_from(text: String) -> Result<Self, StorageIdError> {
        Self::parse(&text)
    }
}

impl From<VolumeId> for String {
    fn from(id: VolumeId) -> String {
        id.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_shape() {
        let id = AgentId::from_random([0xab; 9]);
        assert_eq!(id.as_str(), "agent-ababababababababa");
        assert_eq!(AgentId::parse(id.as_str()), Ok(id));
        for text in [
            "",
            "agent-",
            "agent-1234567",
            "agent-1234567G",
            "token-12345678",
            "AGENT-12345678",
        ] {
            assert_eq!(AgentId::parse(text), Err(StorageIdError), "{text}");
        }
        assert!(AgentTokenId::parse("token-12345678").is_ok());
        assert!(VolumeId::parse("fs-0123456789abcdef0").is_ok());
        for text in ["", "-fs", "1fs", "fs/1", "Fs-1", &"f".repeat(65)] {
            assert_eq!(VolumeId::parse(text), Err(StorageIdError), "{text}");
        }
    }
}
