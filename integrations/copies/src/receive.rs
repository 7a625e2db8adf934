//! Makes an image of a copy.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, RenameFlags, fstatvfs, openat, renameat, renameat_with, unlinkat},
    io::Errno,
    process::geteuid,
};

use crate::{
    Error, Place, Progress,
    directory::{NEW, regular},
    image::{clear, next_data, read},
    manifest::{Chunk, Manifest},
    name::{CopyName, Hash},
    objects,
    packed::Packed,
    threads::spread,
};

/// What is added to the name of an image that is not whole.
const DRAFT: &str = "receiving";

/// An image that is whole, but does not have its name yet.
#[derive(Debug)]
pub struct Received {
    /// What the copy consists of.
    pub manifest: Manifest,
    /// How many chunks were fetched; the others were there from an earlier attempt.
    pub new_chunks: u64,
    draft: Draft,
}

/// A file beside the image that it is to become.
#[derive(Debug)]
pub(crate) struct Draft {
    to: PathBuf,
    path: PathBuf,
    /// Open: its path may name another directory by the time at which the file is renamed or removed.
    folder: File,
    names: Names,
    pub(crate) file: File,
}

/// What the file is called until it is whole, and then.
#[derive(Debug)]
struct Names {
    draft: OsString,
    image: OsString,
}

/// Makes an image of a copy, beside the path that it is to have. Everything is verified; after an interruption the
/// same call goes on. [`Received::keep`] then gives it its name.
///
/// # Errors
/// When something exists at that path, the copy is not whole, or the place or the disk fails.
pub fn receive(
    place: &Place,
    name: &CopyName,
    to: &Path,
    progress: Progress<'_>,
) -> Result<Received, Error> {
    let objects = place.objects();
    let manifest = objects::manifest(objects, name)?;
    let draft = Draft::open(to)?;
    let (image, pieces) = (&draft.file, manifest.pieces);
    draft.begin(&manifest)?;
    let total = manifest.stored_bytes();
    let (mut done, mut new_chunks) = (0, 0);
    let work = |chunk: Chunk| {
        let (start, length) = (pieces.start(chunk.index), pieces.length(chunk.index));
        let failed = |error| draft.failed("write", error);
        let is_fresh = next_data(image, start, start + length)
            .map_err(failed)?
            .is_none();
        if !is_fresh && Hash::of(&read(image, pieces, chunk.index).map_err(failed)?) == chunk.hash {
            return Ok((chunk.stored_bytes, false));
        }
        let packed = objects::chunk(objects, name, (pieces, chunk))?;
        draft.put(start, &packed).map_err(failed)?;
        Ok((chunk.stored_bytes, true))
    };
    let chunks = manifest.chunks().iter().copied();
    spread(pieces.piece_bytes, chunks, work, |(length, is_new)| {
        new_chunks += u64::from(is_new);
        done += u64::from(length);
        if progress(done, total) {
            Ok(())
        } else {
            Err(Error::Stopped)
        }
    })?;
    Ok(Received {
        manifest,
        new_chunks,
        draft,
    })
}

impl Received {
    pub(crate) fn new(manifest: Manifest, draft: Draft) -> Self {
        let new_chunks = manifest.chunks().len() as u64;
        Self {
            manifest,
            new_chunks,
            draft,
        }
    }

    /// The file as it is called until it is kept. If it is not kept, it stays.
    pub fn path(&self) -> &Path {
        &self.draft.path
    }

    /// The file itself, open for reading and writing: in a directory that somebody else may write to, its path may name
    /// another one.
    pub const fn file(&self) -> &File {
        &self.draft.file
    }

    /// Makes it durable, and gives it its name.
    ///
    /// # Errors
    /// When the disk fails, or something has that name by now.
    pub fn keep(self) -> Result<Manifest, Error> {
        let draft = &self.draft;
        draft
            .file
            .sync_all()
            .map_err(|error| draft.failed("write", error))?;
        let (folder, names) = (&draft.folder, &draft.names);
        let (from, to) = (&names.draft, &names.image);
        match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            // The file system cannot do it in one step.
            Err(Errno::INVAL) => {
                must_be_new(&draft.to)?;
                renameat(folder, from, folder, to)
                    .map_err(|error| draft.failed("rename", error))?;
            }
            Err(Errno::EXIST) => return Err(exists(&draft.to)),
            Err(error) => return Err(draft.failed("rename", error)),
        }
        // The name must be as durable as the content.
        let synced = folder.sync_all();
        synced.map_err(|error| draft.failed("write", error))?;
        Ok(self.manifest)
    }

    /// Removes it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn discard(self) -> Result<(), Error> {
        self.draft.discard()
    }
}

