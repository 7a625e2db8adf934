//! Backups of this machine's volumes in a place elsewhere: how one is made, and put back. When, `keyward_agent::backup`
//! decides.
//!
//! A backup of an encrypted volume is a copy of its ciphertext by its own process, under its own id and data key, so
//! that nothing in it can be read without the KMS key, and it can take the place of the image that it is a copy
//! of. One of an unencrypted volume is a copy of its image while it is frozen.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
};

use anyhow::{Context as _, anyhow, bail};
use keyward_agent::{
    backup::Backup,
    note::{Note, Restored},
    steps::Machine as _,
    wanted::Wanted,
};
use keyward_copies::{
    About, CopyName, Error, Place, Received, Trust, Verified, VolumeName, list, receive, remove,
    send, verify,
};
use keyward_keeper::{
    backup::{look_at, look_at_received, of_attached},
    image::parse_id,
    nameless,
    state::Phase,
    units::{counted, show_size},
    whereabouts::Whereabouts,
};
use keyward_types::{shown::with_causes, storage::VolumeId};
use rustix::fs::statvfs;

use crate::{
    beats::Beats,
    host::{Backups, Host, new_token},
    look::whereabouts,
    plain::DELETED,
};

/// What is noted down with a copy.
const ENCRYPTED: &str = "encrypted";
const GENERATION: &str = "generation";

/// How many chunks a message names that are damaged or missing.
const SHOWN_CHUNKS: usize = 3;

/// A backup that is to be put back.
#[derive(Debug)]
pub struct Restoring {
    /// What the server wants of the volume.
    pub wanted: Wanted,
    /// What is noted down of it.
    pub note: Option<Note>,
    /// The backup's name, or the newest one.
    pub backup: Option<String>,
    /// Whether something newer may be known of the volume.
    pub accept_rollback: bool,
}

impl Backups {
    /// The place, whose answers are counted.
    fn place(&self, beats: &Beats) -> anyhow::Result<Place> {
        let beats = beats.clone();
        let place = Place::parse(&self.to, &self.bucket);
        let place = place.map(|place| place.heard(move || beats.beat()));
        place.map_err(|error| match error {
            error @ Error::Place { .. } => error.into(),
            error => anyhow!("{} (`keyward agent run --help` shows the flags for the place, which begin with --backup-)", with_causes(&error)),
        })
    }

