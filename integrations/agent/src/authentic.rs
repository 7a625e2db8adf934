//! Files of an agent that nobody else can have written: a text and its MAC, under a key that is derived from the agent's secret.
//!
//! The images of volumes, and the notes about them, may lie on a disk that others can reach. What a note says decides what root
//! does, for example where it mounts, so it counts only if the agent wrote it. The MAC covers the file's name as well, so that
//! the note of one volume is not taken for that of another. An older content of the same file is not recognized as older.

use std::{
    ffi::OsStr,
    fmt,
    io::{self, Read as _},
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use keyward_crypto::{
    derive::kbkdf,
    mac::{Keyed, equal},
};

use crate::files::{open_file, write_whole};

/// What the key is for: it is derived from a secret that signs requests as well.
const LABEL: &[u8] = b"keyward-agent-notes-v1";
/// What the line with the MAC begins with.
const MAC: &str = "\nhmac-sha256 ";
/// The longest line with a MAC: 32 bytes in hexadecimal, and the end of the line.
const TAIL: usize = MAC.len() + 64 + 1;

/// Authenticates the files of one agent.
pub struct NoteKey(Keyed);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The system's reason.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It has no MAC, or another one.
    #[error("it was not written by this agent, or was changed since")]
    NotAuthentic,
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoteKey")
    }
}

impl NoteKey {
    /// The key of an agent with this id that signs with this secret.
    pub fn new(secret: &[u8], agent: &str) -> Self {
        let key = kbkdf(secret, LABEL, agent.as_bytes());
        Self(Keyed::new(&*key))
    }

    /// Reads what [`Self::write`] has written to the same path: at most so many bytes.
    ///
    /// # Errors
    /// When it cannot be read, or somebody else has written it.
    pub fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>, Unread> {
        let mut file = Vec::new();
        open_file(path)?
            .take(most.saturating_add(1))
            .read_to_end(&mut file)?;
        if file.len() as u64 > most {
            return Err(Unread::NotAuthentic);
        }
        let text = file.len().checked_sub(TAIL);
        let text = text.and_then(|length| file.get(..length).map(<[u8]>::to_vec));
        let text = text.ok_or(Unread::NotAuthentic)?;
        if !equal(&file, &self.sealed(path, &text)?) {
            return Err(Unread::NotAuthentic);
        }
        Ok(text)
    }

    /// Writes a file as [`write_whole`] does, with its MAC.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        write_whole(path, &self.sealed(path, text)?)
    }

    /// A text and the line with its MAC.
    fn sealed(&self, path: &Path, text: &[u8]) -> io::Result<Vec<u8>> {
        let name = path.file_name().map(OsStr::as_bytes);
        let name = name.ok_or(io::ErrorKind::InvalidFilename)?;
        // A file's name has no zero byte.
        let mac = self.0.mac(&[name, &[0], text]);
        let mut file = text.to_vec();
        file.extend_from_slice(MAC.as_bytes());
        for byte in mac {
            file.extend_from_slice(format!("{byte:02x}").as_bytes());
        }
        file.push(b'\n');
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn key() -> NoteKey {
        NoteKey::new(b"a secret of forty characters, or of more", "agent-1")
    }

    #[test]
    fn a_file_is_read_by_the_agent_that_wrote_it_under_its_own_name_only() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("fs-00000001.json");
        key().write(&path, b"{}").unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{}\nhmac-sha256 3ecb720887e6a1ba7b8940629fe927010d3928be598696c88ff049818e713ff8\n"
        );
        assert_eq!(key().read(&path, 1000).unwrap(), b"{}");
        let others = [
            NoteKey::new(b"a secret of forty characters, or of more", "agent-2"),
            NoteKey::new(b"another secret of forty characters, etc.", "agent-1"),
        ];
        for other in others {
            let error = other.read(&path, 1000).unwrap_err();
            assert_eq!(
                error.to_string(),
                "it was not written by this agent, or was changed since"
            );
        }
        let moved = home.path().join("fs-00000002.json");
        fs::copy(&path, &moved).unwrap();
        assert!(matches!(
            key().read(&moved, 1000),
            Err(Unread::NotAuthentic)
        ));
    }

    #[test]
    fn each_change_of_a_file_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("note");
        let text = br#"{"image":"0"}"#;
        key().write(&path, text).unwrap();
        let file = fs::read(&path).unwrap();
        let refused = |changed: &[u8]| {
            fs::write(&path, changed).unwrap();
            matches!(key().read(&path, 1000), Err(Unread::NotAuthentic))
        };
        for at in 0..file.len() {
            assert!(refused(&file[..at]), "{at}");
            let mut changed = file.clone();
            changed[at] ^= 0x20;
            assert!(refused(&changed), "{at}");
        }
        assert!(refused(&[&file[..], b"\n"].concat()));
        assert!(refused(text));
        fs::write(&path, &file).unwrap();
        assert_eq!(key().read(&path, 1000).unwrap(), text);
    }

    #[test]
    fn only_a_regular_file_of_a_bounded_length_is_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("note");
        key().write(&path, &[b' '; 100]).unwrap();
        let length = fs::metadata(&path).unwrap().len();
        key().read(&path, length).unwrap();
        assert!(matches!(
            key().read(&path, length - 1),
            Err(Unread::NotAuthentic)
        ));
        key().write(&path, b"{}").unwrap();
        let link = home.path().join("link");
        symlink(&path, &link).unwrap();
        for other in [link.as_path(), home.path()] {
            assert!(matches!(key().read(other, 1000), Err(Unread::Io(_))));
        }
    }
}
