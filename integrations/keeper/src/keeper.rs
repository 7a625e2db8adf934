//! The process of an attached volume: it serves the blocks, asks KMS again and again whether the key may still be
//! used, cuts the volume off if not, and brings it back when it may.
//!
//! One thread decides everything, from events. What may take long (a question to KMS, a check, a copy) runs on
//! threads of its own and ends in an event, so that nothing delays a cut-off.

mod ending;
mod jobs;
mod live;
mod notes;
mod question;
mod tenant;

use std::{
    fs::File,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use keyward_attach::{attachment::Attachment, process, volume_dir::VolumeDir};
use keyward_client::{answer::Failure, clock::SystemClock};
use keyward_crypto::secret::{SecretBytes, arena::Arena};
use keyward_types::time::{Clock as _, Monotonic};
use keyward_volume::{ImageId, KeyInfo, Volume};
use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};

use self::{live::Live, notes::Notes, question::Question};
pub use self::{
    live::{FORMATTED, Mounting, program},
    tenant::Tenant,
};
use super::{
    control::{Asked, Listener, Request},
    image::{self, Bounds, Known, inspect},
    kms::Kms,
    source::KeySource,
    state::{Folder, Phase, Process, States},
    verdict::{Verdict, Watch, verdict},
    whereabouts::file_id,
};

/// How often the thread that decides looks around.
const TICK: Duration = Duration::from_millis(200);
/// Descriptors that a cut-off has open at the same time, at most, and as many again.
const RESERVE: usize = 16;
/// How long KMS may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// What a volume's process is told.
#[derive(Debug)]
pub struct Options {
    /// The image, as an absolute path without links.
    pub image: PathBuf,
    /// How it is mounted.
    pub mounting: Mounting,
    /// Who unwraps the data key.
    pub source: KeySource,
    /// Where what is known is kept.
    pub states: States,
    /// What an older image is measured by, when the process starts.
    pub known: Known,
    /// How often KMS is asked again.
    pub recheck: Duration,
    /// How long the volume stays without an answer of KMS.
    pub grace: Duration,
    /// Whether the volume comes back after a cut-off.
    pub returns: bool,
    /// What uses the volume and is ended before a cut-off.
    pub tenant: Option<Arc<dyn Tenant>>,
}

/// What happens to the process.
enum Event {
    /// A command asks.
    Asked(Asked),
    /// KMS has answered a question.
    Answered(Asking, Answer),
    /// The data key is wrapped anew.
    Rekeyed(KeyInfo),
    /// The volume is closed, or could not be; somebody may wait for that.
    Closed(Option<Asked>, anyhow::Result<u64>),
    /// The process is to end.
    Stop,
}

/// Which question was asked.
struct Asking {
    /// When.
    at: Monotonic,
    /// About which wrapped key of a volume that is served; `None` if the one in the image was read
    /// first.
    wrapped: Option<Vec<u8>>,
}

/// What KMS has answered.
enum Answer {
    /// The volume's data key, which is gone by now.
    Fine,
    /// The data key of a volume that is cut off.
    Key(SecretBytes),
    /// None.
    Failed(Failure),
    /// Another key than the volume's.
    OtherKey,
    /// The question could not be asked, for a reason of this machine.
    Unasked(anyhow::Error),
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The volume was closed.
    Closed,
    /// It was cut off.
    CutOff,
}

struct Keeper {
    options: Options,
    volume: ImageId,
    arena: Arena,
    folder: Folder,
    place: VolumeDir,
    process: Process,
    clock: SystemClock,
    events: Sender<Event>,
    questions: Sender<Question>,
    key: KeyInfo,
    live: Option<Live>,
    /// A volume that is not served any more, while it is closed.
    closing: Option<Arc<Volume>>,
    watch: Watch,
    /// When KMS was last asked, and whether an answer is due.
    asked: Monotonic,
    waits: bool,
    /// Whether it is asked again as soon as no answer is due: that one may be older than what has changed.
    again: bool,
    notes: Notes,
    /// What the data key of the first opening is recognized by.
    commitment: Option<[u8; 32]>,
    warned: bool,
    /// Held by whoever changes what is said about the data key.
    changes: Arc<Mutex<()>>,
    /// When it was seen that nothing is served any more.
    ended: Option<Monotonic>,
    /// Descriptors that a cut-off can use when there are no others to be had.
    reserve: Vec<File>,
    /// Who has unmounted everything and waits for the end, and since when.
    finishing: Option<(Asked, Monotonic)>,
}

