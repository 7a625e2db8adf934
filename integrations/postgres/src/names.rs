//! What databases, roles and passwords are called, parsed once.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// The superuser, and its own database.
pub(crate) const SUPERVISOR: &str = "rdsadmin";
/// The role of administrators.
pub(crate) const ADMINISTRATORS: &str = "rds_superuser";

/// The longest name of a database server, and of what PostgreSQL names.
const MAX_NAME: usize = 63;
/// The rounds of a password's hash that are accepted.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=1_000_000;
/// The bytes of a salt that are accepted.
const SALT: std::ops::RangeInclusive<usize> = 8..=64;
/// The bytes of a SHA-256.
const KEY: usize = 32;
/// The longest verifier.
const MAX_VERIFIER: usize = 512;

/// Why a name or a verifier is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name of a server.
    #[error(
        "the name of a database server has 1 to 63 letters, digits and hyphens, and begins with a letter"
    )]
    Server,
    /// The name of a role or of a database in it.
    #[error(
        "the name of a role or a database has 1 to 63 letters, digits and underscores, and begins with a letter or an underscore"
    )]
    Identifier,
    /// A name that PostgreSQL or this crate uses itself.
    #[error("this name is reserved: choose another")]
    Reserved,
    /// A verifier.
    #[error("this is not a SCRAM-SHA-256 verifier as defined in RFC 5803")]
    Verifier,
}

/// What a database server (one PostgreSQL) is called here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Parses 1 to 63 letters, digits and hyphens that begin with a letter.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fits = (1..=MAX_NAME).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        fits.then(|| Self(text.to_owned())).ok_or(NameError::Server)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn identifier(text: &str) -> Result<String, NameError> {
    let fits = (1..=MAX_NAME).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    fits.then(|| text.to_owned()).ok_or(NameError::Identifier)
}

/// The name of the master user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleName(String);

impl RoleName {
    /// Parses 1 to 63 letters, digits and underscores that do not begin with a digit. Case counts.
    ///
    /// # Errors
    /// When it is something else, or reserved.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = identifier(text)?;
        let lower = name.to_ascii_lowercase();
        let reserved = [SUPERVISOR, ADMINISTRATORS, "public", "none"];
        if reserved.contains(&lower.as_str()) || lower.starts_with("pg_") {
            return Err(NameError::Reserved);
        }
        Ok(Self(name))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of the database that is made at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseName(String);

impl DatabaseName {
    /// Parses 1 to 63 letters, digits and underscores that do not begin with a digit. Case counts.
    ///
    /// # Errors
    /// When it is something else, or reserved.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = identifier(text)?;
        let reserved = [SUPERVISOR, "template0", "template1"];
        if reserved.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(NameError::Reserved);
        }
        Ok(Self(name))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a password is checked with: `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`
/// (<https://www.rfc-editor.org/rfc/rfc5803>). The password cannot be read from it, but can be guessed with it.
#[derive(Clone)]
pub struct Verifier(Zeroizing<String>);

impl Verifier {
    /// Parses it: 4096 to 1,000,000 iterations, a salt of 8 to 64 bytes, and two keys of 32.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fits = || {
            let (method, rest) = text.split_once('$')?;
            let (round, keys) = rest.split_once('$')?;
            let (iterations, salt) = round.split_once(':')?;
            let (stored, server) = keys.split_once(':')?;
            let is_number = iterations.bytes().all(|byte| byte.is_ascii_digit());
            let iterations: u32 = iterations.parse().ok().filter(|_| is_number)?;
            let length = |text: &str| STANDARD.decode(text).ok().map(|bytes| bytes.len());
            let fits = method == "SCRAM-SHA-256"
                && ITERATIONS.contains(&iterations)
                && SALT.contains(&length(salt)?)
                && length(stored)? == KEY
                && length(server)? == KEY;
            fits.then_some(())
        };
        if text.len() > MAX_VERIFIER || fits().is_none() {
            return Err(NameError::Verifier);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The text, for the server alone.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    #[test]
    fn a_verifier_has_the_form_of_rfc_5803_and_is_not_shown() {
        let parsed = Verifier::parse(VERIFIER).unwrap();
        assert_eq!(parsed.expose(), VERIFIER);
        assert_eq!(format!("{parsed:?}"), "Verifier");
        for (part, other) in [
            ("SCRAM-SHA-256$", "SCRAM-SHA-1$"),
            ("$4096:", "$1:"),
            ("$4096:", "$+4096:"),
            ("$4096:", "$10000000:"),
            ("c2FsdHNhbHRzYWx0c2FsdA==", "c2Fs"),
            ("c2FsdHNhbHRzYWx0c2FsdA==", "c2FsdHNhbHRzYWx0c2FsdA='"),
            ("AAA=:AAAA", "AA==:AAAA"),
            (":AAAA", "AAAA"),
        ] {
            let changed = VERIFIER.replace(part, other);
            assert_ne!(changed, VERIFIER);
            assert_eq!(Verifier::parse(&changed).unwrap_err(), NameError::Verifier);
        }
        let plain = Verifier::parse("a password").unwrap_err();
        assert_eq!(plain, NameError::Verifier);
    }

    #[test]
    fn names_have_only_what_needs_no_quoting() {
        assert_eq!(Name::parse("db-1A").unwrap().as_str(), "db-1A");
        for text in [
            "",
            "1a",
            "-a",
            "a_b",
            "a/b",
            "a.b",
            "\u{e4}",
            &"a".repeat(64),
        ] {
            assert_eq!(Name::parse(text).unwrap_err(), NameError::Server);
        }
        assert_eq!(RoleName::parse("Admin_1").unwrap().as_str(), "Admin_1");
        assert_eq!(DatabaseName::parse("_x").unwrap().as_str(), "_x");
        for text in ["", "1a", "a-b", "a\"b", "a'b", "a b", &"a".repeat(64)] {
            assert_eq!(RoleName::parse(text).unwrap_err(), NameError::Identifier);
            assert_eq!(
                DatabaseName::parse(text).unwrap_err(),
                NameError::Identifier
            );
        }
    }

    #[test]
    fn names_of_the_server_itself_are_reserved() {
        for text in [
            "rdsadmin",
            "RdsAdmin",
            "rds_superuser",
            "pg_x",
            "public",
            "none",
        ] {
            assert_eq!(RoleName::parse(text).unwrap_err(), NameError::Reserved);
        }
        for text in ["rdsadmin", "template0", "template1"] {
            assert_eq!(DatabaseName::parse(text).unwrap_err(), NameError::Reserved);
        }
    }
}
