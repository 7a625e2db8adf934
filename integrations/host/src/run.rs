//! The agent that runs: it asks the server what is wanted, looks what there is, has the next steps done, and tells the
//! server how its volumes are, until it is stopped.
//!
//! One task decides everything, from events. Whatever may take long runs beside it: the question that waits at the
//! server, reports, and the steps, one for each volume at a time.

mod asked;
mod backups;
mod databases;
mod memory;
mod places;
mod poll;
mod removed;
mod silent;
mod stop;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use keyward_agent::{
    export::export,
    layout::{Layout, Lock},
    note::{Note, Stage},
    plan::{self, Step},
    report::{MOST, More, Report, VolumeState, due},
    steps::carry_out,
    wanted::{Volumes, Wanted},
};
use keyward_client::{answer::Failure, clock::SystemClock};
use keyward_keeper::identity::Identity;
use keyward_types::{shown::with_causes, storage::VolumeId, time::Clock as _};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::{self, Receiver, Sender},
    task::spawn_blocking,
};

pub use self::removed::Removed;
use self::{
    asked::Held,
    backups::{Happened, Rounds},
    memory::{LookAfter, Memory},
};
use crate::{
    clients::Clients,
    door::{self, Asked},
    exports::{Exports, Outcome, Wish},
    host::Host,
    look::{Seen, look, look_at_process},
    talk::{Server, is_removed},
};

/// How often it is looked what there is.
const TICK: Duration = Duration::from_millis(500);
/// How many steps are done at once.
const STEPS: usize = 4;
/// How long is waited after a report that failed.
const REPORT_WAIT: Duration = Duration::from_secs(5);

/// What happens.
enum Event {
    /// The server has said what is wanted, or has not.
    Polled(Result<Volumes, Failure>),
    /// A step is done, or has failed.
    Done(VolumeId, Step, Result<(), anyhow::Error>),
    /// The server has been told, or has not.
    Reported(Vec<Report>, Result<BTreeSet<String>, Failure>),
    /// Somebody on this machine asks.
    Asked(Asked),
    /// An image was brought for a volume, or it could not be used.
    Adopted(VolumeId),
    /// The places of a volume on this machine have been looked after.
    LookedAfter(VolumeId, LookAfter, anyhow::Result<()>),
    /// Something has become of mount targets.
    Exported(Outcome),
    /// Something has become of backups.
    Backups(Happened),
}

/// The agent.
pub struct Agent {
    host: Arc<Host>,
    server: Server,
    clients: Clients,
    exports: Exports,
    /// What the exports were told last.
    wishes: Option<BTreeMap<VolumeId, Wish>>,
    identity: Arc<Identity>,
    clock: SystemClock,
    events: Sender<Event>,
    incoming: Receiver<Event>,
    /// What the server wants; none before it has been heard.
    wanted: Option<BTreeMap<VolumeId, Wanted>>,
    known: Option<String>,
    seen: BTreeMap<VolumeId, Seen>,
    memory: BTreeMap<VolumeId, Memory>,
    /// Whether a report is on its way, and when the next one may be.
    reports: Reports,
    backups: Rounds,
    /// What somebody asks that has to wait.
    held: Vec<Held>,
    _lock: Lock,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("host", &self.host)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// How reports go.
#[derive(Debug)]
struct Reports {
    underway: bool,
    not_before: u64,
    /// How many volumes the next one has: one after a refusal, so that one volume does not hold up others.
    most: usize,
}

impl Agent {
    /// An agent that has registered. It must be called in a runtime.
    pub fn new(host: Host, identity: Identity, lock: Lock) -> Self {
        let identity = Arc::new(identity);
        let (events, incoming) = mpsc::channel(256);
        let backs_up = host.keeping.backups.is_some();
        let server = Server::new(Arc::clone(&identity), host.keeping.reach.clone(), backs_up);
        let clients = Clients::new(server.clone());
        let told = events.clone();
        let exports = Exports::start(host.nfs(), clients.clone(), move |outcome| {
            // In order: what is newer must not be overtaken.
            told.try_send(Event::Exported(outcome)).is_ok()
        });
        Self {
            server,
            clients,
            exports,
            wishes: None,
            host: Arc::new(host),
            identity,
            clock: SystemClock::new(),
            events,
            incoming,
            wanted: None,
            known: None,
            seen: BTreeMap::new(),
            memory: BTreeMap::new(),
            reports: Reports {
                underway: false,
                not_before: 0,
                most: MOST,
            },
            backups: Rounds::default(),
            held: Vec::new(),
            _lock: lock,
        }
    }

