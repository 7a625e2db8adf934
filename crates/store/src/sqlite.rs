//! The embedded engine: SQLite with a write-ahead log, one writer and a few readers.
//!
//! One thread owns the only connection that writes. It commits everything that is queued in one
//! transaction, so that many waiting batches share one `fsync`. Readers are threads with
//! connections of their own, on snapshots that never wait for the writer; no worker of the async
//! runtime ever touches the disk.

use std::{
    fs::{File, TryLockError},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
};

use rusqlite::{ErrorCode, OptionalExtension, Row, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::{
    batch::Batch,
    boxed::BoxFuture,
    error::{CommitError, StoreError},
    feed::Feed,
    log::{FeedOptions, Log},
    path::{Path, Prefix},
    revision::Revision,
    stamp::Stamp,
    store::{Entry, Health, MAX_RANGE, Read, Store},
};

mod foreign_log;
mod guard;
mod range;
mod readers;
mod schema;
mod steps;
mod writer;

/// The schema that this release writes. Older ones are migrated, newer ones refused.
pub const SCHEMA: i64 = schema::CURRENT;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The database file. Its write-ahead log (`-wal`), its index (`-shm`) and the file that is
    /// locked (`.lock`) stand beside it; the folder must exist.
    pub file: PathBuf,
    /// How many threads read.
    pub readers: usize,
    /// The size in bytes beyond which writes answer [`StoreError::Full`]; none if absent.
    pub max_bytes: Option<u64>,
    /// How the change feed behaves.
    pub feed: FeedOptions,
}

impl SqliteOptions {
    /// The usual options for the store in this file.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            readers: 2,
            max_bytes: None,
            feed: FeedOptions::default(),
        }
    }
}

/// A store in one SQLite file, owned by one process.
#[derive(Debug)]
pub struct Sqlite {
    options: SqliteOptions,
    log: Arc<Log>,
    // Taken when the store is dropped: the threads end when their senders are gone.
    writer: Option<mpsc::Sender<writer::Job>>,
    readers: Option<mpsc::Sender<readers::Job>>,
    threads: Vec<JoinHandle<()>>,
    // Held as long as the store is open; released last.
    _lock: File,
}

impl Sqlite {
    /// Opens the store, or creates an empty one if there is no file. Blocks while the write-ahead
    /// log is recovered, which takes a bounded time, however many entries there are.
    pub fn open(options: SqliteOptions) -> Result<Self, StoreError> {
        let lock = lock(&options)?;
        foreign_log::check(&options.file)?;
        let connection = schema::open(&options)?;
        let at = schema::revision(&connection)?;
        let log = Log::new(options.feed, at);

        let (writer, jobs) = mpsc::channel(writer::QUEUE);
        let thread = writer::Writer::new(connection, Arc::clone(&log), at);
        let mut threads = vec![spawn("store-writer", move || thread.run(jobs))?];

        let (readers, jobs) = mpsc::channel(readers::QUEUE);
        let jobs = readers::share(jobs);
        for _ in 0..options.readers.max(1) {
            let connection = schema::open_reader(&options)?;
            let jobs = Arc::clone(&jobs);
            threads.push(spawn("store-reader", move || {
                readers::run(connection, &jobs);
            })?);
        }
        Ok(Self {
            options,
            log,
            writer: Some(writer),
            readers: Some(readers),
            threads,
            _lock: lock,
        })
    }

