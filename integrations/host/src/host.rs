//! This machine, as `keyward_agent` has it do steps.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs::{self, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use keyward_agent::{
    authentic::NoteKey,
    backup::Schedule,
    files::{open_with, remove},
    layout::{Layout, LayoutError, Noted},
    note::{Note, Restored, Stage},
    plan::ageless_here,
    silence,
    steps::{How, Machine},
    wanted::{Wanted, WrappedKey},
};
use keyward_attach::{attachment::Attachment, error::Error, requirements};
use keyward_client::reach::Reach;
use keyward_copies::BucketOptions;
use keyward_crypto::random;
use keyward_keeper::{
    control::{Request, ask_within},
    image::{inspect, new_id, parse_id},
    keeper::program,
    state::{Found, Process, States},
};
use keyward_nfs::options::{Certificate, Options};
use keyward_types::storage::VolumeId;
use keyward_volume::layout::{Layout as ImageLayout, SUPERBLOCK_BYTES};
use serde::{Deserialize, Serialize};

use crate::{databases::Databases, local::LocalMounts, look::place, plain::Plain};

/// The longest line that a volume's process says.
const MAX_LINE: u64 = 64 * 1024;

/// How long a volume's process may take to make its image larger.
const GROWTH: Duration = Duration::from_secs(120);
/// Bytes of a block.
const BLOCK: u64 = 4096;

/// Where the words begin with which a volume that is in use stays as it is.
const UNCHANGED: &str = ": nothing was changed";

/// This machine.
#[derive(Debug)]
pub struct Host {
    /// Where everything is.
    pub layout: Layout,
    /// What authenticates the agent's own files.
    pub(crate) notes: Arc<NoteKey>,
    /// Where the processes of volumes are found.
    pub states: States,
    /// Where volumes are mounted besides.
    pub local: LocalMounts,
    /// The database servers on volumes.
    pub databases: Arc<Databases>,
    /// How volumes are kept.
    pub keeping: Keeping,
    /// Whether the agent is to end, so that nothing that takes long goes on.
    ending: AtomicBool,
}

/// How volumes are kept.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// Where the server is.
    pub reach: Reach,
    /// The size of a new volume in bytes. It takes space only as it is filled.
    pub size: u64,
    /// How often it is asked whether a key may still be used.
    pub recheck: Duration,
    /// How long a volume stays without an answer.
    pub grace: Duration,
    /// What the processes of volumes are told on their command line of what they log.
    pub logging: Vec<OsString>,
    /// What clients of NFS are shown when they use TLS; none for a certificate that is made here.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// How backups are made; none for no backups.
    pub backups: Option<Backups>,
}

/// How backups are made.
#[derive(Clone, Debug)]
pub struct Backups {
    /// The place: a directory, or a bucket.
    pub to: String,
    /// How the bucket is reached.
    pub bucket: BucketOptions,
    /// Where a volume is copied to before it is sent.
    pub work: PathBuf,
    /// When, and how long they are kept.
    pub schedule: Schedule,
}

/// What the process of a volume is told on its standard input. Nothing of it is secret.
#[derive(Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// What its image is called.
    pub image: String,
    /// Its wrapped data key.
    pub key: WrappedKey,
    /// The size of the image, if it is to be made first.
    pub make: Option<u64>,
    /// The generation of the image, if it was put back from a backup and has not been attached since.
    #[serde(default)]
    pub restored: Option<Restored>,
    /// The newest generation of the image that the server knows.
    #[serde(default)]
    pub newest: Option<u64>,
}

/// What the process of a volume says in one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// It is attached.
    Attached(Process),
    /// It is not, and the process ends.
    Failed(String),
}

impl Host {
    /// This machine, with this state directory.
    pub fn new(layout: Layout, keeping: Keeping, notes: NoteKey) -> Self {
        let states = States::within(&layout.keepers());
        let notes = Arc::new(notes);
        Self {
            local: LocalMounts::new(layout.clone(), Arc::clone(&notes), states.clone()),
            databases: Arc::new(Databases::open(&layout)),
            layout,
            notes,
            states,
            keeping,
            ending: AtomicBool::new(false),
        }
    }

