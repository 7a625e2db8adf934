//! `keyward volume rekey`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use keyward_agent::layout::Layout;
use keyward_keeper::{
    control::{Request, ask},
    key::{Wrapped, check_context, context, context_of_file_system},
};
use keyward_types::shown;

use super::{Access, STATE, Target, environment};
use crate::out::say;

fn after_help() -> String {
    let help = environment(
        "Examples:
  keyward volume rekey customers.img --key-id alias/customers-2027 --data-dir /var/lib/keyward
  keyward volume rekey restored.img --key-id alias/customers --file-system fs-0123456789abcdef0

Permissions:
  kms:ReEncryptFrom on the old key, kms:ReEncryptTo and kms:Decrypt on the new one. The process
  of an attached volume needs kms:Decrypt on the new key.",
    );
    format!("{help}\n  {STATE}")
}

/// Have another KMS key wrap a volume's data key
///
/// Another KMS key wraps the data key. The data key itself does not change, and no block is encrypted again. A copy
/// of the image from before can still be opened with the old KMS key. For a new data key, take a snapshot
/// with --key-id. Needs no root, unless the volume is attached.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Rekey {
    /// The image
    image: PathBuf,
    /// The KMS key that wraps the data key from now on: id, ARN, alias name or alias ARN
    #[arg(long, value_name = "KEY")]
    key_id: String,
    /// The image is a copy of this file system of EFS, such as from a backup: make it a volume of your own
    #[arg(long, value_name = "FILE_SYSTEM")]
    file_system: Option<String>,
    #[command(flatten)]
    access: Access,
}

impl Rekey {
    pub fn run(self) -> anyhow::Result<()> {
        let target = self.access.target(&self.image)?;
        match &self.file_system {
            Some(id) => check_file_system(&target, id)?,
            None => check_context(&target.superblock)?,
        }
        let (id, old) = (target.superblock.volume_id, &target.superblock.key);
        let (ciphertext, key_arn) = target
            .kms
            .re_encrypt(old, &self.key_id, &context(id))
            .with_context(|| format!("cannot wrap the data key under `{}`", self.key_id))?;
        let wrapped = Wrapped::new(id, &ciphertext, key_arn);
        match &target.attached {
            Some(found) => {
                let key = wrapped.clone();
                ask(&found.folder, &Request::Rekey { key }, &mut |_, _| {})?;
            }
            None => {
                // It is opened with what was wrapped anew: so that is good.
                let new = wrapped.info(&old.labels)?;
                let opened = target.open(Some(&new))?;
                let labels = opened.volume.key_info().labels;
                opened.volume.rekey(wrapped.info(&labels)?)?;
                opened.close()?;
            }
        }
        say!(
            "The data key of {} is now wrapped by {} instead of {}.",
            self.image.display(),
            wrapped.key_arn,
            shown::Value(&old.key_arn)
        )?;
        Ok(say!(
            "The data key itself has not changed: anyone who has an older copy of the image and may use the\nold KMS key can still read that copy. `keyward volume snapshot --key-id` makes a copy under a\nnew data key."
        )?)
    }
}

/// Checks that the data key was wrapped for the file system of which the image is said to be a copy, and that it is one: the
/// agent's own image would not be that of its file system any more.
fn check_file_system(target: &Target, id: &str) -> anyhow::Result<()> {
    let shown = target.image.display();
    let found = &target.superblock.key.context;
    if *found == context(target.superblock.volume_id) {
        bail!(
            "{shown} is a volume of your own already: it needs no --file-system. Attach it (`keyward volume attach`), or leave out --file-system to have another KMS key wrap its data key"
        );
    }
    if *found != context_of_file_system(id) {
        bail!(
            "{shown} is not an image of {}: its data key was wrapped with another encryption context",
            shown::Value(id)
        );
    }
    if Layout::of_image(&target.image).is_some() || target.attached.is_some() {
        bail!(
            "{shown} is the image of {} itself, and not a copy: receive one from a backup (`keyward volume receive`), or copy the image while it is not attached",
            shown::Value(id)
        );
    }
    Ok(())
}
