//! A place, a mount point, and their end after each test.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use keyward_attach::{
    attachment::{Attachment, CutOff, cut_off},
    blocks::Blocks,
    ext4::{Checked, Format, MountOptions},
    requirements,
    server::{Server, serve},
    volume_dir::VolumeDir,
};
use tempfile::TempDir;

use crate::sparse_file::SparseFile;

pub const MIB: u64 = 1024 * 1024;
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether volumes can be attached here. If not, it says why, and fails where that must not be.
pub fn is_possible() -> bool {
    let missing = requirements::missing();
    let must = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(missing.is_empty() || !must, "{}", missing.join("\n"));
    for sentence in &missing {
        eprintln!("Not tested: {sentence}");
    }
    missing.is_empty()
}

/// Whoever copies the mounts of this process holds those of all other tests, and so must be alone.
static TURNS: RwLock<()> = RwLock::new(());

/// The right to have mounts.
#[expect(dead_code, reason = "guards are only kept")]
pub enum Turn {
    WithOthers(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
    OfAnother,
}

impl Turn {
    pub fn with_others() -> Self {
        Self::WithOthers(TURNS.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn alone() -> Self {
        Self::Alone(TURNS.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Ends the test if volumes cannot be attached here.
macro_rules! world {
    () => {
        $crate::world::world!($crate::world::Turn::with_others())
    };
    ($turn: expr) => {
        if $crate::world::is_possible() {
            $crate::world::World::new($turn)
        } else {
            return;
        }
    };
}
pub(crate) use world;

pub struct World {
    pub place: VolumeDir,
    pub target: PathBuf,
    folder: TempDir,
    _turn: Turn,
}

impl World {
    pub fn new(turn: Turn) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("mnt");
        fs::create_dir(&target).unwrap();
        let place = VolumeDir::open(&folder.path().join("place")).unwrap();
        Self {
            place,
            target,
            folder,
            _turn: turn,
        }
    }

    /// The backing file.
    pub fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    pub fn sparse_file(&self, bytes: u64) -> Arc<SparseFile> {
        Arc::new(SparseFile::open(&self.image(), bytes).unwrap())
    }

    pub fn serve(&self, blocks: Arc<dyn Blocks>) -> Server {
        serve(&self.place, blocks, NonZeroUsize::new(4).unwrap()).unwrap()
    }

    pub fn bind(&self) -> Attachment {
        Attachment::bind(&self.place).unwrap()
    }

    /// Serves, binds, formats and mounts.
    pub fn mounted(&self, blocks: Arc<dyn Blocks>) -> (Server, Attachment) {
        let server = self.serve(blocks);
        let attachment = self.bind();
        attachment.format(&Format::default()).unwrap();
        self.mount(&attachment);
        (server, attachment)
    }

    pub fn mount(&self, attachment: &Attachment) {
        let options = MountOptions::default();
        attachment.mount(&self.target, &options).unwrap();
    }

    /// Serves, binds, checks and mounts what was there before.
    pub fn again(&self, blocks: Arc<dyn Blocks>) -> (Server, Attachment, Checked) {
        let server = self.serve(blocks);
        let attachment = self.bind();
        let checked = attachment.check().unwrap();
        self.mount(&attachment);
        (server, attachment, checked)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.target.join(name)
    }

    /// Writes a file, and returns when it is on the volume.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        put(&self.path(name), bytes).unwrap();
    }

    pub fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(name))
    }

    /// Nothing of it is mounted or bound.
    pub fn assert_gone(&self) {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let folder = self.folder.path().to_str().unwrap();
        assert!(!mounts.contains(folder), "{mounts}");
        let bound = loop_devices_of(folder);
        assert!(bound.is_empty(), "{bound:?}");
        assert!(Attachment::find(&self.place).unwrap().is_none());
    }

    pub fn cut_off(&self) -> CutOff {
        cut_off(&self.place, PATIENCE)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let done = cut_off(&self.place, PATIENCE);
        if !std::thread::panicking() {
            assert!(done.failures.is_empty(), "{done:?}");
        }
    }
}

/// The loop devices with a backing file whose path begins so, as `loop3`.
pub fn loop_devices_of(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for device in fs::read_dir("/sys/block").unwrap().flatten() {
        let file = fs::read_to_string(device.path().join("loop/backing_file"));
        if file.is_ok_and(|file| file.starts_with(folder)) {
            found.push(device.file_name().into_string().unwrap());
        }
    }
    found
}

pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Bytes that no two files share.
pub fn bytes_of(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(next());
    }
    bytes.truncate(length);
    bytes
}

/// Runs a program and returns what it wrote.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

/// The whole of the file system is in order, looked at without changing it.
pub fn assert_clean(device: &Path) {
    run("e2fsck", &["-f", "-n", device.to_str().unwrap()]);
}

/// What is said of an error: the message, and what it comes from.
pub fn said(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", said(source)),
        None => error.to_string(),
    }
}
