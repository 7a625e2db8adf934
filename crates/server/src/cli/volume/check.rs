//! `keyward volume check`

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use keyward_keeper::{
    control::{Request, ask},
    report::Report,
    units::counted,
};

use super::{Access, STATE, environment, meter::Meter};
use crate::out::say;

fn after_help() -> String {
    let help = environment(
        "Examples:
  keyward volume check customers.img --data-dir /var/lib/keyward

Permissions:
  kms:Decrypt on the key.

The status is 1 if something is damaged, or was damaged and is repaired.",
    );
    format!("{help}\n  {STATE}")
}

/// Verify every block of a volume
///
/// Reads the whole image and verifies that every block and every page of the tree above them is what was
/// last written there. Lists what is damaged. Says nothing about the file system inside. An attached volume
/// is checked by its process, and stays usable. Needs no root, unless the volume is attached.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Check {
    /// The image
    image: PathBuf,
    #[command(flatten)]
    access: Access,
}

impl Check {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let target = self.access.target(&self.image)?;
        let mut meter = Meter::new("verified");
        let report = match &target.attached {
            Some(found) => {
                let mut progress = |done, total| meter.show(done, total);
                let report = ask(&found.folder, &Request::Check, &mut progress)?;
                serde_json::from_value(report)?
            }
            None => {
                let opened = target.open(None)?;
                let report = opened.volume.check(&mut |done, total| {
                    meter.show(done, total);
                    true
                })?;
                opened.close()?;
                Report::new(&report)
            }
        };
        meter.end();
        let Report {
            blocks,
            pages,
            damages,
            damaged,
            repaired,
            ..
        } = report;
        for one in &repaired {
            say!(
                "{one} was damaged when the volume was opened, and was repaired from the other copy. After a power\nfailure, this is normal. Otherwise check the disk, and who can write to the image."
            )?;
        }
        if damages == 0 {
            say!(
                "{} is as it was written: {} and {} of the tree are verified.",
                self.image.display(),
                counted(blocks, "block", "blocks"),
                counted(pages, "page", "pages")
            )?;
            return Ok(if repaired.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        say!(
            "{} is damaged in {}; {} written.",
            self.image.display(),
            counted(damages, "place", "places"),
            counted(blocks, "block is as it was", "blocks are as they were")
        )?;
        for one in &damaged {
            say!("  {one}")?;
        }
        if damages > damaged.len() as u64 {
            say!("  and {} more", damages - damaged.len() as u64)?;
        }
        say!(
            "\nWhat is damaged cannot be read; everything else can. Restore the image from a snapshot or a\nbackup, or copy the files that can still be read."
        )?;
        Ok(ExitCode::FAILURE)
    }
}