/// Attaches the volume, says so, and serves it until it ends.
///
/// # Errors
/// When it cannot be attached, or cannot be closed.
pub fn run(
    options: Options,
    attached: impl FnOnce(&Process) -> anyhow::Result<()>,
) -> anyhow::Result<Ended> {
    // First, so that they have low numbers: a limit that is lowered later leaves them.
    let reserve = reserve();
    // Threads inherit it.
    for warning in process::prepare().warnings {
        tracing::warn!("{warning}");
    }
    let superblock = inspect(&options.image)?;
    options.source.check_context(&superblock)?;
    let folder = options.states.folder(superblock.volume_id)?;
    let _lock: File = folder.lock()?;
    let place = folder.place()?;
    // Before anything can fail or has to be waited for: whether the key may be used, nobody has asked since.
    live::take_away_remains(&place)?;
    let (dir, volume) = (options.mounting.dir.as_deref(), superblock.volume_id);
    let process = Process::this(volume, &options.image, dir, options.mounting.read_only);
    let (events, incoming) = mpsc::channel();
    let clock = SystemClock::new();
    let now = clock.monotonic();
    let arena = image::arena()?;
    let mut keeper = Keeper {
        watch: Watch::new(options.grace, ANSWER * 2, now),
        volume,
        questions: question::start(&options, arena.clone(), events.clone())?,
        arena,
        place,
        process,
        events,
        key: superblock.key,
        live: None,
        closing: None,
        asked: now,
        waits: false,
        again: false,
        commitment: None,
        notes: Notes::start(options.states.clone(), superblock.volume_id)?,
        warned: false,
        changes: Arc::default(),
        ended: None,
        reserve,
        finishing: None,
        folder,
        clock,
        options,
    };
    keeper.first()?;
    keeper.listen()?;
    attached(&keeper.process)?;
    let ended = keeper.serve(&incoming);
    if let Ok(Ended::Closed) = ended {
        keeper.folder.forget()?;
    }
    ended
}

/// However the process ends, nothing of the volume stays readable: not even if this thread panics.
impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(volume) = &self.closing {
            volume.wipe();
        }
        if self.live.is_some() {
            self.cut_off("the volume's process has failed".to_owned());
        }
    }
}

impl Keeper {
    /// Attaches the volume for the first time.
    fn first(&mut self) -> anyhow::Result<()> {
        self.folder.record(&self.process)?;
        let noted = self.options.states.known(self.volume)?;
        let key = self.options.states.known_key(self.volume)?;
        let bounds = Bounds::new((noted, key), &self.options.known, self.volume);
        let kms = Kms::new(self.options.source.clone())?;
        kms.check()?;
        let begun = image::decrypt(&kms, &self.key).and_then(|key| self.go_live(&key, bounds));
        if let Err(error) = &begun {
            match Attachment::exists(&self.place) {
                Ok(false) => self.folder.forget()?,
                // What is left must still be found.
                Ok(true) | Err(_) => self.say(Phase::CutOff, Some(format!("{error:#}"))),
            }
        }
        begun
    }

