//! The supervisor of one database server: a thread that makes things as they are wanted, and looks again.

use std::{
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use crate::{
    authority::Authority,
    error::{At as _, Error},
    names::Name,
    options::{Bounds, Options, State, Status, Stopped, Wanted},
    watch::Watch,
};

mod server;

use server::Server;

/// How often a server is asked while it starts.
const KNOCK: Duration = Duration::from_millis(200);
/// How often it is looked whether a server still runs.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is tried again to end what does not end.
const AGAIN: Duration = Duration::from_secs(1);

/// What a supervisor is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// What is wanted.
    Run,
    /// End the server, and itself.
    Stop(Bounds),
    /// End itself, and leave the server as it is.
    Leave,
}

/// What is said to a supervisor, and what it says.
#[derive(Debug)]
struct Desk {
    order: Order,
    wanted: Wanted,
    status: Status,
    /// How the last stop went.
    stopped: Option<Result<Stopped, Error>>,
    /// Whether the thread does nothing more.
    is_done: bool,
}

#[derive(Debug)]
struct Shared {
    watch: Watch,
    desk: Mutex<Desk>,
    answered: Condvar,
}

/// What a supervisor needs.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) name: Name,
    pub(crate) volume: PathBuf,
    pub(crate) options: Arc<Options>,
    pub(crate) authority: Arc<Authority>,
}

/// A supervisor, from outside.
#[derive(Debug)]
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    name: Name,
    volume: PathBuf,
}

impl Supervisor {
    pub(crate) fn start(task: Task, wanted: Wanted, watch: Watch) -> Result<Self, Error> {
        let (name, volume) = (task.name.clone(), task.volume.clone());
        let shared = Arc::new(Shared {
            watch,
            desk: Mutex::new(Desk {
                order: Order::Run,
                status: Status {
                    state: State::Starting,
                    version: None,
                    restart_epoch: wanted.restart_epoch,
                    password_epoch: wanted.password_epoch,
                    message: String::new(),
                },
                wanted,
                stopped: None,
                is_done: false,
            }),
            answered: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || {
                // Whoever waits for an answer hears of it also when this fails.
                let _done = Done(&of_thread);
                Life {
                    shared: &of_thread,
                    server: Server::new(task),
                    failures: 0,
                    next_start: 0,
                    next_upkeep: 0,
                }
                .run();
            })
            .at("start a thread for", name.as_str())?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
            name,
            volume,
        })
    }

    /// Where the data are.
    pub(crate) fn volume(&self) -> &PathBuf {
        &self.volume
    }

    /// Changes what is wanted; false if the supervisor has ended.
    pub(crate) fn want(&self, wanted: Wanted) -> bool {
        let mut desk = self.shared.desk.lock();
        if desk.is_done {
            return false;
        }
        desk.wanted = wanted;
        desk.order = Order::Run;
        desk.stopped = None;
        self.shared.watch.resume();
        self.shared.watch.ring();
        true
    }

    /// Whether the thread does nothing more.
    pub(crate) fn is_done(&self) -> bool {
        self.shared.desk.lock().is_done
    }

    pub(crate) fn status(&self) -> Status {
        self.shared.desk.lock().status.clone()
    }

    /// Ends the server, and waits for that. After an error, it is tried again until somebody wants it to run.
    pub(crate) fn stop(&self, bounds: Bounds) -> Result<Stopped, Error> {
        let mut desk = self.shared.desk.lock();
        desk.order = Order::Stop(bounds);
        desk.stopped = None;
        self.shared.watch.interrupt();
        while desk.stopped.is_none() && !desk.is_done && matches!(desk.order, Order::Stop(_)) {
            self.shared.answered.wait(&mut desk);
        }
        match desk.stopped.take() {
            Some(stopped) => stopped,
            // Somebody else has asked for it too, and has the answer.
            None if desk.status.state == State::Stopped => Ok(Stopped::Before),
            None => Err(Error::Supervisor(self.name.to_string())),
        }
    }

    /// Ends the supervisor, and leaves the server as it is.
    pub(crate) fn leave(&self) {
        self.shared.desk.lock().order = Order::Leave;
        self.shared.watch.interrupt();
        self.join();
    }

    /// Waits for the thread's end.
    pub(crate) fn join(&self) {
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(database = %self.name, "the supervisor of a database has failed");
        }
    }
}

impl Shared {
    /// How long a shutdown may take, which somebody may want to be shorter while it goes on.
    fn bounds(&self, usual: Bounds) -> Result<Bounds, Error> {
        match self.desk.lock().order {
            Order::Run => Ok(usual),
            Order::Stop(bounds) => Ok(bounds),
            Order::Leave => Err(Error::Interrupted),
        }
    }
}

struct Done<'s>(&'s Shared);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.desk.lock().is_done = true;
        self.0.answered.notify_all();
    }
}

/// The life of the thread.
struct Life<'s> {
    shared: &'s Shared,
    server: Server,
    /// How often the server was started, or could not be, without having run for a while since.
    failures: u32,
    /// When it is started again, in milliseconds of the watch.
    next_start: u64,
    next_upkeep: u64,
}