    /// Runs until it is stopped by a signal, or removed. `ready` is called when the server has said for the first
    /// time what is wanted.
    ///
    /// # Errors
    /// When it was removed, or cannot run here.
    pub async fn run(mut self, ready: impl FnOnce() + Send) -> anyhow::Result<()> {
        let (mut terminate, mut interrupt) = (
            signals(SignalKind::terminate())?,
            signals(SignalKind::interrupt())?,
        );
        let host = Arc::clone(&self.host);
        spawn_blocking(move || backups::thaw(&host)).await??;
        let events = self.events.clone();
        let listener = door::listen(&self.host.layout)?;
        let door = tokio::spawn(door::serve(listener, move |asked| {
            events.try_send(Event::Asked(asked)).is_ok()
        }));
        let databases = Arc::clone(&self.host.databases);
        let polls = poll::poll(self.server.clone(), databases, self.events.clone());
        let polls = tokio::spawn(polls);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ready = Some(ready);
        let ended = loop {
            tokio::select! {
                _ = terminate.recv() => break Ok(()),
                _ = interrupt.recv() => break Ok(()),
                _ = ticks.tick() => {}
                event = self.incoming.recv() => {
                    // This task holds a sender.
                    let Some(event) = event else { break Ok(()) };
                    if let Err(error) = self.happens(event).await {
                        break Err(error);
                    }
                }
            }
            if self.wanted.is_some()
                && let Some(ready) = ready.take()
            {
                ready();
            }
            self.go_on().await;
        };
        polls.abort();
        door.abort();
        match ended {
            Ok(()) => {
                tracing::info!("the agent is to end: its volumes are detached");
                self.stop(false).await;
                Ok(())
            }
            Err(error) => {
                self.stop(true).await;
                Err(error)
            }
        }
    }

    async fn happens(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Polled(Ok(volumes)) => self.polled(volumes),
            Event::Polled(Err(failure)) if is_removed(&failure) => {
                let agent = &self.identity.agent;
                bail!(Removed::of(agent, &failure, self.host.layout.path()))
            }
            Event::Polled(Err(_)) => {
                for memory in self.memory.values_mut() {
                    memory.ask_again();
                }
            }
            Event::Done(volume, step, done) => self.done(&volume, step, done),
            Event::Reported(reports, told) => self.reported(reports, told),
            Event::LookedAfter(volume, looked, done) => {
                let memory = self.memory.entry(volume).or_default();
                memory.looked_after(looked, done);
            }
            Event::Exported(mut outcome) => {
                for (volume, memory) in &mut self.memory {
                    memory.targets = outcome.remove(volume);
                }
            }
            Event::Asked(asked) => self.asked(asked),
            Event::Adopted(volume) => self.memory.entry(volume).or_default().succeeded(),
            Event::Backups(happened) => self.backed_up(happened),
        }
        Ok(())
    }

    fn polled(&mut self, volumes: Volumes) {
        let news = self.known.as_ref() != Some(&volumes.known);
        self.known = Some(volumes.known);
        let named = volumes.all.into_iter();
        self.wanted = Some(
            named
                .map(|wanted| (wanted.volume.clone(), wanted))
                .collect(),
        );
        if !news {
            return;
        }
        // What has been assigned elsewhere may come back, and the server knows nothing of it then.
        if let Some(wanted) = &self.wanted {
            for (volume, memory) in &mut self.memory {
                if !wanted.contains_key(volume) {
                    memory.perhaps_told();
                }
            }
        }
        // A key may have gone or come back: everything that depends on one is tried at once.
        for memory in self.memory.values_mut() {
            memory.try_again(self.clock.monotonic());
            memory.silence.news();
        }
    }

    fn done(&mut self, volume: &VolumeId, step: Step, done: Result<(), anyhow::Error>) {
        let now = self.clock.monotonic();
        let memory = self.memory.entry(volume.clone()).or_default();
        match done {
            Ok(()) => {
                tracing::info!(%volume, "done: {step}");
                memory.succeeded();
            }
            Err(error) => {
                let error = with_causes(error.as_ref());
                tracing::warn!(%volume, error, "failed: {step}; trying again");
                memory.failed(error, now);
            }
        }
    }

