//! What this machine has of a volume: what is noted down, and what runs.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::Context as _;
use keyward_agent::{
    layout::{Layout, Noted},
    local::{Astray, Local, Runs},
    note::{Note, Stage},
};
use keyward_attach::volume_dir::VolumeDir;
use keyward_keeper::{
    image::parse_id,
    state::{Phase, States},
    whereabouts::Whereabouts,
};

use crate::plain::Plain;

/// What is seen of a volume.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What is noted down.
    pub note: Option<Note>,
    /// What is there; steps and failures are the agent's own memory.
    pub local: Local,
    /// The bytes in use, if it is mounted.
    pub bytes: Option<u64>,
    /// The newest generation of its image that this machine knows, if it is encrypted.
    pub generation: Option<u64>,
    /// The bytes that are free, if it is mounted.
    pub free: Option<u64>,
    /// Another one each time that it is mounted anew.
    pub epoch: String,
}

/// Looks at a volume. Asks neither the volume nor its process for anything that could make it wait.
pub fn look(layout: &Layout, states: &States, noted: Noted) -> Seen {
    let note = match noted.note {
        Ok(note) => note,
        Err(error) => {
            let path = layout.note(&noted.volume);
            let why = format!(
                "the file {} is not valid ({error}): restore the file. If you are sure that the image in volumes/ is the right one, run `keyward agent adopt {}`",
                path.display(),
                noted.volume
            );
            return damaged(None, why);
        }
    };
    if note.volume != noted.volume {
        let path = layout.note(&noted.volume);
        let why = format!("{} is the note of {}", path.display(), note.volume);
        return damaged(None, why);
    }
    match runs(layout, states, &note) {
        Ok((runs, epoch)) => {
            let astray = match runs {
                Runs::Mounted => astray(layout, states, &note),
                _ => None,
            };
            let space = (runs == Runs::Mounted)
                .then(|| space(layout, &note))
                .flatten();
            // Of what is only kept, the image itself is what is in use.
            let at_rest = (runs == Runs::Nothing && note.stage == Stage::Made)
                .then(|| fs::symlink_metadata(layout.image(&note.volume)).ok())
                .flatten();
            let at_rest = at_rest.map(|found| found.blocks().saturating_mul(512));
            let missing = runs == Runs::Nothing
                && note.stage == Stage::Made
                && is_missing(&layout.image(&note.volume));
            Seen {
                local: Local {
                    stage: Some(note.stage),
                    generation: note.generation,
                    encrypted: note.encrypted,
                    size: note.size,
                    runs,
                    missing,
                    astray,
                    ..Local::default()
                },
                bytes: space.map(|(used, _)| used).or(at_rest),
                free: space.map(|(_, free)| free),
                generation: generation(states, &note),
                epoch,
                note: Some(note),
            }
        }
        Err(error) => damaged(
            Some(note),
            format!("it cannot be seen what there is of the volume: {error:#}"),
        ),
    }
}

/// Looks at a volume of which only its process says something that counts.
pub fn look_at_process(layout: &Layout, states: &States, note: Note, why: String) -> Seen {
    let (runs, epoch) = runs(layout, states, &note).unwrap_or_default();
    Seen {
        local: Local {
            encrypted: note.encrypted,
            runs,
            damaged: Some(why),
            ..Local::default()
        },
        note: Some(note),
        epoch,
        ..Seen::default()
    }
}

fn damaged(note: Option<Note>, why: String) -> Seen {
    Seen {
        local: Local {
            stage: note.as_ref().map(|note| note.stage),
            generation: note.as_ref().map_or(0, |note| note.generation),
            encrypted: note.as_ref().is_some_and(|note| note.encrypted),
            damaged: Some(why),
            ..Local::default()
        },
        note,
        ..Seen::default()
    }
}

/// The newest generation of the image of an encrypted volume that this machine knows.
pub fn generation(states: &States, note: &Note) -> Option<u64> {
    let id = parse_id(&note.image).filter(|_| note.encrypted)?;
    states.known(id).ok().flatten()
}