    /// What is noted down of all volumes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn noted(&self) -> Result<Vec<Noted>, LayoutError> {
        self.layout.noted(&self.notes)
    }

    /// The encrypted volumes that have a process, or of which one has left something, as those say it themselves: in a directory
    /// that nobody else can write to.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn processes(&self) -> anyhow::Result<Vec<Note>> {
        let mut notes = Vec::new();
        for (image, found) in self.states.all()? {
            let name = found.process.image.file_name().and_then(OsStr::to_str);
            let id = name.and_then(|name| name.strip_suffix(".img"));
            if let Some(volume) = id.and_then(|id| VolumeId::parse(id).ok()) {
                notes.push(Note::of_process(volume, image));
            }
        }
        Ok(notes)
    }

    /// Cuts off what killed processes have left, whatever is noted down: as long as nobody keeps it, it stays readable.
    ///
    /// # Errors
    /// When it cannot be seen what there is.
    pub fn cut_off_remains(&self) -> anyhow::Result<()> {
        let mut mounted = BTreeSet::new();
        for note in self.processes()? {
            if self.process(&note)?.is_none_or(|found| found.lives) {
                mounted.insert(note.volume);
                continue;
            }
            tracing::info!(volume = %note.volume, "cutting off what a process of the volume has left");
            if let Err(error) = self.end(&note, How::AtOnce) {
                let error = format!("{error:#}");
                tracing::error!(volume = %note.volume, error, "not all of it is taken away");
            }
        }
        // A database server keeps what it has read in its own memory.
        for volume in self.databases.known() {
            let runs = mounted.contains(&volume) || self.is_mounted_plainly(&volume);
            if !runs && let Err(error) = self.databases.kill(&volume) {
                let error = format!("{error:#}");
                tracing::error!(%volume, error, "a database is left without its volume");
            }
        }
        Ok(())
    }

    /// Whether a volume without encryption is mounted, as its note says.
    fn is_mounted_plainly(&self, volume: &VolumeId) -> bool {
        let noted = self.noted().unwrap_or_default().into_iter();
        let mut notes = noted.filter(|noted| noted.volume == *volume);
        let note = notes.next().and_then(|noted| noted.note.ok());
        note.filter(|note| !note.encrypted).is_some_and(|note| {
            self.with_plain(&note, |plain| plain.look())
                .is_ok_and(|(_, is_mounted)| is_mounted)
        })
    }

    /// The agent is to end.
    pub fn end_soon(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether what takes long may go on.
    pub fn goes_on(&self) -> bool {
        !self.ending.load(Ordering::Relaxed)
    }

    /// How NFS is served here.
    pub fn nfs(&self) -> Options {
        let mut options = Options::new(self.layout.nfs());
        options.limits.unanswered = self.keeping.grace;
        if let Some((certificate, private_key)) = self.keeping.certificate.clone() {
            options.certificate = Certificate::Files {
                certificate,
                private_key,
            };
        }
        options
    }

    /// Asks the process of a volume whether it still answers, and if wanted, has it ask at once whether its key may be used.
    /// Answers whether it has; no process is no silence.
    ///
    /// # Errors
    /// When this machine cannot ask.
    pub fn answers(&self, note: &Note, recheck: bool) -> anyhow::Result<bool> {
        let Some(id) = parse_id(&note.image).filter(|_| note.encrypted) else {
            return Ok(true);
        };
        let request = if recheck {
            Request::Recheck
        } else {
            Request::Answer
        };
        match self.states.find(id)? {
            Some(found) if found.lives => {
                let answer = ask_within(&found.folder, &request, silence::ANSWER)?;
                Ok(answer.is_some())
            }
            _ => Ok(true),
        }
    }

    /// Takes a volume out of use if nobody uses it.
    ///
    /// # Errors
    /// When somebody does: then it stays as it is.
    pub fn detach(&self, note: &Note) -> anyhow::Result<()> {
        self.databases.stop(&note.volume)?;
        if !note.encrypted {
            return self.with_plain(note, |plain| match plain.look()? {
                (false, _) => Ok(()),
                (true, _) => plain.detach(),
            });
        }
        match self.process(note)? {
            Some(found) => self.run_detach(&found, false),
            None => Ok(()),
        }
    }

    /// Does something with a volume without encryption.
    ///
    /// # Errors
    /// What it answers.
    pub fn with_plain<T>(
        &self,
        note: &Note,
        work: impl FnOnce(&Plain<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        work(&Plain {
            place: &place(&self.layout, note),
            image: &self.layout.image(&note.volume),
            dir: &self.layout.mount(&note.volume),
        })
    }

    /// The process of a volume, or what one has left.
    pub(crate) fn process(&self, note: &Note) -> anyhow::Result<Option<Found>> {
        let id = parse_id(&note.image).context("the note names no image")?;
        self.states.find(id)
    }

    /// Whether the process of a volume was started before the state directory was moved, and lives.
    fn is_moved(&self, note: &Note) -> anyhow::Result<bool> {
        if !note.encrypted {
            return Ok(false);
        }
        let found = self.process(note)?.filter(|found| found.lives);
        Ok(found.is_some_and(|found| !found.process.serves(&self.layout.image(&note.volume))))
    }

    /// Whether what is found is a copy of what a process says of itself that lives in another directory: nothing of that
    /// is this agent's.
    fn is_copied(&self, note: &Note, found: &Found) -> anyhow::Result<bool> {
        let image = &found.process.image;
        if found.lives || *image == self.layout.image(&note.volume) {
            return Ok(false);
        }
        let id = parse_id(&note.image).context("the note names no image")?;
        let Some(other) = image.parent().and_then(Path::parent) else {
            return Ok(false);
        };
        let original = States::within(&other.join("keepers")).find(id)?;
        Ok(original.is_some_and(|found| found.lives))
    }

    /// In another process: one that waits for a disk cannot be ended.
    fn run_detach(&self, found: &Found, force: bool) -> anyhow::Result<()> {
        let mut command = program();
        command.args(["volume", "detach"]);
        // As it knows it itself: the directory may have been moved since.
        command.arg(&found.process.image);
        command.arg("--state-dir").arg(self.layout.keepers());
        if force {
            command.arg("--force");
        }
        let output = command
            .output()
            .context("cannot start this program again")?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        let why = why.trim_end();
        bail!("{}", why.strip_prefix("keyward: ").unwrap_or(why))
    }

    /// Starts the process of a volume, and waits until it is attached.
    fn start(&self, note: &Note, wanted: &Wanted, make: Option<u64>) -> anyhow::Result<()> {
        let key = wanted
            .key()
            .context("the volume is encrypted, and has no key")?;
        let id = parse_id(&note.image).context("the note names no image")?;
        let folder = self.states.folder(id)?;
        let path = folder.log();
        let mut log = OpenOptions::new();
        let log = log.append(true).create(true).mode(0o600).open(&path);
        let log = log.with_context(|| format!("cannot open {}", path.display()))?;
        let mut command = program();
        command.args(["agent", "keep"]).args(self.arguments(note));
        // No file system is held, least of all the volume's own.
        command.current_dir("/").stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().context("cannot start this program again")?;
        let assignment = Assignment {
            image: note.image.clone(),
            key,
            make,
            restored: note.restored,
            newest: wanted.image_generation,
        };
        let said = told(&mut child, &assignment);
        // It lives on; somebody has to hear of its end.
        thread::Builder::new()
            .name("child".to_owned())
            .spawn(move || {
                let _ = child.wait();
            })?;
        match said {
            Ok(Said::Attached(_)) => Ok(()),
            Ok(Said::Failed(why)) => Err(anyhow!(why)),
            Err(error) => {
                // What it may have left waits for no next attempt.
                if let Err(error) = self.end(note, How::AtOnce) {
                    let error = format!("{error:#}");
                    tracing::error!(volume = %note.volume, error, "not all of it is taken away");
                }
                Err(error.context(format!(
                    "the volume's process ended before it was attached: its log is {}",
                    path.display()
                )))
            }
        }
    }

    fn arguments(&self, note: &Note) -> Vec<OsString> {
        let keeping = &self.keeping;
        let mut all: Vec<OsString> = vec![
            "--state-dir".into(),
            self.layout.path().into(),
            format!("--recheck={}s", keeping.recheck.as_secs()).into(),
            format!("--grace={}s", keeping.grace.as_secs()).into(),
        ];
        all.extend(keeping.logging.iter().cloned());
        all.extend(keeping.reach.arguments());
        all.push(note.volume.as_str().into());
        all
    }

    /// Whether nothing on this machine says how new the image of a volume has to be, though it has been attached before.
    /// An older copy of it would be as good as the newest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_ageless(&self, note: &Note) -> anyhow::Result<bool> {
        // What was put back from a backup has its age in the note, until it is attached.
        if !note.encrypted || note.stage != Stage::Made {
            return Ok(false);
        }
        let id = parse_id(&note.image).context("the note names no image")?;
        if let Some(restored) = note.restored
            && self.states.restored(id)? == Some(restored.token)
        {
            return Ok(false);
        }
        Ok(self.states.known(id)?.is_none())
    }

    /// Detaches a volume that cannot grow while it is mounted. It is attached again by the next step.
    fn detach_to_grow(&self, note: &Note) -> anyhow::Result<()> {
        tracing::warn!(volume = %note.volume, "a mounted file system can only grow with the capability CAP_SYS_RESOURCE, which the agent does not have: the volume is detached for a moment");
        self.detach(note)
            .context("the volume cannot grow while it is mounted")
    }

    /// Cuts a volume off, whoever uses it, and takes away what is left of it.
    fn cut_off(&self, note: &Note) -> anyhow::Result<()> {
        if !note.encrypted {
            return self.with_plain(note, |plain| plain.cut_off());
        }
        match self.process(note)? {
            // With what it says of a loop device, which is the other directory's.
            Some(found) if self.is_copied(note, &found)? => {
                gone(fs::remove_dir_all(found.folder.path()))
            }
            Some(found) => self.run_detach(&found, true),
            None => Ok(()),
        }
    }

    fn mount_point(&self, volume: &VolumeId) -> anyhow::Result<PathBuf> {
        let dir = self.layout.mount(volume);
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(error).with_context(|| format!("cannot create {}", dir.display()))
            }
            _ => Ok(dir),
        }
    }

    fn check(note: &Note) -> anyhow::Result<()> {
        let missing = match note.encrypted {
            true => requirements::missing(),
            false => requirements::missing_for_plain_images(),
        };
        if !missing.is_empty() {
            bail!("this machine cannot store volumes: {}", missing.join(" "));
        }
        Ok(())
    }
}