impl Draft {
    /// Opens the draft of an image that must not exist, or creates it, for this user only.
    pub(crate) fn open(to: &Path) -> Result<Self, Error> {
        must_be_new(to)?;
        let path = to.with_added_extension(DRAFT);
        let failed = |error| Error::io("write", path.display(), error);
        let not_ours = || Error::NotOurs {
            path: path.display().to_string(),
        };
        let name = |path: &Path| path.file_name().map(OsStr::to_owned);
        let names = name(&path).zip(name(to));
        let names = names.map(|(draft, image)| Names { draft, image });
        let names = names.ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        let folder = File::open(folder_of(to)).map_err(failed)?;
        let access = OFlags::RDWR;
        let opened = match openat(&folder, &names.draft, NEW | access, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok(Some(File::from(file))),
            Err(Errno::EXIST) => regular(&folder, &names.draft, access),
            Err(error) => Err(error),
        };
        let file = opened.map_err(|error| failed(error.into()))?;
        let file = file.ok_or_else(not_ours)?;
        let metadata = file.metadata().map_err(failed)?;
        let is_ours = metadata.uid() == geteuid().as_raw() && metadata.nlink() == 1;
        if !is_ours {
            return Err(not_ours());
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse(format!(
                    "{} is being received by another process: wait until it has ended",
                    to.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let private = std::fs::Permissions::from_mode(0o600);
        file.set_permissions(private).map_err(failed)?;
        Ok(Self {
            to: to.to_owned(),
            path,
            folder,
            names,
            file,
        })
    }

    /// Gives the draft its length, and makes zeros of what is zeros in the image.
    fn begin(&self, manifest: &Manifest) -> Result<(), Error> {
        let failed = |error| self.failed("write", error);
        self.set_len(manifest.image_bytes())?;
        let mut end = 0;
        for chunk in manifest.chunks() {
            let start = manifest.pieces.start(chunk.index);
            clear(&self.file, end, start).map_err(failed)?;
            end = start + manifest.pieces.length(chunk.index);
        }
        clear(&self.file, end, manifest.image_bytes()).map_err(failed)?;
        // What an earlier attempt has written takes its room already. What is stored is a little more than what will
        // be written.
        let metadata = self.file.metadata().map_err(failed)?;
        let needed = manifest
            .stored_bytes()
            .saturating_sub(metadata.blocks().saturating_mul(512));
        let disk = fstatvfs(&self.file).map_err(|error| failed(error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if needed > free {
            return Err(Error::Full {
                what: self.path.display().to_string(),
                more: format!(": {needed} bytes are to be written, and {free} are free"),
            });
        }
        Ok(())
    }

    /// Gives the draft its length.
    pub(crate) fn set_len(&self, bytes: u64) -> Result<(), Error> {
        let set = self.file.set_len(bytes);
        set.map_err(|error| self.failed("write", error))
    }

    /// Writes a piece over whatever is there.
    pub(crate) fn put(&self, start: u64, piece: &Packed) -> io::Result<()> {
        clear(&self.file, start, start + u64::from(piece.piece_bytes()))?;
        piece.write(&self.file, start)
    }

    pub(crate) fn failed(&self, tried: &str, error: impl Into<io::Error>) -> Error {
        Error::io(tried, self.path.display(), error)
    }

    /// Removes the draft.
    pub(crate) fn discard(self) -> Result<(), Error> {
        unlinkat(&self.folder, &self.names.draft, AtFlags::empty())
            .map_err(|error| self.failed("remove", error))
    }
}

fn must_be_new(to: &Path) -> Result<(), Error> {
    match to.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("write", to.display(), error)),
        Ok(_) => Err(exists(to)),
    }
}

fn exists(to: &Path) -> Error {
    Error::ImageExists(to.display().to_string())
}

fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}