    fn reported(&mut self, reports: Vec<Report>, told: Result<BTreeSet<String>, Failure>) {
        let now = self.clock.monotonic();
        self.reports.underway = false;
        match told {
            Ok(stale) => {
                self.reports.most = MOST;
                for report in reports {
                    // Of what is stale, something else is wanted, which the next question brings.
                    if let Ok(volume) = VolumeId::parse(&report.volume_id)
                        && !stale.contains(&report.volume_id)
                    {
                        self.memory.entry(volume).or_default().told(report, now);
                    }
                }
            }
            Err(failure) => {
                tracing::warn!(%failure, "the server cannot be told how the volumes are yet");
                let wait = u64::try_from(REPORT_WAIT.as_millis()).unwrap_or(u64::MAX);
                self.reports.not_before = now.millis().saturating_add(wait);
                self.reports.most = 1;
                // Perhaps only the answer was lost, and the server knows something else now than what it was told before.
                for report in reports {
                    if let Ok(volume) = VolumeId::parse(&report.volume_id)
                        && let Some(memory) = self.memory.get_mut(&volume)
                    {
                        memory.perhaps_told();
                    }
                }
            }
        }
    }

    /// Looks, plans, has steps done, and tells.
    async fn go_on(&mut self) {
        let host = Arc::clone(&self.host);
        match spawn_blocking(move || seen(&host)).await {
            Ok(Ok(seen)) => self.seen = seen,
            Ok(Err(error)) => {
                let error = format!("{error:#}");
                tracing::error!(error, "it cannot be seen what this machine has");
                return;
            }
            Err(error) => {
                tracing::error!(%error, "it cannot be seen what this machine has");
                return;
            }
        }
        self.release_held();
        let now = self.clock.monotonic();
        for (volume, seen) in self.seen.clone() {
            self.listen_for(&volume, &seen);
            let memory = self.memory.entry(volume.clone()).or_default();
            let local = memory.complete(seen.local.clone(), now);
            if let Some(step) = plan::at_once(&local, now) {
                self.begin(step, &volume, (None, seen));
            } else {
                self.end_database(&volume, &local);
            }
        }
        let Some(wanted) = self.wanted.clone() else {
            return;
        };
        let mut volumes: BTreeSet<VolumeId> = wanted.keys().cloned().collect();
        volumes.extend(self.seen.keys().cloned());
        self.memory
            .retain(|volume, memory| volumes.contains(volume) || memory.is_busy());
        self.back_up(&wanted);
        let time = self.clock.now();
        let (mut reports, mut wishes) = (Vec::new(), BTreeMap::new());
        for volume in volumes {
            let seen = self.seen.get(&volume).cloned().unwrap_or_default();
            let memory = self.memory.entry(volume.clone()).or_default();
            let local = memory.complete(seen.local.clone(), now);
            let wanted = wanted.get(&volume);
            let database = databases::follow(&self.host, wanted, (&local, seen.free));
            if let Some(wanted) = wanted {
                let backup = self.backups.report(&self.host, wanted, time);
                let more = More {
                    bytes: seen.bytes,
                    targets: memory.targets.as_deref(),
                    backup: backup.as_ref(),
                    image_generation: seen.generation,
                    database: database.as_ref(),
                };
                reports.extend(due(wanted, (&local, more), memory.last(), now));
            }
            let export = export(wanted, &local);
            let mounted = export.open;
            if local.stage == Some(Stage::Made) && wanted.is_some() {
                let wish = Wish {
                    export,
                    mounted_at: self.host.layout.mount(&volume),
                    epoch: seen.epoch.clone(),
                };
                wishes.insert(volume.clone(), wish);
            }
            if let Some((note, wanted)) = seen.note.clone().zip(wanted).filter(|_| mounted)
                && let Some(looked) =
                    memory.look_after(wanted.authorization_revision, self.host.keeping.grace, now)
            {
                self.look_after(note, looked);
            }
            let busy = self
                .memory
                .values()
                .filter(|memory| memory.is_busy() && !memory.is_stuck(now));
            if busy.count() >= STEPS {
                continue;
            }
            // What another one is made from stays as it is. What must not stay readable is cut off above all the same.
            if self
                .memory
                .values()
                .any(|memory| memory.copies_from(&volume))
            {
                continue;
            }
            if let Some(step) = plan::next(wanted, &local, now) {
                if step == Step::Copy && !self.may_copy(wanted) {
                    continue;
                }
                self.begin(step, &volume, (wanted.cloned(), seen));
            }
        }
        if self.wishes.as_ref() != Some(&wishes) && self.exports.follow(wishes.clone()) {
            self.wishes = Some(wishes);
        }
        self.tell(reports);
    }

