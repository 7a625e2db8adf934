//! The server: what it listens on, for which volumes.

use std::{
    collections::HashMap, net::SocketAddr, os::fd::OwnedFd, path::Path, sync::Arc, time::Duration,
};

use rustix::fs::{AtFlags, Mode, OFlags, StatxAttributes, StatxFlags, statx};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, watch},
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use crate::{
    authorize::Authorize,
    connection::Accepted,
    error::{At as _, Error, Step},
    options::{Options, Target},
    places::Places,
    questions::Questions,
    quiet::Quiet,
    requirements,
    rooms::Rooms,
    shared::Shared,
    tls, view,
    volume::{LockState, Volume},
};

/// How often it is looked for processes that nobody uses.
const TIDY: Duration = Duration::from_secs(15);
/// How long the listener pauses when the system has no more open files.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves volumes over NFS. When it is dropped, all connections and all processes end.
pub struct Server {
    options: Arc<Options>,
    shared: Arc<Shared>,
    places: Places,
    rooms: Arc<Rooms>,
    volumes: Mutex<HashMap<String, Served>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

struct Served {
    volume: Arc<Volume>,
    listeners: HashMap<SocketAddr, Listener>,
    tidier: AbortHandle,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.tidier.abort();
    }
}

/// Ends with its connections when it is dropped.
struct Listener {
    target: watch::Sender<Arc<Target>>,
    task: AbortHandle,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Prepares to serve; nothing is listened on yet. It must be called in a runtime of tokio.
    ///
    /// # Errors
    /// If the machine lacks something, or the certificate cannot be used.
    pub fn start(options: Options, authorize: impl Authorize) -> Result<Self, Error> {
        let missing = requirements::missing();
        if !missing.is_empty() {
            return Err(Error::Requirements(missing));
        }
        create_private(&options.state)?;
        end_leftovers(&options.state)?;
        let quiet = Arc::new(Quiet::new());
        let shared = Shared {
            limits: options.limits,
            questions: Questions::new(Arc::new(authorize), options.limits),
            tls: tls::acceptor(&options, Arc::clone(&quiet))?,
            quiet,
        };
        Ok(Self {
            places: Places::new(options.limits),
            rooms: Arc::new(Rooms::new(options.max_views)),
            shared: Arc::new(shared),
            options: Arc::new(options),
            volumes: Mutex::default(),
        })
    }

    /// One plain sentence for each thing that this machine lacks, with the way to get it on Debian.
    pub fn requirements() -> Vec<String> {
        requirements::missing()
    }

