//! What this machine knows of its volumes: which ones are attached, by which process, and the newest generation
//! of each.

mod folder;

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf, absolute},
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use keyward_volume::ImageId;
use serde::{Deserialize, Serialize};

pub use self::folder::Folder;
pub(crate) use self::folder::LOCK;
use self::folder::private;

/// Where processes of attached volumes are found, unless another directory is given.
const RUNNING: &str = "/run/keyward/volumes";
/// Where generations are kept, unless another directory is given: it must outlast a restart.
const KNOWN: &str = "/var/lib/keyward-volumes";
/// The version of [`Process`].
const VERSION: u32 = 1;

// Where what is known of volumes is kept.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would show it as the help of a command")]
pub struct StateArgs {
    /// A directory for the processes of attached volumes and the newest generation of each volume, instead of
    /// /run/keyward/volumes and /var/lib/keyward-volumes
    #[arg(
        long,
        value_name = "DIR",
        env = "KEYWARD_VOLUME_STATE_DIR",
        hide_env_values = true
    )]
    state_dir: Option<PathBuf>,
}

/// The two directories.
#[derive(Clone, Debug)]
pub struct States {
    running: PathBuf,
    known: PathBuf,
    given: Option<PathBuf>,
}

/// How far a volume's process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is being attached.
    Starting,
    /// It is attached.
    Attached,
    /// Its key may not be used, so nothing of it can be read.
    CutOff,
}

/// What tells a file from all others: its device, and its number there.
pub type FileId = (u64, u64);

/// What a volume's process says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Process {
    /// The version of this record.
    version: u32,
    /// The process's number.
    pub pid: u32,
    /// The volume's id.
    pub volume: String,
    /// Its image.
    pub image: PathBuf,
    /// Which file that was when it was opened.
    #[serde(default)]
    pub file: Option<FileId>,
    /// Where it is mounted.
    pub dir: Option<PathBuf>,
    /// Its loop device.
    pub device: Option<PathBuf>,
    /// Whether it is mounted for reading only.
    pub read_only: bool,
    /// How far it is.
    pub phase: Phase,
    /// Why it was cut off.
    pub reason: Option<String>,
    /// Since when, in UTC.
    pub since: String,
}

impl Process {
    /// This process, before it has done anything.
    pub fn this(volume: ImageId, image: &Path, dir: Option<&Path>, read_only: bool) -> Self {
        Self {
            version: VERSION,
            pid: std::process::id(),
            volume: volume.to_string(),
            image: image.to_owned(),
            file: None,
            dir: dir.map(Path::to_owned),
            device: None,
            read_only,
            phase: Phase::Starting,
            reason: None,
            since: String::new(),
        }
    }
}

impl Process {
    /// Whether this is its image, under this name or another one. It is not if the image was moved since.
    pub fn serves(&self, image: &Path) -> bool {
        let file = |path| {
            fs::metadata(path)
                .map(|found| (found.dev(), found.ino()))
                .ok()
        };
        let same = || file(image).is_some_and(|one| file(&self.image) == Some(one));
        self.image == image || same()
    }
}

/// What is found in a volume's directory.
#[derive(Clone, Debug)]
pub struct Found {
    /// What the volume's process has said.
    pub process: Process,
    /// Whether it still lives.
    pub lives: bool,
    /// The directory.
    pub folder: Folder,
}

impl StateArgs {
    /// The directories.
    ///
    /// # Errors
    /// When there is no working directory.
    pub fn states(&self) -> anyhow::Result<States> {
        let given = self.state_dir.as_ref().map(absolute).transpose()?;
        let or = |usual: &str| given.clone().unwrap_or_else(|| usual.into());
        Ok(States {
            running: or(RUNNING),
            known: or(KNOWN),
            given,
        })
    }
}

impl States {
    /// Both in one directory, given as an absolute path.
    pub fn within(dir: &Path) -> Self {
        Self {
            running: dir.to_owned(),
            known: dir.to_owned(),
            given: Some(dir.to_owned()),
        }
    }

    /// The directory that was given instead of the usual ones.
    pub fn given(&self) -> Option<&Path> {
        self.given.as_deref()
    }

