//! The same work on many things, by a few threads.

use std::{sync::mpsc, thread};

use parking_lot::Mutex;

use crate::Error;

/// As many threads as a place answers at once, unless pieces are large.
const THREADS: u32 = 4;
/// Bytes of pieces in memory.
const MEMORY: u32 = 256 << 20;

/// Does something with each of some things, not in their order. Stops at the first failure.
///
/// `done` is called by this thread with each result.
pub(crate) fn spread<T: Send, R: Send>(
    piece_bytes: u32,
    things: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> Result<R, Error> + Sync,
    mut done: impl FnMut(R) -> Result<(), Error>,
) -> Result<(), Error> {
    let threads = (MEMORY / piece_bytes.max(1)).clamp(1, THREADS);
    // Nothing waits in the channel, so that a failure is noticed before much more is begun.
    let (give, take) = mpsc::sync_channel::<T>(0);
    let take = Mutex::new(take);
    let (report, reports) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (take, work, report) = (&take, &work, report.clone());
            scope.spawn(move || {
                loop {
                    let next = take.lock().recv();
                    let Ok(thing) = next else { return };
                    if report.send(work(thing)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(report);
        // Whatever ends this closes the channel, and with it the threads.
        let give = give;
        for thing in things {
            if give.send(thing).is_err() {
                break;
            }
            while let Ok(result) = reports.try_recv() {
                done(result?)?;
            }
        }
        drop(give);
        for result in reports {
            done(result?)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once() {
        let mut sum = 0;
        spread(
            1,
            0..1000_u64,
            |n| Ok(n * 2),
            |n| {
                sum += n;
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(sum, 999_000);
        spread(u32::MAX, [1_u8; 0], |_| Ok(()), |()| Ok(())).unwrap();
    }

    #[test]
    fn the_first_failure_ends_it() {
        let failed = spread(
            1,
            0..1_000_000_u64,
            |n| if n == 7 { Err(Error::Stopped) } else { Ok(n) },
            |_| Ok(()),
        );
        assert!(matches!(failed, Err(Error::Stopped)));
        let mut left = 3;
        let failed = spread(1, 0..1_000_000_u64, Ok, |_| {
            left -= 1;
            if left == 0 {
                Err(Error::Stopped)
            } else {
                Ok(())
            }
        });
        assert!(matches!(failed, Err(Error::Stopped)));
    }
}
