//! The directory that a view shows, opened without following anything that a client has put there.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{
        AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, fchmod, fstat, mkdirat,
        openat2,
    },
    io::Errno,
};

use crate::{authorize::Creation, guard::Originals};

/// The deepest directory, and the longest path, that are looked for.
const MAX_DEPTH: usize = 32;
const MAX_PATH: usize = 1024;

/// Why a directory cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The path is not absolute, has `.` or `..`, or is too long.
    #[error("`{0}` is not an absolute path without `.` and `..`")]
    Path(String),
    /// It does not exist, and nobody said how to create it.
    #[error(
        "the directory `{0}` does not exist, and the access point does not say how to create it"
    )]
    Missing(String),
    /// A part of the path is something else, such as a symbolic link, or another directory was put in its place.
    #[error("`{0}` is not a directory")]
    NotDirectory(String),
    /// The kernel refused.
    #[error("cannot open `{path}`: {source}")]
    Io {
        /// The directory.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// The parts of a path, without empty ones.
pub(crate) fn parts(path: &str) -> Result<Vec<&str>, RootError> {
    let refused = || RootError::Path(path.escape_debug().to_string());
    let rest = path.strip_prefix('/').ok_or_else(refused)?;
    let parts: Vec<_> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let fits = path.len() <= MAX_PATH
        && parts.len() <= MAX_DEPTH
        && parts
            .iter()
            .all(|part| !matches!(*part, "." | "..") && !part.contains('\0'));
    if fits { Ok(parts) } else { Err(refused()) }
}

/// Creates what is missing of a directory of a file system, as clients of NFS have it created. `root` is the root of
/// the file system; links are not followed, and no other file system is entered.
///
/// # Errors
/// When the path leads elsewhere, or the kernel refuses.
pub fn create_missing(root: &impl AsFd, path: &str, creation: Creation) -> Result<(), RootError> {
    open(root, path, Some(creation)).map(drop)
}

/// Opens a directory of a file system by its path from the root, and creates what is missing of it if
/// `creation` says how.
pub(crate) fn open(
    root: &impl AsFd,
    path: &str,
    creation: Option<Creation>,
) -> Result<OwnedFd, RootError> {
    let mut at = child(root, ".").map_err(|error| failed(path, error))?;
    for part in parts(path)? {
        at = match child(&at, part) {
            Err(Errno::NOENT) => {
                let creation = creation.ok_or_else(|| RootError::Missing(path.to_owned()))?;
                create(&at, part, creation, path)?
            }
            opened => opened.map_err(|error| failed(path, error))?,
        };
    }
    Ok(at)
}

/// See [`Originals`]: nothing, if the directory is not the root of its file system.
pub(crate) fn originals(root: &impl AsFd, path: &str) -> Result<Originals, RootError> {
    if !parts(path)?.is_empty() {
        return Ok(Originals::default());
    }
    let opened = child(root, ".").map_err(|error| failed(path, error))?;
    let inodes = [Ok(opened), child(root, "lost+found")]
        .into_iter()
        .flatten()
        .map(|directory| fstat(directory).map_err(|error| failed(path, error)))
        .collect::<Result<Vec<_>, _>>()?;
    // ext4 has no others.
    let fits = inodes.into_iter().map(|found| u32::try_from(found.st_ino));
    Ok(fits.flatten().collect())
}

fn failed(path: &str, error: Errno) -> RootError {
    match error {
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV => RootError::NotDirectory(path.to_owned()),
        error => RootError::Io {
            path: path.to_owned(),
            source: error.into(),
        },
    }
}

fn child(folder: &impl AsFd, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    openat2(folder, name, flags, Mode::empty(), resolve)
}

fn create(
    folder: &OwnedFd,
    name: &str,
    creation: Creation,
    path: &str,
) -> Result<OwnedFd, RootError> {
    let io = |error| failed(path, error);
    match mkdirat(folder, name, Mode::RWXU) {
        Ok(()) => {}
        // Another client was faster: it is as any directory that exists.
        Err(Errno::EXIST) => return child(folder, name).map_err(io),
        Err(error) => return Err(io(error)),
    }
    let created = child(folder, name).map_err(io)?;
    // A client that may write to the folder could have put a directory of somebody else in its place. That must
    // not be given away.
    let found = fstat(&created).map_err(io)?;
    let is_ours = FileType::from_raw_mode(found.st_mode).is_dir()
        && Mode::from_raw_mode(found.st_mode) & Mode::from_raw_mode(0o777) == Mode::RWXU
        && found.st_uid == rustix::process::geteuid().as_raw()
        && found.st_nlink == 2;
    if !is_ours {
        return Err(RootError::NotDirectory(path.to_owned()));
    }
    let owner = (
        Uid::from_raw(creation.owner_uid),
        Gid::from_raw(creation.owner_gid),
    );
    chownat(
        &created,
        "",
        Some(owner.0),
        Some(owner.1),
        AtFlags::EMPTY_PATH,
    )
    .map_err(io)?;
    fchmod(&created, Mode::from_raw_mode(creation.permissions & 0o7777)).map_err(io)?;
    Ok(created)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        os::unix::fs::{MetadataExt as _, symlink},
    };

    use super::*;

    fn creation(permissions: u32) -> Option<Creation> {
        Some(Creation {
            owner_uid: rustix::process::geteuid().as_raw(),
            owner_gid: rustix::process::getegid().as_raw(),
            permissions,
        })
    }

    #[test]
    fn a_missing_directory_is_created_as_its_access_point_says() {
        let folder = tempfile::tempdir().unwrap();
        let root = File::open(folder.path()).unwrap();
        open(&root, "/a/b", creation(0o2751)).unwrap();
        for path in ["a", "a/b"] {
            let found = fs::metadata(folder.path().join(path)).unwrap();
            assert_eq!(found.mode() & 0o7777, 0o2751, "{path}");
        }
        // What exists stays as it is.
        open(&root, "/a/b", creation(0o700)).unwrap();
        let found = fs::metadata(folder.path().join("a/b")).unwrap();
        assert_eq!(found.mode() & 0o7777, 0o2751);
    }

    #[test]
    fn without_a_way_to_create_it_a_missing_directory_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let root = File::open(folder.path()).unwrap();
        let error = open(&root, "/a", None).unwrap_err().to_string();
        assert_eq!(
            error,
            "the directory `/a` does not exist, and the access point does not say how to create it"
        );
        assert!(!folder.path().join("a").exists());
    }

    #[test]
    fn no_link_of_a_client_is_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(outside.path().join("b")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        symlink(outside.path(), folder.path().join("a")).unwrap();
        symlink("/proc/self/root", folder.path().join("magic")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let root = File::open(folder.path()).unwrap();
        for path in ["/a", "/a/b", "/a/new", "/magic/etc", "/file"] {
            let error = open(&root, path, creation(0o700)).unwrap_err().to_string();
            assert_eq!(error, format!("`{path}` is not a directory"));
        }
        assert!(!outside.path().join("new").exists());
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = File::open(folder.path()).unwrap();
        for path in ["", "a", "/../a", "/a/./b", "/a/.."] {
            let error = open(&root, path, creation(0o700)).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("`{path}` is not an absolute path without `.` and `..`")
            );
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_root_itself_is_opened_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let root = File::open(folder.path()).unwrap();
        let inode = fs::metadata(folder.path()).unwrap().ino();
        for path in ["/", "//"] {
            let opened = File::from(open(&root, path, None).unwrap());
            assert_eq!(opened.metadata().unwrap().ino(), inode);
        }
    }
}
