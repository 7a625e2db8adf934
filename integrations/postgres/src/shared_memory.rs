//! Shared memory that a server has left: a server that is killed leaves the segments of its parallel queries, which have rows
//! in them, in the memory of the machine.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// Where POSIX shared memory is.
const FOLDER: &str = "/dev/shm";

/// Removes what belongs to a user, as whom nothing runs any more. What cannot be removed is logged.
pub(crate) fn remove(uid: u32) {
    remove_in(Path::new(FOLDER), uid);
}

fn remove_in(folder: &Path, uid: u32) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_of_user = |found: fs::Metadata| found.uid() == uid && !found.is_dir();
        if !entry.metadata().is_ok_and(is_of_user) {
            continue;
        }
        let path = entry.path();
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "shared memory of a database cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn what_belongs_to_the_user_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (folder.path().join("own"), folder.path().join("other"));
        for path in [&own, &other] {
            fs::write(path, "rows").unwrap();
        }
        chown(&own, Some(1_999_999_999), None).unwrap();
        remove_in(folder.path(), 1_999_999_999);
        assert!(!own.exists() && other.exists());
    }
}
