//! Creates volumes.

use std::sync::Arc;

use keyward_crypto::secret::{SecretBytes, arena::Arena};

use crate::{
    Error, ImageId,
    disk::Disk,
    layout::{BLOCK, Layout, MAX_BLOCKS},
    seal::{Keys, Nonces},
    superblock::{JournalStart, KeyInfo, Superblock, possible_journal},
};

/// Bytes of zeros that are written at once.
const ZEROS: u64 = 1 << 20;

/// What a volume is to be.
#[derive(Debug)]
pub struct Create<'a> {
    /// Its id, which no other volume may ever have.
    pub volume_id: ImageId,
    /// Its size in bytes, a multiple of 4096.
    pub size: u64,
    /// Bytes of each of the two journal regions, a multiple of 4096. The larger, the less often blocks are
    /// written twice in a row, and the longer it takes to open a volume after a crash.
    pub journal_bytes: u64,
    /// About the data key.
    pub key: KeyInfo,
    /// The data key, 32 bytes.
    pub data_key: &'a SecretBytes,
    /// Where the keys are while the volume is created.
    pub arena: &'a Arena,
    /// For the journal's first session.
    pub nonces: &'a dyn Nonces,
}

/// Journal regions of 64 MiB.
pub const DEFAULT_JOURNAL_BYTES: u64 = 64 << 20;

/// Creates an empty, closed volume of generation 1 on a disk.
///
/// # Errors
/// When an argument is not possible, there is no locked memory, or the disk fails.
pub fn create(disk: &Arc<dyn Disk>, create: &Create<'_>) -> Result<(), Error> {
    let superblock = Superblock {
        volume_id: create.volume_id,
        seal_id: create.volume_id,
        generation: 1,
        clean: true,
        blocks: blocks(create.size)?,
        journal_bytes: create.journal_bytes,
        key: create.key.clone(),
        root: None,
        journal: first_session(create.nonces),
    };
    create.key.check()?;
    prepare(&**disk, &superblock)?;
    let keys = Keys::derive(create.data_key, create.volume_id, create.arena)?;
    finish(&**disk, &keys, &superblock)
}

/// How many blocks a size is.
pub(super) fn blocks(size: u64) -> Result<u64, Error> {
    let blocks = size / BLOCK;
    if !size.is_multiple_of(BLOCK) || blocks == 0 || blocks > MAX_BLOCKS {
        return Err(Error::Argument(
            "a volume's size is a multiple of 4096 bytes, and at most 100 TiB",
        ));
    }
    Ok(blocks)
}

/// Where the journal of a new volume begins.
pub(super) fn first_session(nonces: &dyn Nonces) -> JournalStart {
    JournalStart {
        session: session(nonces),
        region: 0,
        sequence: 1,
        previous: [0; 32],
        flushed: 0,
    }
}

/// The id of a new session of the journal.
pub(super) fn session(nonces: &dyn Nonces) -> [u8; 16] {
    let mut session = [0; 16];
    for (to, from) in session.iter_mut().zip(nonces.draw()) {
        *to = from;
    }
    session
}

/// Makes the image long enough, and writes the journal's regions, so that they have their space for good.
pub(super) fn prepare(disk: &dyn Disk, superblock: &Superblock) -> Result<(), Error> {
    if !possible_journal(superblock.journal_bytes) {
        return Err(Error::Argument(
            "a journal region has a multiple of 4096 bytes, from 16 KiB to 4 GiB",
        ));
    }
    let layout = superblock.layout();
    disk.set_len(layout.image_bytes(superblock.blocks))?;
    let (mut at, end) = (Layout::superblock(0), layout.region(2));
    let zeros = vec![0; ZEROS as usize];
    while at < end {
        let length = usize::try_from(ZEROS.min(end - at)).unwrap_or(0);
        let zeros = zeros.get(..length).unwrap_or(&zeros);
        disk.write_at(at, zeros)?;
        at += zeros.len() as u64;
    }
    Ok(disk.sync()?)
}

/// Writes both copies of the superblock: only now the image holds a volume.
pub(super) fn finish(disk: &dyn Disk, keys: &Keys, superblock: &Superblock) -> Result<(), Error> {
    let bytes = superblock.render(keys);
    for copy in [0, 1] {
        disk.write_at(Layout::superblock(copy), &bytes)?;
        disk.sync()?;
    }
    Ok(())
}