    /// A volume's directory, created if it is missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn folder(&self, volume: ImageId) -> anyhow::Result<Folder> {
        let path = self.running.join(volume.to_string());
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Folder(path))
    }

    /// The newest generation of a volume that this machine knows; `None` if it knows none.
    ///
    /// # Errors
    /// When the file cannot be read or has something else.
    pub fn known(&self, volume: ImageId) -> anyhow::Result<Option<u64>> {
        let path = self.generation_file(volume);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let generation = text.trim_end().parse();
        generation.map(Some).with_context(|| {
            format!(
                "{} does not hold a generation: write into it the newest one that is known of the volume",
                path.display()
            )
        })
    }

    /// Notes down a generation, durably. An older one than what is known changes nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, volume: ImageId, generation: u64) -> anyhow::Result<()> {
        if self.known(volume)?.is_some_and(|known| known >= generation) {
            return Ok(());
        }
        self.write_known(&self.generation_file(volume), &generation.to_string())
    }

    /// What the volume's data key is recognized by on this machine; `None` if it knows nothing.
    ///
    /// # Errors
    /// When the file cannot be read or has something else.
    pub fn known_key(&self, volume: ImageId) -> anyhow::Result<Option<[u8; 32]>> {
        let path = self.key_file(volume);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let decoded = STANDARD.decode(text.trim_end()).ok();
        let commitment = decoded.and_then(|bytes| bytes.try_into().ok());
        commitment.map(Some).with_context(|| {
            format!(
                "{} does not hold what the volume's data key is recognized by: remove it if you are sure that the image is yours",
                path.display()
            )
        })
    }

    /// Notes down what the volume's data key is recognized by, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_key(&self, volume: ImageId, commitment: [u8; 32]) -> anyhow::Result<()> {
        if self.known_key(volume)? == Some(commitment) {
            return Ok(());
        }
        self.write_known(&self.key_file(volume), &STANDARD.encode(commitment))
    }

    /// Remembers the number of the note about an image that was put back, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_restored(&self, volume: ImageId, token: u64) -> anyhow::Result<()> {
        self.write_known(&self.restored_file(volume), &token.to_string())
    }

    /// The number of the newest note about an image that was put back, if one is remembered.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn restored(&self, volume: ImageId) -> anyhow::Result<Option<u64>> {
        let path = self.restored_file(volume);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim_end().parse().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn restored_file(&self, volume: ImageId) -> PathBuf {
        self.known.join(format!("{volume}.restored"))
    }

    fn write_known(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        let write = || {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&self.known)?;
            let draft = path.with_added_extension("draft");
            let mut file = private(&draft)?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            File::open(&self.known)?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    fn key_file(&self, volume: ImageId) -> PathBuf {
        self.known.join(format!("{volume}.key"))
    }

    fn generation_file(&self, volume: ImageId) -> PathBuf {
        self.known.join(format!("{volume}.generation"))
    }

    /// Drops all that is known of a volume that does not exist any more.
    ///
    /// # Errors
    /// When it cannot be dropped.
    pub fn forget_volume(&self, volume: ImageId) -> anyhow::Result<()> {
        let folder = self.running.join(volume.to_string());
        let known = [
            self.generation_file(volume),
            self.key_file(volume),
            self.restored_file(volume),
        ];
        let known = known.iter().map(fs::remove_file);
        for removed in known.chain([fs::remove_dir_all(folder)]) {
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// What is found of a volume, if anything.
    ///
    /// # Errors
    /// When this user may not look.
    pub fn find(&self, volume: ImageId) -> anyhow::Result<Option<Found>> {
        Folder(self.running.join(volume.to_string())).found()
    }

    /// What is found of all volumes, each with its name here, which is the volume's id. What cannot be read is passed over.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn all(&self) -> anyhow::Result<Vec<(String, Found)>> {
        let entries = match fs::read_dir(&self.running) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read {}", self.running.display()));
            }
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry?;
            let found = entry.file_name().into_string().ok();
            let found = found.zip(Folder(entry.path()).found().ok().flatten());
            all.extend(found);
        }
        Ok(all)
    }

    /// What is found of the volume that has this image or is mounted on this directory. One that lives goes
    /// before one that does not.
    ///
    /// # Errors
    /// When this user may not look.
    pub fn find_by_path(&self, path: &Path) -> anyhow::Result<Option<Found>> {
        let entries = match fs::read_dir(&self.running) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read {}", self.running.display()));
            }
        };
        // Resolving fails where a dead file system is mounted.
        let paths = [absolute(path)?, fs::canonicalize(path).unwrap_or_default()];
        let mut matching = Vec::new();
        for entry in entries {
            let found = match Folder(entry?.path()).found() {
                Err(error) if !is_denied(&error) => {
                    // Most likely another volume's.
                    writeln!(io::stderr(), "note: {error:#}: it is passed over")?;
                    continue;
                }
                found => found?,
            };
            matching.extend(found.filter(|found| {
                let dir = found.process.dir.as_ref();
                paths.contains(&found.process.image) || dir.is_some_and(|dir| paths.contains(dir))
            }));
        }
        matching.sort_by_key(|found| !found.lives);
        Ok(matching.into_iter().next())
    }
}

/// Whether this user may not do what failed.
pub fn is_denied(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    causes.any(|cause: &io::Error| cause.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests;
