//! How `keyward mount`, `keyward unmount` and commands of `keyward agent` speak with the agent of this machine: one request as a line of JSON over
//! a Unix socket in its state directory, which only its user can reach, and one line back.

use std::{
    fs::{self, File, Permissions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::{fs::PermissionsExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use keyward_agent::layout::Layout;
use keyward_attach::bind::sees_the_same_mounts;
use keyward_types::shown::with_causes;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
    sync::oneshot,
};

/// The longest request.
const MAX_LINE: u64 = 64 * 1024;
/// The longest reply: the names of some hundred thousand backups.
const MAX_REPLY: u64 = 16 * 1024 * 1024;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a reply may take.
const ANSWER: Duration = Duration::from_secs(60);
/// The socket's name in the state directory, as `Layout::socket` has it.
const SOCKET: &str = "agent.sock";
/// How many are served at once.
const AT_ONCE: usize = 16;

/// What the agent is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// Mount a volume on a directory of this machine.
    Mount {
        /// The volume.
        volume: String,
        /// The directory, without links in its path.
        dir: PathBuf,
        /// For reading only.
        read_only: bool,
        /// Through this access point.
        access_point: Option<String>,
    },
    /// Unmount what is mounted on a directory.
    Unmount {
        /// The directory, without links in its path.
        dir: PathBuf,
    },
    /// Use an image that was brought to this machine.
    Adopt {
        /// The volume.
        volume: String,
        /// The image; none for the one that lies where it belongs.
        image: Option<PathBuf>,
        /// Also if something newer is known of the volume.
        accept_rollback: bool,
    },
    /// Back a volume up now.
    BackUp {
        /// The volume.
        volume: String,
    },
    /// List the backups.
    Backups {
        /// Of this volume, or all.
        volume: Option<String>,
    },
    /// Put a volume's image back that is lost.
    Restore {
        /// The volume.
        volume: String,
        /// From this backup, or the newest one.
        backup: Option<String>,
        /// Also if something newer is known of the volume.
        accept_rollback: bool,
    },
}

impl Request {
    /// How long a reply may take; copying takes as long as it takes.
    fn patience(&self) -> Option<Duration> {
        match self {
            Self::Mount { .. } | Self::Unmount { .. } | Self::Adopt { .. } => Some(ANSWER),
            Self::BackUp { .. } | Self::Backups { .. } | Self::Restore { .. } => None,
        }
    }
}

/// What comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    Done(String),
    Failed(String),
}

/// A request that waits for its reply.
#[derive(Debug)]
pub struct Asked {
    /// The request.
    pub request: Request,
    reply: oneshot::Sender<Reply>,
}

impl Asked {
    /// Ends the request. If nobody waits any more, that is no error.
    pub fn reply(self, result: anyhow::Result<String>) {
        let _ = self.reply.send(match result {
            Ok(said) => Reply::Done(said),
            Err(error) => Reply::Failed(with_causes(error.as_ref())),
        });
    }
}

/// The path of a socket has at most 108 bytes; that of an open directory is short.
fn short(folder: &File, socket: &Path) -> PathBuf {
    let name = socket.file_name().unwrap_or_default();
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name)
}

/// Creates the socket.
///
/// # Errors
/// When it cannot be created.
pub fn listen(layout: &Layout) -> anyhow::Result<UnixListener> {
    let socket = layout.socket();
    let bind = || {
        let folder = File::open(layout.path())?;
        let path = short(&folder, &socket);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    bind().with_context(|| format!("cannot listen at {}", socket.display()))
}

/// Hands requests over until nobody takes them: until `hand_over` answers that it does not.
pub async fn serve<F>(listener: UnixListener, hand_over: F)
where
    F: Fn(Asked) -> bool + Clone + Send + 'static,
{
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = std::sync::Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let hand_over = hand_over.clone();
                tokio::spawn(async move {
                    if let Err(error) = one(stream, hand_over).await {
                        tracing::warn!(
                            error = format!("{error:#}"),
                            "a request of this machine is not answered"
                        );
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a request of this machine cannot be taken");
                // The error may be one that comes again at once.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn one(
    stream: tokio::net::UnixStream,
    hand_over: impl Fn(Asked) -> bool,
) -> anyhow::Result<()> {
    let process = stream.peer_cred()?.pid();
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut limited = tokio::io::BufReader::new(read.take(MAX_LINE));
    tokio::time::timeout(PATIENCE, limited.read_line(&mut line)).await??;
    // Whoever only sees whether an agent runs asks nothing.
    if line.is_empty() {
        return Ok(());
    }
    let request = serde_json::from_str(&line)?;
    let process = process.and_then(|process| u32::try_from(process).ok());
    let process = process.context("it is not known who asks")?;
    let reply = if sees_the_same_mounts(process)? {
        let (reply, replied) = oneshot::channel();
        if !hand_over(Asked { request, reply }) {
            bail!("the agent ends");
        }
        replied.await?
    } else {
        Reply::Failed(
            "the agent sees other mounts than you do (it runs in a mount namespace of its own, such as a container's): run the command where the agent runs".to_owned(),
        )
    };
    let mut line = serde_json::to_vec(&reply)?;
    line.push(b'\n');
    tokio::time::timeout(PATIENCE, write.write_all(&line)).await??;
    Ok(())
}

fn connect(state_dir: &Path) -> io::Result<UnixStream> {
    let folder = File::open(state_dir)?;
    UnixStream::connect(short(&folder, &state_dir.join(SOCKET)))
}

/// Asks the agent that runs with a state directory, and waits until it is done.
///
/// # Errors
/// When no agent runs, or it has not done it.
pub fn ask(state_dir: &Path, request: &Request) -> anyhow::Result<String> {
    ask_or(state_dir, request, || Ok(None))
}

/// As [`ask`]. If no agent runs, `without` may do it, or answer that it cannot.
///
/// # Errors
/// When nobody has done it.
pub fn ask_or(
    state_dir: &Path,
    request: &Request,
    without: impl FnOnce() -> anyhow::Result<Option<String>>,
) -> anyhow::Result<String> {
    let stream = match connect(state_dir) {
        Ok(stream) => stream,
        Err(error) => {
            if let Some(said) = without()? {
                return Ok(said);
            }
            return Err(error).with_context(|| {
                format!(
                    "no agent can be asked at {}: start it with `keyward agent run`, and give the same --state-dir. The agent of `keyward serve --agent` is in agent/ of its data directory: use --state-dir DIR/agent, or set KEYWARD_AGENT_STATE_DIR",
                    state_dir.join(SOCKET).display()
                )
            });
        }
    };
    stream.set_read_timeout(request.patience())?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    (&stream).write_all(&line)?;
    let mut line = String::new();
    BufReader::new((&stream).take(MAX_REPLY))
        .read_line(&mut line)
        .context("the agent has not answered")?;
    match serde_json::from_str(&line).context("the agent has ended before it was done")? {
        Reply::Done(said) => Ok(said),
        Reply::Failed(why) => Err(anyhow!(why)),
    }
}
