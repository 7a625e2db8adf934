//! Where `keyward mount` has mounted volumes on this machine. It is noted down, so that a volume that comes back after
//! a cut-off or a restart comes back in these places too.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, anyhow, bail};
use keyward_agent::{
    authentic::{NoteKey, Unread},
    files::remove,
    layout::Layout,
    note::Note,
};
use keyward_attach::{
    attachment::Attachment,
    bind::{self, Bound},
    error::Error,
};
use keyward_keeper::state::States;
use keyward_types::storage::VolumeId;
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

use crate::look::tie;

/// The most places of one volume.
const MOST: usize = 100;
/// The longest file about the places of one volume, in bytes.
const LONGEST: u64 = 1 << 20;

/// One place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalMount {
    /// The directory, without links in its path.
    pub dir: PathBuf,
    /// What of the volume is mounted there, as a path on it.
    pub within: String,
    /// Whether it can only be read.
    pub read_only: bool,
    /// The access point through which it is mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_point: Option<String>,
}

/// All places, of all volumes. One thing is done with them at a time.
#[derive(Debug)]
pub struct LocalMounts {
    layout: Layout,
    notes: Arc<NoteKey>,
    states: States,
    alone: Mutex<()>,
}

impl LocalMounts {
    /// Those that are noted down.
    pub const fn new(layout: Layout, notes: Arc<NoteKey>, states: States) -> Self {
        Self {
            layout,
            notes,
            states,
            alone: Mutex::new(()),
        }
    }

    /// Mounts a volume in a place, and notes that down.
    ///
    /// # Errors
    /// When it cannot be mounted there; then nothing has changed.
    pub fn add(&self, note: &Note, place: LocalMount) -> anyhow::Result<()> {
        let _alone = self.alone();
        let mut all = self.of(&note.volume)?;
        if all.len() >= MOST {
            bail!(
                "{} is mounted in {MOST} places, and there cannot be more",
                note.volume
            );
        }
        self.must_be_free(&place.dir)?;
        self.mount(note, &place)?;
        let dir = place.dir.clone();
        all.retain(|other| other.dir != dir);
        all.push(place);
        let noted = self.note(&note.volume, &all);
        if noted.is_err() {
            bind::withdraw(&dir)?;
            bind::unmount(&dir)?;
        }
        noted
    }

    /// Unmounts what `keyward mount` has mounted on a directory. Answers the volume; none if it is not known any more, and
    /// only what was below it was left.
    ///
    /// # Errors
    /// When nothing is, or it is in use.
    pub fn take_away(&self, dir: &Path) -> anyhow::Result<Option<VolumeId>> {
        let _alone = self.alone();
        let Some((volume, mut all)) = self.find(dir)? else {
            // What was noted down of the volume may have been moved away with its image.
            if bind::look(dir)? == Bound::Guard {
                bind::unmount(dir).map_err(|error| in_use(dir, error))?;
                return Ok(None);
            }
            bail!(
                "no volume of this agent is mounted on {}: give the directory as it was given to `keyward mount`",
                dir.display()
            )
        };
        if bind::look(dir)? != Bound::Nothing {
            bind::unmount(dir).map_err(|error| in_use(dir, error))?;
        }
        all.retain(|place| place.dir != dir);
        self.note(&volume, &all)?;
        Ok(Some(volume))
    }

