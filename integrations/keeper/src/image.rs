//! Images: looked at, and opened by a command or by the process that serves them.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write as _},
    os::{fd::AsRawFd as _, unix::fs::FileExt as _},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use keyward_crypto::{
    random,
    secret::{SecretBytes, arena::Arena, process::harden},
};
use keyward_types::shown::Value;
use keyward_volume::{
    Copy, Error, ImageId, KeyInfo, Open, Superblock, Volume, commitment,
    disk::{Disk, FileDisk},
    superblock,
};
use rustix::fs::{AtFlags, unlinkat};

use super::{
    key,
    kms::Kms,
    state::{States, is_denied},
};

/// Bytes of the arena: the keys of a volume, of a copy, and of one that is compared.
const ARENA_BYTES: usize = 4096;

// What an image that has been put back is measured by.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would show it as the help of a command")]
pub struct Known {
    /// The newest generation that you know of, such as from another machine: an older image is refused
    /// [default: what this machine has recorded]
    #[arg(long, value_name = "N", conflicts_with = "danger_accept_rollback")]
    pub known_generation: Option<u64>,
    /// Accept an image that is older than the newest known generation, such as a restored backup. Everything
    /// written since then is lost
    #[arg(long)]
    pub danger_accept_rollback: bool,
    /// Take an image whose data key is another one than what is known of the volume. Whoever made that image
    /// may know all that is written to it
    #[arg(long)]
    pub danger_accept_other_key: bool,
    /// By how much the generation goes up beyond the newest that is known.
    #[arg(skip)]
    pub advance: u64,
}

/// The generation of a new volume.
pub const FIRST_GENERATION: u64 = 1;
/// Where ext4 has its magic number, and what that is.
const EXT4_MAGIC: (u64, [u8; 2]) = (1024 + 56, [0x53, 0xef]);
/// See [`journal_bytes`].
const JOURNAL_PART: u64 = 16;
const JOURNAL: (u64, u64) = (1 << 20, 64 << 20);

/// What can be read of an image without its key.
///
/// # Errors
/// When there is no volume in it.
pub fn inspect(image: &Path) -> anyhow::Result<Superblock> {
    let found = FileDisk::open_to_inspect(image).and_then(|disk| superblock::inspect(&disk));
    found.map_err(|error| no_volume(image, error))
}

fn no_volume(image: &Path, error: Error) -> anyhow::Error {
    let shown = image.display();
    match error {
        Error::NoSuperblock(_) if is_ext4(image) => anyhow!(
            "{shown} holds no encrypted volume, but an ext4 file system that is not encrypted: that of an agent's file system is backed up with `keyward agent backup`"
        ),
        Error::NoSuperblock(why) => anyhow!(
            "{shown} holds no volume that can be opened: neither copy of the superblock can be read ({why}). If it was one, restore the image from a snapshot or a backup"
        ),
        // What the system says of the file.
        Error::Io(error) => anyhow::Error::new(error).context(format!("cannot open {shown}")),
        other => anyhow::Error::new(other).context(format!("cannot open {shown}")),
    }
}

/// Whether a file looks as if an ext4 began with it.
fn is_ext4(image: &Path) -> bool {
    let (at, magic) = EXT4_MAGIC;
    let mut found = [0; 2];
    let read = File::open(image).and_then(|file| file.read_exact_at(&mut found, at));
    read.is_ok() && found == magic
}

/// Locked memory for keys, in a process that is hardened as every one of Keyward that has some.
///
/// # Errors
/// When there is no memory, or it cannot be locked.
pub fn arena() -> anyhow::Result<Arena> {
    for warning in harden().warnings {
        tracing::warn!("{warning}");
    }
    let (arena, report) = Arena::new(ARENA_BYTES)?;
    if !report.locked {
        bail!("{}", report.warnings.join(", "));
    }
    Ok(arena)
}

/// Where an image stands against what is known of its volume.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    volume: ImageId,
    known: u64,
    accept_rollback: bool,
    advance: u64,
    key: Option<[u8; 32]>,
}

impl Bounds {
    /// What the flags say, and what this machine has noted down.
    pub fn new(
        (noted, key): (Option<u64>, Option<[u8; 32]>),
        known: &Known,
        volume: ImageId,
    ) -> Self {
        let known_generation = noted.max(known.known_generation).unwrap_or(0);
        Self {
            volume,
            known: known_generation,
            accept_rollback: known.danger_accept_rollback,
            advance: known.advance,
            key: key.filter(|_| !known.danger_accept_other_key),
        }
    }
}

