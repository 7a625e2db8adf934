//! What `keyward mount` and `keyward unmount` ask for, and what becomes of it afterwards: the server decides who may
//! mount a file system, on this machine as elsewhere.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    sync::Arc,
};

use crate::door::Request;
use anyhow::{anyhow, bail};
use keyward_agent::note::Note;
use keyward_nfs::{
    authorize::{Creation, Refused, Rights},
    root,
};
use tokio::task::spawn_blocking;

use super::{
    super::{
        clients::Clients,
        host::Host,
        local::{LocalMount, unmounted},
    },
    memory::LookAfter,
};

/// Does what somebody on this machine asks for, and answers what to say. The note is that of the volume to mount.
pub async fn answer(
    host: &Arc<Host>,
    clients: &Clients,
    (request, note): (Request, Option<Note>),
) -> anyhow::Result<String> {
    let host = Arc::clone(host);
    let (place, creation) = match (request, &note) {
        (Request::Unmount { dir }, _) => {
            return blocking(move || {
                let volume = host.local.take_away(&dir)?;
                Ok(unmounted(volume.as_ref(), &dir))
            })
            .await;
        }
        (
            Request::Mount {
                dir,
                read_only,
                access_point,
                ..
            },
            Some(note),
        ) => {
            let rights = clients.local(note.volume.as_str(), access_point.as_deref(), false);
            let rights = rights.await.map_err(|refused| match refused {
                Refused::Denied { reason } => anyhow!(
                    "the server does not allow the mount: {}. The file system's policy decides (`aws efs describe-file-system-policy --file-system-id {}`), and an access point must be one of this file system (`aws efs describe-access-points`)",
                    reason.trim_end_matches('.'),
                    note.volume
                ),
                Refused::Unanswered { reason } => anyhow!(
                    "the server, which decides who may mount {}, has not answered: {reason}. Try again when it can be reached from this machine; what is mounted stays for the grace period",
                    note.volume
                ),
            })?;
            let place = LocalMount {
                dir,
                within: within(&rights)?,
                read_only: read_only || !rights.write,
                access_point,
            };
            (place, rights.access_point.and_then(|point| point.creation))
        }
        (Request::Mount { volume, .. }, None) | (Request::Adopt { volume, .. }, _) => {
            bail!("no file system {volume} is stored here")
        }
        (Request::BackUp { .. } | Request::Backups { .. } | Request::Restore { .. }, _) => {
            bail!("that is not about places")
        }
    };
    blocking(move || {
        let Some(note) = note else {
            bail!("nothing is to be mounted");
        };
        let how = if place.read_only { ", read-only" } else { "" };
        let said = format!(
            "{} is mounted on {}{how}.",
            note.volume,
            place.dir.display()
        );
        if let Some(creation) = creation {
            create_missing(&host, &note, (&place.within, creation))?;
        }
        host.local.add(&note, place)?;
        Ok(said)
    })
    .await
}

/// Creates the directory of an access point, as it says, if it is missing.
fn create_missing(
    host: &Host,
    note: &Note,
    (path, creation): (&str, Creation),
) -> anyhow::Result<()> {
    let mounted = host.layout.mount(&note.volume);
    let root = File::open(&mounted)?;
    // Where the volume has just been cut off, there is a directory of the machine's own.
    let around = fs::metadata(host.layout.path())?;
    if root.metadata()?.dev() == around.dev() {
        bail!("{} is no longer mounted: try again", note.volume);
    }
    Ok(root::create_missing(&root, path, creation)?)
}

/// What of the volume may be mounted on this machine. Whoever uses the directory is the user that the machine knows: what
/// makes another user of them cannot be done without NFS, and is not passed over.
fn within(rights: &Rights) -> anyhow::Result<String> {
    if !rights.root {
        bail!(
            "elasticfilesystem:ClientRootAccess is not allowed, and root of this machine is root in a directory that is mounted here: mount the file system by NFS"
        );
    }
    match &rights.access_point {
        None => Ok("/".to_owned()),
        Some(point) if point.user.is_none() => Ok(point.path.clone()),
        Some(_) => bail!(
            "the access point has a POSIX user, which files in a directory that is mounted here would not get: mount it by NFS"
        ),
    }
}

/// Asks for the rights of the places of a volume, if that is due, and makes them what they are to be.
pub async fn look_after(
    host: &Arc<Host>,
    clients: &Clients,
    note: &Note,
    looked: &mut LookAfter,
) -> anyhow::Result<()> {
    let (own, volume) = (Arc::clone(host), note.volume.clone());
    let places = blocking(move || own.local.places(&volume)).await?;
    let mut allowed = looked.allowed.clone();
    allowed.retain(|dir, _| places.iter().any(|place| place.dir == *dir));
    for place in &places {
        if !looked.asks && allowed.contains_key(&place.dir) {
            continue;
        }
        let again = allowed.contains_key(&place.dir);
        let rights = clients.local(note.volume.as_str(), place.access_point.as_deref(), again);
        match rights.await {
            Ok(rights) => {
                let same = within(&rights).is_ok_and(|within| within == place.within);
                let may = same && (rights.write || place.read_only);
                allowed.insert(place.dir.clone(), may);
            }
            Err(Refused::Denied { reason }) => {
                tracing::warn!(volume = %note.volume, dir = %place.dir.display(), reason, "mounting it there is no longer allowed");
                allowed.insert(place.dir.clone(), false);
            }
            // Nobody has taken the right away, nor can anybody while the server does not answer.
            Err(Refused::Unanswered { reason }) => {
                looked.silent = true;
                if looked.is_over && allowed.insert(place.dir.clone(), false) != Some(false) {
                    tracing::warn!(volume = %note.volume, dir = %place.dir.display(), reason, "the grace is over: it is not mounted there until the server answers");
                }
            }
        }
    }
    looked.allowed = allowed.clone();
    let (own, note) = (Arc::clone(host), note.clone());
    blocking(move || own.local.restore(&note, &allowed)).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(error.into()))
}
