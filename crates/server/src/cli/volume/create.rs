//! `keyward volume create`

use std::path::{PathBuf, absolute};

use anyhow::Context as _;
use clap::Args;
use keyward_client::Connect;
use keyward_keeper::{
    image::{
        Draft, FIRST_GENERATION, arena, decrypt, journal_bytes, must_be_new, new_id, note_new,
    },
    key::{Pending, Wrapped, context},
    kms::Kms,
    state::StateArgs,
    units::{parse_size, show_size},
};
use keyward_volume::{SystemNonces, create};

use super::{STATE, environment};
use crate::{
    cli::{env::quoted, first_start::shell_path},
    out::say,
};

/// The smallest volume that has room for a file system with a journal.
const LEAST: u64 = 16 << 20;

fn after_help() -> String {
    let help = environment(
        "Examples:
  keyward volume create customers.img --size 10GiB --key-id alias/customers \\
      --data-dir /var/lib/keyward
  AWS_ENDPOINT_URL_KMS=https://kms.eu-central-1.amazonaws.com \\
      keyward volume create customers.img --size 10GiB --key-id alias/customers

Permissions:
  kms:GenerateDataKeyWithoutPlaintext and kms:Decrypt on the key. The encryption context is
  keyward:volume:id, the volume's id.",
    );
    format!("{help}\n  {STATE}")
}

/// Create an image with a new, empty volume
///
/// KMS generates a data key, which is kept in the image, wrapped by the KMS key. The image takes space only
/// as it is filled. An ext4 is created when the volume is attached for the first time. Needs no root.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Create {
    /// The image file, which must not exist
    image: PathBuf,
    /// The size, such as 10GiB: at least 16MiB, at most 100TiB
    #[arg(long, value_parser = parse_size)]
    size: u64,
    /// The KMS key that wraps the data key: id, ARN, alias name or alias ARN
    #[arg(long, value_name = "KEY")]
    key_id: String,
    /// Have an ext4 created when the volume is attached for the first time (the default)
    #[arg(long, overrides_with = "no_mkfs")]
    mkfs: bool,
    /// Leave the volume empty, for a file system of your own: attach it with --no-mount
    #[arg(long)]
    no_mkfs: bool,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    connect: Connect,
}

impl Create {
    pub fn run(self) -> anyhow::Result<()> {
        if self.size < LEAST {
            anyhow::bail!(
                "--size is {}: a volume has at least {}",
                show_size(self.size),
                show_size(LEAST)
            );
        }
        must_be_new(&self.image)?;
        let kms = Kms::new(self.connect)?;
        let arena = arena()?;
        let volume_id = new_id();
        let (ciphertext, key_arn) = kms
            .generate(&self.key_id, &context(volume_id))
            .with_context(|| format!("cannot generate a data key under `{}`", self.key_id))?;
        let wrapped = Wrapped::new(volume_id, &ciphertext, key_arn);
        let mut key = wrapped.info(&std::collections::BTreeMap::new())?;
        let data_key = decrypt(&kms, &key)?;
        let with_file_system = self.mkfs || !self.no_mkfs;
        if with_file_system {
            Pending::Format.add(&mut key);
        }
        let (draft, disk) = Draft::create(&self.image)?;
        let new = keyward_volume::Create {
            volume_id,
            size: self.size,
            journal_bytes: journal_bytes(self.size),
            key,
            data_key: &data_key,
            arena: &arena,
            nonces: &SystemNonces,
        };
        create(&disk, &new)?;
        note_new(
            &self.state.states()?,
            volume_id,
            (&data_key, FIRST_GENERATION),
        )?;
        draft.keep();
        let image = absolute(&self.image)?;
        say!(
            "Volume {volume_id} of {} is in {}.",
            show_size(self.size),
            self.image.display()
        )?;
        say!("Its data key is wrapped by {}.", wrapped.key_arn)?;
        let (image, next) = (shell_path(&image), crate::cli::first_start::program());
        let next = quoted(&next);
        if with_file_system {
            return Ok(say!(
                "\nNext: attach it, as root:\n\n  mkdir -p /mnt/volume\n  {next} volume attach {image} /mnt/volume"
            )?);
        }
        Ok(say!(
            "\nNext: attach it, as root, and create a file system on the device:\n\n  {next} volume attach --no-mount {image}"
        )?)
    }
}
