//! The private directory of one volume.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::error::{At as _, Error, Step};

/// Where the served file is mounted.
const MOUNT_POINT: &str = "device";
/// The name of the served file.
pub(crate) const FILE: &str = "volume";
/// Locked while a process serves; contains its number.
const SERVER_LOCK: &str = "server.lock";
/// Locked while a step is done.
const STEPS_LOCK: &str = "steps.lock";
/// Which loop device was bound.
const RECORD: &str = "loop.json";

/// A directory that only this user can enter, for one volume.
///
/// It should be in a directory that is empty after a start of the machine, such as `/run`: nothing in it
/// has a meaning beyond that. If it is not, what an earlier start left is recognized and dropped.
#[derive(Clone, Debug)]
pub struct VolumeDir {
    path: PathBuf,
    /// The file that is attached instead of one that is served.
    image: Option<PathBuf>,
}

/// What is recorded. It is not flushed to disk: the loop devices are gone after a power failure too.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binding: Option<Binding>,
}

/// By what the kernel tells one binding of a loop device from all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Binding {
    /// The start of the machine: what follows is counted anew at each.
    pub(crate) boot: String,
    /// The number that the kernel gave the device when it was bound, and gives to nothing else (`diskseq`).
    pub(crate) sequence: u64,
    /// The FUSE connection through which the file is served; `None` for an image.
    pub(crate) connection: Option<u32>,
}

/// The version of [`Record`] that is written.
const VERSION: u32 = 2;
/// The version that had no binding, and is still read.
const WITHOUT_BINDING: u32 = 1;

