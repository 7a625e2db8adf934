//! `keyward volume copies`

use std::process::ExitCode;

use clap::Args;
use keyward_copies::{CopyName, Fault, choose, list, manifest, remove, verify};
use keyward_keeper::units::{counted, show_size};

use super::{
    meter::Meter,
    places::{BUCKETS, Bucket, sizes},
};
use crate::out::say;

fn after_help() -> String {
    format!(
        "Examples:
  keyward volume copies /mnt/backup
  keyward volume copies /mnt/backup --verify 1b4e28ba2fa111d2883f0016d3cca427/20261130T050000Z
  keyward volume copies s3://our-backups --remove 1b4e28ba2fa111d2883f0016d3cca427/20261130T050000Z

{BUCKETS}

The status is 1 if a copy cannot be used."
    )
}

/// List, verify or remove the copies in a directory or a bucket
///
/// Without a flag, lists all copies. --verify reads a copy as `receive` does, but writes nothing, and names the file or
/// object of each chunk that is damaged or missing. --remove removes a copy,
/// and the chunks that no other copy of the volume needs. Only one process at a time may send or remove copies of a
/// volume: in a directory a second one is refused, in a bucket it is not.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Copies {
    /// A directory, or s3://BUCKET/PREFIX
    place: String,
    /// Verify this copy: VOLUME/NAME, or VOLUME for the last one of a volume
    #[arg(long, value_name = "NAME", conflicts_with = "remove")]
    verify: Option<String>,
    /// Remove this copy
    #[arg(long, value_name = "NAME")]
    remove: Option<String>,
    #[command(flatten)]
    bucket: Bucket,
}

impl Copies {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let place = self.bucket.place(&self.place)?;
        if let Some(name) = &self.verify {
            let name = choose(&place, Some(name), "--verify")?;
            let mut meter = Meter::new("verified");
            let verified = verify(&place, &name, &mut |done, total| {
                meter.show(done, total);
                true
            });
            meter.end();
            let verified = verified?;
            if verified.faults.is_empty() {
                say!("{name} is whole: {}.", sizes(&verified.manifest))?;
                return Ok(ExitCode::SUCCESS);
            }
            say!("{name} cannot be received:")?;
            for (path, fault) in &verified.faults {
                let fault = match fault {
                    Fault::Missing => "is missing",
                    Fault::Damaged => "is damaged",
                };
                say!("  {path} {fault}")?;
            }
            say!(
                "\nUse another copy. If the volume still exists, `send --verify` sends again what is damaged or missing, also for this\ncopy; `keyward agent backup` does so for a file system."
            )?;
            return Ok(ExitCode::FAILURE);
        }
        if let Some(name) = &self.remove {
            let name = CopyName::parse(name)?;
            let volume = name.volume().clone();
            let removed = remove(&place, &volume, std::slice::from_ref(&name))?;
            say!(
                "{name} is removed, and {} that no other copy needs: {}.",
                counted(removed.chunks, "chunk", "chunks"),
                show_size(removed.bytes)
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut status = ExitCode::SUCCESS;
        let all = list(&place)?;
        if all.is_empty() {
            say!("There is no copy in {} yet.", self.place)?;
        }
        for name in all {
            match manifest(&place, &name) {
                Ok(manifest) => say!(
                    "{name}  {}, an image of {}",
                    sizes(&manifest),
                    show_size(manifest.image_bytes())
                )?,
                // The others can be of use.
                Err(error) => {
                    status = ExitCode::FAILURE;
                    say!("{name}  {:#}", anyhow::Error::from(error))?;
                }
            }
        }
        Ok(status)
    }
}
