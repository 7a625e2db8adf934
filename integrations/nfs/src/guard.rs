//! Which file handles a client may use that is not root of the whole volume.
//!
//! A handle names a file, and nfs-ganesha does not check that the file is in the directory that it exports. Its handles
//! end with the number of the inode and the inode's generation, which ext4 draws at random, and the kernel takes the
//! generation 0 for any. So with 0 a client could make up handles for every file of the volume, also for those in
//! directories that it must not enter. Here every handle that a client sends is looked at, and one with the generation 0
//! ends the connection. Only directories that were made with the file system have that generation themselves
//! ([`Originals`]). What is left to a client is to guess 32 bits, and [`Pace`] makes every wrong guess take its time.
//!
//! To find the handles, the arguments of all operations are read as they stream by (RFC 7531, RFC 5662). An
//! operation that cannot be read ends the connection as well: the server acts on a message only when all of it is
//! there, so nothing of it is carried out.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    rpc::{self, Call},
    xdr::{Malformed, Reader},
};

/// The longest operation, without the data of a WRITE. A list of access control entries is the longest.
const MAX_OPERATION: usize = 128 * 1024;
/// The most operations of a COMPOUND.
const MAX_OPERATIONS: u32 = 256;
const MAX_TAG: usize = 1024;
const MAX_HANDLE: usize = 128;
const MAX_TEXT: usize = 8192;
const MAX_ATTRIBUTES: usize = 64 * 1024;
const MAX_LIST: u32 = 1024;

/// How long a wrong guess takes. Within it, no other client of the volume is answered that a handle is wrong.
const GUESS: Duration = Duration::from_millis(20);

/// So many wrong handles in a row end a connection. A client whose files were deleted by others asks for its root soon.
pub(crate) const MAX_WRONG: u32 = 64;

/// What nfs-ganesha 4.3 puts into a handle of a file of ext4: its own header of 5 bytes, a byte of flags, the id of the
/// file system in 8, the kernel's type of the handle in 1, inode and generation in 4 bytes each.
const HANDLE: usize = 23;

/// The numbers of the inodes whose generation is 0, since mkfs has made them, and which a view shows: the root of the
/// file system, and `lost+found` in it. If `lost+found` is deleted, its number can be that of another file until the view
/// is started again.
pub(crate) type Originals = Arc<[u32]>;

/// A message that must not reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// A handle that the server has not given out.
    #[error("the client has made up a file handle")]
    Handle,
    /// Too many in a row that the server does not know.
    #[error("the client has used too many unknown file handles")]
    Guesses,
    /// A message that cannot be read.
    #[error("the client has sent an NFS message that cannot be read")]
    Malformed,
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Reads the messages of one connection.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// Operations of the current message that have not been read.
    left: u32,
    /// Whether the current message is one that has operations.
    is_compound: bool,
    /// Whether its number of operations has been read.
    has_begun: bool,
    /// What has arrived of the next operation.
    pending: Vec<u8>,
    /// Bytes of the data of a WRITE that are still to come.
    skip: usize,
    originals: Originals,
}

impl Guard {
    /// With the inodes that may be used with the generation 0.
    pub(crate) fn new(originals: Originals) -> Self {
        Self {
            originals,
            ..Self::default()
        }
    }

    /// A call begins; `call` is its beginning.
    pub(crate) fn begin(&mut self, call: &Call<'_>) -> Result<(), Refused> {
        const COMPOUND: u32 = 1;
        *self = Self {
            is_compound: call.program == rpc::NFS
                && call.version == rpc::NFS_VERSION
                && call.procedure == COMPOUND,
            pending: std::mem::take(&mut self.pending),
            originals: Arc::clone(&self.originals),
            ..Self::default()
        };
        self.pending.clear();
        self.more(call.arguments)
    }

    /// More of the call.
    pub(crate) fn more(&mut self, mut bytes: &[u8]) -> Result<(), Refused> {
        if !self.is_compound {
            return Ok(());
        }
        while !bytes.is_empty() {
            let (skipped, rest) = bytes.split_at(self.skip.min(bytes.len()));
            self.skip -= skipped.len();
            // No more than an operation can have is kept at a time.
            let room = MAX_OPERATION.saturating_sub(self.pending.len());
            let (taken, rest) = rest.split_at(room.min(rest.len()));
            self.pending.extend_from_slice(taken);
            self.read_pending()?;
            if skipped.is_empty() && taken.is_empty() {
                return Err(Refused::Malformed);
            }
            bytes = rest;
        }
        Ok(())
    }

    /// The call is complete.
    pub(crate) fn end(&mut self) -> Result<(), Refused> {
        let is_read = !self.is_compound
            || (self.has_begun && self.left == 0 && self.pending.is_empty() && self.skip == 0);
        self.is_compound = false;
        if is_read {
            Ok(())
        } else {
            Err(Refused::Malformed)
        }
    }

