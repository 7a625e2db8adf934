//! An image that somebody has brought to this machine, for a volume that another agent stored before.

use std::{
    fs::{self, TryLockError},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_agent::{
    files::open_file,
    local::Runs,
    note::{Note, Restored, Stage},
    plan::{is_exchanged, is_lost, is_outdated},
    steps::Machine as _,
    wanted::{Presence, Wanted},
};
use keyward_keeper::image::inspect;

use crate::{
    host::{Host, new_token},
    look::Seen,
};

/// Where ext4 has its magic number, and what that is.
const EXT4_MAGIC: (u64, [u8; 2]) = (1024 + 56, [0x53, 0xef]);

/// Makes an image that of a volume which is wanted here and is not attached here. Without a path, it is the one that lies
/// where the volume's image belongs. Nothing that is in its place is overwritten. With `accept_rollback`, it may be older than what is
/// known of the volume.
///
/// # Errors
/// When the volume needs none, or this is not its image.
pub fn adopt(
    host: &Host,
    (wanted, seen): (&Wanted, &Seen),
    (image, accept_rollback): (Option<&Path>, bool),
) -> anyhow::Result<String> {
    let volume = &wanted.volume;
    if wanted.presence == Presence::Absent {
        bail!("{volume} is being deleted");
    }
    let (lost, outdated) = (
        is_lost(wanted, &seen.local),
        is_outdated(wanted, &seen.local),
    );
    // Until it is attached, another image can take its place.
    let idle = seen.local.stage == Some(Stage::Made)
        && seen.local.runs == Runs::Nothing
        && !is_exchanged(wanted, &seen.local);
    if !wanted.made && !outdated && !idle {
        bail!("{volume} is new: the agent creates its image by itself");
    }
    let ageless = match &seen.note {
        Some(note) => host.is_ageless(note)?,
        None => false,
    };
    if !lost && !outdated && !ageless && !idle {
        bail!("{volume} has its image on this machine already");
    }
    if seen.local.damaged.is_some() && seen.local.runs != Runs::Nothing {
        bail!(
            "{volume} is attached: detach it first (`keyward volume detach {} --state-dir {}`), then adopt its image",
            host.layout.image(volume).display(),
            host.layout.keepers().display()
        );
    }
    if seen.local.runs != Runs::Nothing {
        bail!("{volume} is still being detached on this machine: try again");
    }
    let place = host.layout.image(volume);
    let image = image.filter(|image| *image != place);
    if image.is_some() && fs::symlink_metadata(&place).is_ok() {
        bail!(
            "{0} is there already, perhaps an older image of {volume}: move it away (`mv {0} {0}.old`), or remove it if you do not need it any more, and try again",
            place.display()
        );
    }
    check(image.unwrap_or(&place))?;
    let found = |image: &Path| found(host, (wanted, seen), (image, accept_rollback));
    found(image.unwrap_or(&place))?;
    if let Some(image) = image {
        move_to(image, &place)?;
    }
    // Whoever could change it where it was cannot any more.
    check(&place)?;
    fs::set_permissions(&place, fs::Permissions::from_mode(0o600))?;
    let (name, age) = found(&place)?;
    let note = Note::brought(volume.clone(), name, wanted.encrypted, wanted.generation);
    host.write(&note.restored(age))?;
    Ok(format!(
        "{volume} has its image on this machine now. It becomes `available` within seconds, if its KMS key can be used."
    ))
}

fn move_to(image: &Path, place: &Path) -> anyhow::Result<()> {
    match fs::rename(image, place) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => bail!(
            "{} is on another disk than {}: copy it there (`cp --sparse=always`), and run the command without a path to the image",
            image.display(),
            place.display()
        ),
        moved => moved.with_context(|| {
            let (image, place) = (image.display(), place.display());
            format!("cannot move {image} to {place}")
        }),
    }
}

/// Checks that it is a file that nothing uses.
fn check(image: &Path) -> anyhow::Result<()> {
    let shown = image.display();
    let found = match fs::symlink_metadata(image) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "there is no image {shown}: bring it from the agent that had the file system before, or from a backup"
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot open {shown}")),
    };
    if !found.is_file() {
        bail!("{shown} is not a file");
    }
    // Who can write to it now, by whatever name, could do so as long as it is used.
    if found.uid() != 0 || found.mode() & 0o022 != 0 || found.nlink() != 1 {
        bail!(
            "others than root may be able to write to {shown} (it belongs to user {}, has mode {:03o} and {} names): copy it as root (`cp --sparse=always`), and adopt the copy",
            found.uid(),
            found.mode() & 0o777,
            found.nlink()
        );
    }
    let file = open_file(image).with_context(|| format!("cannot open {shown}"))?;
    let in_use = match file.try_lock() {
        Ok(()) => has_loop_device(image)?,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => return Err(error.into()),
    };
    if in_use {
        bail!("{shown} is attached: detach it first (`keyward volume detach`)");
    }
    Ok(())
}

fn has_loop_device(image: &Path) -> anyhow::Result<bool> {
    for entry in fs::read_dir("/sys/block")? {
        let file = entry?.path().join("loop/backing_file");
        // One without a file has none.
        if let Ok(backing) = fs::read_to_string(file)
            && Path::new(backing.trim_end_matches('\n')) == image
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What an image is called among those of this machine, if it can be that of the volume, and how old it says it is if it is
/// encrypted. That becomes known of the volume once it has been opened.
fn found(
    host: &Host,
    (wanted, seen): (&Wanted, &Seen),
    (image, accept_rollback): (&Path, bool),
) -> anyhow::Result<(String, Option<Restored>)> {
    let (volume, shown) = (&wanted.volume, image.display());
    if !wanted.encrypted {
        let (at, magic) = EXT4_MAGIC;
        let mut found = [0; 2];
        let read = open_file(image)?.read_exact_at(&mut found, at);
        if read.is_err() || found != magic {
            bail!("{shown} is not the image of {volume}: it has no ext4 file system");
        }
        let before = seen.note.as_ref().filter(|note| !note.encrypted);
        let name = before.map_or_else(|| host.new_image(), |note| note.image.clone());
        return Ok((name, None));
    }
    let found = inspect(image)?;
    let key = wanted.key().context("the volume has no data key")?;
    let wrapped = STANDARD.decode(&key.ciphertext)?;
    if found.key.wrapped != wrapped || found.key.context != key.context {
        bail!("{shown} is not the image of {volume}: it has another data key");
    }
    let generation = found.generation;
    let here = host.states.known(found.volume_id)?;
    let known = here.max(wanted.newest_generation()).unwrap_or(0);
    if generation < known && !accept_rollback {
        let known = match here {
            Some(here) if here == known => {
                format!("{known} is known of the image that this machine has had")
            }
            _ if wanted.image_generation == Some(known) => {
                format!(
                    "the newest image that an agent has reported to the server has generation {known}"
                )
            }
            _ => format!("the newest backup has generation {known}, as the server knows"),
        };
        bail!(
            "{shown} is older than it should be: its generation is {generation}, and {known}. Bring the newest one. If it is lost, or if this is it, which an agent that was stolen may have lied about, use --danger-accept-rollback: everything that is only in a newer one is lost then"
        );
    }
    let age = Restored {
        generation,
        known,
        accept_rollback,
        token: new_token(),
    };
    Ok((found.volume_id.to_string(), Some(age)))
}
