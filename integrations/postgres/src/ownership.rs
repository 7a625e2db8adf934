//! Gives a directory and all that is in it to a server's user.
//!
//! The user that it belonged to may run: it is that of the database that a snapshot is of, for example, on the same
//! machine. It can replace any directory by a link at any time. So nothing is reached by a path here: each directory is
//! opened within the open one above it, and links are never followed.

use std::{
    ffi::OsString,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{
            ffi::OsStringExt as _,
            fs::{MetadataExt as _, fchown},
        },
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, chownat, openat},
    io::Errno,
    process::{Gid, Uid},
};

use crate::{
    error::{At as _, Error},
    user::SystemUser,
    watch::Watch,
};

/// How deep directories may lie in each other. Those of a server lie at most five deep.
const MAX_DEPTH: usize = 32;

const CHANGE: &str = "change the owner of";

/// Gives a directory and all that is in it to a user, if the directory is not its own already. Nobody but root may be able
/// to replace the directory itself.
pub(crate) fn give(folder: &Path, user: &SystemUser, watch: &Watch) -> Result<(), Error> {
    let opened = openat(rustix::fs::CWD, folder, flags(), Mode::empty()).at("open", folder)?;
    let opened = std::fs::File::from(opened);
    let found = opened.metadata().at("open", folder)?;
    if (found.uid(), found.gid()) == (user.uid, user.gid) {
        return Ok(());
    }
    let tree = Tree {
        user,
        watch,
        device: found.dev(),
    };
    // The last that is given is the directory itself, so that this is repeated when it was interrupted.
    tree.give(opened.into(), folder.to_owned(), 0)
}

fn flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

struct Tree<'t> {
    user: &'t SystemUser,
    watch: &'t Watch,
    /// The file system, which is not left.
    device: u64,
}

impl Tree<'_> {
    /// Gives what is in an open directory, and then the directory. The path is only for errors.
    fn give(&self, folder: OwnedFd, path: PathBuf, depth: usize) -> Result<(), Error> {
        self.watch.check()?;
        let folder = std::fs::File::from(folder);
        let device = folder.metadata().at("open", &path)?.dev();
        if device != self.device {
            return Err(Errno::XDEV).at(CHANGE, path);
        }
        if depth > MAX_DEPTH {
            return Err(Errno::NAMETOOLONG).at(CHANGE, path);
        }
        for entry in Dir::read_from(&folder).at("read", &path)? {
            let entry = entry.at("read", &path)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let at = path.join(OsString::from_vec(name.to_bytes().to_vec()));
            if matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
                match openat(folder.as_fd(), name, flags(), Mode::empty()) {
                    Ok(opened) => {
                        self.give(opened, at, depth.saturating_add(1))?;
                        continue;
                    }
                    // It is a link or a file, perhaps by now.
                    Err(Errno::NOTDIR | Errno::LOOP) => {}
                    Err(error) => return Err(error).at("open", at),
                }
            }
            let (uid, gid) = (Uid::from_raw(self.user.uid), Gid::from_raw(self.user.gid));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            chownat(folder.as_fd(), name, Some(uid), Some(gid), flags).at(CHANGE, at)?;
        }
        fchown(&folder, Some(self.user.uid), Some(self.user.gid)).at(CHANGE, path)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::symlink,
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use rustix::fs::{CWD, RenameFlags, renameat_with};

    use super::*;
    use crate::tool::tests::Real;

    fn user() -> SystemUser {
        SystemUser {
            name: "u".to_owned(),
            uid: 1_999_999_998,
            gid: 1_999_999_997,
        }
    }

    fn owner(path: &Path) -> (u32, u32) {
        let found = fs::symlink_metadata(path).unwrap();
        (found.uid(), found.gid())
    }

    #[test]
    fn everything_is_given_and_links_are_given_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let (data, outside) = (folder.path().join("pgdata"), folder.path().join("outside"));
        fs::create_dir_all(data.join("base/1")).unwrap();
        fs::write(data.join("base/1/2"), "rows").unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "").unwrap();
        symlink(&outside, data.join("folder-link")).unwrap();
        symlink(outside.join("file"), data.join("file-link")).unwrap();
        give(&data, &user(), &Real::watch()).unwrap();
        let given = (user().uid, user().gid);
        for within in ["", "base", "base/1", "base/1/2", "folder-link", "file-link"] {
            assert_eq!(owner(&data.join(within)), given, "{within}");
        }
        for path in [outside.clone(), outside.join("file")] {
            assert_eq!(owner(&path), (0, 0), "{}", path.display());
        }
        // The directory itself is not to be a link.
        let link = folder.path().join("link");
        symlink(&outside, &link).unwrap();
        give(&link, &user(), &Real::watch()).unwrap_err();
        assert_eq!(owner(&outside), (0, 0));
    }

    #[test]
    fn a_directory_that_is_replaced_by_a_link_meanwhile_leads_nowhere() {
        const PAIRS: usize = 60;
        let folder = tempfile::tempdir().unwrap();
        let (data, outside) = (folder.path().join("pgdata"), folder.path().join("outside"));
        fs::create_dir(&data).unwrap();
        fs::create_dir(&outside).unwrap();
        let victim = outside.join("shadow");
        fs::write(&victim, "").unwrap();
        for number in 0..PAIRS {
            fs::create_dir(data.join(format!("d{number}"))).unwrap();
            symlink(&outside, data.join(format!("l{number}"))).unwrap();
        }
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    for number in 0..PAIRS {
                        let (one, two) = (format!("d{number}"), format!("l{number}"));
                        let (one, two) = (data.join(one), data.join(two));
                        renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE).unwrap();
                    }
                }
            });
            for _ in 0..20 {
                fchown(fs::File::open(&data).unwrap(), Some(0), Some(0)).unwrap();
                give(&data, &user(), &Real::watch()).unwrap();
            }
            is_done.store(true, Ordering::Relaxed);
        });
        assert_eq!(owner(&victim), (0, 0));
        assert_eq!(owner(&outside), (0, 0));
        assert_eq!(owner(&data), (user().uid, user().gid));
    }

    #[test]
    fn directories_that_lie_too_deep_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let deep = "d/".repeat(MAX_DEPTH + 1);
        fs::create_dir_all(folder.path().join(deep)).unwrap();
        let error = give(folder.path(), &user(), &Real::watch()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot change the owner of `")
        );
        assert_eq!(owner(folder.path()), (0, 0));
    }
}
