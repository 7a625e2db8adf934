//! One volume: whether it is locked, and its views.

use std::{collections::HashMap, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use keyward_crypto::digest::sha256;
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::Instant,
};

use crate::{
    authorize::{Creation, Rights},
    error::Error,
    guard::Pace,
    known::Known,
    options::Options,
    rooms::Rooms,
    view::{Spec, Use, View},
};

/// A process that lives this long is not counted among those that fail.
const HEALTHY: Duration = Duration::from_secs(60);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// How long a connection waits for a process that is started again later.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a volume's files can be used.
#[derive(Clone, Debug)]
pub(crate) enum LockState {
    /// They cannot.
    Locked,
    /// The root of the mounted file system.
    Unlocked(Arc<OwnedFd>),
}

/// What tells the views of a volume apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    path: String,
    is_writable: bool,
    root: bool,
}

impl Key {
    /// The view that somebody with these rights gets.
    pub(crate) fn of(rights: &Rights) -> Self {
        let path = rights
            .access_point
            .as_ref()
            .map_or("/", |point| &point.path);
        // `/a//b/` is `/a/b`.
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        Self {
            path: if path.starts_with('/') {
                format!("/{}", parts.join("/"))
            } else {
                path.to_owned()
            },
            is_writable: rights.write,
            root: rights.root,
        }
    }

    /// Whether it is only a part of the volume.
    pub(crate) fn is_partial(&self) -> bool {
        self.path != "/"
    }

    /// A short name, which is the name of the view's directory.
    fn name(&self) -> String {
        let Self {
            path,
            is_writable,
            root,
        } = self;
        hexadecimal(
            &sha256(format!("{is_writable} {root} {path}").as_bytes()),
            8,
        )
    }
}

fn hexadecimal(bytes: &[u8], length: usize) -> String {
    let bytes = bytes.iter().take(length);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// A volume.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) name: String,
    own: PathBuf,
    options: Arc<Options>,
    rooms: Arc<Rooms>,
    pub(crate) state: watch::Sender<LockState>,
    /// Grows when open connections must be asked about again.
    pub(crate) revision: watch::Sender<u64>,
    /// How fast its clients can guess handles. A handle is the same in all views.
    pub(crate) pace: Pace,
    /// From where clients were authorized.
    pub(crate) known: Known,
    slots: Mutex<HashMap<Key, Arc<AsyncMutex<Slot>>>>,
    /// Every process that has been started and has not been seen to end.
    running: Mutex<Vec<Arc<View>>>,
}