    /// The backups of all volumes in the place, whichever agent has made them.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub fn list(&self, beats: &Beats) -> anyhow::Result<BTreeMap<VolumeId, Vec<Backup>>> {
        beats.waits_for_place();
        let mut found: BTreeMap<VolumeId, Vec<Backup>> = BTreeMap::new();
        for name in list(&self.place(beats)?)? {
            // There may be copies of others.
            let volume = VolumeId::parse(name.volume().as_str()).ok();
            if let Some((volume, backup)) = volume.zip(Backup::parse(name.name())) {
                found.entry(volume).or_default().push(backup);
            }
        }
        Ok(found)
    }

    /// Makes a backup of a volume, and reads it back. Answers the generation of an encrypted one.
    ///
    /// # Errors
    /// When the volume is cut off or not attached, there is no room, or the place fails. Then there is no backup of that
    /// name.
    pub fn make(
        &self,
        host: &Host,
        (note, backup): (&Note, Backup),
        beats: &Beats,
    ) -> anyhow::Result<Option<u64>> {
        let name = copy_name(&note.volume, backup)?;
        self.prepare(host, note)?;
        let (image, generation) = match note.encrypted {
            true => {
                let id = parse_id(&note.image).context("the note names no image")?;
                let found = host.states.find(id)?.filter(|found| found.lives);
                let found = found.context("the volume is not attached")?;
                if found.process.phase == Phase::CutOff {
                    let why = found.process.reason.unwrap_or_default();
                    bail!("the volume is cut off: {why}");
                }
                beats.copies();
                let image = of_attached(&found, id, &self.work, &|| beats.beat());
                beats.copied();
                let image = image?;
                let made = look_at(&image)?.context("the copy is not an encrypted volume")?;
                (image, Some(made.generation))
            }
            false => (self.copy_plain(host, note)?, None),
        };
        beats.waits_for_place();
        let place = self.place(beats)?;
        let progress = || {
            beats.beat();
            host.goes_on()
        };
        let mut about = About::from([(ENCRYPTED.to_owned(), note.encrypted.to_string())]);
        let number = generation.map(|generation| (GENERATION.to_owned(), generation.to_string()));
        about.extend(number);
        let mut trust = Trust::Length;
        loop {
            let about = (&about, trust);
            send(&image, &place, &name, about, &mut |_, _| progress())?;
            let verified = verify(&place, &name, &mut |_, _| progress());
            if matches!(&verified, Ok(verified) if verified.faults.is_empty()) {
                return Ok(generation);
            }
            remove(&place, name.volume(), std::slice::from_ref(&name))?;
            let verified = verified?;
            if trust == Trust::Content {
                return Err(unreadable(&verified, &place));
            }
            // What was there already may be damaged: it is read now, and sent again.
            tracing::warn!(volume = %note.volume, error = %unreadable(&verified, &place), "the backup is sent again");
            trust = Trust::Content;
        }
    }

    /// Removes backups of a volume.
    ///
    /// # Errors
    /// When the place fails.
    pub fn remove(
        &self,
        volume: &VolumeId,
        backups: &[Backup],
        beats: &Beats,
    ) -> anyhow::Result<()> {
        if backups.is_empty() {
            return Ok(());
        }
        let names = backups.iter().map(|backup| copy_name(volume, *backup));
        let names = names.collect::<anyhow::Result<Vec<CopyName>>>()?;
        remove(
            &self.place(beats)?,
            &VolumeName::parse(volume.as_str())?,
            &names,
        )?;
        Ok(())
    }

    /// Creates the directory for copies, and checks that there is room: a disk that is full stops the volumes on it.
    fn prepare(&self, host: &Host, note: &Note) -> anyhow::Result<()> {
        let mut builder = DirBuilder::new();
        let created = builder.recursive(true).mode(0o700).create(&self.work);
        created.with_context(|| format!("cannot create {}", self.work.display()))?;
        let image = match whereabouts(&host.layout, &host.states, note)? {
            Whereabouts::Moved(name) | Whereabouts::Deleted(Some(name)) => name,
            Whereabouts::InPlace => host.layout.image(&note.volume),
            Whereabouts::Deleted(None) => bail!("{DELETED}"),
        };
        let taken =
            fs::metadata(&image).with_context(|| format!("cannot read {}", image.display()))?;
        let taken = taken.blocks().saturating_mul(512);
        let disk = statvfs(&self.work)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < taken {
            bail!(
                "there is no room in {} for a copy of the volume: it needs {}, and {} are free. Make room, or name another directory with --backup-work-dir",
                self.work.display(),
                show_size(taken),
                show_size(free)
            );
        }
        Ok(())
    }

    /// A copy of a volume without encryption, which has no name.
    fn copy_plain(&self, host: &Host, note: &Note) -> anyhow::Result<File> {
        let copy = nameless::within(&self.work)?;
        host.with_plain(note, |plain| plain.copy(&copy, &|| host.goes_on()))
            .with_context(|| format!("cannot copy it to {}", self.work.display()))?;
        Ok(copy)
    }

    /// Puts the image of a volume back that is lost, and notes it down, so that it is attached. Answers what to say.
    ///
    /// # Errors
    /// When there is an image, there is no such backup, it is not of the volume or older than what is known, or it cannot
    /// be read. Then nothing has changed, except that what was received stays for the next attempt.
    pub fn restore(&self, host: &Host, asked: &Restoring) -> anyhow::Result<String> {
        let volume = &asked.wanted.volume;
        let image = host.layout.image(volume);
        let place = self.place(&Beats::default())?;
        let backup = self.choose(volume, asked.backup.as_deref())?;
        let name = copy_name(volume, backup)?;
        let noted = keyward_copies::manifest(&place, &name)?;
        let noted = noted.about().get(GENERATION);
        if let Some(noted) = noted.and_then(|noted| noted.parse().ok()) {
            // What the place says is not authentic: the image itself is asked again.
            asked.check_age(host, &name, (noted, None))?;
        }
        let received = receive(&place, &name, &image, &mut |_, _| host.goes_on())?;
        match asked.checked(host, &name, &received) {
            Ok(note) => {
                host.write(&note)?;
                received.keep()?;
                Ok(format!(
                    "{volume} is restored as it was at {}. It becomes available as soon as its key can be used. What was written after that is not in it: if another machine still has a newer image, it is only there.",
                    backup.at
                ))
            }
            Err(error) => {
                received.discard()?;
                Err(error)
            }
        }
    }

    /// The backup that is meant.
    fn choose(&self, volume: &VolumeId, named: Option<&str>) -> anyhow::Result<Backup> {
        let all = self
            .list(&Beats::default())?
            .remove(volume)
            .unwrap_or_default();
        let none = || {
            anyhow!(
                "there is no such backup of {volume} in {}: `keyward agent backups` lists what there is",
                self.to
            )
        };
        match named {
            Some(named) => {
                let within = named.strip_prefix(&format!("{volume}/"));
                let backup = Backup::parse(within.unwrap_or(named));
                backup
                    .filter(|backup| all.contains(backup))
                    .ok_or_else(none)
            }
            None => all.into_iter().max().ok_or_else(none),
        }
    }
}