    /// The places of a volume.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn places(&self, volume: &VolumeId) -> anyhow::Result<Vec<LocalMount>> {
        let _alone = self.alone();
        self.of(volume)
    }

    /// Mounts a volume, which is attached, in all its places where it may be and is not, and takes it away where it
    /// may not be. What is not known stays as it is. One that fails holds up no other.
    ///
    /// # Errors
    /// The first failure.
    pub fn restore(&self, note: &Note, allowed: &BTreeMap<PathBuf, bool>) -> anyhow::Result<()> {
        let _alone = self.alone();
        let mut failed = Ok(());
        for place in self.of(&note.volume)? {
            let bound = bind::look(&place.dir).map_err(anyhow::Error::from);
            let restored = bound.and_then(|bound| match (bound, allowed.get(&place.dir)) {
                (Bound::Nothing | Bound::Guard, Some(true)) => self.mount(note, &place),
                (Bound::Volume, Some(false)) => Ok(bind::withdraw(&place.dir)?),
                _ => Ok(()),
            });
            let restored = restored.with_context(|| {
                let dir = place.dir.display();
                format!("{} cannot be mounted on {dir} again", note.volume)
            });
            failed = failed.and(restored);
        }
        failed
    }

    /// Takes away what is left of the places of a volume that is gone for good.
    ///
    /// # Errors
    /// The first failure.
    pub fn end(&self, volume: &VolumeId) -> anyhow::Result<()> {
        let _alone = self.alone();
        let mut failed = Ok(());
        for place in self.of(volume)? {
            let ended = match bind::look(&place.dir) {
                Ok(Bound::Nothing) => Ok(()),
                Ok(Bound::Guard | Bound::Volume) => {
                    bind::withdraw(&place.dir).and_then(|()| bind::unmount(&place.dir))
                }
                Err(error) => Err(error),
            };
            failed = failed.and(ended);
        }
        Ok(failed?)
    }

    fn mount(&self, note: &Note, place: &LocalMount) -> anyhow::Result<()> {
        let attached = Attachment::find(&tie(&self.layout, &self.states, note)?)?;
        let attached = attached.with_context(|| {
            format!(
                "{volume} is not attached: perhaps it has just been cut off because its KMS key cannot be used. `keyward agent list {volume}` says why; try again when it is `available`",
                volume = note.volume
            )
        })?;
        let from = self.layout.mount(&note.volume);
        let from = (from.as_path(), place.within.as_str());
        bind::mount(&attached, from, &place.dir, place.read_only)?;
        Ok(())
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.alone.lock()
    }

    /// Refuses to mount a second time what is mounted on a directory already.
    fn must_be_free(&self, dir: &Path) -> anyhow::Result<()> {
        if bind::look(dir)? != Bound::Volume {
            return Ok(());
        }
        match self.find(dir)? {
            Some((volume, _)) => bail!(
                "{volume} is mounted on {dir} already: to mount something else there, or in another way, `keyward unmount {dir}` first",
                dir = dir.display()
            ),
            None => Ok(()),
        }
    }

    /// The volume that has a directory among its places, and all of these. One whose places cannot be read hides no other.
    fn find(&self, dir: &Path) -> anyhow::Result<Option<(VolumeId, Vec<LocalMount>)>> {
        let mut unread = Ok(None);
        for volume in self.layout.locally_mounted()? {
            match self.of(&volume) {
                Ok(all) if all.iter().any(|place| place.dir == dir) => {
                    return Ok(Some((volume, all)));
                }
                Ok(_) => {}
                Err(error) => unread = Err(error),
            }
        }
        unread
    }

    /// The places of a volume.
    fn of(&self, volume: &VolumeId) -> anyhow::Result<Vec<LocalMount>> {
        let path = self.layout.local_mounts(volume);
        let bytes = match self.notes.read(&path, LONGEST) {
            Ok(bytes) => bytes,
            Err(Unread::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error).with_context(|| unreadable(&path)),
        };
        serde_json::from_slice(&bytes).with_context(|| unreadable(&path))
    }

    fn note(&self, volume: &VolumeId, all: &[LocalMount]) -> anyhow::Result<()> {
        let path = self.layout.local_mounts(volume);
        let written = match all {
            [] => remove(&path),
            all => self.notes.write(&path, &serde_json::to_vec(all)?),
        };
        written.with_context(|| format!("cannot write {}", path.display()))
    }
}

/// What is said of a directory from which everything was taken away.
pub fn unmounted(volume: Option<&VolumeId>, dir: &Path) -> String {
    let dir = dir.display();
    match volume {
        Some(volume) => format!("{volume} is unmounted from {dir}."),
        None => format!("{dir} is unmounted: what was left there of a file system is taken away."),
    }
}

/// Says what to do about a directory that is in use.
fn in_use(dir: &Path, error: Error) -> anyhow::Error {
    let Error::Busy { holders, .. } = &error else {
        return error.into();
    };
    let shown = dir.display();
    match bind::below(dir).unwrap_or_default().first() {
        Some(point) if holders.is_empty() => anyhow!(
            "{shown} is in use: something else is mounted on {}, which is below it. Unmount that first, then try again",
            point.display()
        ),
        _ => anyhow!(
            "{error}: nothing was changed. End what uses it, or have it leave the directory, then try again. `fuser -vm {shown}` and `lsof {shown}` list what uses it"
        ),
    }
}

fn unreadable(path: &Path) -> String {
    format!(
        "{}, in which `keyward mount` records what it has mounted, is not valid: remove the file, and mount again",
        path.display()
    )
}