/// Whether there is nothing by that name. What cannot be seen is not missing.
fn is_missing(image: &Path) -> bool {
    let found = fs::symlink_metadata(image);
    found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// What runs, and since when.
fn runs(layout: &Layout, states: &States, note: &Note) -> anyhow::Result<(Runs, String)> {
    let (image, dir) = (layout.image(&note.volume), layout.mount(&note.volume));
    if !note.encrypted {
        let place = place(layout, note);
        let plain = Plain {
            place: &place,
            image: &image,
            dir: &dir,
        };
        let runs = match plain.look()? {
            (false, _) => Runs::Nothing,
            (true, false) => Runs::Remains,
            (true, true) => Runs::Mounted,
        };
        return Ok((runs, note.image.clone()));
    }
    let id = parse_id(&note.image).context("the note names no image")?;
    let Some(found) = states.find(id)? else {
        return Ok((Runs::Nothing, String::new()));
    };
    let process = found.process;
    let epoch = format!("{} {}", process.pid, process.since);
    let runs = match process.phase {
        _ if !found.lives => Runs::Remains,
        // It does not find the agent's credentials any more, so that nobody would tell it to cut off.
        _ if !process.serves(&image) => Runs::Remains,
        Phase::Starting => Runs::Starting,
        Phase::Attached => Runs::Mounted,
        Phase::CutOff => Runs::CutOff(process.reason.unwrap_or_default()),
    };
    Ok((runs, epoch))
}

/// Where the image is of a volume that is mounted.
///
/// # Errors
/// When that cannot be seen.
pub fn whereabouts(layout: &Layout, states: &States, note: &Note) -> anyhow::Result<Whereabouts> {
    if note.encrypted {
        let id = parse_id(&note.image).context("the note names no image")?;
        let found = states.find(id)?;
        return Ok(found.map_or(Whereabouts::InPlace, |found| found.process.whereabouts()));
    }
    let plain = Plain {
        place: &place(layout, note),
        image: &layout.image(&note.volume),
        dir: &layout.mount(&note.volume),
    };
    plain.whereabouts()
}

/// What is wrong if the image of a volume that is mounted was moved away or deleted. What cannot be seen is not wrong.
fn astray(layout: &Layout, states: &States, note: &Note) -> Option<Astray> {
    if let Some(unmounted) = unmounted(layout, note) {
        return Some(unmounted);
    }
    let found = whereabouts(layout, states, note).ok()?;
    let image = layout.image(&note.volume);
    let image = image.display();
    match found {
        Whereabouts::InPlace => None,
        Whereabouts::Moved(name) => {
            let name = name.display();
            Some(Astray {
                message: format!(
                    "the image of the volume was moved away while it is attached: it is {name} now, and what is written goes there. Move it back (`mv {name} {image}`) before the agent is stopped: it would not be found at the next start"
                ),
                is_deleted: false,
            })
        }
        Whereabouts::Deleted(_) => {
            let backup = match note.encrypted {
                true => format!(
                    ", or make a backup of it (`keyward agent backup {}`)",
                    note.volume
                ),
                false => String::new(),
            };
            Some(Astray {
                message: format!(
                    "the image of the volume, {image}, was deleted while it is attached: what is mounted is all that is left of it, and is lost when it is detached or the machine stops. Copy its files elsewhere at once{backup}"
                ),
                is_deleted: true,
            })
        }
    }
}

/// What is wrong if the file system of a volume that is attached is mounted no more: nobody but root can have done that.
fn unmounted(layout: &Layout, note: &Note) -> Option<Astray> {
    let dir = layout.mount(&note.volume);
    let device = |path: &Path| fs::symlink_metadata(path).map(|found| found.dev());
    let (own, around) = (device(&dir).ok()?, device(dir.parent()?).ok()?);
    (own == around).then(|| Astray {
        message: format!(
            "the file system is no longer mounted on {}: somebody has unmounted it, and it may still be in use elsewhere. To mount it again, detach the volume (`keyward volume detach {} --state-dir {}`, with --force if it is in use)",
            dir.display(),
            layout.image(&note.volume).display(),
            layout.keepers().display()
        ),
        is_deleted: false,
    })
}

/// What ties a loop device and mounts to a volume.
///
/// # Errors
/// When somebody else could use it, or there is no image.
pub fn tie(layout: &Layout, states: &States, note: &Note) -> anyhow::Result<VolumeDir> {
    if !note.encrypted {
        let image = layout.image(&note.volume);
        return Ok(VolumeDir::of_image(&place(layout, note), &image)?);
    }
    let id = parse_id(&note.image).context("the note names no image")?;
    states.folder(id)?.place()
}

/// The directory that ties a loop device to a volume without encryption.
pub fn place(layout: &Layout, note: &Note) -> std::path::PathBuf {
    layout.keepers().join(format!("{}.place", note.image))
}

/// What `df` shows as used, and as available.
fn space(layout: &Layout, note: &Note) -> Option<(u64, u64)> {
    let found = rustix::fs::statvfs(layout.mount(&note.volume)).ok()?;
    let blocks = found.f_blocks.saturating_sub(found.f_bfree);
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some((bytes(blocks), bytes(found.f_bavail)))
}
