//! Files without a name. In a directory that somebody else may write to, a name is no way back to a file: it can be
//! exchanged at any moment. What has none cannot be, and nothing of it is left once it is closed.

use std::{fs::File, io, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::{Context as _, bail};
use keyward_crypto::random;
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat},
    io::Errno,
};

/// The beginning of a name that a file has for a moment, where the file system knows none without.
const PREFIX: &str = ".keyward-copy-";

/// Creates an empty file in a directory, for this user only, and opens it for reading and writing.
///
/// # Errors
/// When the directory cannot be written to, or somebody has given the file a name.
pub fn within(folder: &Path) -> anyhow::Result<File> {
    let shown = folder.display();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = openat(CWD, folder, flags, Mode::empty());
    let open = File::from(open.with_context(|| format!("cannot open {shown}"))?);
    let private = Mode::RUSR | Mode::WUSR;
    // EXCL: nobody can give it a name later.
    let flags = OFlags::TMPFILE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    match openat(&open, ".", flags, private) {
        Ok(file) => return Ok(file.into()),
        // The file system cannot do it.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {}
        Err(error) => return Err(error).with_context(|| format!("cannot write to {shown}")),
    }
    named(&open).with_context(|| format!("cannot write to {shown}"))
}

/// The same by a name that nobody knows, and that is taken away at once.
fn named(folder: &File) -> anyhow::Result<File> {
    let name = format!("{PREFIX}{:032x}", u128::from_be_bytes(random::public()));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
    let file = openat(folder, &name, flags, Mode::RUSR | Mode::WUSR).map_err(io::Error::from)?;
    let file = File::from(file);
    unlinkat(folder, &name, AtFlags::empty()).map_err(io::Error::from)?;
    if file.metadata()?.nlink() != 0 {
        bail!(
            "somebody has renamed or linked a file in it meanwhile: use a directory that only you can write to"
        );
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn a_file_without_a_name_leaves_nothing_and_is_private() {
        let home = tempfile::tempdir().unwrap();
        let folder = File::open(home.path()).unwrap();
        for file in [within(home.path()).unwrap(), named(&folder).unwrap()] {
            file.write_all_at(b"text", 0).unwrap();
            let mut read = [0; 4];
            file.read_exact_at(&mut read, 0).unwrap();
            assert_eq!(&read, b"text");
            let metadata = file.metadata().unwrap();
            assert_eq!((metadata.nlink(), metadata.mode() & 0o777), (0, 0o600));
            assert_eq!(home.path().read_dir().unwrap().count(), 0);
        }
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        let refused = format!("{:#}", within(&file).unwrap_err());
        assert!(refused.contains("cannot open "), "{refused}");
        assert!(refused.contains("Not a directory"), "{refused}");
    }
}
