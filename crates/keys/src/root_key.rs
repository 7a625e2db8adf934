//! The root key: top of the hierarchy, 256 random bits in a file of its own that only its owner
//! can read. It wraps domain keys, account keys and store keys, and nothing else.
//!
//! The file is text, so that it can be printed and typed in again:
//!
//! ```text
//! keyward-root-key 1
//! id 00112233445566778899aabbccddeeff
//! key <64 hexadecimal digits>
//! check <64 hexadecimal digits>
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use keyward_crypto::{
    aead::OpenError,
    mac, random,
    secret::{
        SecretBytes,
        arena::{Arena, ArenaFull, ArenaSecret},
    },
    wrap::{Wrapped, WrappingKeyName},
};
use keyward_types::store_id::StoreId;
use zeroize::Zeroizing;

/// The label of a file's check value.
const CHECK_LABEL: &[u8] = b"keyward root key check v1";
/// The longest file that is read, in bytes.
const MAX_FILE_BYTES: usize = 1024;
/// Random bytes in the name of a draft, and what follows them.
const DRAFT_NUMBER: usize = 8;
const DRAFT_END: &str = ".tmp";
/// The version of a root key in what it wraps.
const VERSION: u32 = 1;

/// The opened root key.
#[derive(Debug)]
pub struct RootKey {
    id: [u8; 16],
    key: ArenaSecret,
}

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The file is not there.
    #[error("there is no root key at {}", .0.display())]
    Missing(PathBuf),
    /// Others than its owner can read or write the file.
    #[error(
        "users other than its owner can read the root key {}: run `chmod 600` on it; if they may have read it, see \"The root key\" in docs/operations.md",
        .0.display()
    )]
    Readable(PathBuf),
    /// The file is not a root key, or was altered.
    #[error("{} is not a root key of version 1, or was altered: use your copy", .0.display())]
    Malformed(PathBuf),
    /// The operating system refused.
    #[error("the root key {} cannot be {doing}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The arena has no room.
    #[error(transparent)]
    ArenaFull(#[from] ArenaFull),
}

impl RootKey {
    /// Makes a new root key in a new file, mode 0600, on disk before it answers.
    ///
    /// # Errors
    /// When the file exists already (nothing is ever created again) or the system refuses.
    pub fn create(path: &Path, arena: &Arena) -> Result<Self, RootKeyError> {
        let (id, key) = (random::array::<16>(), random::secret(32));
        let text = render(&id, &key);
        let failed = |doing| {
            let path = path.to_owned();
            move |source| RootKeyError::Io {
                doing,
                path,
                source,
            }
        };
        // Written under another name and linked, so that a crash leaves no half a key behind.
        let directory = directory_of(path);
        let number = hex::encode(random::array::<DRAFT_NUMBER>());
        let draft = directory.join(format!("{}{number}{DRAFT_END}", draft_start(path)));
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::hard_link(&draft, path)?;
            File::open(directory)?.sync_all()
        };
        let written = write();
        let _ = fs::remove_file(&draft);
        written.map_err(failed("created"))?;
        Ok(Self {
            id,
            key: arena.store(&key)?,
        })
    }

    /// Removes the drafts that a crash in [`create`](Self::create) left of this file: the key under
    /// another name, or one that was never used. Nobody else may be about to create the file.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove_drafts(path: &Path) -> io::Result<()> {
        let directory = match fs::read_dir(directory_of(path)) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let start = draft_start(path);
        for entry in directory {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&start));
            let number = number.and_then(|rest| rest.strip_suffix(DRAFT_END));
            let number = number.and_then(|digits| hex::decode(digits).ok());
            if number.is_some_and(|number| number.len() == DRAFT_NUMBER) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Opens the root key in a file.
    ///
    /// # Errors
    /// When it is missing, readable by others, or no root key.
    pub fn open(path: &Path, arena: &Arena) -> Result<Self, RootKeyError> {
        let io = |source: io::Error| {
            if source.kind() == io::ErrorKind::NotFound {
                return RootKeyError::Missing(path.to_owned());
            }
            RootKeyError::Io {
                doing: "read",
                path: path.to_owned(),
                source,
            }
        };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.permissions().mode() & 0o077 != 0 {
            return Err(RootKeyError::Readable(path.to_owned()));
        }
        // Room for the whole file from the start: growing would leave pieces of the key behind.
        let mut text = Zeroizing::new(String::with_capacity(2 * MAX_FILE_BYTES));
        let malformed = || RootKeyError::Malformed(path.to_owned());
        (&file)
            .take(MAX_FILE_BYTES as u64)
            .read_to_string(&mut text)
            .map_err(|source| {
                if source.kind() == io::ErrorKind::InvalidData {
                    malformed()
                } else {
                    io(source)
                }
            })?;
        let (id, key) = parse(&text).ok_or_else(malformed)?;
        Ok(Self {
            id,
            key: arena.store(&key)?,
        })
    }

    /// The key's id, which everything that it wraps names.
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// The root key at work in one store.
    pub fn in_store(&self, store: StoreId) -> StoreRoot<'_> {
        StoreRoot { root: self, store }
    }
}

