//! `keyward volume`

mod attach;
mod bind;
mod check;
mod copies;
mod create;
mod detach;
mod meter;
mod places;
mod receive;
mod rekey;
mod resize;
mod send;
mod snapshot;
mod stat;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use keyward_agent::layout::Layout;
use keyward_attach::requirements;
use keyward_client::{Connect, ENVIRONMENT};
use keyward_keeper::{
    image::{Known, OpenImage, inspect},
    kms::Kms,
    state::{Found, StateArgs, States, is_denied},
};
use keyward_volume::Superblock;

/// Encrypted volumes: images whose data key a KMS key wraps, mounted as ext4
///
/// A volume is one image file. Its blocks are encrypted and authenticated under a data key, which is stored in
/// the image, wrapped by a key of Keyward or another KMS. While a volume is attached, its process checks at
/// least every minute that the KMS key may still be used; if not, the volume is cut off at once. See
/// docs/volumes.md.
#[derive(Debug, Subcommand)]
pub enum Volume {
    Create(create::Create),
    Attach(attach::Attach),
    Detach(detach::Detach),
    Check(check::Check),
    Resize(resize::Resize),
    Rekey(rekey::Rekey),
    Snapshot(snapshot::Snapshot),
    Send(send::Send),
    Receive(receive::Receive),
    Copies(copies::Copies),
    Stat(stat::Stat),
    #[command(hide = true)]
    Serve(attach::Serve),
    #[command(hide = true)]
    Bind(bind::Bind),
}

impl Volume {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Attach(attach) => return attach.run(),
            Self::Check(check) => return check.run(),
            Self::Copies(copies) => return copies.run(),
            Self::Serve(serve) => return serve.run(),
            Self::Create(create) => create.run()?,
            Self::Detach(detach) => detach.run()?,
            Self::Resize(resize) => resize.run()?,
            Self::Rekey(rekey) => rekey.run()?,
            Self::Snapshot(snapshot) => snapshot.run()?,
            Self::Send(send) => send.run()?,
            Self::Receive(receive) => receive.run()?,
            Self::Stat(stat) => stat.run()?,
            Self::Bind(bind) => bind.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

// What every command has that opens an image: KMS, and what is known.
#[derive(Debug, Args)]
struct Access {
    #[command(flatten)]
    known: Known,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    connect: Connect,
}

/// An image that a command works on.
struct Target {
    image: PathBuf,
    superblock: Superblock,
    states: States,
    known: Known,
    kms: Kms,
    /// The process that has it attached, as far as this user can see.
    attached: Option<Found>,
}

impl Access {
    /// Looks at an image and at who has it attached.
    fn target(self, image: &Path) -> anyhow::Result<Target> {
        let image = existing(image)?;
        let states = states_of(&image, &self.state)?;
        let superblock = inspect(&image)?;
        let found = match states.find(superblock.volume_id) {
            // If it is attached, opening the image will say so.
            Err(error) if is_denied(&error) => None,
            found => found?,
        };
        // Another file with the same volume is a copy, which nobody has attached.
        let attached = found.filter(|found| found.lives && found.process.image == image);
        Ok(Target {
            image,
            superblock,
            states,
            known: self.known,
            kms: Kms::new(self.connect)?,
            attached,
        })
    }
}

impl Target {
    /// Opens it, which nobody has attached, with the data key as it is wrapped in the image or elsewhere.
    fn open(&self, key: Option<&keyward_volume::KeyInfo>) -> anyhow::Result<OpenImage> {
        let with = (&self.kms, &self.states, &self.known);
        OpenImage::new(&self.image, &self.superblock, key, with)
    }
}

/// A file that exists, without links in its path.
fn existing(image: &Path) -> anyhow::Result<PathBuf> {
    let shown = image.display();
    let found = fs::canonicalize(image).with_context(|| format!("cannot open {shown}"))?;
    if !found.is_file() {
        bail!("{shown} is not a file");
    }
    Ok(found)
}

/// Where what is known of an image is kept. That of an agent has a place of its own.
fn states_of(image: &Path, state: &StateArgs) -> anyhow::Result<States> {
    let states = state.states()?;
    if let Some(keepers) = elsewhere(image, &states) {
        bail!(
            "{} is the image of an agent's file system, and what is known of it is in {keepers}: add `--state-dir {keepers}`",
            image.display(),
            keepers = keepers.display()
        );
    }
    Ok(states)
}

/// Where what is known of an image is kept if it belongs to an agent, and these are other directories.
fn elsewhere(image: &Path, states: &States) -> Option<PathBuf> {
    let keepers = Layout::of_image(image)?.keepers();
    let given = states
        .given()
        .and_then(|given| fs::canonicalize(given).ok());
    (given.as_deref() != Some(&keepers)).then_some(keepers)
}

/// Refuses a machine on which nothing can be attached; it says what is missing.
fn check_requirements() -> anyhow::Result<()> {
    let missing = requirements::missing();
    if !missing.is_empty() {
        bail!(
            "volumes cannot be attached here:\n  {}",
            missing.join("\n  ")
        );
    }
    Ok(())
}

/// What follows the help of a command that asks KMS.
fn environment(examples: &str) -> String {
    format!("{examples}\n\n{ENVIRONMENT}\n  AWS_ENDPOINT_URL_KMS overrides AWS_ENDPOINT_URL.")
}

/// What every command but one heeds.
const STATE: &str = "KEYWARD_VOLUME_STATE_DIR: the same as --state-dir.";