/// The place of a view.
#[derive(Debug, Default)]
struct Slot {
    view: Option<Arc<View>>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Slot {
    /// Notes that the process has ended, or could not be started.
    fn failed(&mut self, age: Duration) {
        self.failures = if age > HEALTHY {
            1
        } else {
            self.failures.saturating_add(1)
        };
        let wait =
            Duration::from_secs(1) * 2_u32.saturating_pow(self.failures.saturating_sub(1).min(10));
        self.not_before = Some(Instant::now() + wait.min(MAX_BACKOFF));
    }
}

impl Volume {
    pub(crate) fn new(name: &str, options: Arc<Options>, rooms: Arc<Rooms>) -> Self {
        Self {
            name: name.to_owned(),
            own: options.state.join(name),
            options,
            rooms,
            state: watch::Sender::new(LockState::Locked),
            revision: watch::Sender::new(0),
            pace: Pace::default(),
            known: Known::default(),
            slots: Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// The view that somebody with these rights gets. Its process is started if there is none.
    pub(crate) async fn view(&self, rights: &Rights) -> Result<(Arc<View>, Use), Error> {
        let key = Key::of(rights);
        let slot = Arc::clone(self.slots.lock().entry(key.clone()).or_default());
        let mut slot = slot.lock().await;
        if let Some(view) = slot.view.take() {
            if view.is_alive()
                && let Some(hold) = view.hold()
            {
                slot.view = Some(Arc::clone(&view));
                return Ok((view, hold));
            }
            if view.is_retired() {
                self.stop(&view).await;
            } else {
                slot.failed(view.age());
            }
        }
        if let Some(not_before) = slot.not_before {
            let wait = not_before.saturating_duration_since(Instant::now());
            if wait > PATIENCE {
                return Err(Error::Backoff {
                    seconds: wait.as_secs().max(1),
                });
            }
            tokio::time::sleep(wait).await;
        }
        let creation = rights
            .access_point
            .as_ref()
            .and_then(|point| point.creation);
        match self.start(&key, creation).await {
            Ok((view, hold)) => {
                slot.view = Some(Arc::clone(&view));
                Ok((view, hold))
            }
            Err(
                error @ (Error::Locked
                | Error::TooManyViews { .. }
                | Error::TooManyViewsOfVolume { .. }),
            ) => Err(error),
            Err(error) => {
                slot.failed(Duration::ZERO);
                Err(error)
            }
        }
    }

    async fn start(
        &self,
        key: &Key,
        creation: Option<Creation>,
    ) -> Result<(Arc<View>, Use), Error> {
        let room = self.rooms.take(&self.name).await?;
        let number = room.number();
        let file_system = self.unlocked().ok_or(Error::Locked)?;
        let name = key.name();
        let id = sha256(self.name.as_bytes());
        let [a, b, c, d, e, f, g, h, ..] = id;
        let spec = Spec {
            file_system: Arc::clone(&file_system),
            path: key.path.clone(),
            creation,
            is_writable: key.is_writable,
            root: key.root,
            own: self.own.join(&name),
            owner: format!("keyward-{}-{name}", hexadecimal(&id, 8)),
            file_system_id: (
                u32::from_be_bytes([a, b, c, d]).into(),
                u32::from_be_bytes([e, f, g, h]).into(),
            ),
            lease_seconds: self.options.lease.as_secs().max(1),
            grace_seconds: self.options.grace.as_secs().max(1),
            log_bytes: self.options.log_bytes,
            room: Box::new(room),
        };
        drop(file_system);
        let (view, ready) = View::start(spec)?;
        // Nobody takes its room while it is starting.
        let hold = view.hold().ok_or(Error::Locked)?;
        self.rooms.occupy(number, &view);
        self.running.lock().push(Arc::clone(&view));
        // Whoever locks the volume from here on finds the process; if it was locked before, it is found here.
        let ready = match self.unlocked() {
            Some(_) => ready.await.unwrap_or(Err(Error::Locked)),
            None => Err(Error::Locked),
        };
        match ready {
            Ok(()) => Ok((view, hold)),
            Err(error) => {
                self.stop(&view).await;
                Err(error)
            }
        }
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.unlocked().is_none()
    }

    fn unlocked(&self) -> Option<Arc<OwnedFd>> {
        match &*self.state.borrow() {
            LockState::Locked => None,
            LockState::Unlocked(file_system) => Some(Arc::clone(file_system)),
        }
    }

    /// Ends a process; whether it has ended.
    async fn stop(&self, view: &Arc<View>) -> bool {
        let has_ended = view.stop().await;
        if has_ended {
            self.running
                .lock()
                .retain(|other| !Arc::ptr_eq(other, view));
        }
        has_ended
    }

    /// From now on nobody uses the files.
    pub(crate) async fn lock(&self) -> Result<(), Error> {
        if !self.is_locked() {
            self.known.lock(Instant::now());
        }
        self.state.send_replace(LockState::Locked);
        let running = self.running.lock().clone();
        let mut all_ended = true;
        // All are killed before the first is waited for.
        let stopping: Vec<_> = running
            .into_iter()
            .map(|view| async move { (view.stop().await, view) })
            .map(tokio_join)
            .collect();
        for stopped in stopping {
            match stopped.await {
                Ok((true, view)) => self
                    .running
                    .lock()
                    .retain(|other| !Arc::ptr_eq(other, &view)),
                _ => all_ended = false,
            }
        }
        for slot in self.slots.lock().values() {
            // A view that is just being started finds the volume locked.
            if let Ok(mut slot) = slot.try_lock() {
                *slot = Slot::default();
            }
        }
        if all_ended {
            Ok(())
        } else {
            Err(Error::StillRunning {
                volume: self.name.clone(),
            })
        }
    }

    /// Ends the processes that nobody has used for long.
    pub(crate) async fn end_unused(&self) {
        let slots: Vec<_> = self
            .slots
            .lock()
            .iter()
            .map(|(key, slot)| (key.clone(), Arc::clone(slot)))
            .collect();
        for (key, slot) in slots {
            let Ok(mut slot) = slot.try_lock() else {
                continue;
            };
            let Some(view) = &slot.view else {
                continue;
            };
            if view.is_retired() {
                let view = Arc::clone(view);
                self.stop(&view).await;
                slot.view = None;
            } else if view
                .unused_for()
                .is_some_and(|unused| unused > self.options.linger)
            {
                tracing::info!(
                    volume = self.name,
                    path = key.path,
                    "an unused nfs-ganesha is ended"
                );
                let view = Arc::clone(view);
                self.stop(&view).await;
                slot.view = None;
            }
        }
    }
}

fn tokio_join<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::AccessPoint;

    fn key(path: &str, write: bool, root: bool) -> Key {
        Key::of(&Rights {
            write,
            root,
            access_point: Some(AccessPoint {
                path: path.to_owned(),
                ..AccessPoint::default()
            }),
        })
    }

    #[test]
    fn a_view_is_a_directory_and_what_may_be_done_with_it() {
        assert_eq!(key("/a//b/", true, true), key("/a/b", true, true));
        let all = [
            key("/", true, true),
            key("/", true, false),
            key("/", false, true),
            key("/a", true, true),
        ];
        let names: std::collections::HashSet<_> = all.iter().map(Key::name).collect();
        assert_eq!(names.len(), all.len());
        let whole = Rights {
            write: true,
            root: true,
            access_point: None,
        };
        assert_eq!(Key::of(&whole), key("/", true, true));
    }

    #[test]
    fn the_wait_before_a_restart_grows_until_a_process_lives() {
        let mut slot = Slot::default();
        let mut wait = |age| {
            slot.failed(age);
            let wait = slot.not_before.unwrap() - Instant::now();
            wait.as_secs_f64().round()
        };
        let waits: Vec<_> = (0..7).map(|_| wait(Duration::ZERO)).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert_eq!(wait(Duration::from_secs(3600)), 1.0);
    }
}