    /// Opens the image and mounts it.
    fn go_live(&mut self, data_key: &SecretBytes, bounds: Bounds) -> anyhow::Result<()> {
        let (volume, commitment) = image::open(&self.options.image, data_key, &self.arena, bounds)?;
        let noted = self.options.states.note_key(self.volume, commitment);
        match (noted, self.commitment.replace(commitment)) {
            (Ok(()), Some(_)) => {}
            // Without it, another image in the place of this one would not be recognized.
            (noted, None) => {
                noted.and_then(|()| self.options.states.note(self.volume, volume.generation()))?;
            }
            // It is in memory, and what was noted is there.
            (Err(error), Some(_)) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the fingerprint of the data key cannot be recorded");
            }
        }
        self.notes.note(volume.generation());
        self.key = volume.key_info();
        let live = Live::start(volume, &self.place, &self.options.mounting)?;
        self.key = live.volume.key_info();
        self.process.device = Some(live.device.clone());
        self.process.file = file_id(&self.options.image).ok();
        self.live = Some(live);
        (self.warned, self.ended) = (false, None);
        self.say(Phase::Attached, None);
        tracing::info!(image = %self.options.image.display(), volume = %self.volume, "the volume is attached");
        Ok(())
    }

    /// Says what this process does. If nobody can read it, that is no reason to end.
    fn say(&mut self, phase: Phase, reason: Option<String>) {
        self.process.phase = phase;
        self.process.reason = reason;
        self.process.since = self.clock.now().iso8601().to_string();
        if let Err(error) = self.folder.record(&self.process) {
            let error = format!("{error:#}");
            tracing::error!(error, "what this process does cannot be written down");
        }
    }

    /// Drops what was said.
    fn forget(&self) {
        if let Err(error) = self.folder.forget() {
            let error = format!("{error:#}");
            tracing::error!(error, "what was said of this process cannot be dropped");
        }
    }

    /// Starts the threads that bring requests and signals.
    fn listen(&self) -> anyhow::Result<()> {
        let listener = Listener::bind(&self.folder)?;
        let events = self.events.clone();
        spawn("control", move || {
            listener.run(|asked| events.send(Event::Asked(asked)).is_ok());
        })?;
        let events = self.events.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let signals = {
            let _context = runtime.enter();
            (
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            )
        };
        spawn("signals", move || {
            let (mut terminate, mut interrupt) = signals;
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = terminate.recv() => {}
                        _ = interrupt.recv() => {}
                    }
                    if events.send(Event::Stop).is_err() {
                        return;
                    }
                }
            });
        })
    }

    fn serve(&mut self, incoming: &Receiver<Event>) -> anyhow::Result<Ended> {
        loop {
            let ended = match incoming.recv_timeout(TICK) {
                Ok(Event::Asked(asked)) => self.request(asked)?,
                Ok(Event::Answered(asking, answer)) => self.answer(asking, answer)?,
                Ok(Event::Rekeyed(key)) => {
                    tracing::info!(key = key.key_arn, "the data key is wrapped by another key");
                    self.key = key;
                    None
                }
                Ok(Event::Closed(asked, closed)) => self.closed(asked, closed)?,
                Ok(Event::Stop) => self.stop()?,
                Err(RecvTimeoutError::Timeout) => None,
                // This thread holds a sender.
                Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Closed),
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
            if let Some(ended) = self.tick()? {
                return Ok(ended);
            }
        }
    }

    fn tick(&mut self) -> anyhow::Result<Option<Ended>> {
        let now = self.clock.monotonic();
        if let Some(ended) = self.look(now)? {
            return Ok(Some(ended));
        }
        if let Some(live) = &self.live {
            self.notes.note_later(live.volume.generation());
            if self.watch.is_over(now) {
                let reason = "KMS has not answered, and the grace is over".to_owned();
                return self.cut(reason);
            }
        }
        if let Some(volume) = self.closing.as_ref().filter(|_| self.watch.is_over(now)) {
            volume.wipe();
        }
        let since = Duration::from_millis(now.millis_since(self.asked));
        let recheck = self.options.recheck;
        // A volume that is cut off can wait.
        let pause = match self.live {
            Some(_) => self.watch.pause(recheck),
            None => recheck,
        };
        if !self.waits && (self.again || since >= pause) {
            return self.ask(now);
        }
        Ok(None)
    }

    /// Has KMS asked whether the key may be used.
    fn ask(&mut self, now: Monotonic) -> anyhow::Result<Option<Ended>> {
        (self.asked, self.waits, self.again) = (now, true, false);
        self.watch.asks(now);
        let live = self.live.as_ref().map(|live| &live.volume);
        let question = Question {
            asked: now,
            key: self.key.clone(),
            volume: live.or(self.closing.as_ref()).map(Arc::clone),
        };
        if self.questions.send(question).is_err() {
            let asking = Asking {
                at: now,
                wrapped: None,
            };
            let error = anyhow!("the thread that asks KMS has ended");
            return self.answer(asking, Answer::Unasked(error));
        }
        Ok(None)
    }

    fn answer(&mut self, asking: Asking, answer: Answer) -> anyhow::Result<Option<Ended>> {
        self.waits = false;
        let asked = asking.at;
        if asking
            .wrapped
            .is_some_and(|wrapped| wrapped != self.key.wrapped)
        {
            // The data key has been wrapped by another key meanwhile, and only that one counts from then on.
            return self.ask(self.clock.monotonic());
        }
        let (found, why) = match answer {
            Answer::Fine => (Verdict::Fine, String::new()),
            Answer::OtherKey => (
                Verdict::Cut,
                "KMS unwraps the data key to another one".to_owned(),
            ),
            Answer::Failed(failure) => (verdict(Err(&failure)), failure.to_string()),
            Answer::Unasked(error) => (Verdict::Grace, format!("{error:#}")),
            Answer::Key(data_key) => {
                self.return_with(&data_key, asked);
                return Ok(None);
            }
        };
        if let Some(volume) = &self.closing {
            if self.watch.hears(found, asked) {
                volume.wipe();
                tracing::error!(why, "the keys are wiped before the volume is closed");
            }
            return Ok(None);
        }
        if self.live.is_none() {
            // A question of before the cut-off, or the key is still gone.
            tracing::debug!(why, "the volume stays cut off");
            return Ok(None);
        }
        if self.watch.hears(found, asked) {
            return self.cut(why);
        }
        match found {
            Verdict::Fine if self.warned => {
                self.warned = false;
                tracing::info!("KMS answers again");
            }
            Verdict::Grace => {
                self.warned = true;
                let left = self.watch.left(asked).as_secs();
                tracing::warn!(
                    why,
                    left,
                    "KMS does not say that the key may be used: the volume is cut off unless it does within so many seconds"
                );
            }
            Verdict::Fine | Verdict::Cut => {}
        }
        Ok(None)
    }

    /// Wipes the keys, and makes everything fail that uses the volume. Only then it says so: a full disk or a slow
    /// reader of the log must not delay it.
    fn cut_off(&mut self, reason: String) {
        if let Some(live) = self.live.take() {
            let tenant = self.options.tenant.as_ref();
            let tenant = tenant.map(|tenant| tenant::evict(tenant, tenant::LONGEST));
            self.reserve.clear();
            live.cut_off(&self.place);
            // What could not end waited for the volume, which answers now.
            if let Some(evicted) = tenant {
                evicted.finish();
            }
        } else {
            self.reserve.clear();
        }
        tracing::error!(reason, "the volume is cut off");
        if let Some((asked, _)) = self.finishing.take() {
            asked.reply(Err(anyhow!("the volume is cut off: {reason}")));
        }
        self.say(Phase::CutOff, Some(reason));
    }

    /// Cuts the volume off, and answers whether the process ends.
    fn cut(&mut self, reason: String) -> anyhow::Result<Option<Ended>> {
        self.cut_off(reason);
        if self.options.returns {
            tracing::info!(
                "KMS is still being asked: the volume comes back when its key may be used again"
            );
            return Ok(None);
        }
        Ok(Some(Ended::CutOff))
    }

    /// Attaches the volume again. What fails is tried again after the next answer.
    fn return_with(&mut self, data_key: &SecretBytes, asked: Monotonic) {
        if self.live.is_some() || self.closing.is_some() || !self.options.returns {
            return;
        }
        tracing::info!("the key may be used again");
        let none = Known {
            known_generation: None,
            danger_accept_rollback: false,
            danger_accept_other_key: false,
            advance: 0,
        };
        let bounds = Bounds::new(
            (Some(self.notes.newest()), self.commitment),
            &none,
            self.volume,
        );
        match self.go_live(data_key, bounds) {
            Ok(()) => {
                self.reserve = reserve();
                self.watch = Watch::new(self.options.grace, ANSWER * 2, asked);
            }
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the volume cannot come back yet"
                );
            }
        }
    }

    fn request(&mut self, asked: Asked) -> anyhow::Result<Option<Ended>> {
        if self.closing.is_some() {
            asked.reply(Err(anyhow!("the volume is being closed")));
            return Ok(None);
        }
        match (&asked.request, &self.live) {
            (Request::Recheck, _) => {
                self.again = true;
                asked.reply(Ok(serde_json::Value::Null));
                Ok(None)
            }
            (Request::Answer, _) => {
                asked.reply(Ok(serde_json::Value::Null));
                Ok(None)
            }
            (Request::Finish, None) => Ok(self.end(asked)),
            (Request::Finish, Some(_)) => {
                self.finish(asked);
                Ok(None)
            }
            (Request::CutOff, _) => {
                self.options.returns = false;
                self.cut("by `keyward volume detach --force`".to_owned())?;
                Ok(self.end(asked))
            }
            (_, None) => {
                let reason = self.process.reason.clone().unwrap_or_default();
                asked.reply(Err(anyhow!("the volume is cut off: {reason}")));
                Ok(None)
            }
            (_, Some(live)) => {
                let job = jobs::Job {
                    volume: Arc::clone(&live.volume),
                    arena: self.arena.clone(),
                    changes: Arc::clone(&self.changes),
                    source: self.options.source.clone(),
                    states: self.options.states.clone(),
                    events: self.events.clone(),
                };
                if let Err((asked, error)) = hand("job", asked, move |asked| job.run(asked)) {
                    asked.reply(Err(error));
                }
                Ok(None)
            }
        }
    }
}

/// Open files, to be closed when others must be opened.
fn reserve() -> Vec<File> {
    let null = |_| File::open("/dev/null").ok();
    (0..RESERVE).map_while(null).collect()
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(work).context("no thread can be started")?;
    Ok(())
}

/// Has a thread work on a value, which comes back if there is no thread.
fn hand<T: Send + 'static>(
    name: &str,
    value: T,
    work: impl FnOnce(T) + Send + 'static,
) -> Result<(), (T, anyhow::Error)> {
    let (give, take) = mpsc::channel();
    let begun = spawn(name, move || {
        if let Ok(value) = take.recv() {
            work(value);
        }
    });
    if let Err(error) = begun {
        return Err((value, error));
    }
    let given = give.send(value);
    given.map_err(|mpsc::SendError(value)| (value, anyhow!("a thread has ended")))
}
