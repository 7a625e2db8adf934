//! Files of an agent: written so that they are whole after a crash, and opened only if they are files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

/// How a file's name ends that is being written.
const DRAFT: &str = "draft";

/// Writes a file of mode 0600 that is either as it was or whole, durably.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_added_extension(DRAFT);
    // What is left of an earlier attempt; a link that somebody has put there must not be followed.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_folder(path)
}

/// Removes a file, durably. None is no error.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Opens a regular file for reading; no link, and nothing that could make the reader wait. Nothing else is opened: opening is
/// enough to have some devices do something.
///
/// # Errors
/// When it is none, or cannot be opened.
pub fn open_file(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true))
}

/// As [`open_file`], for what the options say.
///
/// # Errors
/// When it is none, or cannot be opened.
pub fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = (OFlags::PATH | OFlags::NOFOLLOW).bits().cast_signed();
    let mut look = OpenOptions::new();
    let found = look.read(true).custom_flags(flags).open(path)?;
    if !found.metadata()?.file_type().is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    // That very file, whatever has its name by now.
    options.open(format!("/proc/self/fd/{}", found.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_place_of_a_draft_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let other = home.path().join("other");
        fs::write(&other, "stays").unwrap();
        let path = home.path().join("note");
        std::os::unix::fs::symlink(&other, path.with_added_extension(DRAFT)).unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"stays");
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn only_a_file_is_opened() {
        let home = tempfile::tempdir().unwrap();
        let (file, other) = (home.path().join("file"), home.path().join("other"));
        fs::write(&file, "read").unwrap();
        assert_eq!(
            io::read_to_string(open_file(&file).unwrap()).unwrap(),
            "read"
        );
        open_with(&file, OpenOptions::new().write(true)).unwrap();
        let refused = || open_file(&other).unwrap_err().to_string();
        std::os::unix::fs::symlink(&file, &other).unwrap();
        assert_eq!(refused(), "it is not a regular file");
        fs::remove_file(&other).unwrap();
        // Opening it would fail otherwise: nobody is at its other end.
        let _socket = std::os::unix::net::UnixListener::bind(&other).unwrap();
        assert_eq!(refused(), "it is not a regular file");
        fs::remove_file(&other).unwrap();
        assert_eq!(
            open_file(&other).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
