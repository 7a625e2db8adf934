//! The file system: a directory with one file in it.

use std::{
    cell::RefCell,
    ffi::OsStr,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use fuser::{
    AccessFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow,
    WriteFlags,
};
use rustix::fs::FallocateFlags;

use crate::{
    blocks::{Blocks, SECTOR_BYTES},
    volume_dir::FILE,
};

/// The number of the file; the directory has 1.
const VOLUME: INodeNo = INodeNo(2);
/// The kernel asks for the size each time, because the volume may grow.
const NOT_KEPT: Duration = Duration::ZERO;
/// Bytes of a request: what 256 pages take, the most that kernels allow.
const REQUEST_BYTES: u32 = 1024 * 1024;
/// How many requests of the loop device wait in the kernel at the same time.
const WAITING: u16 = 64;

thread_local! {
    /// What a thread reads into. It is kept: a thread that needs memory to free memory waits for ever.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct OneFile {
    blocks: Arc<dyn Blocks>,
    failures: AtomicU64,
}

impl OneFile {
    pub(super) fn new(blocks: Arc<dyn Blocks>) -> Self {
        let failures = AtomicU64::new(0);
        Self { blocks, failures }
    }

    /// Asks the volume, and turns whatever goes wrong into the error number for the kernel.
    fn ask<T>(
        &self,
        what: &'static str,
        offset: u64,
        question: impl FnOnce(&dyn Blocks) -> io::Result<T>,
    ) -> Result<T, Errno> {
        // A panic leaves nothing of ours half done; a thread less would let the kernel wait.
        let answer = catch_unwind(AssertUnwindSafe(|| question(&*self.blocks)));
        let error = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => io::Error::other("the code of the volume panicked"),
        };
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        // A volume whose key is gone fails thousands of times.
        if failures.is_power_of_two() {
            tracing::error!(what, offset, failures, %error, "a request to the volume failed");
        }
        Err(errno(&error))
    }

    fn attributes(&self, ino: INodeNo) -> Result<FileAttr, Errno> {
        let bytes = self.ask("len", 0, |blocks| Ok(blocks.len()))?;
        let (kind, perm, size, nlink) = match ino {
            INodeNo::ROOT => (FileType::Directory, 0o700, 0, 2),
            VOLUME => (FileType::RegularFile, 0o600, bytes, 1),
            _ => return Err(Errno::ENOENT),
        };
        let time = SystemTime::UNIX_EPOCH;
        Ok(FileAttr {
            ino,
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind,
            perm,
            nlink,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            rdev: 0,
            blksize: SECTOR_BYTES as u32,
            flags: 0,
        })
    }

    /// As much of a range as the volume has.
    fn within(&self, offset: u64, length: u64) -> Result<u64, Errno> {
        let bytes = self.ask("len", offset, |blocks| Ok(blocks.len()))?;
        Ok(length.min(bytes.saturating_sub(offset)))
    }
}

/// EIO, except for what a full disk says.
fn errno(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Errno::ENOSPC,
        _ => Errno::EIO,
    }
}

impl Filesystem for OneFile {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // The nearest possible value is as good.
        let _ = config.set_max_write(REQUEST_BYTES);
        let _ = config.set_max_background(WAITING);
        // The parts of a large direct request go out together. Older kernels send them one by one.
        let _ = config.add_capabilities(InitFlags::FUSE_ASYNC_DIO);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent != INodeNo::ROOT || name != FILE {
            return reply.error(Errno::ENOENT);
        }
        match self.attributes(VOLUME) {
            Ok(attributes) => reply.entry(&NOT_KEPT, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(ino) {
            Ok(attributes) => reply.attr(&NOT_KEPT, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        _: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.error(Errno::EPERM);
    }

    fn access(&self, _: &Request, _: INodeNo, _: AccessFlags, reply: ReplyEmpty) {
        // With `default_permissions`, the kernel decides.
        reply.ok();
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        if ino == VOLUME {
            let flags = FopenFlags::FOPEN_DIRECT_IO
                | FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES
                | FopenFlags::FOPEN_NOFLUSH;
            reply.opened(FileHandle(0), flags);
        } else {
            reply.error(Errno::EISDIR);
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let length = match self.within(offset, size.into()) {
            Ok(length) => length as usize,
            Err(error) => return reply.error(error),
        };
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() < length {
                buffer.resize(length, 0);
            }
            let bytes = buffer.get_mut(..length).unwrap_or_default();
            match self.ask("read", offset, |blocks| blocks.read(offset, bytes)) {
                Ok(()) => reply.data(bytes),
                Err(error) => reply.error(error),
            }
        });
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.within(offset, data.len() as u64) {
            Ok(length) if length == data.len() as u64 => {}
            Ok(_) => return reply.error(Errno::EFBIG),
            Err(error) => return reply.error(error),
        }
        match self.ask("write", offset, |blocks| blocks.write(offset, data)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Closing a file writes nothing to disk, here as elsewhere.
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.ask("flush", 0, |blocks| blocks.flush()) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let mode = FallocateFlags::from_bits_retain(mode.cast_unsigned());
        let zeros = [FallocateFlags::PUNCH_HOLE, FallocateFlags::ZERO_RANGE];
        // What is discarded reads as zeros. Room is not set aside: the volume takes it as it is written.
        if !zeros.contains(&mode.difference(FallocateFlags::KEEP_SIZE)) {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let discarded = self.within(offset, length).and_then(|length| match length {
            0 => Ok(()),
            length => self.ask("discard", offset, |blocks| blocks.discard(offset, length)),
        });
        match discarded {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        if ino != INodeNo::ROOT {
            return reply.error(Errno::ENOTDIR);
        }
        let entries = [
            (INodeNo::ROOT, FileType::Directory, "."),
            (INodeNo::ROOT, FileType::Directory, ".."),
            (VOLUME, FileType::RegularFile, FILE),
        ];
        for (next, (ino, kind, name)) in (1..).zip(entries) {
            if next > offset && reply.add(ino, next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match self.ask("len", 0, |blocks| Ok(blocks.len())) {
            Ok(bytes) => {
                let sector = SECTOR_BYTES as u32;
                reply.statfs(bytes / SECTOR_BYTES, 0, 0, 1, 0, sector, 255, sector);
            }
            Err(error) => reply.error(error),
        }
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        // The kernel does not ask again.
        reply.error(Errno::ENOSYS);
    }
}
