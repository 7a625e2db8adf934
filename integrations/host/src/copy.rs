//! Volumes that are made from others on this machine: snapshots of databases, copies of them, and restored databases.
//!
//! Ciphertext is copied, as of one moment. Under the same data key it stays as it is; under another one, every block is
//! encrypted anew. Where a volume is attached, its process copies it; otherwise a process of its own does, which ends with the
//! copy, and its keys with it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    process::Stdio,
};

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_agent::{
    files::remove,
    layout::Layout,
    note::{Note, Stage},
    wanted::{Origin, Wanted, WrappedKey},
};
use keyward_attach::attachment::Attachment;
use keyward_client::reach::Reach;
use keyward_keeper::{
    control::{Request, ask},
    image::{self, Bounds, Known, arena, decrypt, inspect, parse_id},
    keeper::program,
    key::Wrapped,
    kms::Kms,
    source::{Assigned, KeySource},
    state::{Phase, States},
};
use keyward_types::storage::VolumeId;
use keyward_volume::{Copy, KeyInfo};
use serde::{Deserialize, Serialize};

use crate::host::Host;

/// Bytes of a block.
const BLOCK: u64 = 4096;
/// The longest task: two wrapped data keys with their contexts.
const MAX_TASK: u64 = 128 * 1024;

/// What a process that copies a volume is told on its standard input. Nothing of it is secret.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    /// The volume that is copied, and what its image is called.
    origin: VolumeId,
    origin_image: String,
    /// The copy, and what its image is called.
    volume: VolumeId,
    image: String,
    /// The copy's wrapped data key.
    key: WrappedKey,
    /// Whether that is another data key.
    reseal: bool,
}

impl Host {
    /// Makes the image of a volume from that of its origin, and answers how large it is in bytes.
    pub(crate) fn copy_of(&self, note: &Note, wanted: &Wanted) -> anyhow::Result<u64> {
        let origin = wanted.origin.as_ref();
        let origin = origin.context("the server does not say what the volume is made from")?;
        let of = Note::read(&self.layout.note(&origin.volume), &self.notes).with_context(|| {
            let volume = &origin.volume;
            format!("what is noted down of {volume}, from which the volume is to be made, cannot be used")
        })?;
        if of.stage != Stage::Made || of.encrypted != wanted.encrypted || of.volume != origin.volume
        {
            bail!(
                "{} is not as the server says: the volume cannot be made from it",
                origin.volume
            );
        }
        let image = self.layout.image(&note.volume);
        if !wanted.encrypted {
            self.copy_plainly(&of, &image)?;
            return Ok(image.metadata()?.len());
        }
        let key = wanted
            .key()
            .context("the volume is encrypted, and has no key")?;
        match self.process(&of)? {
            None => self.copy_detached((&of, origin), note, key)?,
            Some(found) if found.lives && found.process.phase == Phase::Attached => {
                // What is in the page cache belongs into the copy.
                let mounted = File::open(self.layout.mount(&origin.volume))?;
                rustix::fs::syncfs(&mounted)?;
                let request = Request::Snapshot {
                    to: image.clone(),
                    volume: note.image.clone(),
                    key: Wrapped::of(key.ciphertext, key.key_arn, key.context),
                    is_new: origin.reseal,
                    assigned: Some(note.volume.to_string()),
                };
                ask(&found.folder, &request, &mut |_, _| {})?;
            }
            Some(found) => {
                let why = found.process.reason.unwrap_or_default();
                bail!("{} is not attached: {why}", origin.volume);
            }
        }
        Ok(inspect(&image)?.blocks * BLOCK)
    }

