//! The socket that an API server connects to: its place, and who may connect.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// The longest path of a socket, in bytes, with what is added to it while it is made.
const MAX_PATH: usize = 100;

/// A socket that listens. It is taken away when this is dropped, unless another one is in its place by then.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    inode: u64,
}

/// The path in what `--listen` says: a path, or `unix://` and a path.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn parse(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix://").unwrap_or(text);
    if path.starts_with('@') || path.starts_with("/@") {
        return Err(format!(
            "`{text}` is an abstract socket, which everybody on the machine can connect to: use a path"
        ));
    }
    if !path.starts_with('/') {
        return Err(format!("`{text}` is not an absolute path"));
    }
    if path.len() > MAX_PATH {
        return Err(format!(
            "the path of a socket has at most {MAX_PATH} bytes: `{text}`"
        ));
    }
    Ok(path.into())
}

impl Socket {
    /// Listens there, for this user alone. What a plugin has left that is gone is replaced.
    ///
    /// # Errors
    /// If another plugin listens there, or something else is there, or others may write to the directory.
    pub fn bind(path: &Path) -> anyhow::Result<(Self, UnixListener)> {
        check_directory(path)?;
        check_place(path)?;
        // It is complete before it is where somebody may look for it.
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{}", std::process::id()));
        let draft = PathBuf::from(draft);
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", draft.display()));
            }
            _ => {}
        }
        let listen = || {
            let listener = UnixListener::bind(&draft)?;
            fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
            listener.set_nonblocking(true)?;
            let inode = fs::symlink_metadata(&draft)?.ino();
            fs::rename(&draft, path)?;
            io::Result::Ok((listener, inode))
        };
        let (listener, inode) = listen().with_context(|| {
            let _ = fs::remove_file(&draft);
            format!("cannot listen on {}", path.display())
        })?;
        let path = path.to_owned();
        Ok((Self { path, inode }, listener))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path);
        if there.is_ok_and(|there| there.ino() == self.inode)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the socket cannot be removed");
        }
    }
}

/// Whoever may write to the directory could put a socket of their own there, and would be given every secret.
fn check_directory(path: &Path) -> anyhow::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let shown = directory.display();
    let found = fs::metadata(directory).with_context(|| {
        format!("cannot look at {shown}: create the directory of the socket first")
    })?;
    let (mode, sticky) = (found.mode(), 0o1000);
    if mode & 0o022 != 0 && mode & sticky == 0 {
        bail!(
            "others may write to {shown}, and could take the place of the plugin: run `chmod go-w {shown}`"
        );
    }
    Ok(())
}

fn check_place(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot look at {shown}")),
    };
    if !found.file_type().is_socket() {
        bail!("{shown} is there already, and is not a socket: remove it, or use another --listen");
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("another process listens on {shown}: end it first, or use another --listen"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error).with_context(|| {
            format!("cannot connect to {shown}, to see whether anybody listens there")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path() {
        let path = PathBuf::from("/run/p/s.sock");
        assert_eq!(parse("/run/p/s.sock"), Ok(path.clone()));
        assert_eq!(parse("unix:///run/p/s.sock"), Ok(path));
        for (text, said) in [
            ("s.sock", "`s.sock` is not an absolute path"),
            (
                "unix:///@s",
                "`unix:///@s` is an abstract socket, which everybody on the machine can connect to: use a path",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), said);
        }
        assert!(parse(&format!("/{}", "a".repeat(MAX_PATH))).is_err());
    }

    #[test]
    fn only_this_user_may_connect_and_what_was_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        // Left by one that was killed.
        drop(UnixListener::bind(&path).unwrap());
        let (socket, listener) = Socket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        let said = Socket::bind(&path).unwrap_err().to_string();
        let expected = format!(
            "another process listens on {}: end it first, or use another --listen",
            path.display()
        );
        assert_eq!(said, expected);
        drop((socket, listener));
        assert!(!path.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_somebody_else_has_put_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        fs::write(&path, "x").unwrap();
        let said = Socket::bind(&path).unwrap_err().to_string();
        assert!(said.ends_with(
            "is there already, and is not a socket: remove it, or use another --listen"
        ));
        fs::remove_file(&path).unwrap();
        let (socket, _listener) = Socket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "x").unwrap();
        drop(socket);
        assert!(path.exists());
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |mode| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let bound = Socket::bind(&folder.path().join("s.sock"));
            bound.map(drop).map_err(|error| error.to_string())
        };
        let expected = format!(
            "others may write to {0}, and could take the place of the plugin: run `chmod go-w {0}`",
            folder.path().display()
        );
        assert_eq!(mode(0o777), Err(expected.clone()));
        assert_eq!(mode(0o770), Err(expected));
        assert_eq!(mode(0o1777), Ok(()));
        assert_eq!(mode(0o755), Ok(()));
        let nowhere = Socket::bind(Path::new("/nowhere/s.sock")).unwrap_err();
        assert_eq!(
            nowhere.to_string(),
            "cannot look at /nowhere: create the directory of the socket first"
        );
    }
}
