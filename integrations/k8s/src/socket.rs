//! The socket that an API server connects to: its place, and who may connect.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use keyward_crypto::random;
use tokio::{
    net::{UnixListener, UnixSocket, UnixStream},
    time::timeout,
};

use crate::place::trusted;

/// The longest path of a socket, in bytes: `sun_path` of Linux has 108, of which the last is zero.
const MAX_ADDRESS: usize = 107;
/// What is added to it while it is made, in bytes.
const DRAFT: usize = 9;
/// The longest path of a socket that is accepted, in bytes.
const MAX_PATH: usize = MAX_ADDRESS - DRAFT;
/// How many connections wait to be accepted.
const BACKLOG: u32 = 128;
/// How long a process that listens at the place already may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// A socket that listens. It is taken away when this is dropped, unless another one is in its place by then.
#[derive(Debug)]
pub struct Socket(Place);

/// Where a socket was put.
#[derive(Clone, Debug)]
pub struct Place {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
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
    pub async fn bind(path: &Path) -> anyhow::Result<(Self, UnixListener)> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            bail!("{} is a directory: use another --listen", path.display());
        };
        // Nobody can lead it elsewhere after it was checked.
        let path = trusted(directory)?.join(name);
        let length = path.as_os_str().len();
        if length > MAX_PATH {
            bail!(
                "the path of a socket has at most {MAX_PATH} bytes, and {} has {length}: use another --listen",
                path.display()
            );
        }
        check_place(&path).await?;
        // It is complete before it is where somebody may look for it.
        let draft = draft(&path);
        let listen = || {
            let socket = UnixSocket::new_stream()?;
            socket.bind(&draft)?;
            // Nobody can connect before it listens.
            fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
            let listener = socket.listen(BACKLOG)?;
            let id = id(&draft)?;
            fs::rename(&draft, &path)?;
            io::Result::Ok((listener, id))
        };
        let (listener, id) = listen().with_context(|| {
            let _ = fs::remove_file(&draft);
            format!("cannot listen on {}", path.display())
        })?;
        Ok((Self(Place { path, id }), listener))
    }

    /// Where it is.
    pub fn place(&self) -> Place {
        self.0.clone()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let Place { path, .. } = &self.0;
        if self.0.has_it()
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %error, "the socket cannot be removed");
        }
    }
}

impl Place {
    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the socket is still there.
    pub fn has_it(&self) -> bool {
        id(&self.path).is_ok_and(|id| id == self.id)
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// A name beside a path. Process ids would not do: all plugins in containers have the same.
fn draft(path: &Path) -> PathBuf {
    let mut draft = OsString::from(path);
    let [a, b, c, d] = random::array::<4>();
    draft.push(format!(".{a:02x}{b:02x}{c:02x}{d:02x}"));
    draft.into()
}

async fn check_place(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot look at {shown}")),
    };
    if !found.file_type().is_socket() {
        bail!("{shown} is there already, and is not a socket: remove it, or use another --listen");
    }
    let taken =
        || format!("another process listens on {shown}: end it first, or use another --listen");
    match timeout(PATIENCE, UnixStream::connect(path)).await {
        Ok(Ok(_)) | Err(_) => bail!(taken()),
        Ok(Err(error)) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Ok(()),
            // It does not accept those that wait already.
            io::ErrorKind::WouldBlock => bail!(taken()),
            _ => Err(error).with_context(|| {
                format!("cannot connect to {shown}, to see whether anybody listens there")
            }),
        },
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

    #[tokio::test]
    async fn only_this_user_may_connect_and_what_was_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        // Left by one that was killed.
        drop(UnixListener::bind(&path).unwrap());
        let (socket, listener) = Socket::bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        UnixStream::connect(&path).await.unwrap();
        let said = Socket::bind(&path).await.unwrap_err().to_string();
        let expected = format!(
            "another process listens on {}: end it first, or use another --listen",
            path.display()
        );
        assert_eq!(said, expected);
        assert!(socket.place().has_it());
        drop((socket, listener));
        assert!(!path.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_plugin_that_accepts_nobody_does_not_stop_the_next_one_from_saying_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let full = UnixSocket::new_stream().unwrap();
        full.bind(&path).unwrap();
        let _listener = full.listen(0).unwrap();
        let _waits = UnixStream::connect(&path).await.unwrap();
        let said = Socket::bind(&path).await.unwrap_err().to_string();
        assert!(said.starts_with("another process listens on"), "{said}");
    }

    #[tokio::test]
    async fn what_somebody_else_has_put_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        fs::write(&path, "x").unwrap();
        let said = Socket::bind(&path).await.unwrap_err().to_string();
        assert!(said.ends_with(
            "is there already, and is not a socket: remove it, or use another --listen"
        ));
        fs::remove_file(&path).unwrap();
        let (socket, _listener) = Socket::bind(&path).await.unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!socket.place().has_it());
        fs::write(&path, "x").unwrap();
        drop(socket);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn the_place_is_the_directory_that_a_link_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (long, link) = (folder.path().join("a".repeat(80)), folder.path().join("l"));
        fs::create_dir(&long).unwrap();
        std::os::unix::fs::symlink(&long, &link).unwrap();
        let path = |bytes: usize| {
            let name = bytes - long.as_os_str().len() - 1;
            link.join("s".repeat(name))
        };
        let (socket, _listener) = Socket::bind(&path(MAX_PATH)).await.unwrap();
        assert_eq!(socket.place().path().parent(), Some(&*long));
        let said = Socket::bind(&path(MAX_PATH + 1)).await.unwrap_err();
        let said = said.to_string();
        assert!(
            said.starts_with("the path of a socket has at most 98 bytes, and "),
            "{said}"
        );
        fs::set_permissions(&long, fs::Permissions::from_mode(0o777)).unwrap();
        let said = Socket::bind(&path(MAX_PATH)).await.unwrap_err().to_string();
        assert!(said.starts_with("others may write to"), "{said}");
    }
}
