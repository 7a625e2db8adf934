//! The log of a server, on its volume: what it says can have parts of the data in it.
//!
//! The server appends to the file itself, since it outlives this program. When the file is too long, the newest part is
//! kept in a second file with `.1` after its name, and the first begins again.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

use crate::{
    error::{At as _, Error},
    files::{self, Access},
};

/// Opens the log, for a process to append to.
pub(crate) fn open(path: &Path) -> Result<File, Error> {
    appending(path).at("open", path)
}

fn appending(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .read(true)
        .create(true)
        .mode(0o600)
        .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default())
        .open(path)
}

/// Shortens the log if it is longer than `limit` bytes. What is written at that moment can be lost.
pub(crate) fn shorten(path: &Path, limit: u64) -> Result<(), Error> {
    let mut file = appending(path).at("open", path)?;
    let length = file.metadata().at("read", path)?.len();
    if length <= limit {
        return Ok(());
    }
    let mut kept = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))
        .and_then(|_| file.by_ref().take(limit).read_to_end(&mut kept))
        .at("read", path)?;
    let mut older = path.to_owned().into_os_string();
    older.push(".1");
    files::write(Path::new(&older), &kept, Access::root(0o600))?;
    file.set_len(0).at("shorten", path)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_log_is_shortened_while_somebody_appends_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = open(&path).unwrap();
        log.write_all(b"0123456789").unwrap();
        shorten(&path, 10).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"0123456789");
        shorten(&path, 4).unwrap();
        log.write_all(b"ab").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"ab");
        assert_eq!(fs::read(folder.path().join("log.1")).unwrap(), b"6789");
    }

    #[test]
    fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        symlink("/etc/passwd", &path).unwrap();
        open(&path).unwrap_err();
    }
}