    fn copy_plainly(&self, of: &Note, image: &PathBuf) -> anyhow::Result<()> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let copy = options
            .open(image)
            .with_context(|| format!("cannot create {}", image.display()))?;
        let goes_on = || self.goes_on();
        let copied = self.with_plain(of, |plain| match plain.look()? {
            (true, true) => plain.copy(&copy, &goes_on),
            (true, false) => bail!("{} is not mounted", of.volume),
            (false, _) => plain.copy_unmounted(&copy, &goes_on),
        });
        let synced = copied.and_then(|()| Ok(copy.sync_all()?));
        if synced.is_err() {
            let _ = remove(image);
        }
        synced
    }

    /// In a process of its own: the agent itself has no data key.
    fn copy_detached(
        &self,
        (of, origin): (&Note, &Origin),
        note: &Note,
        key: WrappedKey,
    ) -> anyhow::Result<()> {
        let task = Task {
            origin: origin.volume.clone(),
            origin_image: of.image.clone(),
            volume: note.volume.clone(),
            image: note.image.clone(),
            key,
            reseal: origin.reseal,
        };
        let mut command = program();
        command.args(["agent", "copy", "--state-dir"]);
        command.arg(self.layout.path());
        command.args(&self.keeping.logging);
        command.args(self.keeping.reach.arguments());
        command.current_dir("/").stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start this program again")?;
        let mut input = child.stdin.take().context("the process has no input")?;
        serde_json::to_writer(&mut input, &task)?;
        input.flush()?;
        drop(input);
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim_end().lines().last().unwrap_or_default();
        bail!("{}", last.strip_prefix("keyward: ").unwrap_or(last))
    }
}

/// Copies the volume that standard input names, which is not attached, to a new image.
///
/// # Errors
/// When it is attached, is not what it should be, or its key or that of the copy cannot be used.
pub fn run(layout: &Layout, reach: &Reach) -> anyhow::Result<()> {
    let mut text = Vec::new();
    io::stdin().take(MAX_TASK).read_to_end(&mut text)?;
    let task: Task = serde_json::from_slice(&text).context("standard input names no volume")?;
    let states = States::within(&layout.keepers());
    let path = layout.image(&task.origin);
    let id = parse_id(&task.origin_image).context("the origin has no image")?;
    let to = parse_id(&task.image).context("the copy has no image")?;
    let superblock = inspect(&path)?;
    if superblock.volume_id != id {
        bail!("{} is not the image of {}", path.display(), task.origin);
    }
    let folder = states.folder(id)?;
    // Nobody attaches it meanwhile.
    let lock = folder.lock()?;
    if Attachment::exists(&folder.place()?)? {
        bail!("{} is attached", task.origin);
    }
    let source = |volume: &VolumeId, key: &KeyInfo| {
        KeySource::Agent(Assigned {
            reach: reach.clone(),
            credentials: layout.credentials(),
            volume: volume.to_string(),
            context: key.context.clone(),
        })
    };
    let arena = arena()?;
    let noted = states.known(id)?;
    let noted = noted.with_context(|| {
        format!(
            "nothing says how new the image of {} has to be",
            task.origin
        )
    })?;
    let none = Known {
        known_generation: None,
        danger_accept_rollback: false,
        danger_accept_other_key: false,
        advance: 0,
    };
    let bounds = Bounds::new((Some(noted), states.known_key(id)?), &none, id);
    let unwrap = |volume: &VolumeId, key: &KeyInfo| decrypt(&Kms::new(source(volume, key))?, key);
    let data_key = unwrap(&task.origin, &superblock.key)?;
    let (volume, _) = image::open(&path, &data_key, &arena, bounds)?;
    let key = KeyInfo {
        wrapped: STANDARD.decode(&task.key.ciphertext)?,
        key_arn: task.key.key_arn,
        context: task.key.context,
        labels: volume.key_info().labels,
    };
    let copied = unwrap(&task.volume, &key).and_then(|unwrapped| {
        if !task.reseal && !volume.has_data_key(&unwrapped, &arena)? {
            bail!("the server unwraps the data key of the copy to another one");
        }
        let made = Copy {
            volume_id: to,
            key,
            data_key: task.reseal.then_some(&unwrapped),
            arena: &arena,
        };
        image::copy(
            &volume,
            (&layout.image(&task.volume), &made),
            (&states, &unwrapped),
        )
    });
    // Whatever became of the copy, the origin is closed in order.
    let closed = volume.close();
    volume.wipe();
    states.note(id, closed?)?;
    drop(lock);
    copied
}
