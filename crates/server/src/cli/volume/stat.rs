//! `keyward volume stat`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use keyward_keeper::{
    image::inspect,
    state::{Found, Phase, StateArgs, is_denied},
    units::show_size,
};
use keyward_types::shown;
use keyward_volume::disk::{Disk as _, FileDisk};
use serde_json::{Value, json};

use super::{STATE, elsewhere, existing};
use crate::out::say;

/// Bytes of a block.
const BLOCK: u64 = 4096;

fn after_help() -> String {
    format!(
        "Examples:
  keyward volume stat customers.img
  keyward volume stat customers.img --json

Environment:
  {STATE}"
    )
}

/// Show what can be read of an image without its key, and whether it is attached
///
/// Asks no KMS. What is shown is not verified: `check` does that. Only root sees whether the volume is
/// attached. Of an image in an agent's state directory, only --state-dir with the agent's keepers/ shows it.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Stat {
    /// The image
    image: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

impl Stat {
    pub fn run(self) -> anyhow::Result<()> {
        let image = existing(&self.image)?;
        let superblock = inspect(&image)?;
        let id = superblock.volume_id;
        let states = self.state.states()?;
        let disk = FileDisk::open_to_inspect(&image)?;
        let allocated = disk.allocated().context("cannot read the image's size")?;
        let elsewhere = elsewhere(&image, &states);
        let (found, known) = match &elsewhere {
            // What is not found here says nothing.
            Some(_) => (None, None),
            None => (visible(states.find(id))?, visible(states.known(id))?),
        };
        let unseen = match &elsewhere {
            Some(keepers) => format!("an agent's: `--state-dir {}` shows", keepers.display()),
            None => "only root sees".to_owned(),
        };
        // Another file with the same volume is a copy.
        let here = |found: &Found| found.process.image == image;
        let attached = found
            .as_ref()
            .map(|found| found.as_ref().filter(|found| here(found)));
        if self.json {
            let value = json!({
                "Image": image,
                "VolumeId": id.to_string(),
                "SizeBytes": superblock.blocks * BLOCK,
                "AllocatedBytes": allocated,
                "Generation": superblock.generation,
                "KnownGeneration": known,
                "IsClosed": superblock.clean,
                "KeyArn": superblock.key.key_arn,
                "EncryptionContext": superblock.key.context,
                "Labels": superblock.key.labels,
                "State": attached.map(state),
                "Process": attached.flatten().map(process),
            });
            return Ok(say!("{}", serde_json::to_string_pretty(&value)?)?);
        }
        say!("Image       {}", image.display())?;
        say!("Volume      {id}")?;
        if let Some(file_system) = superblock.key.context.get(OF_FILE_SYSTEM) {
            say!("File system {}", shown::Value(file_system))?;
        }
        say!("Size        {}", show_size(superblock.blocks * BLOCK))?;
        say!("Allocated   {}", show_size(allocated))?;
        let known = match known {
            Some(Some(known)) => format!("{known} is known here"),
            Some(None) => "none is known here".to_owned(),
            None => format!("{unseen} which one is known here"),
        };
        say!("Generation  {} ({known})", superblock.generation)?;
        say!("Key         {}", shown::Value(&superblock.key.key_arn))?;
        match attached {
            Some(found) => say!("State       {}", in_words(found, superblock.clean))?,
            None => say!("State       {unseen} whether it is attached")?,
        }
        Ok(())
    }
}

/// The name in the encryption context of an image of EFS whose value is the file system.
const OF_FILE_SYSTEM: &str = "aws:elasticfilesystem:filesystem:id";

/// What only root may see is `None` for others.
fn visible<T>(found: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            if is_denied(&error) {
                Ok(None)
            } else {
                Err(error)
            }
        }
    }
}

fn state(found: Option<&Found>) -> &'static str {
    match found.map(|found| (found.lives, found.process.phase)) {
        None => "detached",
        Some((true, Phase::Starting)) => "starting",
        Some((true, Phase::Attached)) => "attached",
        Some((_, Phase::CutOff)) => "cut-off",
        Some((false, Phase::Starting | Phase::Attached)) => "killed",
    }
}

fn process(found: &Found) -> Value {
    let process = &found.process;
    json!({
        "Pid": found.lives.then_some(process.pid),
        "Dir": process.dir,
        "Device": process.device,
        "ReadOnly": process.read_only,
        "Since": process.since,
        "Reason": process.reason,
        "Log": found.folder.log(),
    })
}

fn in_words(found: Option<&Found>, is_closed: bool) -> String {
    let Some(found) = found else {
        return if is_closed {
            "detached".to_owned()
        } else {
            "detached, not closed: the next open replays its journal".to_owned()
        };
    };
    let process = &found.process;
    let (pid, since) = (process.pid, &process.since);
    let reason = process.reason.as_deref().unwrap_or_default();
    let device = process
        .device
        .as_ref()
        .map(|device| device.display().to_string());
    let device = device.unwrap_or_default();
    match (found.lives, process.phase, &process.dir) {
        (true, Phase::Starting, _) => format!("is being attached by process {pid}"),
        (true, Phase::Attached, Some(dir)) => format!(
            "mounted on {} ({device}) by process {pid} since {since}",
            dir.display()
        ),
        (true, Phase::Attached, None) => {
            format!("attached as {device} by process {pid} since {since}")
        }
        (true, Phase::CutOff, _) => {
            // A reason that KMS gave ends with a full stop of its own.
            let reason = reason.trim_end_matches('.');
            format!("cut off since {since}: {reason}. Process {pid} waits for the key")
        }
        (false, Phase::CutOff, _) => format!("was cut off at {since}: {reason}"),
        (false, Phase::Starting | Phase::Attached, _) => format!(
            "process {pid} is dead: attach the volume again, or use `keyward volume detach --force`"
        ),
    }
}