/// The root key as used in one store. Several stores may share a root key; what it wraps in one of
/// them does not open in another.
#[derive(Clone, Copy, Debug)]
pub struct StoreRoot<'r> {
    root: &'r RootKey,
    store: StoreId,
}

impl StoreRoot<'_> {
    /// The store.
    pub fn store(self) -> StoreId {
        self.store
    }

    /// The root key's id.
    pub(crate) fn id(self) -> [u8; 16] {
        self.root.id
    }

    /// Wraps a key of the next level.
    pub(crate) fn wrap(self, subject: &str, key: &SecretBytes) -> Option<Wrapped> {
        let name = WrappingKeyName {
            id: self.root.id,
            version: VERSION,
        };
        Some(Wrapped::wrap(
            self.root.key.expose_array()?,
            name,
            &in_store(self.store, subject.as_bytes()),
            key.expose(),
        ))
    }

    /// Unwraps a key of the next level.
    pub(crate) fn unwrap_key(
        self,
        subject: &str,
        wrapped: &Wrapped,
    ) -> Result<SecretBytes, OpenError> {
        let name = WrappingKeyName {
            id: self.root.id,
            version: VERSION,
        };
        if wrapped.wrapping_key() != name {
            return Err(OpenError);
        }
        let key = self.root.key.expose_array().ok_or(OpenError)?;
        wrapped.unwrap_key(key, &in_store(self.store, subject.as_bytes()))
    }
}

/// The subject of what is wrapped in a store: the store's id comes first.
pub(crate) fn in_store(store: StoreId, subject: &[u8]) -> Vec<u8> {
    let mut bound = format!("store {store} ").into_bytes();
    bound.extend_from_slice(subject);
    bound
}

fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    directory.unwrap_or(Path::new("."))
}

/// How the names of a file's drafts begin.
fn draft_start(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}-")
}

fn check(id: &[u8; 16], key: &SecretBytes) -> [u8; 32] {
    mac::hmac_sha256(key.expose(), &[CHECK_LABEL, id])
}

fn render(id: &[u8; 16], key: &SecretBytes) -> Zeroizing<String> {
    let digits = Zeroizing::new(hex::encode(key.expose()));
    let (id_digits, check_digits) = (hex::encode(id), hex::encode(check(id, key)));
    // Room for all of it from the start: growing would leave pieces of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES));
    for part in [
        "keyward-root-key 1\nid ",
        &id_digits,
        "\nkey ",
        &digits,
        "\ncheck ",
        &check_digits,
        "\n",
    ] {
        text.push_str(part);
    }
    text
}

fn parse(text: &str) -> Option<([u8; 16], SecretBytes)> {
    let mut lines = text.lines();
    if lines.next()? != "keyward-root-key 1" {
        return None;
    }
    let id: [u8; 16] = hex::decode(lines.next()?.strip_prefix("id ")?)
        .ok()?
        .try_into()
        .ok()?;
    // Decoded in place: collecting into a growing vector would leave pieces of the key behind.
    let mut key = Zeroizing::new(vec![0; 32]);
    hex::decode_to_slice(lines.next()?.strip_prefix("key ")?, &mut key).ok()?;
    let key = SecretBytes::from_vec(std::mem::take(&mut *key));
    let stated = hex::decode(lines.next()?.strip_prefix("check ")?).ok()?;
    let whole = lines.next().is_none() && mac::equal(&check(&id, &key), &stated);
    whole.then_some((id, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_golden() {
        let key = SecretBytes::from_vec(vec![7; 32]);
        let text = render(&[1; 16], &key);
        expect_test::expect_file!["../tests/golden/root-key-v1.txt"].assert_eq(&text);
        assert_eq!(parse(&text).unwrap().1.expose(), [7; 32]);
    }

    #[test]
    fn an_altered_file_is_no_root_key() {
        let text = render(&[1; 16], &SecretBytes::from_vec(vec![7; 32]));
        assert!(parse(&text.replace("key 07", "key 08")).is_none());
        assert!(parse(&text.replace("id 01", "id 02")).is_none());
        assert!(parse(&format!("{}more\n", text.as_str())).is_none());
    }
}
