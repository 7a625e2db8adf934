//! Whether a directory is one in which nobody but root and this user can put a socket in place of another.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// The most links that are followed, as in the kernel.
const MAX_LINKS: u32 = 40;
/// What group and others may write to.
const WRITABLE: u32 = 0o022;
/// A directory in which everybody can remove only what is their own.
const STICKY: u32 = 0o1000;

/// The directory that a path leads to, without links. Every directory and every link on the way belongs to root or to
/// this user, and nobody else can replace what is in them.
///
/// # Errors
/// If not, or there is no such directory.
pub fn trusted(directory: &Path) -> anyhow::Result<PathBuf> {
    let own = rustix::process::geteuid().as_raw();
    let shown = directory.display();
    let mut found = PathBuf::from("/");
    let mut ahead = parts(directory);
    let mut links = 0;
    check(
        &found,
        &fs::symlink_metadata(&found)?,
        own,
        ahead.is_empty(),
    )?;
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            found.pop();
            continue;
        }
        let next = found.join(&part);
        let metadata = fs::symlink_metadata(&next).with_context(|| match next == *directory {
            true => format!("cannot look at {shown}: create the directory of the socket first"),
            false => format!("cannot look at {}, to which {shown} leads", next.display()),
        })?;
        check(&next, &metadata, own, ahead.is_empty())?;
        if metadata.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                bail!("{shown} leads over too many links");
            }
            let target = fs::read_link(&next)?;
            if target.is_absolute() {
                found = PathBuf::from("/");
            }
            for part in parts(&target).into_iter().rev() {
                ahead.push_front(part);
            }
        } else if metadata.is_dir() {
            found = next;
        } else {
            bail!("{} is not a directory", next.display());
        }
    }
    Ok(found)
}

/// The names in a path, `..` among them.
fn parts(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect()
}

fn check(path: &Path, found: &fs::Metadata, own: u32, is_last: bool) -> anyhow::Result<()> {
    let shown = path.display();
    let owner = found.uid();
    if owner != 0 && owner != own {
        bail!(
            "{shown} belongs to user {owner}, who could take the place of the plugin: use a directory of root or of user {own}"
        );
    }
    // Anybody can read a link, and nobody can write to one.
    if found.is_symlink() || found.mode() & WRITABLE == 0 {
        return Ok(());
    }
    // Others cannot remove from it what belongs to root or this user, as the next directory does. But in the last one,
    // they could put a socket while there is none.
    if !is_last && found.mode() & STICKY != 0 {
        return Ok(());
    }
    bail!(
        "others may write to {shown}, and could take the place of the plugin: run `chmod go-w {shown}`, or use another --listen"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    /// A directory in a directory, and what is said of the inner one.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("a/b")).unwrap();
            Self(folder)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn mode(&self, name: &str, mode: u32) {
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
        }

        fn said(&self, name: &str) -> Result<PathBuf, String> {
            let shown = |text: String| text.replace(self.0.path().to_str().unwrap(), "");
            let trusted = trusted(&self.path(name)).map_err(|error| shown(error.to_string()))?;
            Ok(shown(trusted.to_str().unwrap().to_owned()).into())
        }
    }

    fn writable(path: &str) -> Result<PathBuf, String> {
        Err(format!(
            "others may write to {path}, and could take the place of the plugin: run `chmod go-w {path}`, or use another --listen"
        ))
    }

    #[test]
    fn nobody_else_may_write_to_the_directory_or_to_one_above() {
        let folder = Folder::new();
        assert_eq!(folder.said("a/b"), Ok("/a/b".into()));
        for mode in [0o777, 0o770, 0o1777] {
            folder.mode("a/b", mode);
            assert_eq!(folder.said("a/b"), writable("/a/b"), "{mode:o}");
        }
        folder.mode("a/b", 0o755);
        folder.mode("a", 0o775);
        assert_eq!(folder.said("a/b"), writable("/a"));
        // As `/tmp` is: what is in it can be removed only by whoever owns it.
        folder.mode("a", 0o1777);
        assert_eq!(folder.said("a/b"), Ok("/a/b".into()));
    }

    #[test]
    fn links_are_followed_and_what_they_lead_over_is_checked() {
        let folder = Folder::new();
        fs::create_dir(folder.path("c")).unwrap();
        symlink("../a", folder.path("c/relative")).unwrap();
        symlink(folder.path("c/relative"), folder.path("absolute")).unwrap();
        assert_eq!(folder.said("absolute/b"), Ok("/a/b".into()));
        folder.mode("c", 0o777);
        assert_eq!(folder.said("absolute/b"), writable("/c"));
        folder.mode("c", 0o755);
        symlink("loop", folder.path("loop")).unwrap();
        assert_eq!(
            folder.said("loop").unwrap_err(),
            "/loop leads over too many links"
        );
        fs::write(folder.path("file"), "").unwrap();
        assert_eq!(folder.said("file").unwrap_err(), "/file is not a directory");
        assert_eq!(
            folder.said("none").unwrap_err(),
            "cannot look at /none: create the directory of the socket first"
        );
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused() {
        if !rustix::process::geteuid().is_root() {
            // Only root can give a directory away.
            return;
        }
        let folder = Folder::new();
        let belongs = |path: &str| {
            Err(format!(
                "{path} belongs to user 65534, who could take the place of the plugin: use a directory of root or of user 0"
            ))
        };
        for name in ["a", "a/b"] {
            chown(folder.path(name), Some(65534), None).unwrap();
            assert_eq!(folder.said("a/b"), belongs(&format!("/{name}")));
            chown(folder.path(name), Some(0), None).unwrap();
        }
        symlink("a", folder.path("link")).unwrap();
        assert_eq!(folder.said("link/b"), Ok("/a/b".into()));
        std::os::unix::fs::lchown(folder.path("link"), Some(65534), None).unwrap();
        assert_eq!(folder.said("link/b"), belongs("/link"));
    }
}
