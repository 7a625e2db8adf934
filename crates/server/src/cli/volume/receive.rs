//! `keyward volume receive`

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

use anyhow::bail;
use clap::Args;
use keyward_copies::{CopyName, Received, choose, receive, stream};
use keyward_keeper::{
    backup::look_at_received,
    image::parse_id,
    state::{StateArgs, is_denied},
};
use keyward_types::shown::Value;
use keyward_volume::Superblock;

use super::{
    STATE,
    meter::Meter,
    places::{BUCKETS, Bucket, STREAM, sizes_of_which},
};
use crate::out::say;

fn after_help() -> String {
    format!(
        "Examples:
  keyward volume receive /mnt/backup customers.img
  keyward volume receive s3://our-backups/volumes customers.img --region eu-central-1
  ssh other keyward volume send customers.img - | keyward volume receive - customers.img

{BUCKETS}

Environment:
  {STATE}"
    )
}

/// Make an image of a copy in a directory, a bucket, or standard input
///
/// Every chunk is verified as it arrives, against the manifest of the copy. After an interruption, the same
/// command goes on (but a stream starts over). Whether the image is as the volume's owner wrote it, only the data
/// key tells: `check` verifies every block, and what is attached is verified as it is read.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Receive {
    /// Where the copy is: a directory, s3://BUCKET/PREFIX, or `-` for standard input
    #[arg(value_name = "PLACE")]
    from: String,
    /// The image, which must not exist
    image: PathBuf,
    /// Which copy: VOLUME/NAME, or VOLUME for the last one of a volume [default: the last one, if all are of one
    /// volume]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    bucket: Bucket,
    #[command(flatten)]
    state: StateArgs,
}

impl Receive {
    pub fn run(self) -> anyhow::Result<()> {
        let mut meter = Meter::new("received");
        let mut progress = |done, total| {
            meter.show(done, total);
            true
        };
        let (received, name) = if self.from == STREAM {
            if self.name.is_some() {
                bail!("a stream has no name: leave --name out");
            }
            if io::stdin().is_terminal() {
                bail!(
                    "standard input is a terminal: give it the stream, such as with `ssh HOST keyward volume send IMAGE - |`"
                );
            }
            let mut input = io::stdin().lock();
            let received = stream::receive(&mut input, &self.image, &mut progress);
            (received, None)
        } else {
            let place = self.bucket.clone().place(&self.from)?;
            let name = choose(&place, self.name.as_deref(), "--name")?;
            let received = receive(&place, &name, &self.image, &mut progress);
            (received, Some(name))
        };
        meter.end();
        let received = received?;
        let superblock = look_at_received(received.file(), received.path())?;
        if let (Some(name), Some(superblock)) = (&name, &superblock) {
            check_volume(name, superblock, &received)?;
        }
        let new_chunks = received.new_chunks;
        let manifest = received.keep()?;
        let there = manifest.chunks().len() as u64 - new_chunks;
        let shown = self.image.display();
        let of = name.map_or_else(
            || "the stream".to_owned(),
            |name| format!("the copy {name}"),
        );
        say!("{shown} is made from {of}.")?;
        say!("It has {}.", sizes_of_which(&manifest, there))?;
        match superblock {
            Some(superblock) => self.introduce(&superblock),
            None => Ok(say!(
                "It is not an encrypted volume: nothing but the place says that it is what was sent."
            )?),
        }
    }

    /// Says what can be read of the volume without its key.
    fn introduce(&self, superblock: &Superblock) -> anyhow::Result<()> {
        let (id, generation) = (superblock.volume_id, superblock.generation);
        say!("It says that it is volume {id} of generation {generation}, under the key")?;
        say!("{}. `check` verifies it.", Value(&superblock.key.key_arn))?;
        let known = match self.state.states()?.known(id) {
            Err(error) if is_denied(&error) => None,
            known => known?,
        };
        if let Some(known) = known.filter(|known| *known > generation) {
            say!(
                "It is older than what this machine knows of the volume, generation {known}: to attach or check it,\n--danger-accept-rollback is needed, and what was written since is lost."
            )?;
        }
        Ok(())
    }
}

/// Refuses the image of another volume than the copy's name says, if it says one.
fn check_volume(
    name: &CopyName,
    superblock: &Superblock,
    received: &Received,
) -> anyhow::Result<()> {
    let named = parse_id(name.volume().as_str());
    if named.is_some_and(|named| named != superblock.volume_id) {
        let path: &Path = received.path();
        bail!(
            "the copy {name} is not of that volume, but of {}: somebody has exchanged it. Use another copy; what was received is in {}",
            superblock.volume_id,
            path.display()
        );
    }
    Ok(())
}
