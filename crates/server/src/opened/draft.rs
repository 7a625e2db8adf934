//! Drafts: files written whole beside those that they replace.
//!
//! Credentials wait in a draft until the store has taken them. A start or command that ends in between
//! leaves its draft, and the next start settles it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use keyward_crypto::secret::arena::Arena;
use keyward_keys::root_key::RootKey;
use keyward_services::bootstrap::{self, FirstCredentials};
use keyward_store::store::Store;
use keyward_types::unique_id::AccessKeyId;
use rustix::{fs::OFlags, io::Errno};
use zeroize::Zeroizing;

/// Credentials on disk beside the file they are for, which they replace once the store has them. If
/// the store does not take them, the file stays as it was.
#[derive(Debug)]
pub struct CredentialsDraft {
    draft: PathBuf,
    file: PathBuf,
}

impl CredentialsDraft {
    /// Where the draft of a file is.
    fn of(file: &Path) -> io::Result<Self> {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or(io::ErrorKind::InvalidFilename)?;
        Ok(Self {
            draft: file.with_file_name(format!(".{name}.tmp")),
            file: file.to_owned(),
        })
    }

    /// Writes credentials as a profile that the AWS tools read, for the owner only, on disk before
    /// it answers. They may replace a file with one of the access keys `replaced`, or any file if
    /// there is no such list.
    ///
    /// # Errors
    /// When the system refuses, and when the file is there and holds something else.
    pub fn write(
        file: &Path,
        (credentials, profile): (&FirstCredentials, &str),
        replaced: Option<&[AccessKeyId]>,
    ) -> io::Result<Self> {
        let at =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        let draft = Self::of(file).map_err(at)?;
        if let Some(replaced) = replaced
            && fs::symlink_metadata(file).is_ok()
            && !holds(file, replaced).map_err(at)?
        {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!(
                    "{} is there already and may hold other credentials: move it away, or choose another file",
                    file.display()
                ),
            ));
        }
        let text = credentials.profile(profile);
        write_draft(&draft.draft, text.expose().as_bytes()).map_err(at)?;
        Ok(draft)
    }

    /// The draft that a start or command left behind, if it holds one of these access keys: the
    /// store took them, and the file does not have them yet.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn left_behind(file: &Path, keys: &[AccessKeyId]) -> io::Result<Option<Self>> {
        let draft = Self::of(file)?;
        match draft.access_keys() {
            Ok(held) => Ok(held.iter().any(|id| keys.contains(id)).then_some(draft)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The access keys in the draft. It is believed only if it is as Keyward writes it: a file of its
    /// own user that nobody else can read, and no link that somebody put there.
    fn access_keys(&self) -> io::Result<Vec<AccessKeyId>> {
        let (found, text) = match small_file(&self.draft, OFlags::NOFOLLOW) {
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(io::ErrorKind::InvalidData.into());
            }
            read => read?,
        };
        let own = found.nlink() == 1
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.mode() & 0o077 == 0;
        if own {
            Ok(access_keys_of(&text))
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// Puts the credentials in the file's place.
    ///
    /// # Errors
    /// When the system refuses; the sentence says where the credentials are.
    pub fn keep(self) -> anyhow::Result<()> {
        rename(&self.draft, &self.file).with_context(|| {
            format!(
                "the new access key is in {}, and cannot be moved to {}",
                self.draft.display(),
                self.file.display()
            )
        })
    }
}

/// Has a file's draft replace it if the store took its access key, and removes it otherwise: nobody has
/// that key.
///
/// # Errors
/// When the store cannot be read, or the system refuses.
pub async fn settle(
    file: &Path,
    (store, root, arena): (&Arc<dyn Store>, &RootKey, &Arena),
) -> anyhow::Result<()> {
    let draft = CredentialsDraft::of(file)?;
    if draft.draft.is_dir() {
        tracing::warn!(directory = %draft.draft.display(), "a directory has the name of a draft and is left alone");
        return Ok(());
    }
    let ids = match draft.access_keys() {
        Ok(ids) => ids,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // What Keyward did not write holds no access key, and must not keep a server from starting.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    for id in &ids {
        if bootstrap::has_access_key(Arc::clone(store), root, arena, id).await? {
            tracing::warn!(file = %file.display(), "an access key that was left in a draft is in its file now");
            return draft.keep();
        }
    }
    Ok(fs::remove_file(&draft.draft)?)
}

/// Whether a credentials file has one of these access keys. What cannot be such a file has none.
fn holds(file: &Path, keys: &[AccessKeyId]) -> io::Result<bool> {
    match small_file(file, OFlags::empty()) {
        Ok((_, text)) => Ok(access_keys_of(&text).iter().any(|id| keys.contains(id))),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file of text that is no longer than credentials can be. Nothing is read of a pipe or a device, which
/// might never end.
fn small_file(path: &Path, flags: OFlags) -> io::Result<(fs::Metadata, Zeroizing<String>)> {
    const MOST_BYTES: u64 = 64 << 10;
    let flags = flags | OFlags::NONBLOCK;
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.len() > MOST_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    Ok((found, text))
}

/// The access keys in the text of a credentials file.
fn access_keys_of(text: &str) -> Vec<AccessKeyId> {
    let ids = text.lines().filter_map(|line| line.split_once('='));
    let ids = ids.filter(|(name, _)| name.trim() == "aws_access_key_id");
    ids.filter_map(|(_, id)| AccessKeyId::parse(id.trim()).ok())
        .collect()
}

/// Writes a file whole or not at all, mode 0600, on disk before it answers.
///
/// # Errors
/// When the system refuses.
pub fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = CredentialsDraft::of(file)?.draft;
    write_draft(&draft, bytes)?;
    rename(&draft, file)
}

/// Writes a file that is to replace another, mode 0600, on disk before it answers.
fn write_draft(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(draft);
    }
    written
}

/// Has a draft replace its file, on disk before it answers.
fn rename(draft: &Path, file: &Path) -> io::Result<()> {
    fs::rename(draft, file)?;
    let directory = file.parent().filter(|parent| *parent != Path::new(""));
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