    /// Whether nothing is being done with the volume from which another one is to be made.
    fn may_copy(&self, wanted: Option<&Wanted>) -> bool {
        let origin = wanted.and_then(|wanted| wanted.origin.as_ref());
        let memory = origin.and_then(|origin| self.memory.get(&origin.volume));
        memory.is_none_or(|memory| !memory.is_busy())
    }

    /// Has a step done.
    fn begin(&mut self, step: Step, volume: &VolumeId, (wanted, seen): (Option<Wanted>, Seen)) {
        tracing::info!(%volume, "{step}");
        let memory = self.memory.entry(volume.clone()).or_default();
        // How long a copy takes depends on how large the volume is.
        let watched = (step != Step::Copy).then(|| self.clock.monotonic());
        memory.begun(step.to_string(), watched);
        if step == Step::Copy {
            let origin = wanted.as_ref().and_then(|wanted| wanted.origin.as_ref());
            memory.copies(origin.map(|origin| origin.volume.clone()));
        }
        let (host, events) = (Arc::clone(&self.host), self.events.clone());
        let exports = self.exports.clone();
        let volume = volume.clone();
        tokio::spawn(async move {
            if matches!(step, Step::Delete | Step::Release) {
                exports.close(&volume).await;
            }
            let work = spawn_blocking({
                let volume = volume.clone();
                move || {
                    if step == Step::Delete {
                        host.local.end(&volume)?;
                        if host.keeping.backups.is_some() {
                            host.layout.note_deleted(&volume)?;
                        }
                    }
                    carry_out(&*host, step, (wanted.as_ref(), seen.note.as_ref()))
                }
            });
            let done = work.await.unwrap_or_else(|error| Err(error.into()));
            let _ = events.send(Event::Done(volume, step, done)).await;
        });
    }

    /// Has the places of a volume on this machine made what they are to be.
    fn look_after(&self, note: Note, mut looked: LookAfter) {
        let (host, events) = (Arc::clone(&self.host), self.events.clone());
        let clients = self.clients.clone();
        tokio::spawn(async move {
            let volume = note.volume.clone();
            let done = places::look_after(&host, &clients, &note, &mut looked).await;
            let event = Event::LookedAfter(volume, looked, done);
            let _ = events.send(event).await;
        });
    }

    fn tell(&mut self, mut reports: Vec<Report>) {
        let now = self.clock.monotonic();
        if reports.is_empty() || self.reports.underway || now.millis() < self.reports.not_before {
            return;
        }
        self.reports.underway = true;
        reports.truncate(self.reports.most);
        for report in reports
            .iter()
            .filter(|report| report.state == VolumeState::Failed)
        {
            let why = report.message.as_deref().unwrap_or_default();
            tracing::warn!(
                volume = report.volume_id,
                why,
                "the volume is not as it is wanted"
            );
        }
        let (server, events) = (self.server.clone(), self.events.clone());
        tokio::spawn(async move {
            let told = server.report(&reports).await;
            let _ = events.send(Event::Reported(reports, told)).await;
        });
    }
}

fn signals(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot wait for signals")
}

/// What this machine has, by volume.
fn seen(host: &Host) -> anyhow::Result<BTreeMap<VolumeId, Seen>> {
    let layout: &Layout = &host.layout;
    // Whoever can write to the notes must not be able to keep what runs from being listened for and cut off.
    let noted = host.noted().unwrap_or_else(|error| {
        let error = with_causes(&error);
        tracing::error!(
            error,
            "the files that record the state of the volumes cannot be read"
        );
        Vec::new()
    });
    let mut all: BTreeMap<VolumeId, Seen> = noted
        .into_iter()
        .map(|noted| (noted.volume.clone(), look(layout, &host.states, noted)))
        .collect();
    for process in host.processes()? {
        let seen = all.entry(process.volume.clone()).or_default();
        let noted = seen.note.as_ref().map(|note| &note.image);
        if noted == Some(&process.image) {
            continue;
        }
        let why = seen.local.damaged.take().unwrap_or_else(|| {
            let (volume, note) = (&process.volume, layout.note(&process.volume));
            let what = match noted {
                Some(_) => "is about another image than the one that is attached",
                None => "is missing",
            };
            format!(
                "the file that records the state of the volume, {}, {what}: restore it, or detach the volume (`keyward volume detach {} --state-dir {}`) and run `keyward agent adopt {volume}`",
                note.display(),
                layout.image(volume).display(),
                layout.keepers().display(),
            )
        });
        *seen = look_at_process(layout, &host.states, process, why);
    }
    Ok(all)
}
