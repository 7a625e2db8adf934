//! What a volume's process has done by another one: a process that waits for its own disk cannot be ended.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::bail;
use clap::Args;
use keyward_attach::{
    attachment::{Attachment, detach},
    ext4::{Checked, Format, MountOptions},
    volume_dir::VolumeDir,
};
use keyward_keeper::keeper::{FORMATTED, Mounting};

use crate::out::say;

/// Bind a loop device to a served volume, and mount it
#[derive(Debug, Args)]
pub struct Bind {
    #[command(flatten)]
    mounting: Mounting,
    /// Where it is served
    #[arg(long)]
    place: PathBuf,
    /// Create the file system first
    #[arg(long)]
    format: bool,
    /// Make the file system as large as the volume
    #[arg(long)]
    grow: bool,
}

impl Bind {
    pub fn run(self) -> anyhow::Result<()> {
        let place = VolumeDir::open(&self.place)?;
        let attachment = Attachment::bind(&place)?;
        if let Err(error) = self.mount(&attachment) {
            // The process that serves takes away what cannot be taken away here.
            let _ = detach(&place);
            return Err(error);
        }
        Ok(say!("{}", attachment.device().display())?)
    }

    fn mount(&self, attachment: &Attachment) -> anyhow::Result<()> {
        let Some(dir) = &self.mounting.dir else {
            return Ok(());
        };
        if self.format {
            // An earlier attempt may have been interrupted.
            let overwrite = true;
            attachment.format(&Format {
                overwrite,
                ..Format::default()
            })?;
            // Not mounted before it is noted down that it is there.
            say!("{FORMATTED}")?;
            if io::stdin().read_line(&mut String::new())? == 0 {
                bail!("the volume's process has not recorded that the file system exists");
            }
        } else if let Checked::Repaired { report } = attachment.check()? {
            writeln!(io::stderr(), "the file system was repaired: {report}")?;
        }
        if self.grow {
            attachment.grow()?;
        }
        let mut options = MountOptions {
            read_only: self.mounting.read_only,
            ..MountOptions::default()
        };
        for option in &self.mounting.mount_option {
            match option.as_str() {
                "noexec" => options.no_exec = true,
                "noatime" => options.no_atime = true,
                other => options.ext4.push(other.to_owned()),
            }
        }
        Ok(attachment.mount(dir, &options)?)
    }
}