    /// Serves a volume on exactly these targets. It is locked until [`unlock`](Self::unlock) is called. With no
    /// target, nothing of it is served, and its connections and processes end. What is already served as it shall
    /// be is not interrupted.
    ///
    /// # Errors
    /// If one of the targets cannot be listened on. The others are served.
    pub async fn set(&self, volume: &str, targets: Vec<Target>) -> Result<(), Error> {
        if !is_name(volume) {
            return Err(Error::Name(volume.escape_debug().to_string()));
        }
        let mut volumes = self.volumes.lock().await;
        let wanted: HashMap<_, _> = targets
            .into_iter()
            .map(|target| {
                (
                    SocketAddr::new(target.address, target.port),
                    Arc::new(target),
                )
            })
            .collect();
        for (name, other) in volumes.iter().filter(|(name, _)| *name != volume) {
            if let Some(address) = other
                .listeners
                .keys()
                .find(|address| wanted.contains_key(address))
            {
                return Err(Error::SameAddress {
                    volume: volume.to_owned(),
                    other: name.clone(),
                    address: *address,
                });
            }
        }
        if wanted.is_empty() {
            let served = volumes.remove(volume);
            drop(volumes);
            if let Some(mut served) = served {
                served.listeners.clear();
                served.volume.lock().await?;
            }
            return Ok(());
        }
        let served = volumes
            .entry(volume.to_owned())
            .or_insert_with(|| self.serve(volume));
        served
            .listeners
            .retain(|address, _| wanted.contains_key(address));
        let mut failed = None;
        for (address, target) in wanted {
            if let Some(listener) = served.listeners.get(&address) {
                listener.target.send_if_modified(|now| {
                    let is_other = *now != target;
                    *now = Arc::clone(&target);
                    is_other
                });
                continue;
            }
            match self.listen(&served.volume, address, target).await {
                Ok(listener) => {
                    served.listeners.insert(address, listener);
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The file system of a volume is mounted: from now on it is served. Its processes are started when clients
    /// connect.
    ///
    /// # Errors
    /// If nothing is mounted there, or no target of the volume was set.
    pub async fn unlock(&self, volume: &str, mounted_at: &Path) -> Result<(), Error> {
        let file_system = root_of(mounted_at)?;
        let served = self.find(volume).await?;
        let new = id_of(&file_system).at(Step::Export, mounted_at)?;
        let now = match &*served.state.borrow() {
            LockState::Unlocked(now) => Some(id_of(now).at(Step::Export, mounted_at)?),
            LockState::Locked => None,
        };
        if now == Some(new) {
            return Ok(());
        }
        if now.is_some() {
            served.lock().await?;
        }
        served
            .state
            .send_replace(LockState::Unlocked(Arc::new(file_system)));
        tracing::info!(volume, "the volume is served over NFS");
        Ok(())
    }

    /// Nobody uses the files of a volume any more: its processes have ended, and clients are answered that there
    /// is an I/O error. A volume that is not served is no error.
    ///
    /// # Errors
    /// If a process did not end within 2 s of being killed, because it waits for its disk.
    pub async fn lock(&self, volume: &str) -> Result<(), Error> {
        let Ok(served) = self.find(volume).await else {
            return Ok(());
        };
        served.lock().await?;
        tracing::info!(
            volume,
            "the volume is locked, and NFS clients have I/O errors"
        );
        Ok(())
    }

    /// Asks again about all open connections of a volume, and ends those that have lost a right. It does not
    /// wait for the answers.
    pub async fn reauthorize(&self, volume: &str) {
        if let Ok(served) = self.find(volume).await {
            served.revision.send_modify(|revision| *revision += 1);
        }
    }

    /// Ends everything, and waits until all processes have ended.
    ///
    /// # Errors
    /// If one did not end; the others have.
    pub async fn stop(self) -> Result<(), Error> {
        let volumes = std::mem::take(&mut *self.volumes.lock().await);
        let mut failed = None;
        for (_, mut served) in volumes {
            served.listeners.clear();
            if let Err(error) = served.volume.lock().await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn find(&self, volume: &str) -> Result<Arc<Volume>, Error> {
        let volumes = self.volumes.lock().await;
        let served = volumes
            .get(volume)
            .ok_or_else(|| Error::Name(volume.to_owned()))?;
        Ok(Arc::clone(&served.volume))
    }

    fn serve(&self, name: &str) -> Served {
        let (options, rooms) = (Arc::clone(&self.options), Arc::clone(&self.rooms));
        let volume = Arc::new(Volume::new(name, options, rooms));
        let tidied = Arc::clone(&volume);
        let tidier = tokio::spawn(async move {
            loop {
                sleep(TIDY).await;
                tidied.end_unused().await;
            }
        });
        Served {
            volume,
            listeners: HashMap::new(),
            tidier: tidier.abort_handle(),
        }
    }

    async fn listen(
        &self,
        volume: &Arc<Volume>,
        address: SocketAddr,
        target: Arc<Target>,
    ) -> Result<Listener, Error> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| Error::Listen {
                target: target.id.clone(),
                address,
                source,
            })?;
        let (target, now) = watch::channel(target);
        let accepting = Accepting {
            listener,
            volume: Arc::clone(volume),
            target: now,
            places: self.places.clone(),
            shared: Arc::clone(&self.shared),
        };
        let task = tokio::spawn(accepting.run()).abort_handle();
        Ok(Listener { target, task })
    }
}

struct Accepting {
    listener: TcpListener,
    volume: Arc<Volume>,
    target: watch::Receiver<Arc<Target>>,
    places: Places,
    shared: Arc<Shared>,
}

impl Accepting {
    async fn run(self) {
        // When this task is aborted, so are they.
        let mut connections = JoinSet::new();
        loop {
            match self.listener.accept().await {
                Ok((stream, client)) => self.accept(stream, client, &mut connections),
                Err(error) => {
                    tracing::warn!(volume = self.volume.name, %error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    fn accept(&self, stream: TcpStream, client: SocketAddr, connections: &mut JoinSet<()>) {
        let target = Arc::clone(&self.target.borrow());
        if !target.cidrs.iter().any(|cidr| cidr.contains(client.ip())) {
            if let Some(unlogged) = self.shared.quiet.may_log() {
                tracing::info!(volume = self.volume.name, target = target.id, %client, unlogged, "an NFS client is refused by its address");
            }
            return;
        }
        let is_known = self.volume.is_locked() && self.volume.known.has(client.ip());
        let Some((place, displaced)) = self.places.take(client.ip(), is_known) else {
            if let Some(unlogged) = self.shared.quiet.may_log() {
                tracing::warn!(volume = self.volume.name, target = target.id, %client, unlogged, "an NFS client is refused, since there are too many connections");
            }
            return;
        };
        let accepted = Accepted {
            stream,
            client,
            place,
            displaced,
            volume: Arc::clone(&self.volume),
            target: self.target.clone(),
            shared: Arc::clone(&self.shared),
        };
        connections.spawn(accepted.serve());
    }
}

/// Whether a name can be the name of a directory, and is no option of a program.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=128).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(allowed)
}

fn create_private(state: &Path) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .at(Step::State, state)?;
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(state, private).at(Step::State, state)
}

/// Kills the processes that an earlier run of this program has left.
fn end_leftovers(state: &Path) -> Result<(), Error> {
    for volume in std::fs::read_dir(state).at(Step::State, state)? {
        let volume = volume.at(Step::State, state)?.path();
        if !volume.is_dir() {
            continue;
        }
        for view in std::fs::read_dir(&volume).at(Step::State, &volume)? {
            view::end_leftover(&view.at(Step::State, &volume)?.path())?;
        }
    }
    Ok(())
}

/// Opens the root of a mounted file system. An empty directory that nothing is mounted on must not be served
/// for the volume.
fn root_of(mounted_at: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(mounted_at, flags, Mode::empty()).at(Step::Export, mounted_at)?;
    let found =
        statx(&opened, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE).at(Step::Export, mounted_at)?;
    if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        Ok(opened)
    } else {
        Err(Error::NotMounted(mounted_at.to_owned()))
    }
}

/// What tells mounts apart.
fn id_of(root: &OwnedFd) -> rustix::io::Result<(u64, u64)> {
    let found = rustix::fs::fstat(root)?;
    Ok((found.st_dev, found.st_ino))
}

#[cfg(test)]
mod tests;
