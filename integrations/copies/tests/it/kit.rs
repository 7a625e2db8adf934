//! Images and places of a test.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use keyward_copies::{
    About, BucketOptions, CopyName, Error, Hash, Place, Progress, Received, Removed, Sent, Trust,
    VolumeName,
};

/// Bytes of a piece of an image that is not very large.
pub const PIECE: u64 = 4 << 20;

/// Bytes that are stored for a whole piece in which so many blocks of 4096 bytes are not zeros.
pub const fn stored(blocks: u64) -> u64 {
    16 + 128 + blocks * 4096
}

/// A directory with a place in it.
pub struct Kit {
    pub home: tempfile::TempDir,
}

pub fn name(text: &str) -> CopyName {
    CopyName::parse(text).unwrap()
}

impl Kit {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("place")).unwrap();
        Self { home }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn place(&self) -> Place {
        Place::parse(
            self.path("place").to_str().unwrap(),
            &BucketOptions::default(),
        )
        .unwrap()
    }

    /// An image of this size, with bytes at some offsets.
    pub fn image(&self, size: u64, written: &[(u64, &[u8])]) -> File {
        let path = self.path("image");
        let _ = fs::remove_file(&path);
        let mut options = File::options();
        let image = options.read(true).write(true).create_new(true).open(path);
        let image = image.unwrap();
        image.set_len(size).unwrap();
        for (offset, bytes) in written {
            image.write_all_at(bytes, *offset).unwrap();
        }
        image
    }

    pub fn send(&self, image: &File, copy: &str) -> Result<Sent, Error> {
        self.send_with(image, copy, Trust::Length, &mut |_, _| true)
    }

    pub fn send_with(
        &self,
        image: &File,
        copy: &str,
        trust: Trust,
        progress: Progress<'_>,
    ) -> Result<Sent, Error> {
        let about = About::from([("from".to_owned(), "a test".to_owned())]);
        let place = self.place();
        keyward_copies::send(image, &place, &name(copy), (&about, trust), progress)
    }

    /// The path of a chunk without the test's directory.
    pub fn chunk(hash: Hash) -> String {
        let hash = hash.to_string();
        format!("place/chunks/v/{}/{hash}", &hash[..2])
    }

    pub fn receive(&self, copy: &str) -> Result<Received, Error> {
        let to = self.path("received");
        keyward_copies::receive(&self.place(), &name(copy), &to, &mut |_, _| true)
    }

    pub fn remove(&self, copies: &[&str]) -> Result<Removed, Error> {
        let names: Vec<CopyName> = copies.iter().map(|copy| name(copy)).collect();
        let volume = VolumeName::parse("v").unwrap();
        keyward_copies::remove(&self.place(), &volume, &names)
    }

    /// The files of the place, without its own path.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.path("place"), &mut found);
        let place = format!("{}/", self.path("place").display());
        let mut found: Vec<String> = found
            .iter()
            .map(|path| path.display().to_string().replace(&place, ""))
            .collect();
        found.sort();
        found
    }

    /// The chunks among them.
    pub fn chunks(&self) -> Vec<PathBuf> {
        let files = self.files().into_iter();
        let chunks = files.filter(|file| file.starts_with("chunks/") && !file.ends_with(".lock"));
        chunks.map(|file| self.path("place").join(file)).collect()
    }

    /// An error with what it comes from, without the test's directory.
    pub fn said(&self, error: &Error) -> String {
        let mut said = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            said.push_str(&format!(": {error}"));
            source = error.source();
        }
        said.replace(&format!("{}/", self.home.path().display()), "")
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Bytes that a file takes.
pub fn allocated(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}
