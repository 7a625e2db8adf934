//! `keyward volume send`

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use anyhow::bail;
use clap::Args;
use keyward_client::clock::SystemClock;
use keyward_copies::{About, CopyName, Trust, send, stream};
use keyward_keeper::{
    backup::{hold, of_attached},
    image::inspect,
    state::{StateArgs, States, is_denied},
};
use keyward_types::time::Clock as _;
use keyward_volume::Superblock;

use super::{
    STATE, existing,
    meter::Meter,
    places::{BUCKETS, Bucket, STREAM, sizes, sizes_of_which},
    states_of,
};
use crate::out::say;

fn after_help() -> String {
    format!(
        "Examples:
  keyward volume send customers.img /mnt/backup
  keyward volume send customers.img s3://our-backups/volumes --region eu-central-1
  keyward volume send customers.img - | ssh other keyward volume receive - customers.img

{BUCKETS}

Environment:
  {STATE}"
    )
}

/// Send a copy of a volume to a directory, a bucket, or standard output
///
/// The copy is the same volume: it has the same id and data key, and anyone who may use the KMS key can attach it
/// after `receive`. Only ciphertext is sent, and no blocks that are zeros. What the place has already of the volume is
/// not sent again, so after an interruption the same command goes on, and a later copy takes only what has changed. Of
/// what is there, only the length is looked at, so that damage is not noticed: --verify reads it, and `copies --verify`
/// reads a whole copy. An attached volume is copied by its process first, as it is at one moment, which takes room beside the image. Needs no
/// root, unless the volume is attached.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Send {
    /// The image
    image: PathBuf,
    /// Where the copy is sent to: a directory, s3://BUCKET/PREFIX, or `-` for standard output
    #[arg(value_name = "PLACE")]
    to: String,
    /// The copy's name, VOLUME/NAME [default: the volume's id, and the time]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A directory for the copy of an attached volume, until it is sent [default: that of the image]
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// Read what the place has already of the volume, and send again what is damaged of it
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    bucket: Bucket,
    #[command(flatten)]
    state: StateArgs,
}

impl Send {
    pub fn run(self) -> anyhow::Result<()> {
        let image = existing(&self.image)?;
        let states = states_of(&image, &self.state)?;
        let superblock = inspect(&image)?;
        let shown = self.image.display();
        if self.to == STREAM {
            if self.name.is_some() {
                bail!("a stream has no name: leave --name out");
            }
            if self.verify {
                bail!("a stream has no place that could be read: leave --verify out");
            }
            if io::stdout().is_terminal() {
                bail!(
                    "standard output is a terminal: send the stream somewhere, such as with `| ssh HOST keyward volume receive - IMAGE`"
                );
            }
            let file = self.open(&image, &superblock, &states)?;
            let about = about(&superblock);
            let mut meter = Meter::new("sent");
            // Not line by line.
            let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            let sent = stream::send(&file, &mut out, &about, &mut |done, total| {
                meter.show(done, total);
                true
            });
            meter.end();
            let sizes = sizes(&sent?);
            writeln!(io::stderr(), "{shown} is sent: {sizes}.")?;
            return Ok(());
        }
        let name = match &self.name {
            Some(name) => CopyName::parse(name)?,
            None => {
                let time = SystemClock::new().now().iso8601_basic();
                CopyName::parse(&format!("{}/{time}", superblock.volume_id))?
            }
        };
        let place = self.bucket.clone().place(&self.to)?;
        let file = self.open(&image, &superblock, &states)?;
        let mut meter = Meter::new("sent");
        let about = about(&superblock);
        let trust = match self.verify {
            true => Trust::Content,
            false => Trust::Length,
        };
        let sent = send(&file, &place, &name, (&about, trust), &mut |done, total| {
            meter.show(done, total);
            true
        });
        meter.end();
        let sent = sent?;
        say!("The copy {name} of {shown} is in {place}.")?;
        Ok(say!(
            "It has {}.",
            sizes_of_which(&sent.manifest, sent.reused)
        )?)
    }

    /// The image, or a copy of it if it is attached, so that nobody writes to it.
    fn open(&self, image: &Path, superblock: &Superblock, states: &States) -> anyhow::Result<File> {
        let volume = superblock.volume_id;
        let found = match states.find(volume) {
            // If it is attached, holding the image will say so.
            Err(error) if is_denied(&error) => None,
            found => found?,
        };
        // Another file with the same volume is a copy, which nobody has attached.
        match found.filter(|found| found.lives && found.process.image == image) {
            Some(found) => {
                let beside = image.parent().unwrap_or(Path::new("/"));
                let within = self.work_dir.as_deref().unwrap_or(beside);
                of_attached(&found, volume, within, &|| ())
            }
            None => hold(image, volume),
        }
    }
}

/// What is noted down with a copy.
fn about(superblock: &Superblock) -> About {
    let key_arn = &superblock.key.key_arn;
    About::from([
        ("volume-id".to_owned(), superblock.volume_id.to_string()),
        ("key-arn".to_owned(), key_arn.clone()),
    ])
}
