//! `keyward volume snapshot`

use std::path::{PathBuf, absolute};

use anyhow::Context as _;
use clap::Args;
use keyward_keeper::{
    control::{Request, ask},
    image::{copy, decrypt, must_be_new, new_id},
    key::{Wrapped, check_context, context},
};
use keyward_types::shown::Value;
use keyward_volume::Copy;

use super::{Access, STATE, environment};
use crate::out::say;

fn after_help() -> String {
    let help = environment(
        "Examples:
  keyward volume snapshot customers.img monday.img --data-dir /var/lib/keyward
  keyward volume snapshot customers.img for-them.img --key-id alias/theirs

Permissions:
  Without --key-id: kms:ReEncryptFrom, kms:ReEncryptTo and kms:Decrypt on the volume's key. With
  it: kms:Decrypt on the volume's key, kms:GenerateDataKeyWithoutPlaintext and kms:Decrypt on the
  other. The process of an attached volume needs kms:Decrypt for what it unwraps.",
    );
    format!("{help}\n  {STATE}")
}

/// Copy a volume to a new image, as it is at one moment
///
/// The copy is a volume of its own, with an id of its own. Every block is verified on the way. Without
/// --key-id, the ciphertext is copied, and the same KMS key wraps the data key again. With it, every
/// block is encrypted under a new data key. Of an attached volume, the copy has what was written to
/// disk: ext4 replays its journal when the copy is attached. Needs no root, unless the volume is attached.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Snapshot {
    /// The image
    image: PathBuf,
    /// The copy's image, which must not exist
    to: PathBuf,
    /// The KMS key for a new data key of the copy: id, ARN, alias name or alias ARN
    #[arg(long, value_name = "KEY")]
    key_id: Option<String>,
    #[command(flatten)]
    access: Access,
}

impl Snapshot {
    pub fn run(self) -> anyhow::Result<()> {
        must_be_new(&self.to)?;
        let target = self.access.target(&self.image)?;
        check_context(&target.superblock)?;
        let (old, new_id) = (&target.superblock.key, new_id());
        let (ciphertext, key_arn) = match &self.key_id {
            Some(key_id) => target
                .kms
                .generate(key_id, &context(new_id))
                .with_context(|| format!("cannot generate a data key under `{key_id}`"))?,
            None => target
                .kms
                .re_encrypt(old, &old.key_arn, &context(new_id))
                .with_context(|| {
                    format!("cannot wrap the data key under {}", Value(&old.key_arn))
                })?,
        };
        let wrapped = Wrapped::new(new_id, &ciphertext, key_arn);
        let to = absolute(&self.to)?;
        match &target.attached {
            Some(found) => {
                let request = Request::Snapshot {
                    to,
                    volume: new_id.to_string(),
                    key: wrapped.clone(),
                    is_new: self.key_id.is_some(),
                    assigned: None,
                };
                if let Some(dir) = &found.process.dir {
                    // What is in the page cache belongs into the copy.
                    let open = std::fs::File::open(dir)?;
                    rustix::fs::syncfs(&open)?;
                }
                ask(&found.folder, &request, &mut |_, _| {})?;
            }
            None => {
                let opened = target.open(None)?;
                let key = wrapped.info(&opened.volume.key_info().labels)?;
                // Also without a new data key: what nobody can unwrap would be no copy.
                let unwrapped = decrypt(&target.kms, &key)?;
                let data_key = match &self.key_id {
                    Some(_) => Some(&unwrapped),
                    None if opened.volume.has_data_key(&unwrapped, &opened.arena)? => None,
                    None => anyhow::bail!("KMS unwraps the data key to another one"),
                };
                let made = Copy {
                    volume_id: new_id,
                    key,
                    data_key,
                    arena: &opened.arena,
                };
                copy(&opened.volume, (&to, &made), (&target.states, &unwrapped))?;
                opened.close()?;
            }
        }
        say!(
            "Volume {new_id} in {} is a copy of {}.",
            self.to.display(),
            self.image.display()
        )?;
        let which = if self.key_id.is_some() { "new" } else { "same" };
        Ok(say!(
            "It has the {which} data key, wrapped by {}.",
            wrapped.key_arn
        )?)
    }
}
