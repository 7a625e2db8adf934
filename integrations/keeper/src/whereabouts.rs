//! Where the image of an attached volume is: somebody may have moved it away, or deleted it, while it is used. Nothing is lost
//! by that as long as it stays attached.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::state::{FileId, Process};

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// Where it was when it was attached, as far as can be seen.
    InPlace,
    /// It has another name.
    Moved(PathBuf),
    /// It has no name any more: it is gone when it is detached. If a process has it open, this leads to it.
    Deleted(Option<PathBuf>),
}

/// What tells the file from others that has a name now.
///
/// # Errors
/// When there is none, or it cannot be seen.
pub fn file_id(path: &Path) -> io::Result<FileId> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Whether a name certainly does not lead to that file.
pub fn is_elsewhere(path: &Path, file: FileId) -> bool {
    match file_id(path) {
        Ok(found) => found != file,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

impl Process {
    /// Where the image is that this process has open.
    pub fn whereabouts(&self) -> Whereabouts {
        match self.file {
            Some(file) if is_elsewhere(&self.image, file) => of_open(self.pid, file),
            // An earlier release did not say.
            Some(_) | None => Whereabouts::InPlace,
        }
    }
}

/// The name of a file that a process has open.
fn of_open(pid: u32, file: FileId) -> Whereabouts {
    let open = fs::read_dir(format!("/proc/{pid}/fd"));
    for link in open.into_iter().flatten().flatten() {
        let link = link.path();
        let Ok(found) = fs::metadata(&link) else {
            continue;
        };
        if (found.dev(), found.ino()) == file {
            return match (found.nlink(), fs::read_link(&link)) {
                (0, _) | (_, Err(_)) => Whereabouts::Deleted(Some(link)),
                (_, Ok(name)) => Whereabouts::Moved(name),
            };
        }
    }
    Whereabouts::InPlace
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use keyward_volume::ImageId;

    use super::*;

    #[test]
    fn an_image_that_is_open_is_found_wherever_it_is_now() {
        let home = tempfile::tempdir().unwrap();
        let (image, moved) = (home.path().join("image"), home.path().join("moved"));
        let open = File::create(&image).unwrap();
        let mut process = Process::this(ImageId::from_bytes([7; 16]), &image, None, false);
        assert_eq!(process.whereabouts(), Whereabouts::InPlace);
        process.file = Some(file_id(&image).unwrap());
        assert_eq!(process.whereabouts(), Whereabouts::InPlace);
        fs::rename(&image, &moved).unwrap();
        assert_eq!(process.whereabouts(), Whereabouts::Moved(moved.clone()));
        // Another file in its place is not it.
        File::create(&image).unwrap();
        assert_eq!(process.whereabouts(), Whereabouts::Moved(moved.clone()));
        fs::remove_file(&moved).unwrap();
        assert!(matches!(process.whereabouts(), Whereabouts::Deleted(Some(link)) if link.exists()));
        drop(open);
        // Nobody has it open: nothing is known.
        assert_eq!(process.whereabouts(), Whereabouts::InPlace);
    }
}