/// Opens an image with its data key, and answers what that is recognized by, too.
///
/// # Errors
/// When the image is in use, damaged, or older than what is known, or its data key is another one; it says what
/// to do.
pub fn open(
    image: &Path,
    data_key: &SecretBytes,
    arena: &Arena,
    bounds: Bounds,
) -> anyhow::Result<(Volume, [u8; 32])> {
    // Before anything is written to it.
    let found = commitment(data_key, bounds.volume)?;
    if bounds.key.is_some_and(|known| known != found) {
        bail!(
            "{} is not the image that it was: it has the id of volume {}, but another data key than this machine knows of it. Somebody has put another image there. Look for the right one; if you made this one on purpose, use --danger-accept-other-key",
            image.display(),
            bounds.volume
        );
    }
    let disk: Arc<dyn Disk> =
        Arc::new(FileDisk::open(image).map_err(|error| refused(image, error))?);
    let mut open = Open::new(data_key, arena);
    open.volume_id = Some(bounds.volume);
    open.known_generation = bounds.known;
    open.accept_rollback = bounds.accept_rollback;
    open.advance = bounds.advance;
    let volume = open.open(disk).map_err(|error| refused(image, error))?;
    Ok((volume, found))
}

/// The reason why an image is not opened, and what to do.
pub(crate) fn refused(image: &Path, error: Error) -> anyhow::Error {
    let shown = image.display();
    match error {
        Error::InUse => anyhow!(
            "{shown} is in use: it is attached, or another command works on it. `keyward volume stat {shown}`, as root, says by which process it is attached"
        ),
        Error::RolledBack { found, known } => anyhow!(
            "{shown} is older than it should be: it has generation {found}, and generation {known} is known. Either somebody has replaced the image with an old copy, or a newer copy of the same volume was opened on this machine. To open a copy beside the original, give it a --state-dir of its own. Otherwise, look for the newest one; if you restored this one on purpose, use --danger-accept-rollback, and what was written since is lost"
        ),
        Error::NotAuthentic => anyhow!(
            "{shown} was changed: no copy of its superblock is authentic under its data key. Restore the image from a snapshot or a backup"
        ),
        Error::JournalDamaged { sequence } => anyhow!(
            "{shown} has lost what had been written and flushed: record {sequence} of its journal is damaged. Restore the image from a snapshot or a backup"
        ),
        other => no_volume(image, other),
    }
}

/// An open volume that nobody serves.
#[derive(Debug)]
pub struct OpenImage {
    /// The volume.
    pub volume: Volume,
    /// Where its keys are.
    pub arena: Arena,
    /// Where its generation is noted down, if this user may do that.
    states: Option<States>,
}

impl OpenImage {
    /// Unwraps the data key and opens the image. The key is `key`, or the one in the superblock.
    ///
    /// # Errors
    /// When KMS does not unwrap the key, or the image cannot be opened.
    pub fn new(
        image: &Path,
        superblock: &Superblock,
        key: Option<&KeyInfo>,
        (kms, states, known): (&Kms, &States, &Known),
    ) -> anyhow::Result<Self> {
        let key = key.unwrap_or(&superblock.key);
        key::check_context_of(superblock.volume_id, key)?;
        let arena = arena()?;
        let noted = match states.known(superblock.volume_id) {
            Err(error) if is_denied(&error) => {
                say_unknown(&error)?;
                None
            }
            noted => Some(noted?),
        };
        let known_key = match &noted {
            Some(_) => states.known_key(superblock.volume_id)?,
            None => None,
        };
        let bounds = Bounds::new((noted.flatten(), known_key), known, superblock.volume_id);
        let data_key = decrypt(kms, key)?;
        let (volume, commitment) = open(image, &data_key, &arena, bounds)?;
        let mut opened = Self {
            volume,
            arena,
            states: noted.is_some().then(|| states.clone()),
        };
        let noted = match &opened.states {
            Some(states) => states.note_key(opened.volume.id(), commitment),
            None => Ok(()),
        };
        match noted.and_then(|()| opened.note(opened.volume.generation())) {
            Err(error) if is_denied(&error) => {
                say_unknown(&error)?;
                opened.states = None;
            }
            noted => noted?,
        }
        Ok(opened)
    }

    /// Closes the volume.
    ///
    /// # Errors
    /// When what was written cannot be brought home.
    pub fn close(self) -> anyhow::Result<()> {
        let generation = self.volume.close()?;
        self.note(generation)
    }

    fn note(&self, generation: u64) -> anyhow::Result<()> {
        match &self.states {
            Some(states) => states.note(self.volume.id(), generation),
            None => Ok(()),
        }
    }
}

/// Notes down what a new volume is recognized by, if this user may do that: whoever attaches it first must find the
/// image that was made.
///
/// # Errors
/// When it cannot be written.
pub fn note_new(
    states: &States,
    volume: ImageId,
    (data_key, generation): (&SecretBytes, u64),
) -> anyhow::Result<()> {
    let noted = states.note_key(volume, commitment(data_key, volume)?);
    match noted.and_then(|()| states.note(volume, generation)) {
        Err(error) if is_denied(&error) => Ok(say_unknown(&error)?),
        noted => noted,
    }
}

/// Says what a user misses who may not use the directory of generations.
fn say_unknown(error: &anyhow::Error) -> io::Result<()> {
    writeln!(
        io::stderr(),
        "note: {error:#}: generations are not recorded for this user, so an older image is not recognized. --known-generation recognizes one; --state-dir is a directory of your own"
    )
}

