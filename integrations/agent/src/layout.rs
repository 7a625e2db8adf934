//! Where everything is in an agent's state directory.
//!
//! ```text
//! agent.lock               held by the agent that runs
//! agent.sock               for `keyward mount`, `keyward unmount` and the commands about backups
//! credentials.json         what the agent signs with
//! volumes/agent            whose volumes they are
//! volumes/ID.img           the image of a volume
//! volumes/ID.json          what is noted down of it
//! local/ID.json            where `keyward mount` has mounted a volume
//! mounts/ID/               where it is mounted for the agent
//! nfs/                     what serves NFS remembers of its clients, and its certificate
//! backups/copies/          the copy that a backup is made of, while it is made
//! backups/ID.deleted       that a volume was deleted, until the last backup of it has expired
//! postgres/                the authority that signs the certificates of databases
//! keepers/                 the processes of attached volumes, and the newest generation of each
//! ```
//!
//! The volumes of databases are mounted elsewhere, in `/run/keyward-postgres`: each database server has a system user of its
//! own, which could not enter this directory.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use keyward_crypto::digest::sha256;
use keyward_types::storage::VolumeId;

use crate::{
    authentic::NoteKey,
    files::{open_file, remove, write_whole},
    note::{Note, NoteError},
    wanted::MOST_VOLUMES,
};

/// The longest content in bytes of the file that says whose volumes they are.
const LONGEST_MARK: u64 = 256;
/// The most notes that are read: as many as a server may name volumes, and as many again that it has forgotten.
const MOST_NOTES: usize = 2 * MOST_VOLUMES;
/// How the name of a file ends that says that a volume was deleted.
const DELETED: &str = "deleted";

/// Where everything of database servers is that has to be reached by their system users.
const DATABASES: &str = "/run/keyward-postgres";

/// Held by the agent that runs.
const LOCK: &str = "agent.lock";

/// A state directory.
#[derive(Clone, Debug)]
pub struct Layout(PathBuf);

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The system's reason.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Others could use it.
    #[error("{} must belong to the user that runs the agent, and nobody else may be able to use it: `chown root {} && chmod 700 {}`", .0.display(), .0.display(), .0.display())]
    NotPrivate(PathBuf),
    /// The volumes are not there, or are those of another agent.
    #[error("agent {agent} has registered with {}, and {} {found}. Perhaps its disk is not mounted: bring the directory back as it was, and start the agent again. If it is lost for good, write `{agent}` into that file: file systems that were on it are then in the state `error` until you restore them (`keyward agent restore`) or delete them", state.display(), marker.display())]
    NotItsVolumes {
        /// The agent that has registered.
        agent: String,
        /// The state directory.
        state: PathBuf,
        /// The file that says whose volumes they are.
        marker: PathBuf,
        /// What it says.
        found: String,
    },
    /// Somebody has filled it.
    #[error("there are more than {MOST_NOTES} notes about volumes in {}: remove those that do not belong there", .0.display())]
    TooMany(PathBuf),
    /// Another agent runs with it.
    #[error("another agent runs with {}: stop it first, or use another --state-dir", .0.display())]
    InUse(PathBuf),
}

/// Held while an agent runs.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the kernel releases it when this is dropped")] File);

/// What is found of a volume.
#[derive(Debug)]
pub struct Noted {
    /// The volume.
    pub volume: VolumeId,
    /// The note, if it can be read.
    pub note: Result<Note, NoteError>,
}

impl Layout {
    /// Opens a state directory, and creates what is missing of it, for this user only.
    ///
    /// # Errors
    /// When it cannot be created, or others could use it.
    pub fn open(path: &Path) -> Result<Self, LayoutError> {
        let layout = Self(path.to_owned());
        layout.create(path)?;
        let found = fs::metadata(path).map_err(|source| layout.failed(path, source))?;
        let uid = fs::metadata("/proc/self").map_err(|source| layout.failed(path, source))?;
        if found.uid() != uid.uid() || found.mode() & 0o077 != 0 {
            return Err(LayoutError::NotPrivate(path.to_owned()));
        }
        let path = fs::canonicalize(path).map_err(|source| layout.failed(path, source))?;
        let layout = Self(path);
        let folders = [
            layout.volumes(),
            layout.mounts(),
            layout.local(),
            layout.keepers(),
        ];
        for folder in folders {
            layout.create(&folder)?;
        }
        Ok(layout)
    }

