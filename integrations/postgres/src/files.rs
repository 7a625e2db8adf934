//! Files that are there whole or not at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::Path,
};

use rustix::fs::OFlags;

use crate::error::{At as _, Error};

/// Who may read a file or a directory besides its owner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// The owner; root if it is none.
    pub(crate) uid: Option<u32>,
    /// The group; that of root if it is none.
    pub(crate) gid: Option<u32>,
    /// The permissions.
    pub(crate) mode: u32,
}

impl Access {
    /// Only for root.
    pub(crate) const fn root(mode: u32) -> Self {
        Self {
            uid: None,
            gid: None,
            mode,
        }
    }
}

/// Writes a file in the place of one that may be there. A reader finds one of the two, also after a crash.
pub(crate) fn write(path: &Path, text: &[u8], access: Access) -> Result<(), Error> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let new = Path::new(&new);
    let written = || -> io::Result<()> {
        match fs::remove_file(new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(new)?;
        fchown(
            &file,
            Some(access.uid.unwrap_or(0)),
            Some(access.gid.unwrap_or(0)),
        )?;
        file.set_permissions(fs::Permissions::from_mode(access.mode))?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        sync_folder(path)
    };
    written().at("write", path)
}

/// Has the kernel write down which files a directory has.
pub(crate) fn sync_folder(of: &Path) -> io::Result<()> {
    match of.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Makes a directory if there is none, and gives it this owner and these permissions.
pub(crate) fn folder(path: &Path, access: Access) -> Result<(), Error> {
    let made = DirBuilder::new().mode(0o700).create(path);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).at("create", path);
        }
        _ => {}
    }
    let found = fs::symlink_metadata(path).at("open", path)?;
    if !found.is_dir() {
        return Err(Error::NotDirectory(path.to_owned()));
    }
    // It may have been replaced by a link since.
    let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path)
        .at("open", path)?;
    fchown(
        &opened,
        Some(access.uid.unwrap_or(0)),
        Some(access.gid.unwrap_or(0)),
    )
    .and_then(|()| opened.set_permissions(fs::Permissions::from_mode(access.mode)))
    .at("change the owner of", path)
}

/// Reads a file of at most `limit` bytes; none if there is no file. Some are in directories of a server's user: a link is
/// not followed, and a pipe does not make this wait.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<String>, Error> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.at("open", path)?,
    };
    let mut text = String::new();
    file.take(limit.saturating_add(1))
        .read_to_string(&mut text)
        .at("read", path)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limit {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge)).at("read", path);
    }
    Ok(Some(text))
}

/// Removes a file if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}

/// Removes a directory with all that is in it, if it is there. Links are not followed.
pub(crate) fn remove_all(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}
