//! `keyward volume resize`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use keyward_attach::{attachment::Attachment, error::Error};
use keyward_keeper::{
    control::{Request, ask},
    key::Pending,
    units::{parse_size, show_size},
};

use super::{Access, STATE, check_requirements, environment};
use crate::out::say;

/// Bytes of a block.
const BLOCK: u64 = 4096;

fn after_help() -> String {
    let help = environment(
        "Examples:
  keyward volume resize customers.img 20GiB --data-dir /var/lib/keyward

Permissions:
  kms:Decrypt on the key, unless the volume is attached.",
    );
    format!("{help}\n  {STATE}")
}

/// Make a volume larger, and the file system on it
///
/// An attached volume grows while it is used, which needs root. Otherwise the volume grows at once, and the
/// file system when it is attached. A volume cannot become smaller.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Resize {
    /// The image
    image: PathBuf,
    /// The new size, such as 20GiB
    #[arg(value_parser = parse_size)]
    size: u64,
    #[command(flatten)]
    access: Access,
}

impl Resize {
    pub fn run(self) -> anyhow::Result<()> {
        let target = self.access.target(&self.image)?;
        let old = target.superblock.blocks * BLOCK;
        let (shown, size) = (self.image.display(), show_size(self.size));
        if self.size < old {
            bail!(
                "{shown} has {}: a volume cannot become smaller",
                show_size(old)
            );
        }
        let Some(found) = &target.attached else {
            let opened = target.open(None)?;
            opened.volume.grow(self.size)?;
            let mut key = opened.volume.key_info();
            if !Pending::Format.is_in(&key) {
                Pending::Grow.add(&mut key);
                opened.volume.rekey(key)?;
            }
            opened.close()?;
            return Ok(say!(
                "{shown} has {size}. The file system on it grows when it is attached."
            )?);
        };
        check_requirements()?;
        let folder = &found.folder;
        ask(folder, &Request::Grow { size: self.size }, &mut |_, _| {})?;
        let attachment = Attachment::find(&folder.place()?)?;
        let attachment = attachment.context("the volume has no loop device any more")?;
        if found.process.dir.is_none() {
            // Nobody knows what is on it.
            return Ok(say!(
                "{shown} has {size}. Its loop device grows when it is attached again."
            )?);
        }
        match attachment.grow() {
            Err(Error::CannotGrowMounted { .. }) => {
                return Ok(say!(
                    "{shown} has {size}. The file system on it grows when it is attached again: while it is mounted,\nthat would need the capability CAP_SYS_RESOURCE."
                )?);
            }
            grown => grown.with_context(|| {
                format!("the volume has {size}, but the file system on it has not: try again with the same size, or attach it again")
            })?,
        };
        ask(folder, &Request::Grown, &mut |_, _| {})?;
        Ok(say!("{shown} and the file system on it have {size}.")?)
    }
}