/// A lock that the kernel releases when its holder ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl VolumeDir {
    /// Opens the directory, and creates it (mode 0700) if its parent exists and it does not.
    ///
    /// # Errors
    /// When others can use it, or it cannot be created.
    pub fn open(path: &Path) -> Result<Self, Error> {
        create_private(path).at(Step::VolumeDir, path)?;
        let path = path.canonicalize().at(Step::VolumeDir, path)?;
        let found = fs::symlink_metadata(&path).at(Step::VolumeDir, &path)?;
        let uid = rustix::process::geteuid().as_raw();
        if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
            return Err(Error::NotPrivate { at: path, uid });
        }
        let place = Self { path, image: None };
        let folder = place.mount_point();
        create_private(&folder).at(Step::VolumeDir, folder)?;
        Ok(place)
    }

    /// The same for an image file that is attached as it is, in plaintext: nobody serves it.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and when there is no directory for such a file. The file itself may be missing:
    /// somebody may have renamed it while it is attached.
    pub fn of_image(path: &Path, image: &Path) -> Result<Self, Error> {
        let place = Self::open(path)?;
        let resolved = match (image.canonicalize(), image.parent(), image.file_name()) {
            (Err(error), Some(folder), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
                folder.canonicalize().map(|folder| folder.join(name))
            }
            (resolved, _, _) => resolved,
        };
        let image = resolved.at(Step::VolumeDir, image)?;
        Ok(Self {
            image: Some(image),
            ..place
        })
    }

    /// The directory, without links in its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the served file is mounted.
    pub(crate) fn mount_point(&self) -> PathBuf {
        self.path.join(MOUNT_POINT)
    }

    /// The file that is attached: the volume in plaintext, for root only.
    pub fn file(&self) -> PathBuf {
        match &self.image {
            Some(image) => image.clone(),
            None => self.mount_point().join(FILE),
        }
    }

    /// Whether a process serves the file that is attached.
    pub(crate) const fn is_served(&self) -> bool {
        self.image.is_none()
    }

    /// The lock of the process that serves, which writes its number into it.
    pub(crate) fn lock_server(&self) -> Result<Lock, Error> {
        let path = self.path.join(SERVER_LOCK);
        let mut file = open_private(&path).at(Step::VolumeDir, &path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).at(Step::VolumeDir, &path)?;
                let at = self.path.clone();
                return Err(Error::Served { at, pid });
            }
            Err(error) => return Err(error).at(Step::VolumeDir, path),
        }
        let write = |mut file: &File| {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())
        };
        write(&file).at(Step::VolumeDir, path)?;
        Ok(Lock(file))
    }

    /// The lock of the one who does a step; waits for it.
    pub(crate) fn lock_steps(&self) -> Result<Lock, Error> {
        let path = self.path.join(STEPS_LOCK);
        let file = open_private(&path).at(Step::VolumeDir, &path)?;
        flock(&file, FlockOperation::LockExclusive).at(Step::VolumeDir, path)?;
        Ok(Lock(file))
    }

    /// Records which loop device is going to be bound, before it is; and then which binding that was, if the kernel tells.
    pub(crate) fn record(&self, number: u32, binding: Option<&Binding>) -> Result<(), Error> {
        let (path, draft) = (self.path.join(RECORD), self.path.join("loop.json.draft"));
        let record = Record {
            version: VERSION,
            number,
            binding: binding.cloned(),
        };
        let write = || {
            let bytes = serde_json::to_vec(&record)?;
            let mut file = open_private(&draft)?;
            file.set_len(0)?;
            file.write_all(&bytes)?;
            fs::rename(&draft, &path)
        };
        write().at(Step::VolumeDir, &path)
    }

    /// The loop device that is recorded, and its binding. Whether it is still that of this place, the kernel says.
    pub(crate) fn recorded(&self) -> Result<Option<(u32, Option<Binding>)>, Error> {
        let path = self.path.join(RECORD);
        let read = || match fs::read(&path) {
            Ok(bytes) => {
                let record: Record = serde_json::from_slice(&bytes)?;
                if matches!(record.version, VERSION | WITHOUT_BINDING) {
                    Ok(Some((record.number, record.binding)))
                } else {
                    let text = format!(
                        "written in version {}, and this release reads {WITHOUT_BINDING} and {VERSION}",
                        record.version
                    );
                    Err(io::Error::new(io::ErrorKind::InvalidData, text))
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        read().at(Step::VolumeDir, &path)
    }

    /// Drops the record. None is no error.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        let path = self.path.join(RECORD);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).at(Step::VolumeDir, path)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would do it too, unless a child has it open for a moment.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Does not look at what exists: it may be the mount of a process that is dead.
fn create_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_that_others_can_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p");
        VolumeDir::open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let error = VolumeDir::open(&path).unwrap_err();
        assert!(matches!(error, Error::NotPrivate { .. }), "{error}");
    }

    #[test]
    fn the_record_is_read_back_and_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let place = VolumeDir::open(&folder.path().join("p")).unwrap();
        assert_eq!(place.recorded().unwrap(), None);
        let binding = Binding {
            boot: "b".to_owned(),
            sequence: 1 << 40,
            connection: Some(7),
        };
        place.record(17, Some(&binding)).unwrap();
        assert_eq!(place.recorded().unwrap(), Some((17, Some(binding))));
        place.record(3, None).unwrap();
        assert_eq!(place.recorded().unwrap(), Some((3, None)));
        place.forget().unwrap();
        place.forget().unwrap();
        assert_eq!(place.recorded().unwrap(), None);
    }

    #[test]
    fn a_record_of_an_earlier_release_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let place = VolumeDir::open(&folder.path().join("p")).unwrap();
        fs::write(place.path().join(RECORD), r#"{"version":1,"number":3}"#).unwrap();
        assert_eq!(place.recorded().unwrap(), Some((3, None)));
    }

    #[test]
    fn the_place_of_an_image_that_is_gone_is_that_of_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let (path, image) = (folder.path().join("p"), folder.path().join("image"));
        let missing = VolumeDir::of_image(&path, &image).unwrap();
        fs::write(&image, "").unwrap();
        assert_eq!(
            missing.file(),
            VolumeDir::of_image(&path, &image).unwrap().file()
        );
        VolumeDir::of_image(&path, &folder.path().join("none/image")).unwrap_err();
    }

    #[test]
    fn a_record_of_another_version_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let place = VolumeDir::open(&folder.path().join("p")).unwrap();
        fs::write(place.path().join(RECORD), r#"{"version":3,"number":3}"#).unwrap();
        let error = place.recorded().unwrap_err();
        let path = place.path().join(RECORD);
        assert_eq!(
            error.to_string(),
            format!("cannot prepare `{}`", path.display())
        );
        // The reason is said once, by whoever shows the sources.
        assert_eq!(
            std::error::Error::source(&error).unwrap().to_string(),
            "written in version 3, and this release reads 1 and 2"
        );
    }

    #[test]
    fn only_one_process_serves_in_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let place = VolumeDir::open(&folder.path().join("p")).unwrap();
        let lock = place.lock_server().unwrap();
        let error = place.lock_server().unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            error.ends_with(&format!("by process {pid}")),
            "{error}, {pid}"
        );
        drop(lock);
        place.lock_server().unwrap();
    }
}
