//! One nfs-ganesha: a view of a volume.
//!
//! Each has a thread, which enters the process's sandbox, starts the process there, connects to it for clients,
//! and ends it. The process is tied to the thread (PDEATHSIG): when this program ends, however it ends, so do they.

use std::{
    fs::{self, File},
    io::Read as _,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::{fd::OwnedFd, unix::fs::DirBuilderExt as _},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use keyward_crypto::random;
use parking_lot::Mutex;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use crate::{
    authorize::Creation,
    error::{At as _, Error, Step},
    ganesha::{self, Configuration},
    guard::Originals,
    log_file::LogFile,
    root,
    sandbox::{self, Luggage},
};

/// How often a thread looks whether its process has ended, while nobody wants anything of it.
const LOOK: Duration = Duration::from_millis(500);
/// How often it tries to connect to a process that is starting.
const KNOCK: Duration = Duration::from_millis(20);
/// How long a process has to begin to serve.
const START: Duration = Duration::from_secs(30);
/// How long a process has to end after it was killed.
const END: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(5);
/// Instead of a number of uses: there can be no more.
const RETIRED: usize = usize::MAX;

/// What a view shows, and how its process is run.
#[derive(Debug)]
pub(crate) struct Spec {
    /// The root of the mounted file system.
    pub(crate) file_system: Arc<OwnedFd>,
    /// The directory that clients see as `/`, and how it is created if it does not exist.
    pub(crate) path: String,
    pub(crate) creation: Option<Creation>,
    pub(crate) is_writable: bool,
    pub(crate) root: bool,
    /// The process's own directory.
    pub(crate) own: PathBuf,
    /// See [`Configuration::owner`].
    pub(crate) owner: String,
    pub(crate) file_system_id: (u64, u64),
    pub(crate) lease_seconds: u64,
    pub(crate) grace_seconds: u64,
    pub(crate) log_bytes: u64,
    /// Dropped when the process has ended.
    pub(crate) room: Box<dyn std::fmt::Debug + Send>,
}

/// A view that is served, until it is stopped or its process ends.
#[derive(Debug)]
pub(crate) struct View {
    commands: mpsc::Sender<Command>,
    ended: watch::Receiver<bool>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    started: Instant,
    uses: Arc<Uses>,
    /// What its clients may use with the generation 0.
    pub(crate) originals: Originals,
}

#[derive(Debug)]
struct Uses {
    /// How many there are, or [`RETIRED`].
    number: AtomicUsize,
    last: Mutex<Instant>,
}

/// Tells when a process serves, or why it does not.
pub(crate) type Ready = oneshot::Receiver<Result<(), Error>>;

/// Keeps a view from being ended for being unused.
#[derive(Debug)]
pub(crate) struct Use(Arc<Uses>);

#[derive(Debug)]
enum Command {
    Connect(oneshot::Sender<std::io::Result<TcpStream>>),
    Stop,
}

impl Drop for Use {
    fn drop(&mut self) {
        *self.0.last.lock() = Instant::now();
        self.0.number.fetch_sub(1, Ordering::Relaxed);
    }
}

impl View {
    /// Begins to start a process.
    pub(crate) fn start(spec: Spec) -> Result<(Arc<Self>, Ready), Error> {
        let (commands, wanted) = mpsc::channel();
        let (ended, has_ended) = watch::channel(false);
        let (ready, is_ready) = oneshot::channel();
        let at = spec.own.clone();
        let originals = root::originals(&spec.file_system, &spec.path)?;
        let thread = thread::Builder::new()
            .name("nfs-view".to_owned())
            .spawn(move || {
                run(spec, &wanted, ready);
                ended.send_replace(true);
            })
            .at(Step::Start, at)?;
        let started = Instant::now();
        let view = Self {
            commands,
            ended: has_ended,
            thread: Mutex::new(Some(thread)),
            started,
            uses: Arc::new(Uses {
                number: AtomicUsize::new(0),
                last: Mutex::new(started),
            }),
            originals,
        };
        Ok((Arc::new(view), is_ready))
    }

    /// Whether its process has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        !*self.ended.borrow()
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Keeps it as long as the result exists; `None` if it is ending to make room for another.
    pub(crate) fn hold(&self) -> Option<Use> {
        let more = |number| (number != RETIRED).then(|| number + 1);
        let number = &self.uses.number;
        number
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Use(Arc::clone(&self.uses)))
    }

    /// Whether nobody uses it, and so nobody can from now on.
    pub(crate) fn retire(&self) -> bool {
        let number = &self.uses.number;
        number
            .compare_exchange(0, RETIRED, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Whether it ends, or has ended, to make room for another.
    pub(crate) fn is_retired(&self) -> bool {
        self.uses.number.load(Ordering::Relaxed) == RETIRED
    }

    /// For how long nobody has used it; `None` if somebody does.
    pub(crate) fn unused_for(&self) -> Option<Duration> {
        let is_used = self.uses.number.load(Ordering::Relaxed) > 0;
        (!is_used).then(|| self.uses.last.lock().elapsed())
    }

    /// A connection to the process.
    pub(crate) async fn connect(&self) -> std::io::Result<tokio::net::TcpStream> {
        let gone = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let (answer, is_connected) = oneshot::channel();
        self.commands
            .send(Command::Connect(answer))
            .map_err(|_| gone())?;
        let stream = is_connected.await.map_err(|_| gone())??;
        stream.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(stream)
    }

    /// Kills the process, and answers whether it has ended.
    pub(crate) async fn stop(&self) -> bool {
        // If nobody receives this, it has ended.
        let _ = self.commands.send(Command::Stop);
        let mut ended = self.ended.clone();
        if tokio::time::timeout(END, ended.wait_for(|ended| *ended))
            .await
            .is_err()
        {
            return false;
        }
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // The namespaces end with the thread, which is ending.
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if joined.is_err() {
                tracing::warn!("the thread of an nfs-ganesha could not be joined");
            }
        }
        true
    }
}

/// The life of the thread.
fn run(spec: Spec, commands: &mpsc::Receiver<Command>, ready: oneshot::Sender<Result<(), Error>>) {
    let log = spec.own.join("ganesha.log");
    let _room = match prepare(&spec) {
        Ok(()) => spec.room,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let mut process = match start(&spec.own, &log, spec.log_bytes) {
        Ok(process) => process,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    match wait_until_served(&mut process, &log, commands) {
        Ok(()) => {
            tracing::info!(own = %spec.own.display(), process = process.id(), "nfs-ganesha serves");
            let _ = ready.send(Ok(()));
            if let Some(status) = serve(&mut process, commands) {
                tracing::error!(own = %spec.own.display(), %status, log = %log.display(), "nfs-ganesha has ended by itself");
            }
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
    end(&mut process, &spec.own);
}

/// Everything up to the point where the process can be started.
fn prepare(spec: &Spec) -> Result<(), Error> {
    for folder in [
        &spec.own,
        &spec.own.join(ganesha::RECOVERY),
        &spec.own.join("stage"),
    ] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .at(Step::State, folder)?;
    }
    end_leftover(&spec.own)?;
    let configuration = Configuration {
        own: &spec.own,
        owner: &spec.owner,
        file_system_id: spec.file_system_id,
        is_writable: spec.is_writable,
        root: spec.root,
        lease_seconds: spec.lease_seconds,
        grace_seconds: spec.grace_seconds,
    };
    let file = spec.own.join(ganesha::CONFIGURATION);
    fs::write(&file, configuration.text()).at(Step::State, file)?;
    let export = root::open(&spec.file_system, &spec.path, spec.creation)?;
    let luggage = Luggage::pack(&spec.own, &export, spec.is_writable)?;
    drop(export);
    luggage.enter(&spec.own.join("stage"))
}

fn start(own: &Path, log: &Path, log_bytes: u64) -> Result<Child, Error> {
    let log = LogFile::open(log, log_bytes).at(Step::State, log)?;
    let epoch = u32::from_ne_bytes(random::array());
    let mut process = ganesha::command(own, epoch)
        .spawn()
        .at(Step::Start, ganesha::SERVER)?;
    if let Some(output) = process.stdout.take() {
        thread::Builder::new()
            .name("nfs-log".to_owned())
            .spawn(move || log.copy(output))
            .at(Step::Start, own)?;
    }
    Ok(process)
}

fn wait_until_served(
    process: &mut Child,
    log: &Path,
    commands: &mpsc::Receiver<Command>,
) -> Result<(), Error> {
    let log = || log.to_owned();
    let begun = Instant::now();
    loop {
        if let Some(status) = process.try_wait().at(Step::Start, ganesha::SERVER)? {
            return Err(Error::Ended {
                status: status.to_string(),
                log: log(),
            });
        }
        if connect().is_ok() {
            return Ok(());
        }
        if begun.elapsed() > START {
            return Err(Error::Slow {
                seconds: START.as_secs(),
                log: log(),
            });
        }
        match commands.recv_timeout(KNOCK) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // Nobody connects before it is ready.
            Ok(Command::Stop | Command::Connect(_)) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Error::Locked);
            }
        }
    }
}

fn connect() -> std::io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ganesha::PORT));
    TcpStream::connect_timeout(&address, CONNECT)
}