    /// Removes a directory that was created for an agent which could not register. What anything was written to stays.
    pub fn discard(&self) {
        let folders = [self.volumes(), self.mounts(), self.local(), self.keepers()];
        // Only what is empty can be removed, and what cannot be is in nobody's way.
        if folders.iter().all(|folder| fs::remove_dir(folder).is_ok()) {
            let _ = fs::remove_file(self.0.join(LOCK));
            let _ = fs::remove_dir(&self.0);
        }
    }

    /// The state directory that an agent has used before; `None` if there is none there.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn existing(path: &Path) -> Result<Option<Self>, LayoutError> {
        let is_one = path.join("volumes").is_dir() && path.join(LOCK).is_file();
        is_one.then(|| Self::open(path)).transpose()
    }

    /// The state directory of the agent that an image belongs to, if it is in the place of one. Nothing is created, and
    /// nothing is known of whether an agent runs there.
    pub fn of_image(image: &Path) -> Option<Self> {
        let volumes = image.parent()?;
        let layout = Self(volumes.parent()?.to_owned());
        let is_one = layout.volumes() == volumes && layout.marker().is_file();
        (is_one && layout.keepers().is_dir()).then_some(layout)
    }

    /// Locks the state directory until what is answered is dropped.
    ///
    /// # Errors
    /// When another agent runs with it.
    pub fn lock(&self) -> Result<Lock, LayoutError> {
        let path = self.0.join(LOCK);
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let file = options
            .open(&path)
            .map_err(|source| self.failed(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(LayoutError::InUse(self.0.clone())),
            Err(TryLockError::Error(source)) => Err(self.failed(&path, source)),
        }
    }

    /// Notes down, durably, that the volumes here are those of an agent, which is about to be registered.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn mark(&self, agent: &str) -> Result<(), LayoutError> {
        let path = self.marker();
        let written = write_whole(&path, format!("{agent}\n").as_bytes());
        written.map_err(|source| self.failed(&path, source))
    }

    /// Checks that the volumes here are those of the agent that has registered: an empty directory in their place must
    /// not look as if there were none.
    ///
    /// # Errors
    /// [`LayoutError::NotItsVolumes`] if not.
    pub fn check_mark(&self, agent: &str) -> Result<(), LayoutError> {
        let marker = self.marker();
        let read = || {
            let mut text = String::new();
            let file = open_file(&marker)?;
            file.take(LONGEST_MARK).read_to_string(&mut text)?;
            Ok::<_, io::Error>(text)
        };
        let found = match read() {
            Ok(found) if found.trim_end() == agent => return Ok(()),
            Ok(found) => format!("is about `{}`", found.trim_end().escape_debug()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "is missing".to_owned(),
            Err(error) => format!("cannot be read ({error})"),
        };
        Err(LayoutError::NotItsVolumes {
            agent: agent.to_owned(),
            state: self.0.clone(),
            marker,
            found,
        })
    }

    /// What is noted down of all volumes.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn noted(&self, key: &NoteKey) -> Result<Vec<Noted>, LayoutError> {
        let folder = self.volumes();
        let entries = fs::read_dir(&folder).map_err(|source| self.failed(&folder, source))?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| self.failed(&folder, source))?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
            // What else is here has other endings.
            if let Some(volume) = id.and_then(|id| VolumeId::parse(id).ok()) {
                if found.len() == MOST_NOTES {
                    return Err(LayoutError::TooMany(folder));
                }
                let note = Note::read(&entry.path(), key);
                found.push(Noted { volume, note });
            }
        }
        Ok(found)
    }

    /// The volumes that `keyward mount` has mounted.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn locally_mounted(&self) -> Result<Vec<VolumeId>, LayoutError> {
        self.named_in(&self.local(), "json")
    }

    /// The volumes of which there is a file with this ending in a directory, which may not be there.
    fn named_in(&self, folder: &Path, ending: &str) -> Result<Vec<VolumeId>, LayoutError> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed(folder, source)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| self.failed(folder, source))?;
            let name = entry.file_name();
            let parts = name.to_str().and_then(|name| name.rsplit_once('.'));
            let id = parts.filter(|(_, found)| *found == ending);
            found.extend(id.and_then(|(id, _)| VolumeId::parse(id).ok()));
        }
        Ok(found)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the images are.
    fn volumes(&self) -> PathBuf {
        self.0.join("volumes")
    }

    /// Not where the images are: what root mounts again must not be chosen by whoever can bring back an older file there.
    fn local(&self) -> PathBuf {
        self.0.join("local")
    }

    /// Says whose volumes they are.
    fn marker(&self) -> PathBuf {
        self.volumes().join("agent")
    }

    /// Where copies are made for backups, unless another directory is given. It may not be there.
    pub fn backup_work(&self) -> PathBuf {
        self.backups().join("copies")
    }

    fn backups(&self) -> PathBuf {
        self.0.join("backups")
    }

    fn deleted(&self, volume: &VolumeId) -> PathBuf {
        self.backups().join(format!("{volume}.{DELETED}"))
    }

    /// Notes down, durably, that a volume was deleted here, so that its last backup expires, too.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_deleted(&self, volume: &VolumeId) -> Result<(), LayoutError> {
        self.create(&self.backups())?;
        let path = self.deleted(volume);
        write_whole(&path, b"").map_err(|source| self.failed(&path, source))
    }

    /// Drops that a volume was deleted, when there is no backup of it any more. None is no error.
    ///
    /// # Errors
    /// When it cannot be dropped.
    pub fn forget_deleted(&self, volume: &VolumeId) -> Result<(), LayoutError> {
        let path = self.deleted(volume);
        remove(&path).map_err(|source| self.failed(&path, source))
    }

    /// The volumes that were deleted, and may have backups.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn deleted_volumes(&self) -> Result<Vec<VolumeId>, LayoutError> {
        self.named_in(&self.backups(), DELETED)
    }

    fn mounts(&self) -> PathBuf {
        self.0.join("mounts")
    }

    /// Where the processes of attached volumes are found.
    pub fn keepers(&self) -> PathBuf {
        self.0.join("keepers")
    }

    /// What serves NFS keeps.
    pub fn nfs(&self) -> PathBuf {
        self.0.join("nfs")
    }

    /// What the agent signs with.
    pub fn credentials(&self) -> PathBuf {
        self.0.join("credentials.json")
    }

    /// The socket for commands on this machine.
    pub fn socket(&self) -> PathBuf {
        self.0.join("agent.sock")
    }

    /// The image of a volume.
    pub fn image(&self, volume: &VolumeId) -> PathBuf {
        self.volumes().join(format!("{volume}.img"))
    }

    /// What is noted down of a volume.
    pub fn note(&self, volume: &VolumeId) -> PathBuf {
        self.volumes().join(format!("{volume}.json"))
    }

    /// Where `keyward mount` has mounted a volume.
    pub fn local_mounts(&self, volume: &VolumeId) -> PathBuf {
        self.local().join(format!("{volume}.json"))
    }

    /// Where a volume is mounted for the agent.
    pub fn mount(&self, volume: &VolumeId) -> PathBuf {
        let folder = match volume.is_of_database() {
            true => self.database_mounts(),
            false => self.mounts(),
        };
        folder.join(volume.as_str())
    }

    /// What database servers keep for all of this machine.
    pub fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }

    /// The directories, each in the one before it, that everybody may enter, so that a database server can reach its volume
    /// ([`database_mounts`](Self::database_mounts)) and what it is told ([`database_servers`](Self::database_servers)). They
    /// do not outlast a restart of the machine. Each agent has its own.
    pub fn database_folders(&self) -> [PathBuf; 3] {
        let runtime = PathBuf::from(DATABASES);
        let own = runtime.join(self.short_name());
        [runtime, own.clone(), own.join("volumes")]
    }

    /// Where volumes of databases are mounted.
    pub fn database_mounts(&self) -> PathBuf {
        let [_, _, mounts] = self.database_folders();
        mounts
    }

    /// Where database servers find what they are told, and have their sockets.
    pub fn database_servers(&self) -> PathBuf {
        let [_, own, _] = self.database_folders();
        own.join("servers")
    }

    /// Another name for each state directory: paths of sockets are short.
    fn short_name(&self) -> String {
        let path = self.0.as_os_str().as_encoded_bytes();
        let digest = sha256(path);
        let digits = digest.iter().take(4).map(|byte| format!("{byte:02x}"));
        digits.collect()
    }

    fn create(&self, path: &Path) -> Result<(), LayoutError> {
        let mut builder = DirBuilder::new();
        let created = builder.recursive(true).mode(0o700).create(path);
        created.map_err(|source| self.failed(path, source))
    }

    #[expect(clippy::unused_self, reason = "reads as what it is about")]
    fn failed(&self, path: &Path, source: io::Error) -> LayoutError {
        let path = path.to_owned();
        LayoutError::Io { path, source }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn key() -> NoteKey {
        NoteKey::new(b"secret", "agent-1")
    }

    fn volume(number: u8) -> VolumeId {
        VolumeId::parse(&format!("fs-{number:017}")).unwrap()
    }

    #[test]
    fn a_new_state_directory_is_discarded_unless_it_was_used() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        let layout = Layout::open(&path).unwrap();
        let lock = layout.lock().unwrap();
        layout.discard();
        drop(lock);
        assert!(!path.exists());
        let layout = Layout::open(&path).unwrap();
        layout.mark("agent-1").unwrap();
        layout.discard();
        assert!(path.exists());
        layout.check_mark("agent-1").unwrap();
    }

    #[test]
    fn one_agent_runs_with_a_state_directory() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        let layout = Layout::open(&path).unwrap();
        let lock = layout.lock().unwrap();
        let again = Layout::open(&path).unwrap();
        let error = again.lock().unwrap_err().to_string();
        assert!(error.starts_with("another agent runs with "), "{error}");
        drop(lock);
        again.lock().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let error = Layout::open(&path).unwrap_err();
        assert!(matches!(error, LayoutError::NotPrivate(_)), "{error}");
    }

    #[test]
    fn an_empty_directory_is_not_taken_for_the_volumes_of_an_agent() {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::open(&home.path().join("state")).unwrap();
        let found = |agent: &str| match layout.check_mark(agent) {
            Err(LayoutError::NotItsVolumes { found, .. }) => Some(found),
            checked => {
                checked.unwrap();
                None
            }
        };
        assert_eq!(found("agent-1").as_deref(), Some("is missing"));
        layout.mark("agent-1").unwrap();
        assert_eq!(found("agent-1"), None);
        assert_eq!(found("agent-2").as_deref(), Some("is about `agent-1`"));
        assert!(layout.noted(&key()).unwrap().is_empty());
    }

    #[test]
    fn what_was_deleted_is_remembered_until_it_is_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::open(&home.path().join("state")).unwrap();
        assert_eq!(layout.deleted_volumes().unwrap(), []);
        layout.note_deleted(&volume(1)).unwrap();
        layout.note_deleted(&volume(1)).unwrap();
        fs::write(layout.backups().join("Other.deleted"), "").unwrap();
        fs::write(layout.backups().join("fs-01234567.other"), "").unwrap();
        assert_eq!(layout.deleted_volumes().unwrap(), [volume(1)]);
        layout.forget_deleted(&volume(1)).unwrap();
        layout.forget_deleted(&volume(1)).unwrap();
        assert_eq!(layout.deleted_volumes().unwrap(), []);
    }

    #[test]
    fn what_database_servers_reach_is_elsewhere_and_of_this_agent_alone() {
        let home = tempfile::tempdir().unwrap();
        let layout = |name: &str| Layout::open(&home.path().join(name)).unwrap();
        let (one, other) = (layout("one"), layout("other"));
        let id = VolumeId::parse("db-AJS3ENW7IR2DMV6HQZCLU5GPYB").unwrap();
        assert!(one.mount(&volume(1)).starts_with(one.path()));
        let mount = one.mount(&id);
        assert!(mount.starts_with("/run/keyward-postgres"), "{mount:?}");
        assert_ne!(mount, other.mount(&id));
        assert_eq!(layout("one").mount(&id), mount);
        // With what a server adds to it, it is short enough for a socket.
        let socket = one
            .database_servers()
            .join(id.as_str())
            .join("socket/.s.PGSQL.65535");
        assert!(socket.as_os_str().len() < 108, "{socket:?}");
    }

    #[test]
    fn notes_are_found_and_nothing_else_is_taken_for_one() {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::open(&home.path().join("state")).unwrap();
        let note = Note::begun(volume(1), "0".repeat(32), false, 1);
        note.write(&layout.note(&volume(1)), &key()).unwrap();
        fs::write(layout.note(&volume(2)), "damaged").unwrap();
        fs::write(layout.image(&volume(3)), "").unwrap();
        fs::write(layout.local_mounts(&volume(4)), "[]").unwrap();
        fs::write(layout.volumes().join("Other.json"), "{}").unwrap();
        let mut noted = layout.noted(&key()).unwrap();
        noted.sort_by(|one, other| one.volume.cmp(&other.volume));
        let [first, second] = noted.as_slice() else {
            panic!("{noted:?}")
        };
        assert_eq!(*first.note.as_ref().unwrap(), note);
        assert_eq!(second.volume, volume(2));
        assert!(second.note.is_err());
    }
}