impl Life<'_> {
    fn run(mut self) {
        loop {
            let (order, wanted) = {
                let desk = self.shared.desk.lock();
                (desk.order, desk.wanted.clone())
            };
            let pause = match order {
                Order::Leave => return,
                Order::Stop(bounds) => {
                    if self.stop(bounds) {
                        return;
                    }
                    AGAIN
                }
                Order::Run => self.step(&wanted),
            };
            self.shared.watch.sleep(pause);
        }
    }

    /// Ends the server because nobody wants it any more; answers whether the thread shall end.
    fn stop(&mut self, bounds: Bounds) -> bool {
        let shared = self.shared;
        let stopped = self.server.stop(&|| shared.bounds(bounds), &shared.watch);
        let mut desk = self.shared.desk.lock();
        if desk.order != Order::Stop(bounds) {
            return false;
        }
        let has_ended = stopped.is_ok();
        match &stopped {
            Ok(_) => {
                desk.status.state = State::Stopped;
                desk.status.message = String::new();
            }
            Err(error) => {
                desk.status.state = State::Failed;
                desk.status.message = sentence(error);
            }
        }
        desk.stopped = Some(stopped);
        desk.is_done = has_ended;
        self.shared.answered.notify_all();
        has_ended
    }

    /// Does what is to be done now, and answers when to look again at the latest.
    fn step(&mut self, wanted: &Wanted) -> Duration {
        match self.try_step(wanted) {
            Ok(pause) => pause,
            // The order says what comes now.
            Err(Error::Interrupted) => Duration::ZERO,
            Err(error) => self.fail(&error),
        }
    }

    fn try_step(&mut self, wanted: &Wanted) -> Result<Duration, Error> {
        let shared = self.shared;
        let watch = &shared.watch;
        let usual = self.server.options().bounds;
        let bounds = || shared.bounds(usual);
        if !wanted.running {
            self.server.stop(&bounds, watch)?;
            self.failures = 0;
            self.next_start = 0;
            self.say(State::Stopped, String::new());
            return Ok(self.server.options().upkeep);
        }
        self.server.find(watch)?;
        if let Some(status) = self.server.ended() {
            // What is left of it goes before anything else.
            self.server.stop(&bounds, watch)?;
            return Err(Error::Ended {
                status,
                log: self.server.log(),
            });
        }
        if self.server.runs() && !self.server.was_started_for(wanted) {
            self.say(State::Starting, "PostgreSQL is restarted.".to_owned());
            self.server.stop(&bounds, watch)?;
        }
        if !self.server.runs() {
            let left = self.next_start.saturating_sub(watch.millis());
            if left > 0 {
                return Ok(Duration::from_millis(left));
            }
            self.say(State::Starting, String::new());
            self.server.start(wanted, watch)?;
            self.next_upkeep = 0;
        }
        if !self.server.is_ready() {
            if !self.server.knock(wanted, watch)? {
                let message = "PostgreSQL is starting. After a crash, it recovers first.";
                self.say(State::Starting, message.to_owned());
                return Ok(KNOCK);
            }
            self.next_upkeep = watch.millis() + millis(self.server.options().upkeep);
        }
        self.server.admit(wanted)?;
        self.server.apply(wanted, watch)?;
        if watch.millis() >= self.next_upkeep || !self.server.is_certified_for(wanted) {
            self.server.upkeep(wanted, watch)?;
            self.next_upkeep = watch.millis() + millis(self.server.options().upkeep);
        }
        if self
            .server
            .has_run_for(self.server.options().longest_backoff, watch)
        {
            self.failures = 0;
        }
        self.say(State::Running, String::new());
        Ok(LOOK)
    }

    /// Says what has failed, and when it is tried again.
    fn fail(&mut self, error: &Error) -> Duration {
        let options = self.server.options();
        let doubled = self.failures.checked_sub(1).map(|times| {
            let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
            options
                .backoff
                .saturating_mul(factor)
                .min(options.longest_backoff)
        });
        // At once, the first time.
        let pause = doubled.unwrap_or_default();
        self.failures = self.failures.saturating_add(1);
        self.next_start = self.shared.watch.millis() + millis(pause);
        let name = self.server.name();
        tracing::error!(database = %name, %error, seconds = pause.as_secs(), "a database does not run as it should; it is tried again");
        let again = match pause.as_secs() {
            0 => "It is tried again now.".to_owned(),
            seconds => format!("It is tried again in {seconds} s."),
        };
        self.say(State::Failed, format!("{} {again}", sentence(error)));
        pause
    }

    fn say(&self, state: State, message: String) {
        let (version, restart_epoch, password_epoch) = self.server.epochs();
        let mut desk = self.shared.desk.lock();
        let before = desk.status.state;
        desk.status.state = state;
        desk.status.message = message;
        desk.status.version = version.or(desk.status.version);
        desk.status.restart_epoch = restart_epoch.unwrap_or(desk.status.restart_epoch);
        desk.status.password_epoch = password_epoch.unwrap_or(desk.status.password_epoch);
        if before != state {
            tracing::info!(database = %self.server.name(), ?state, "the state of a database has changed");
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An error as a sentence, with what has caused it.
fn sentence(error: &Error) -> String {
    let said = keyward_types::shown::with_causes(error);
    let mut letters = said.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let mut sentence: String = first.into_iter().chain(letters).collect();
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}