    /// Reads the operations of which all is there.
    fn read_pending(&mut self) -> Result<(), Refused> {
        let mut rest = Reader::new(&self.pending);
        if !self.has_begun {
            let mut reader = rest;
            if let Ok((minor, count)) = header(&mut reader) {
                if count > MAX_OPERATIONS {
                    return Err(Refused::Malformed);
                }
                self.has_begun = true;
                self.left = count;
                // The server carries nothing out of other minor versions.
                self.is_compound = minor <= 1;
                rest = reader;
            }
        }
        while self.has_begun && self.is_compound && self.left > 0 {
            let mut reader = rest;
            let mut data = 0;
            match operation(&mut reader, &mut data, &self.originals) {
                Ok(()) => {}
                Err(Read::Incomplete) => break,
                Err(Read::Refused(refused)) => return Err(refused),
            }
            self.left -= 1;
            let there = data.min(reader.rest().len());
            reader.skip(there)?;
            self.skip = data - there;
            rest = reader;
            if self.skip > 0 {
                break;
            }
        }
        let used = self.pending.len() - rest.rest().len();
        self.pending.drain(..used);
        if !self.is_compound {
            self.pending.clear();
        }
        Ok(())
    }
}

fn header(reader: &mut Reader<'_>) -> Result<(u32, u32), Malformed> {
    reader.opaque(MAX_TAG)?;
    Ok((reader.unsigned()?, reader.unsigned()?))
}

/// Why an operation was not read.
enum Read {
    /// It may be that the rest of it has not arrived.
    Incomplete,
    Refused(Refused),
}

impl From<Malformed> for Read {
    fn from(_: Malformed) -> Self {
        Self::Incomplete
    }
}

/// Reads one operation with its arguments; `data` becomes the length of the data of a WRITE, which follow.
fn operation(r: &mut Reader<'_>, data: &mut usize, originals: &[u32]) -> Result<(), Read> {
    match r.unsigned()? {
        // GETFH, LOOKUPP, PUTPUBFH, PUTROOTFH, READLINK, RESTOREFH, SAVEFH
        10 | 16 | 23 | 24 | 27 | 31 | 32 => {}
        // ACCESS, OPENATTR, SECINFO_NO_NAME, RECLAIM_COMPLETE
        3 | 19 | 52 | 58 => words(r, 1)?,
        // DELEGPURGE, RENEW, DESTROY_CLIENTID
        7 | 30 | 57 => words(r, 2)?,
        // COMMIT
        5 => words(r, 3)?,
        // DELEGRETURN, SETCLIENTID_CONFIRM, DESTROY_SESSION, FREE_STATEID
        8 | 36 | 44 | 45 => words(r, 4)?,
        // CLOSE, OPEN_CONFIRM
        4 | 20 => words(r, 5)?,
        // BIND_CONN_TO_SESSION
        41 => words(r, 6)?,
        // OPEN_DOWNGRADE, READ
        21 | 25 => words(r, 7)?,
        // SEQUENCE
        53 => words(r, 8)?,
        // LOCKU
        14 => words(r, 10)?,
        // LINK, LOOKUP, REMOVE, SECINFO
        11 | 15 | 28 | 33 => texts(r, 1)?,
        // RENAME
        29 => texts(r, 2)?,
        // GETATTR
        9 => bitmap(r)?,
        // NVERIFY, VERIFY
        17 | 37 => attributes(r)?,
        6 => create(r)?,
        12 => lock(r)?,
        // LOCKT
        13 => {
            words(r, 5)?;
            owner(r)?;
        }
        18 => open(r)?,
        22 => {
            let handle = r.opaque(MAX_HANDLE)?;
            if !is_given_out(handle, originals) {
                return Err(Read::Refused(Refused::Handle));
            }
        }
        // READDIR
        26 => {
            words(r, 6)?;
            bitmap(r)?;
        }
        // SETATTR
        34 => {
            words(r, 4)?;
            attributes(r)?;
        }
        // SETCLIENTID
        35 => {
            words(r, 2)?;
            texts(r, 1)?;
            words(r, 1)?;
            texts(r, 2)?;
            words(r, 1)?;
        }
        // WRITE
        38 => {
            words(r, 7)?;
            let length = usize::try_from(r.unsigned()?).map_err(|_| Malformed)?;
            *data = length.next_multiple_of(4);
        }
        // RELEASE_LOCKOWNER
        39 => owner(r)?,
        // BACKCHANNEL_CTL
        40 => {
            words(r, 1)?;
            callback_security(r)?;
        }
        42 => exchange_id(r)?,
        43 => create_session(r)?,
        // GET_DIR_DELEGATION
        46 => {
            words(r, 1)?;
            bitmap(r)?;
            words(r, 6)?;
            bitmap(r)?;
            bitmap(r)?;
        }
        // TEST_STATEID
        55 => {
            for _ in 0..list(r)? {
                words(r, 4)?;
            }
        }
        // Layouts, delegations that are wanted, and keys of GSS, none of which the server offers; and what does not exist.
        _ => return Err(Read::Refused(Refused::Malformed)),
    }
    Ok(())
}