/// Unwraps a data key.
///
/// # Errors
/// When KMS does not; it says for which key.
pub fn decrypt(kms: &Kms, key: &KeyInfo) -> anyhow::Result<SecretBytes> {
    let decrypted = kms.decrypt(key);
    decrypted.with_context(|| format!("cannot unwrap the data key under {}", Value(&key.key_arn)))
}

/// A random id for a new volume.
pub fn new_id() -> ImageId {
    ImageId::from_bytes(random::public())
}

/// Journal regions are a sixteenth of a volume, but from 1 to 64 MiB.
pub fn journal_bytes(size: u64) -> u64 {
    let (least, most) = JOURNAL;
    (size / JOURNAL_PART / 4096 * 4096).clamp(least, most)
}

/// An id as it is shown.
pub fn parse_id(text: &str) -> Option<ImageId> {
    let bytes = u128::from_str_radix(text, 16).ok()?;
    let id = ImageId::from_bytes(bytes.to_be_bytes());
    (id.to_string() == text).then_some(id)
}

/// A file that is removed again, unless it is kept.
#[derive(Debug)]
pub struct Draft {
    /// Open: its path may name another directory by the time at which the file is removed.
    folder: File,
    name: OsString,
    kept: bool,
}

impl Draft {
    /// Creates a file that must not exist.
    ///
    /// # Errors
    /// When it exists or cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<(Self, Arc<dyn Disk>)> {
        must_be_new(path)?;
        let failed = |error: io::Error| no_volume(path, error.into());
        let name = path.file_name().context("an image needs a name")?;
        let parent = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(parent.unwrap_or(Path::new("."))).map_err(failed)?;
        let within = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let disk = FileDisk::create(&Path::new(&within).join(name));
        let disk = disk.map_err(|error| no_volume(path, error))?;
        let draft = Self {
            folder,
            name: name.to_owned(),
            kept: false,
        };
        Ok((draft, Arc::new(disk)))
    }

    /// Keeps the file.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // What is left holds no volume, and the next attempt says that it exists.
            let _ = unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

/// Refuses a file that exists.
///
/// # Errors
/// When it does.
pub fn must_be_new(path: &Path) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() {
        bail!(
            "{} exists already: choose another name, or remove it first",
            path.display()
        );
    }
    Ok(())
}

/// Copies an open volume to a new file, and notes down what the copy is recognized by: its data key is given, also if it
/// is the volume's own.
///
/// # Errors
/// When the file exists, a block is damaged, or a disk fails.
pub fn copy(
    volume: &Volume,
    (to, copy): (&Path, &Copy<'_>),
    (states, data_key): (&States, &SecretBytes),
) -> anyhow::Result<()> {
    let (draft, disk) = Draft::create(to)?;
    volume.copy_to(&disk, copy)?;
    let generation = superblock::inspect(&*disk)?.generation;
    note_new(states, copy.volume_id, (data_key, generation))?;
    draft.keep();
    Ok(())
}

#[cfg(test)]
mod tests {
    use keyward_volume::{Create, SystemNonces, create};

    use super::*;

    const VOLUME: ImageId = ImageId::from_bytes([7; 16]);

    #[test]
    fn a_second_image_of_the_same_id_is_refused_unless_it_is_accepted() {
        let home = tempfile::tempdir().unwrap();
        let (arena, _) = Arena::new(ARENA_BYTES).unwrap();
        let made = |name: &str, byte: u8| {
            let (path, data_key) = (
                home.path().join(name),
                SecretBytes::from_vec(vec![byte; 32]),
            );
            let (draft, disk) = Draft::create(&path).unwrap();
            let key = KeyInfo {
                wrapped: vec![byte; 100],
                key_arn: "arn:aws:kms:eu-central-1:111122223333:key/k".to_owned(),
                context: key::context(VOLUME),
                labels: std::collections::BTreeMap::new(),
            };
            let new = Create {
                volume_id: VOLUME,
                size: 16 << 20,
                journal_bytes: 4 << 20,
                key,
                data_key: &data_key,
                arena: &arena,
                nonces: &SystemNonces,
            };
            create(&disk, &new).unwrap();
            draft.keep();
            (path, data_key)
        };
        let ((first, own), (second, other)) = (made("first", 1), made("second", 2));
        let mut known = Known {
            known_generation: None,
            danger_accept_rollback: false,
            danger_accept_other_key: false,
            advance: 0,
        };
        let bounds = |key, known: &Known| Bounds::new((None, key), known, VOLUME);
        let (volume, commitment) = open(&first, &own, &arena, bounds(None, &known)).unwrap();
        volume.close().unwrap();
        drop(volume);
        let noted = Some(commitment);
        let (volume, _) = open(&first, &own, &arena, bounds(noted, &known)).unwrap();
        volume.close().unwrap();
        drop(volume);
        let refused = open(&second, &other, &arena, bounds(noted, &known)).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("another data key than this machine knows of it"),
            "{refused}"
        );
        known.danger_accept_other_key = true;
        let (volume, accepted) = open(&second, &other, &arena, bounds(noted, &known)).unwrap();
        volume.close().unwrap();
        drop(volume);
        assert_ne!(accepted, commitment);
    }
}
