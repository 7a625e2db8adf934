//! Log lines that are written by a thread of their own, so that whoever logs never waits for whoever reads the log.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// How many lines may wait.
const WAITING: usize = 1024;
/// How long the end of the program waits for lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// The thread, which ends with the program.
#[derive(Debug)]
pub struct Apart {
    lines: Lines,
    done: Receiver<()>,
}

/// Where lines are put.
#[derive(Clone, Debug)]
pub struct Lines {
    waiting: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

/// What the thread is given.
#[derive(Debug)]
enum Entry {
    Line(Vec<u8>),
    /// Everything before it is written.
    End,
}

impl Apart {
    /// Starts the thread. It reports how many lines were lost, once there is a place again.
    ///
    /// # Errors
    /// When there is none.
    pub fn start(
        to: impl Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let (waiting, entries) = mpsc::sync_channel(WAITING);
        let (say, done) = mpsc::channel();
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let worker = thread::Builder::new().name("log".to_owned());
        worker.spawn(move || {
            write(to, &entries, (&counted, &report));
            let _ = say.send(());
        })?;
        let lines = Lines { waiting, lost };
        Ok(Self { lines, done })
    }

    /// Where lines are put.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // If there is no place even for that, nobody reads.
        if self.lines.waiting.try_send(Entry::End).is_ok() {
            let _: Result<(), RecvTimeoutError> = self.done.recv_timeout(PATIENCE);
        }
    }
}

fn write(
    mut to: impl Write,
    entries: &Receiver<Entry>,
    (lost, report): (&AtomicU64, &dyn Fn(u64)),
) {
    while let Ok(Entry::Line(line)) = entries.recv() {
        // A log that cannot be written must not end anything.
        let _ = to.write_all(&line);
        let count = lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            report(count);
        }
    }
    let _ = to.flush();
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.waiting.try_send(Entry::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    /// Takes nothing until it is let.
    struct Gate(Arc<Mutex<Vec<u8>>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_logs_does_not_wait_for_whoever_reads_and_what_is_lost_is_counted() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let reported = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&reported);
        let report = move |lost| {
            count.fetch_add(lost, Ordering::Relaxed);
        };
        let apart = Apart::start(Gate(Arc::clone(&written)), report).unwrap();
        let mut lines = apart.lines();
        let held = written.lock();
        let all = WAITING + 100;
        for _ in 0..all {
            lines.write_all(b"a line\n").unwrap();
        }
        drop(held);
        // There may still be no place.
        while lines.waiting.try_send(Entry::End).is_err() {
            thread::yield_now();
        }
        apart.done.recv().unwrap();
        let written = String::from_utf8(written.lock().clone()).unwrap();
        let kept = written.lines().filter(|line| *line == "a line").count();
        assert!((WAITING..=WAITING + 1).contains(&kept), "{kept}");
        let reported = usize::try_from(reported.load(Ordering::Relaxed)).unwrap();
        assert_eq!(reported, all - kept);
    }
}
