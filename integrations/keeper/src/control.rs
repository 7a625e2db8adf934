//! How a command speaks with the process of an attached volume: one request as a line of JSON over a Unix
//! socket, and lines of JSON back, the last of which says how it ended.

use std::{
    fs::{self, File, Permissions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::PermissionsExt as _,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{key::Wrapped, state::Folder};

/// The socket's name in the volume's directory.
const SOCKET: &str = "control.sock";
/// The longest request: a wrapped data key with its context, and a path.
const MAX_REQUEST: u64 = 64 * 1024;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a volume's process is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// Everything is unmounted: close the volume, and end.
    Finish,
    /// Cut the volume off, and end.
    CutOff,
    /// Make the volume larger, and note that the file system is to grow.
    Grow {
        /// To so many bytes.
        size: u64,
    },
    /// The file system has grown.
    Grown,
    /// Keep the data key as it is wrapped here.
    Rekey {
        /// The same data key, wrapped by another key.
        key: Wrapped,
    },
    /// Copy the volume to a new file.
    Snapshot {
        /// The file, which must not exist.
        to: PathBuf,
        /// The copy's id, in hexadecimal digits.
        volume: String,
        /// The copy's data key.
        key: Wrapped,
        /// Whether that is another data key.
        is_new: bool,
    },
    /// Copy the volume to a new file, under its own id and at its generation.
    BackUp {
        /// The file, which must not exist.
        to: PathBuf,
    },
    /// Verify everything.
    Check,
    /// Ask at once whether the key may still be used: something about it may have changed.
    Recheck,
}

/// What comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// So many blocks of so many are done.
    Progress(u64, u64),
    /// It is done, with this result.
    Done(Value),
    /// It was not done.
    Failed(String),
}

/// A request that waits for its reply.
#[derive(Debug)]
pub struct Asked {
    /// The request.
    pub request: Request,
    stream: UnixStream,
}

/// Takes requests.
#[derive(Debug)]
pub struct Listener(UnixListener);

/// The path of a socket has at most 108 bytes; that of an open directory is short.
fn socket(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))
}

impl Listener {
    /// Creates the socket, for this user only.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn bind(folder: &Folder) -> anyhow::Result<Self> {
        let bind = || {
            let open = File::open(folder.path())?;
            let path = socket(&open);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(Self(listener))
        };
        bind().with_context(|| format!("cannot listen in {}", folder.path().display()))
    }

    /// Hands requests over until that is no longer wanted.
    pub fn run(self, mut hand_over: impl FnMut(Asked) -> bool) {
        loop {
            match self.0.accept().and_then(|(stream, _)| read(stream)) {
                Ok(asked) => {
                    if !hand_over(asked) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a request to this process cannot be read");
                    // The error may be one that comes again at once.
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }
}

fn read(stream: UnixStream) -> io::Result<Asked> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(MAX_REQUEST)).read_line(&mut line)?;
    let request = serde_json::from_str(&line)?;
    Ok(Asked { request, stream })
}

impl Asked {
    /// Says how far it is; false if nobody listens any more.
    pub fn progress(&mut self, done: u64, total: u64) -> bool {
        self.send(&Reply::Progress(done, total)).is_ok()
    }

    /// Ends the request.
    pub fn reply(mut self, result: anyhow::Result<Value>) {
        let reply = match result {
            Ok(value) => Reply::Done(value),
            Err(error) => Reply::Failed(format!("{error:#}")),
        };
        if let Err(error) = self.send(&reply) {
            tracing::warn!(%error, "nobody waits for the reply to a request");
        }
    }

    fn send(&mut self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_vec(reply)?;
        line.push(b'\n');
        self.stream.write_all(&line)
    }
}

/// Asks the process of a volume, and waits until it is done.
///
/// # Errors
/// When the process cannot be asked, ends meanwhile, or has not done it.
pub fn ask(
    folder: &Folder,
    request: &Request,
    progress: &mut dyn FnMut(u64, u64),
) -> anyhow::Result<Value> {
    let stream = connect(folder.path()).with_context(|| {
        format!(
            "the volume's process cannot be asked through {}",
            folder.path().join(SOCKET).display()
        )
    })?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    (&stream).write_all(&line)?;
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line?)? {
            Reply::Progress(done, total) => progress(done, total),
            Reply::Done(value) => return Ok(value),
            Reply::Failed(why) => return Err(anyhow!(why)),
        }
    }
    bail!(
        "the volume's process ended before it was done: its log is {}",
        folder.log().display()
    )
}

fn connect(folder: &Path) -> io::Result<UnixStream> {
    let open = File::open(folder)?;
    UnixStream::connect(socket(&open))
}
