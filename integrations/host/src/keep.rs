//! The process of an encrypted volume of an agent. It has the server unwrap the data key, makes the image if there is
//! none yet, and then is what the process of every attached volume is.

use std::{
    io::{self, Read as _},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_agent::{layout::Layout, note::Restored, wanted::WrappedKey};
use keyward_client::reach::Reach;
use keyward_keeper::{
    image::{Draft, FIRST_GENERATION, Known, arena, decrypt, journal_bytes, note_new, parse_id},
    keeper::{self, Ended, Mounting},
    key::Pending,
    kms::Kms,
    source::{Assigned, KeySource},
    state::{Process, States},
};
use keyward_types::storage::VolumeId;
use keyward_volume::{Create, KeyInfo, SystemNonces, create};

use crate::{databases, host::Assignment};

/// The longest assignment: a wrapped data key with its context.
const MAX_ASSIGNMENT: u64 = 64 * 1024;

/// How far ahead the generation of a volume is that was put back from a backup: more than the image that was lost can be,
/// so that one that turns up again is older, also on a machine that knows nothing of it.
const AFTER_RESTORE: u64 = 1 << 32;

/// What the process is told on its command line.
#[derive(Debug)]
pub struct Options {
    /// Where the agent keeps everything.
    pub layout: Layout,
    /// Where the processes of volumes are found.
    pub states: States,
    /// The volume.
    pub volume: VolumeId,
    /// Where the server is.
    pub reach: Reach,
    /// How often the server is asked whether the key may still be used.
    pub recheck: Duration,
    /// How long the volume stays without an answer.
    pub grace: Duration,
}

/// Attaches the volume that standard input assigns, says so, and serves it until it ends.
///
/// # Errors
/// When it cannot be attached, or cannot be closed.
pub fn run(
    options: Options,
    attached: impl FnOnce(&Process) -> anyhow::Result<()>,
) -> anyhow::Result<Ended> {
    let mut text = Vec::new();
    io::stdin().take(MAX_ASSIGNMENT).read_to_end(&mut text)?;
    let Assignment {
        image,
        key,
        make,
        restored,
        newest,
    } = serde_json::from_slice(&text).context("standard input assigns no volume")?;
    let source = KeySource::Agent(Assigned {
        reach: options.reach,
        credentials: options.layout.credentials(),
        volume: options.volume.to_string(),
        context: key.context.clone(),
    });
    let path = options.layout.image(&options.volume);
    let id = parse_id(&image).with_context(|| format!("`{image}` is not the name of an image"))?;
    if let Some(size) = make {
        let made = New {
            id,
            size,
            key: &key,
        };
        made.create(&path, &source, &options.states)?;
    }
    let superblock = keyward_keeper::image::inspect(&path)?;
    let found = superblock.volume_id;
    if found != id {
        bail!("{} holds volume {found}, and not {id}", path.display());
    }
    let noted = options.states.known(id)?;
    let token = options.states.restored(id)?;
    let restored = restored.filter(|restored| {
        token == Some(restored.token) && is_of(restored, superblock.generation, noted)
    });
    if noted.is_none() && restored.is_none() {
        bail!(
            "{} is not the image that was brought here, and nothing else says how new the volume's image has to be: bring that image, or the newest one, and run `keyward agent adopt {}`",
            path.display(),
            options.volume
        );
    }
    let dir = Some(options.layout.mount(&options.volume));
    let tenant = databases::tenant(&options.layout, &options.volume);
    if let Some(tenant) = &tenant {
        // Nothing of it can be there yet that has its volume.
        tenant.kill()?;
    }
    let options = keeper::Options {
        image: path,
        mounting: Mounting {
            dir,
            no_mount: false,
            read_only: false,
            // What is deleted gives its space back to the machine.
            mount_option: vec!["discard".to_owned()],
        },
        source,
        states: options.states,
        known: Known {
            // What the image says of itself was not authentic when it was restored. Opened, it is.
            known_generation: restored.map(|restored| restored.known).or(newest),
            danger_accept_rollback: restored.is_some_and(|restored| restored.accept_rollback),
            danger_accept_other_key: false,
            advance: restored.map_or(0, |restored| advance(&restored, newest)),
        },
        recheck: options.recheck,
        grace: options.grace,
        returns: true,
        tenant,
    };
    keeper::run(options, attached)
}

/// By how much the generation grows of an image that was restored: it is beyond the lost image that the server knows of,
/// too.
fn advance(restored: &Restored, newest: Option<u64>) -> u64 {
    let lost = newest.unwrap_or(0).saturating_sub(restored.known);
    AFTER_RESTORE.saturating_add(lost)
}

/// Whether what was noted down when an image was put back is about this one: not one that was put in its place later, and
/// not if the volume has been opened since, so that a note from then has no effect again.
fn is_of(restored: &Restored, generation: u64, noted: Option<u64>) -> bool {
    restored.generation == generation && noted.is_none_or(|noted| noted <= restored.known)
}

/// An image that is made.
struct New<'a> {
    id: keyward_volume::ImageId,
    size: u64,
    key: &'a WrappedKey,
}

impl New<'_> {
    fn create(
        &self,
        path: &std::path::Path,
        source: &KeySource,
        states: &States,
    ) -> anyhow::Result<()> {
        let mut key = KeyInfo {
            wrapped: STANDARD.decode(&self.key.ciphertext)?,
            key_arn: self.key.key_arn.clone(),
            context: self.key.context.clone(),
            labels: std::collections::BTreeMap::new(),
        };
        Pending::Format.add(&mut key);
        let data_key = decrypt(&Kms::new(source.clone())?, &key)?;
        let arena = arena()?;
        let (draft, disk) = Draft::create(path)?;
        let new = Create {
            volume_id: self.id,
            size: self.size,
            journal_bytes: journal_bytes(self.size),
            key,
            data_key: &data_key,
            arena: &arena,
            nonces: &SystemNonces,
        };
        create(&Arc::clone(&disk), &new)
            .with_context(|| format!("cannot create {}", path.display()))?;
        // Whoever attaches it must find the image that was made.
        note_new(states, self.id, (&data_key, FIRST_GENERATION))?;
        draft.keep();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_was_restored_is_newer_than_all_that_the_server_knows() {
        let restored = Restored {
            generation: 7,
            known: 9,
            accept_rollback: false,
            token: 1,
        };
        for newest in [None, Some(3), Some(9), Some(20), Some(1 << 50)] {
            let opened = restored.known + advance(&restored, newest);
            assert!(opened >= newest.unwrap_or(0) + AFTER_RESTORE);
        }
    }

    #[test]
    fn a_note_about_an_image_that_was_put_back_counts_once() {
        let restored = Restored {
            generation: 7,
            known: 9,
            accept_rollback: true,
            token: 1,
        };
        for (generation, noted, expected) in [
            (7, None, true),
            (7, Some(5), true),
            (7, Some(9), true),
            // It has been opened since, by which its generation has gone up.
            (7, Some(10), false),
            // Another image.
            (6, None, false),
            (8, Some(9), false),
        ] {
            assert_eq!(
                is_of(&restored, generation, noted),
                expected,
                "{generation} {noted:?}"
            );
        }
    }
}