fn told(child: &mut Child, assignment: &Assignment) -> anyhow::Result<Said> {
    let mut input = child.stdin.take().context("the process has no input")?;
    serde_json::to_writer(&mut input, assignment)?;
    input.flush()?;
    drop(input);
    let output = child.stdout.take().context("the process has no output")?;
    let mut line = String::new();
    BufReader::new(output.take(MAX_LINE)).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

impl Machine for Host {
    type Error = anyhow::Error;

    fn new_image(&self) -> String {
        new_id().to_string()
    }

    fn write(&self, note: &Note) -> anyhow::Result<()> {
        if let Some(restored) = note.restored {
            // First: without it, the note counts for nothing.
            let id = parse_id(&note.image).context("the note names no image")?;
            self.states.note_restored(id, restored.token)?;
        }
        let path = self.layout.note(&note.volume);
        let written = note.write(&path, &self.notes);
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    fn forget(&self, volume: &VolumeId) -> anyhow::Result<()> {
        let paths = [self.layout.local_mounts(volume), self.layout.note(volume)];
        for path in paths {
            remove(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    fn make(&self, note: &Note, wanted: &Wanted) -> anyhow::Result<()> {
        Self::check(note)?;
        self.mount_point(&note.volume)?;
        if note.encrypted {
            return self.start(note, wanted, Some(self.size(wanted)));
        }
        self.with_plain(note, |plain| plain.make(self.size(wanted)))
    }

    fn attach(&self, note: &Note, wanted: &Wanted) -> anyhow::Result<()> {
        Self::check(note)?;
        let image = self.layout.image(&note.volume);
        if let Ok(found) = fs::symlink_metadata(&image) {
            if !found.is_file() {
                bail!(
                    "{} is not a file: somebody has put something else in the place of the image. Bring the image back",
                    image.display()
                );
            }
            // Without an image, that is what is wrong.
            if self.is_ageless(note)? {
                bail!("{}", ageless_here(note, &self.layout.keepers()));
            }
        }
        self.mount_point(&note.volume)?;
        if note.encrypted {
            return self.start(note, wanted, None);
        }
        self.with_plain(note, |plain| plain.attach())
    }

    fn size(&self, wanted: &Wanted) -> u64 {
        wanted.size_in_bytes.unwrap_or(self.keeping.size)
    }

    fn copy(&self, note: &Note, wanted: &Wanted) -> anyhow::Result<u64> {
        Self::check(note)?;
        self.copy_of(note, wanted)
    }

    fn grow(&self, note: &Note, size: u64) -> anyhow::Result<u64> {
        if !note.encrypted {
            let grown = self.with_plain(note, |plain| plain.grow(size));
            return match grown {
                Err(error) if cannot_grow_mounted(&error) => {
                    self.detach_to_grow(note)?;
                    self.with_plain(note, |plain| plain.grow_unmounted(size))
                }
                grown => grown,
            };
        }
        let found = self.process(note)?.filter(|found| found.lives);
        let found = found.context("the volume is not attached")?;
        let now = inspect(&found.process.image)?.blocks * BLOCK;
        if now < size {
            ask_within(&found.folder, &Request::Grow { size }, GROWTH)?
                .context("the volume's process has not made the image larger in time")?;
        }
        let attachment = Attachment::find(&found.folder.place()?)?;
        let attachment = attachment.context("the volume has no loop device any more")?;
        match attachment.grow() {
            // The next attaching does what is left.
            Err(Error::CannotGrowMounted { .. }) => self.detach_to_grow(note)?,
            grown => {
                grown.context("the volume is larger, but the file system on it is not yet")?;
                ask_within(&found.folder, &Request::Grown, GROWTH)?
                    .context("the volume's process does not answer")?;
            }
        }
        Ok(now.max(size))
    }

    fn end(&self, note: &Note, how: How) -> anyhow::Result<()> {
        let cleanly = how == How::Cleanly || self.is_moved(note)?;
        if cleanly {
            match self.detach(note) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    // What follows is about a command that leaves it as it is.
                    let error = format!("{error:#}");
                    let why = error.split(UNCHANGED).next().unwrap_or_default();
                    tracing::warn!(volume = %note.volume, why, "the volume is cut off: what was not flushed to disk is lost");
                }
            }
        }
        self.databases.quit(&note.volume);
        let ended = self.cut_off(note);
        // What waited for the volume does not any more.
        ended.and(self.databases.kill(&note.volume))
    }

    fn destroy(&self, note: &Note) -> anyhow::Result<()> {
        let image = self.layout.image(&note.volume);
        let removed = wipe(&image, note.encrypted).and_then(|()| remove(&image));
        removed.with_context(|| format!("cannot remove {}", image.display()))?;
        self.databases.forget(&note.volume)?;
        match fs::remove_dir(self.layout.mount(&note.volume)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context("the mount point cannot be removed");
            }
            _ => {}
        }
        if !note.encrypted {
            return gone(fs::remove_dir_all(place(&self.layout, note)));
        }
        let id = parse_id(&note.image).context("the note names no image")?;
        self.states.forget_volume(id)
    }
}

/// Whether a file system is mounted and would have to be unmounted to grow.
fn cannot_grow_mounted(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<Error>();
    matches!(error, Some(Error::CannotGrowMounted { .. }))
}

/// A number for a note about an image that was put back, other than that of any before.
pub fn new_token() -> u64 {
    u64::from_le_bytes(random::public())
}

/// Makes the wrapped data key unreadable, with which the image could be opened if its KMS key were found.
fn wipe(image: &Path, encrypted: bool) -> io::Result<()> {
    if !encrypted {
        return Ok(());
    }
    let file = match open_with(image, OpenOptions::new().write(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    // By another name, it may be a file of somebody else.
    if file.metadata()?.nlink() != 1 {
        return Err(io::Error::other(
            "the file has other names: find and remove those first",
        ));
    }
    let zeros = vec![0; SUPERBLOCK_BYTES];
    for copy in [0, 1] {
        file.write_all_at(&zeros, ImageLayout::superblock(copy))?;
    }
    file.sync_all()
}

fn gone(removed: io::Result<()>) -> anyhow::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