    /// Reads every page and index and reports the first damage. Takes time in proportion to the
    /// store's size.
    pub async fn check(&self) -> Result<(), StoreError> {
        let verdict: String = self
            .read(|snapshot| snapshot.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)))
            .await?;
        if verdict == "ok" {
            Ok(())
        } else {
            Err(StoreError::Corrupt { detail: verdict })
        }
    }

    /// Runs `query` on a snapshot, on a reader's thread.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.readers.as_ref().ok_or(StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job: readers::Job = Box::new(move |connection| {
            let result = connection.transaction().and_then(|snapshot| {
                let value = query(&snapshot)?;
                snapshot.finish()?;
                Ok(value)
            });
            // The caller may be gone.
            let _ = reply.send(result.map_err(StoreError::from));
        });
        readers.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Sends the writer a job, and waits for its answer.
    async fn write<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<T>) -> writer::Job,
    ) -> Result<T, StoreError> {
        let writer = self.writer.as_ref().ok_or(StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let sent = writer.send(job(reply)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }

    /// How many bytes can still be written if `used` are in use: the free space on the disk, or
    /// what is left of the limit.
    fn available_bytes(&self, used: u64) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.options.file)
            .ok()
            .and_then(|stat| stat.f_bavail.checked_mul(stat.f_frsize));
        let limit = self.options.max_bytes.map(|most| most.saturating_sub(used));
        disk.into_iter().chain(limit).min()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.log.close();
        // The writer, which is the first thread, ends after the readers. The last connection that
        // closes removes the extra files, and of two that close at the same time neither is the
        // last.
        self.readers = None;
        for thread in self.threads.drain(1.min(self.threads.len())..) {
            // A thread that has panicked has nothing to finish.
            let _ = thread.join();
        }
        self.writer = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Store for Sqlite {
    fn revision(&self) -> BoxFuture<'_, Result<Revision, StoreError>> {
        Box::pin(async { Ok(self.log.newest()) })
    }

    fn get<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Read<Option<Entry>>, StoreError>> {
        let path = path.clone();
        Box::pin(self.read(move |snapshot| {
            let at = schema::revision_of(snapshot)?;
            let value = snapshot
                .prepare_cached("SELECT path, revision, value FROM entry WHERE path = ?1")?
                .query_row([path.as_str()], entry)
                .optional()?;
            Ok(Read { at, value })
        }))
    }

    fn range<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Path>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Read<Vec<Entry>>, StoreError>> {
        let prefix = prefix.clone();
        let after = after.cloned();
        let limit = i64::try_from(limit.min(MAX_RANGE)).unwrap_or(i64::MAX);
        Box::pin(self.read(move |snapshot| {
            let at = schema::revision_of(snapshot)?;
            let value = range::read(snapshot, &prefix, after.as_ref(), limit)?;
            Ok(Read { at, value })
        }))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(async move {
            self.write(|reply| writer::Job::Commit(batch, reply))
                .await?
        })
    }

    fn stamp(&self, stamp: Arc<dyn Stamp>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.write(|reply| writer::Job::Stamp(stamp, reply)).await })
    }

    fn changes(&self, from: Revision) -> BoxFuture<'_, Result<Box<dyn Feed>, StoreError>> {
        Box::pin(async move { Ok(self.log.feed(from)) })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Health, StoreError>> {
        Box::pin(async {
            let used = self.write(writer::Job::Probe).await??;
            Ok(Health {
                revision: self.log.newest(),
                available_bytes: self.available_bytes(used),
            })
        })
    }

    fn scrub(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { self.write(writer::Job::Scrub).await? })
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let detail = error.to_string();
        match error.sqlite_error() {
            // A refused write (a limit on file sizes, a quota) leaves the transaction uncommitted,
            // as a full disk does.
            Some(cause)
                if cause.code == ErrorCode::DiskFull
                    || cause.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE =>
            {
                Self::Full
            }
            // The log has grown, but its index cannot: nobody knows what was kept.
            Some(cause) if cause.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
                let detail =
                    "there is no room for the file `-shm` beside it: free space on its disk";
                Self::Failed {
                    detail: detail.to_owned(),
                }
            }
            Some(cause)
                if matches!(
                    cause.code,
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
                ) =>
            {
                Self::Corrupt { detail }
            }
            _ => Self::Failed { detail },
        }
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let path: String = row.get(0)?;
    let path = Path::parse(&path).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    })?;
    Ok(Entry {
        path,
        revision: schema::number(row, 1)?,
        value: row.get(2)?,
    })
}

fn lock(options: &SqliteOptions) -> Result<File, StoreError> {
    let mut name = options.file.clone().into_os_string();
    name.push(".lock");
    let file = schema::create_private(PathBuf::from(name).as_path())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| failed(&error))
}

fn failed(error: &std::io::Error) -> StoreError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return StoreError::Full;
    }
    StoreError::Failed {
        detail: error.to_string(),
    }
}