impl Restoring {
    /// Checks what was received, and answers what to note down of it.
    fn checked(&self, host: &Host, name: &CopyName, received: &Received) -> anyhow::Result<Note> {
        let volume = &self.wanted.volume;
        let superblock = look_at_received(received.file(), received.path())?;
        let image = self.note.as_ref().map(|note| note.image.clone());
        let (superblock, key) = match (superblock, self.wanted.key()) {
            (None, None) => {
                let image = image.unwrap_or_else(|| host.new_image());
                return Ok(self.note(image, None));
            }
            (Some(superblock), Some(key)) => (superblock, key),
            (found, _) => {
                let (found, wanted) = match found {
                    Some(_) => ("encrypted", "not"),
                    None => ("not encrypted", "is"),
                };
                bail!(
                    "the image in {name} is {found}, and {volume} {wanted}: it is not a backup of it"
                )
            }
        };
        let id = superblock.volume_id.to_string();
        if superblock.key.context != key.context {
            bail!(
                "the image in {name} is that of another file system: its data key was wrapped with another encryption context"
            );
        }
        if let Some(image) = image.filter(|image| *image != id) {
            bail!("the image in {name} is volume {id}, and that of {volume} was {image}");
        }
        let generation = superblock.generation;
        let known = self.check_age(host, name, (generation, Some(&id)))?;
        let restored = Restored {
            generation,
            known: known.unwrap_or(0),
            accept_rollback: self.accept_rollback,
            token: new_token(),
        };
        Ok(self.note(id, Some(restored)))
    }

    fn note(&self, image: String, restored: Option<Restored>) -> Note {
        let Wanted {
            volume, encrypted, ..
        } = &self.wanted;
        let note = Note::brought(volume.clone(), image, *encrypted, self.wanted.generation);
        note.restored(restored)
    }

    /// Refuses an image that says it is older than what is known of the volume, on this machine or by the server, and
    /// answers that. Opening it demands the same of what is authentic.
    fn check_age(
        &self,
        host: &Host,
        name: &CopyName,
        (found, id): (u64, Option<&str>),
    ) -> anyhow::Result<Option<u64>> {
        let image = self.note.as_ref().map(|note| note.image.as_str());
        let here = match id.or(image).and_then(parse_id) {
            Some(id) => host.states.known(id)?,
            None => None,
        };
        let Some(known) = here.max(self.wanted.backup_generation) else {
            return Ok(None);
        };
        if found < known && !self.accept_rollback {
            let what = match here {
                Some(here) if here == known => "the image that was lost had",
                _ => "the newest backup has, as the server knows,",
            };
            bail!(
                "{name} is older than what is known of the volume: it has generation {found}, and {what} generation {known}. Everything written since the backup is lost if it is restored. If that is what you want, use --danger-accept-rollback"
            );
        }
        Ok(Some(known))
    }
}

fn copy_name(volume: &VolumeId, backup: Backup) -> anyhow::Result<CopyName> {
    Ok(CopyName::parse(&format!("{volume}/{}", backup.name()))?)
}

fn unreadable(verified: &Verified, place: &Place) -> anyhow::Error {
    let chunks = verified.faults.keys().take(SHOWN_CHUNKS);
    let chunks: Vec<&str> = chunks.map(String::as_str).collect();
    let count = verified.faults.len() as u64;
    anyhow!(
        "what was sent cannot be read back from {place}: {} damaged or missing, such as {}",
        counted(count, "chunk is", "chunks are"),
        chunks.join(", ")
    )
}
