//! What is noted down of a volume on its machine: one file for each, written so that it is whole after a crash, and that only
//! the agent can write.

use std::{io, path::Path};

use keyward_types::storage::VolumeId;
use serde::{Deserialize, Serialize};

use crate::authentic::{NoteKey, Unread};

/// The longest note in bytes.
const LONGEST: u64 = 16 * 1024;
/// The version of [`Note`].
const VERSION: u32 = 1;

/// How far a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It is being made. Nobody has been told of it, so that an interrupted attempt is begun again from nothing.
    Making,
    /// It is made, and may hold data: it is never made again.
    Made,
    /// It is being deleted.
    Ending,
}

/// What is noted down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    version: u32,
    /// The volume.
    pub volume: VolumeId,
    /// What its image is called among the images of this machine: 32 hexadecimal digits, others at each attempt
    /// to make it.
    pub image: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// How far it is.
    pub stage: Stage,
    /// For which generation of what is wanted the image was made, or was brought here: of an older one, the volume was
    /// another agent's meanwhile, and its image may hold less.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub generation: u64,
    /// That the image was put back from a backup, until it has been attached; only of an encrypted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// How large the image is, in bytes, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// An image that was put back from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The generation that it says it has. Before it is opened, nobody knows whether that is true.
    pub generation: u64,
    /// The newest generation that was known of the volume, here or by the server; 0 if none was.
    pub known: u64,
    /// Whether the operator accepts an older image.
    pub accept_rollback: bool,
    /// A random number that the machine remembers apart from the note: an older note, which somebody has brought back, counts only
    /// as long as it is remembered.
    pub token: u64,
}

/// The first generation of what is wanted of a volume.
const fn first() -> u64 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_first(generation: &u64) -> bool {
    *generation == first()
}

/// Why a note cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// It cannot be read, or the agent has not written it.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// It is no note.
    #[error("it is not a note about a volume: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of a program that is newer than this one.
    #[error("it was written in version {0}, and this program knows version {VERSION}")]
    Version(u32),
}

impl Note {
    /// A volume that is begun.
    pub const fn begun(volume: VolumeId, image: String, encrypted: bool, generation: u64) -> Self {
        Self {
            version: VERSION,
            volume,
            image,
            encrypted,
            stage: Stage::Making,
            generation,
            restored: None,
            size: None,
        }
    }

    /// An encrypted volume of which only its process says something: enough to listen for that, and to cut it off. It is never
    /// written down.
    pub const fn of_process(volume: VolumeId, image: String) -> Self {
        Self::begun(volume, image, true, 0)
    }

    /// A volume whose image was brought here.
    pub const fn brought(
        volume: VolumeId,
        image: String,
        encrypted: bool,
        generation: u64,
    ) -> Self {
        let mut note = Self::begun(volume, image, encrypted, generation);
        note.stage = Stage::Made;
        note
    }

    /// The same volume, whose image was put back from a backup.
    #[must_use]
    pub const fn restored(mut self, restored: Option<Restored>) -> Self {
        self.restored = restored;
        self
    }

    /// The same volume, with an image of this size in bytes.
    #[must_use]
    pub const fn sized(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// The same volume, attached.
    #[must_use]
    pub fn attached(&self) -> Self {
        Self {
            restored: None,
            ..self.clone()
        }
    }

    /// The same volume at another stage.
    #[must_use]
    pub fn at(&self, stage: Stage) -> Self {
        Self {
            stage,
            ..self.clone()
        }
    }

    /// Reads a note.
    ///
    /// # Errors
    /// When it cannot be read, or is none, or none of this agent.
    pub fn read(path: &Path, key: &NoteKey) -> Result<Self, NoteError> {
        let note: Self = serde_json::from_slice(&key.read(path, LONGEST)?)?;
        if note.version != VERSION {
            return Err(NoteError::Version(note.version));
        }
        Ok(note)
    }

    /// Writes it, durably.
    ///
    /// # Errors
    /// When it cannot be written; then the note is what it was.
    pub fn write(&self, path: &Path, key: &NoteKey) -> io::Result<()> {
        key.write(path, &serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::files::remove;

    fn key() -> NoteKey {
        NoteKey::new(b"secret", "agent-1")
    }

    fn note() -> Note {
        let volume = VolumeId::parse("fs-00000000000000001").unwrap();
        Note::begun(volume, "0".repeat(32), true, 1)
    }

    #[test]
    fn a_note_is_read_back_and_goes() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("note");
        note().write(&path, &key()).unwrap();
        let made = note().at(Stage::Made);
        made.write(&path, &key()).unwrap();
        assert_eq!(Note::read(&path, &key()).unwrap(), made);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_note_without_a_generation_is_of_the_first() {
        let text = serde_json::to_string(&note()).unwrap();
        assert!(!text.contains("generation"), "{text}");
        assert_eq!(serde_json::from_str::<Note>(&text).unwrap(), note());
        let volume = note().volume;
        let brought = Note::brought(volume, "0".repeat(32), true, 3);
        let text = serde_json::to_string(&brought).unwrap();
        assert!(
            text.ends_with(r#""stage":"made","generation":3}"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Note>(&text).unwrap(), brought);
    }

    #[test]
    fn a_note_of_before_there_were_backups_is_read_and_written_as_it_was() {
        let text = r#"{"version":1,"volume":"fs-00000000000000001","image":"00000000000000000000000000000000","encrypted":true,"stage":"making"}"#;
        let read: Note = serde_json::from_str(text).unwrap();
        assert_eq!(read, note());
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        let restored = Restored {
            generation: 7,
            known: 6,
            accept_rollback: false,
            token: 1,
        };
        let restored = note().at(Stage::Made).restored(Some(restored));
        assert_ne!(restored, note().at(Stage::Made));
        assert_eq!(restored.attached(), note().at(Stage::Made));
    }

    #[test]
    fn a_note_of_another_version_is_not_understood() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("note");
        let text = serde_json::to_string(&note()).unwrap();
        let newer = text.replace("\"version\":1", "\"version\":2");
        key().write(&path, newer.as_bytes()).unwrap();
        let error = Note::read(&path, &key()).unwrap_err().to_string();
        assert_eq!(
            error,
            "it was written in version 2, and this program knows version 1"
        );
        key().write(&path, b"{}").unwrap();
        assert!(matches!(Note::read(&path, &key()), Err(NoteError::Json(_))));
    }
}