/// Connects for clients until it shall stop, or the process has ended by itself.
fn serve(process: &mut Child, commands: &mpsc::Receiver<Command>) -> Option<ExitStatus> {
    loop {
        match commands.recv_timeout(LOOK) {
            Ok(Command::Connect(answer)) => {
                let _ = answer.send(connect());
            }
            Ok(Command::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if let Ok(Some(status)) = process.try_wait() {
            return Some(status);
        }
    }
}

fn end(process: &mut Child, own: &Path) {
    // It has nothing to write: what clients were told is on the disk is there.
    let ended = process.kill().and_then(|()| process.wait());
    if let Err(error) = ended.and_then(|_| sandbox::leave()) {
        tracing::warn!(own = %own.display(), %error, "the end of nfs-ganesha was not clean");
    }
}

/// Kills a process that an earlier run of this program has left in a directory.
pub(crate) fn end_leftover(own: &Path) -> Result<(), Error> {
    let file = own.join(ganesha::PID_FILE);
    let mut text = String::new();
    match File::open(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => {
            let opened = opened.at(Step::State, &file)?;
            // A number of a process has no more digits.
            opened
                .take(16)
                .read_to_string(&mut text)
                .at(Step::State, &file)?;
        }
    }
    let number = text.trim().parse().ok().and_then(Pid::from_raw);
    if let Some(process) = number
        && let Ok(handle) = pidfd_open(process, PidfdFlags::empty())
    {
        // The handle is of the process whose command line is read now, or of none.
        let line = fs::read(format!("/proc/{}/cmdline", process.as_raw_nonzero()));
        if line.is_ok_and(|line| ganesha::is_of(&line, own)) {
            tracing::warn!(own = %own.display(), "an nfs-ganesha of an earlier run is killed");
            let _ = pidfd_send_signal(&handle, Signal::KILL);
        }
    }
    fs::remove_file(&file).at(Step::State, file)
}
