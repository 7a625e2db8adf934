//! Files and folders that only their owner may read, whatever the umask is and whatever modes they
//! had before.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

const FILE: u32 = 0o600;
const FOLDER: u32 = 0o700;

/// Creates a folder and syncs it, or makes an existing one accessible only to its owner.
pub fn folder(path: &Path) -> io::Result<()> {
    if !path.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER)
            .create(path)?;
        if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
            sync_folder(parent)?;
        }
    }
    if mode(&fs::metadata(path)?) != FOLDER {
        fs::set_permissions(path, Permissions::from_mode(FOLDER))?;
    }
    Ok(())
}

/// Opens a file to append to it, and creates it if it does not exist.
pub fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    private(path, options.append(true).create(true))
}

/// Creates an empty file, or empties it.
pub fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    private(path, options.write(true).create(true).truncate(true))
}

/// Syncs a folder: the names in it.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.mode(FILE).open(path)?;
    if mode(&file.metadata()?) != FILE {
        file.set_permissions(Permissions::from_mode(FILE))?;
    }
    Ok(file)
}

fn mode(found: &fs::Metadata) -> u32 {
    found.permissions().mode() & 0o7777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_open_before_is_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("audit");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let (old, new) = (path.join("old"), path.join("new"));
        fs::write(&old, "text").unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o666)).unwrap();
        folder(&path).unwrap();
        append(&old).unwrap();
        create(&new).unwrap();
        let modes = [&path, &old, &new].map(|path| mode(&fs::metadata(path).unwrap()));
        assert_eq!(modes, [0o700, 0o600, 0o600]);
        assert_eq!(fs::read(&old).unwrap(), b"text");
    }
}
