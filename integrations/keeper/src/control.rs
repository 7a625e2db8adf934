//! How a command speaks with the process of an attached volume: one request as a line of JSON over a Unix
//! socket, and lines of JSON back, the last of which says how it ended.

use std::{
    fs::{self, File, Permissions},
    io::{self, BufRead as _, BufReader, IoSlice, IoSliceMut, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::{
            fs::PermissionsExt as _,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{key::Wrapped, state::Folder};

/// The socket's name in the volume's directory.
const SOCKET: &str = "control.sock";
/// The longest request: a wrapped data key with its context, and a path.
const MAX_REQUEST: usize = 64 * 1024;
/// What is read at once.
const PIECE: usize = 4096;
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
        /// The copy as the server calls it, if both volumes are those of an agent.
        #[serde(default)]
        assigned: Option<String>,
    },
    /// Copy the volume, under its own id and at its generation, to the empty file that is handed over with the
    /// request: whoever may write to a directory could exchange what a path names.
    BackUp,
    /// Verify everything.
    Check,
    /// Ask at once whether the key may still be used: something about it may have changed.
    Recheck,
    /// Answer: somebody wants to know whether this process still does.
    Answer,
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
    /// The file that was handed over with it.
    pub file: Option<File>,
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
    let (mut line, mut file) = (Vec::new(), None);
    let mut piece = [0; PIECE];
    while line.last() != Some(&b'\n') && line.len() < MAX_REQUEST {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut with = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut piece)];
        let read = match recvmsg(&stream, into, &mut with, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => received.bytes,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        for message in with.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                file = files.map(File::from).next().or(file);
            }
        }
        if read == 0 {
            break;
        }
        line.extend_from_slice(piece.get(..read).unwrap_or_default());
    }
    let request = serde_json::from_slice(&line)?;
    Ok(Asked {
        request,
        file,
        stream,
    })
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
    ask_with(folder, request, None, progress)
}

/// The same, with a file that is handed over.
///
/// # Errors
/// See [`ask`].
pub fn ask_with(
    folder: &Folder,
    request: &Request,
    file: Option<&File>,
    progress: &mut dyn FnMut(u64, u64),
) -> anyhow::Result<Value> {
    let stream = connect(folder.path()).with_context(|| unreachable(folder))?;
    send(&stream, request, file)?;
    hear(folder, stream, progress)
}

/// Asks the process of a volume something that is done soon. Nothing is answered if it says nothing for so long, or does not
/// listen at all.
///
/// # Errors
/// When it cannot be asked, ends meanwhile, or has not done it.
pub fn ask_within(
    folder: &Folder,
    request: &Request,
    patience: Duration,
) -> anyhow::Result<Option<Value>> {
    let stream = match connect(folder.path()) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        stream => stream.with_context(|| unreachable(folder))?,
    };
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let answer = send(&stream, request, None).and_then(|()| hear(folder, stream, &mut |_, _| {}));
    match answer {
        Err(error) if is_late(&error) => Ok(None),
        answer => answer.map(Some),
    }
}

fn is_late(error: &anyhow::Error) -> bool {
    let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| late.contains(&error.kind()))
}

fn unreachable(folder: &Folder) -> String {
    format!(
        "the volume's process cannot be asked through {}",
        folder.path().join(SOCKET).display()
    )
}

fn send(mut stream: &UnixStream, request: &Request, file: Option<&File>) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let rest = match file {
        Some(file) => {
            let sent = hand_over(stream, &line, file)?;
            line.get(sent..).unwrap_or_default()
        }
        None => &line,
    };
    Ok(stream.write_all(rest)?)
}

/// Waits for the reply.
fn hear(
    folder: &Folder,
    stream: UnixStream,
    progress: &mut dyn FnMut(u64, u64),
) -> anyhow::Result<Value> {
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

/// Sends the beginning of a request with a file, and answers how long that is.
fn hand_over(stream: &UnixStream, line: &[u8], file: &File) -> io::Result<usize> {
    let files = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    if !with.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("there is no room for a file"));
    }
    let sent = sendmsg(
        stream,
        &[IoSlice::new(line)],
        &mut with,
        SendFlags::NOSIGNAL,
    );
    Ok(sent?)
}

fn connect(folder: &Path) -> io::Result<UnixStream> {
    let open = File::open(folder)?;
    UnixStream::connect(socket(&open))
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, thread};

    use super::*;

    #[test]
    fn a_long_request_arrives_with_its_file() {
        let (here, there) = UnixStream::pair().unwrap();
        let reader = thread::spawn(move || read(there));
        let request = Request::Snapshot {
            to: PathBuf::from("x".repeat(3 * PIECE)),
            volume: String::new(),
            key: serde_json::from_str(r#"{"key_arn":"k","ciphertext":"","context":{}}"#).unwrap(),
            is_new: true,
            assigned: None,
        };
        let mut line = serde_json::to_vec(&request).unwrap();
        line.push(b'\n');
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "text").unwrap();
        let file = File::open(home.path().join("file")).unwrap();
        let sent = hand_over(&here, &line, &file).unwrap();
        (&here).write_all(&line[sent..]).unwrap();
        let asked = reader.join().unwrap().unwrap();
        let Request::Snapshot { to, .. } = asked.request else {
            panic!("another request");
        };
        assert_eq!(to.as_os_str().len(), 3 * PIECE);
        let mut text = String::new();
        asked.file.unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }

    #[test]
    fn a_request_that_is_too_long_or_cut_off_is_none() {
        let refused = |line: Vec<u8>| {
            let (here, there) = UnixStream::pair().unwrap();
            let reader = thread::spawn(move || read(there).unwrap_err());
            // The reader ends first if it is too long.
            let _ = (&here).write_all(&line);
            drop(here);
            reader.join().unwrap().to_string()
        };
        let too_long = refused(vec![b' '; MAX_REQUEST + 2 * PIECE]);
        assert!(too_long.starts_with("EOF while parsing"), "{too_long}");
        let cut_off = refused(br#"{"do":"#.to_vec());
        assert!(cut_off.starts_with("EOF while parsing"), "{cut_off}");
    }
}