/// Whether a handle has the form of those that the server gives out.
fn is_given_out(handle: &[u8], originals: &[u32]) -> bool {
    if handle.len() != HANDLE {
        return false;
    }
    let Some((rest, generation)) = handle.split_last_chunk() else {
        return false;
    };
    let inode = rest.last_chunk().map(|inode| u32::from_le_bytes(*inode));
    *generation != [0; 4] || inode.is_some_and(|inode| originals.contains(&inode))
}

fn words(r: &mut Reader<'_>, number: usize) -> Result<(), Malformed> {
    r.fixed(4 * number).map(|_| ())
}

fn texts(r: &mut Reader<'_>, number: usize) -> Result<(), Malformed> {
    for _ in 0..number {
        r.opaque(MAX_TEXT)?;
    }
    Ok(())
}

fn list(r: &mut Reader<'_>) -> Result<u32, Malformed> {
    let number = r.unsigned()?;
    if number > MAX_LIST {
        Err(Malformed)
    } else {
        Ok(number)
    }
}

fn bitmap(r: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..list(r)? {
        words(r, 1)?;
    }
    Ok(())
}

fn attributes(r: &mut Reader<'_>) -> Result<(), Malformed> {
    bitmap(r)?;
    r.opaque(MAX_ATTRIBUTES).map(|_| ())
}

fn owner(r: &mut Reader<'_>) -> Result<(), Malformed> {
    words(r, 2)?;
    texts(r, 1)
}

fn create(r: &mut Reader<'_>) -> Result<(), Malformed> {
    match r.unsigned()? {
        // A block or character device.
        3 | 4 => words(r, 2)?,
        // A symbolic link.
        5 => texts(r, 1)?,
        _ => {}
    }
    texts(r, 1)?;
    attributes(r)
}

fn lock(r: &mut Reader<'_>) -> Result<(), Malformed> {
    words(r, 6)?;
    if r.unsigned()? == 0 {
        return words(r, 5);
    }
    words(r, 6)?;
    owner(r)
}

fn open(r: &mut Reader<'_>) -> Result<(), Malformed> {
    words(r, 3)?;
    owner(r)?;
    let creates = r.unsigned()? == 1;
    if creates {
        match r.unsigned()? {
            2 => words(r, 2)?,
            3 => {
                words(r, 2)?;
                attributes(r)?;
            }
            _ => attributes(r)?,
        }
    }
    match r.unsigned()? {
        0 | 3 => texts(r, 1),
        1 => words(r, 1),
        2 => {
            words(r, 4)?;
            texts(r, 1)
        }
        5 => words(r, 4),
        _ => Ok(()),
    }
}

fn callback_security(r: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..list(r)? {
        match r.unsigned()? {
            0 => {}
            1 => {
                words(r, 1)?;
                texts(r, 1)?;
                words(r, 2)?;
                bitmap(r)?;
            }
            _ => {
                words(r, 1)?;
                texts(r, 2)?;
            }
        }
    }
    Ok(())
}

fn exchange_id(r: &mut Reader<'_>) -> Result<(), Malformed> {
    words(r, 2)?;
    texts(r, 1)?;
    words(r, 1)?;
    let protection = r.unsigned()?;
    if protection > 0 {
        bitmap(r)?;
        bitmap(r)?;
    }
    if protection == 2 {
        for _ in 0..2 {
            for _ in 0..list(r)? {
                texts(r, 1)?;
            }
        }
        words(r, 2)?;
    }
    for _ in 0..list(r)? {
        texts(r, 2)?;
        words(r, 3)?;
    }
    Ok(())
}

fn create_session(r: &mut Reader<'_>) -> Result<(), Malformed> {
    words(r, 4)?;
    for _ in 0..2 {
        words(r, 6)?;
        bitmap(r)?;
    }
    words(r, 1)?;
    callback_security(r)
}

/// Whether an answer, of which `head` is the beginning, says that a handle is wrong.
pub(crate) fn says_wrong_handle(head: &[u8]) -> bool {
    const STALE: u32 = 70;
    const BADHANDLE: u32 = 10_001;
    let status = || {
        let mut reader = Reader::new(head);
        // Number, kind, and that it is accepted; a verifier; that it has succeeded.
        words(&mut reader, 4)?;
        reader.opaque(MAX_TAG)?;
        words(&mut reader, 1)?;
        reader.unsigned()
    };
    matches!(status(), Ok(STALE | BADHANDLE))
}

/// How fast the clients of a volume can guess. Whoever hangs up before it has paid leaves that to those who come next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Arc<Mutex<Option<Instant>>>);

impl Pace {
    /// Charges wrong handles. No answer that is here, and no call of who comes next, is passed on before the result.
    pub(crate) fn charge(&self, wrong: u32) -> Instant {
        let now = Instant::now();
        let mut paid = self.0.lock();
        let until = paid.map_or(now, |paid| paid.max(now)) + GUESS * wrong;
        *paid = Some(until);
        until
    }

    /// When what was charged so far is paid.
    pub(crate) fn owed(&self) -> Option<Instant> {
        self.0.lock().filter(|until| *until > Instant::now())
    }
}

#[cfg(test)]
mod tests;
