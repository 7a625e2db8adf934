//! What the tests share: keys, and volumes on simulated disks.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use keyward_crypto::{
    digest::sha256,
    secret::{SecretBytes, arena::Arena},
};
use keyward_volume::{
    Create, Error, ImageId, KeyInfo, Nonces, Open, Volume, create,
    disk::{Disk, FileDisk},
    layout::BLOCK_BYTES,
};

use crate::sim::Sim;

pub const BLOCK: u64 = BLOCK_BYTES as u64;
pub const ID: ImageId = ImageId::from_bytes(*b"a volume's id 16");

/// Nonces that are the same in each run.
#[derive(Debug, Default)]
pub struct Counted(pub AtomicU64);

impl Nonces for Counted {
    fn draw(&self) -> [u8; 24] {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        sha256(&number.to_be_bytes())[..24].try_into().unwrap()
    }
}

/// A data key and the memory for its keys.
pub struct World {
    pub arena: Arena,
    pub data_key: SecretBytes,
    pub nonces: Arc<dyn Nonces>,
    pub key: KeyInfo,
}

impl World {
    pub fn new() -> Self {
        let (arena, _) = Arena::new(64 * 1024).unwrap();
        Self {
            arena,
            data_key: SecretBytes::from_vec(vec![7; 32]),
            nonces: Arc::new(Counted::default()),
            key: Self::key_info(),
        }
    }

    /// So long that a superblock has several sectors, of which some can be torn off.
    pub fn key_info() -> KeyInfo {
        KeyInfo {
            wrapped: vec![5; 1000],
            key_arn: "arn:aws:kms:eu-central-1:111122223333:key/k".to_owned(),
            context: BTreeMap::from([("aws:ebs:id".to_owned(), "vol-1".to_owned())]),
            labels: BTreeMap::new(),
        }
    }

    /// Creates a volume on a disk.
    pub fn create(&self, disk: &Arc<dyn Disk>, blocks: u64, journal_pages: u64) {
        let made = create(
            disk,
            &Create {
                volume_id: ID,
                size: blocks * BLOCK,
                journal_bytes: journal_pages * BLOCK,
                key: self.key.clone(),
                data_key: &self.data_key,
                arena: &self.arena,
                nonces: &*self.nonces,
            },
        );
        made.unwrap();
    }

    pub fn how(&self) -> Open<'_> {
        Open {
            nonces: Arc::clone(&self.nonces),
            cached_pages: 64,
            ..Open::new(&self.data_key, &self.arena)
        }
    }

    pub fn open(&self, disk: &Arc<Sim>) -> Result<Volume, Error> {
        self.how().open(Arc::clone(disk) as Arc<dyn Disk>)
    }

    /// A new volume in a file, which takes no space for its size.
    pub fn large(&self, blocks: u64, pages: u64) -> (tempfile::TempDir, Arc<dyn Disk>, Volume) {
        let folder = tempfile::tempdir().unwrap();
        let disk = FileDisk::create(&folder.path().join("image")).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(disk);
        self.create(&disk, blocks, pages);
        let volume = self.how().open(Arc::clone(&disk)).unwrap();
        (folder, disk, volume)
    }

    /// A new volume on a new simulated disk.
    pub fn volume(&self, blocks: u64, journal_pages: u64) -> (Arc<Sim>, Volume) {
        let disk = Arc::new(Sim::default());
        self.create(&(Arc::clone(&disk) as Arc<dyn Disk>), blocks, journal_pages);
        let volume = self.open(&disk).unwrap();
        (disk, volume)
    }
}

/// One block that says which it is.
pub fn filled(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(BLOCK_BYTES / 8)
}

/// A block of a volume.
pub fn block(volume: &Volume, number: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![1; BLOCK_BYTES];
    volume.read(number * BLOCK, &mut bytes)?;
    Ok(bytes)
}
