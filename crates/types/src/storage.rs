//! The ids of agents, which store volumes on other machines, and of what they store.

use crate::text_id::text_id;

/// The most characters of an id.
pub const MAX_ID: usize = 64;

/// The text does not have the form of the id.
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
        text_id!($(#[$doc])* $name, StorageIdError);

        impl $name {
            /// A new id.
            pub fn from_random(random: [u8; 9]) -> Self {
                Self(minted($prefix, random))
            }

            /// Reads an id of this kind.
            ///
            /// # Errors
            /// When the text does not have that form.
            pub fn parse(text: &str) -> Result<Self, StorageIdError> {
                if has_shape(text, $prefix) {
                    Ok(Self(text.into()))
                } else {
                    Err(StorageIdError)
                }
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

/// Letters of an id of a database after its prefix.
const DATABASE_LETTERS: usize = 26;
/// The letters of Base32 (RFC 4648).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

text_id!(
    /// A volume: the id of the resource that it holds, such as a file system's.
    VolumeId,
    StorageIdError
);

impl VolumeId {
    /// Makes the id of a database, as AWS makes them: `db-` and 26 letters of Base32.
    pub fn of_database(random: [u8; DATABASE_LETTERS]) -> Self {
        let letter =
            |byte: u8| char::from(BASE32.get(usize::from(byte % 32)).copied().unwrap_or(b'A'));
        let letters: String = random.into_iter().map(letter).collect();
        Self(format!("db-{letters}").into())
    }

    /// Whether it is the id of a database.
    pub fn is_of_database(&self) -> bool {
        is_of_database(&self.0)
    }

    /// Reads the id of a resource: small letters, digits and hyphens; or that of a database.
    ///
    /// # Errors
    /// When the text has another shape.
    pub fn parse(text: &str) -> Result<Self, StorageIdError> {
        if is_of_database(text) {
            return Ok(Self(text.into()));
        }
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
}

fn is_of_database(text: &str) -> bool {
    text.strip_prefix("db-").is_some_and(|letters| {
        letters.len() == DATABASE_LETTERS && letters.bytes().all(|byte| BASE32.contains(&byte))
    })
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

    #[test]
    fn a_database_has_an_id_of_capital_letters() {
        let random = std::array::from_fn(|at| u8::try_from(at * 9).unwrap());
        let id = VolumeId::of_database(random);
        assert_eq!(id.as_str(), "db-AJS3ENW7IR2DMV6HQZCLU5GPYB");
        assert!(id.is_of_database());
        assert_eq!(VolumeId::parse(id.as_str()), Ok(id));
        for text in [
            "db-AJS3ENW7IR2DMV6HQZCLU5GPY",
            "db-AJS3ENW7IR2DMV6HQZCLU5GPYB7",
            "db-AJS3ENW7IR2DMV6HQZCLU5GPY1",
            "DB-AJS3ENW7IR2DMV6HQZCLU5GPYB",
        ] {
            assert_eq!(VolumeId::parse(text), Err(StorageIdError), "{text}");
        }
        assert!(!VolumeId::parse("db-0a").unwrap().is_of_database());
    }
}
