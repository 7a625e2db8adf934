//! Warnings and errors with the same cause are logged a few times a minute; the others are counted.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    fmt::{Debug, Write as _},
    hash::{Hash as _, Hasher as _},
    sync::Arc,
};

use keyward_client::clock::SystemClock;
use keyward_types::time::Clock as _;
use parking_lot::Mutex;
use tracing::{
    Event, Level, Metadata, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// How many lines of one cause are logged in a minute.
const LINES: u32 = 5;
/// Milliseconds after which a cause may be logged again.
const WINDOW: u64 = 60_000;
/// How many causes are told apart. If there are more, all lines of one place in the program count
/// as one cause.
const MOST_CAUSES: usize = 256;
/// Fields that give the reason. Others, such as a request's id, differ each time.
const WHY: [&str; 3] = ["error", "cause", "reasons"];
/// The target of the lines that report counts.
const COUNT: &str = "keyward::log";

/// What caused a line: its place in the program, and a hash of the reason.
type Cause = (Identifier, u64);

/// Leaves out lines of a cause that has used up its share.
#[derive(Clone, Debug)]
pub struct Flood(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: SystemClock,
    causes: Mutex<HashMap<Cause, Share>>,
}

/// How much of its share a cause has used.
#[derive(Debug)]
struct Share {
    since: u64,
    logged: u32,
    left_out: u64,
    message: String,
}

/// Lines that were left out.
#[derive(Debug, PartialEq, Eq)]
struct LeftOut {
    message: String,
    count: u64,
}

impl Default for Flood {
    fn default() -> Self {
        Self(Arc::new(Shared {
            clock: SystemClock::new(),
            causes: Mutex::default(),
        }))
    }
}

impl Flood {
    /// Logs how many lines were left out, for each cause whose minute is over.
    pub fn count(&self) {
        for LeftOut { message, count } in self.take(self.now()) {
            tracing::warn!(
                target: COUNT,
                line = message,
                count,
                "more lines like this one were left out in the last minute"
            );
        }
    }

    fn now(&self) -> u64 {
        self.0.clock.monotonic().millis()
    }

    /// Whether a line of this cause may be logged.
    fn admits(&self, cause: Cause, now: u64, message: impl FnOnce() -> String) -> bool {
        let mut causes = self.0.causes.lock();
        let full = causes.len() >= MOST_CAUSES && !causes.contains_key(&cause);
        let cause = if full { (cause.0, 0) } else { cause };
        let share = causes.entry(cause).or_insert_with(|| Share {
            since: now,
            logged: 0,
            left_out: 0,
            message: message(),
        });
        if share.left_out == 0 && now.saturating_sub(share.since) >= WINDOW {
            (share.since, share.logged) = (now, 0);
        }
        let admitted = share.logged < LINES;
        if admitted {
            share.logged += 1;
        } else {
            share.left_out += 1;
        }
        admitted
    }

    /// Takes the counts of causes whose minute is over, and forgets those causes.
    fn take(&self, now: u64) -> Vec<LeftOut> {
        let mut causes = self.0.causes.lock();
        let over = |share: &Share| now.saturating_sub(share.since) >= WINDOW;
        let gone = causes.extract_if(|_, share| over(share));
        let counted = gone.filter(|(_, share)| share.left_out > 0);
        counted
            .map(|(_, share)| LeftOut {
                message: share.message,
                count: share.left_out,
            })
            .collect()
    }
}

impl<S: Subscriber> Layer<S> for Flood {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if !is_limited(event.metadata()) {
            return true;
        }
        let mut reason = Reason::default();
        event.record(&mut reason);
        let cause = (event.metadata().callsite(), reason.why.finish());
        self.admits(cause, self.now(), || reason.message)
    }
}

fn is_limited(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN && metadata.target() != COUNT
}

/// The reason in a line.
#[derive(Default)]
struct Reason {
    why: DefaultHasher,
    message: String,
}

impl Visit for Reason {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else if WHY.contains(&field.name()) {
            format!("{value:?}").hash(&mut self.why);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::{fmt, layer::SubscriberExt as _};

    use super::*;

    /// Collects the lines of a test.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn lines(&self) -> Vec<String> {
            let text = std::mem::take(&mut *self.0.lock());
            String::from_utf8(text)
                .unwrap()
                .lines()
                .map(|line| line.trim().to_owned())
                .collect()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(flood: &Flood, what: impl FnOnce(&Log)) {
        let log = Log::default();
        let writer = log.clone();
        let lines = fmt::layer()
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry()
            .with(flood.clone())
            .with(lines);
        tracing::subscriber::with_default(subscriber, || what(&log));
    }

    fn fails(request: u32, cause: &str) {
        tracing::error!(request, cause, "request failed");
    }

    #[test]
    fn one_cause_is_logged_a_few_times_and_then_counted() {
        let flood = Flood::default();
        logged(&flood, |log| {
            for request in 0..1000 {
                fails(request, "the disk is full");
            }
            let lines = log.lines();
            assert_eq!(lines.len(), 5);
            assert_eq!(
                lines[0],
                "ERROR request failed request=0 cause=\"the disk is full\""
            );
            fails(1000, "the clock is wrong");
            assert_eq!(log.lines().len(), 1, "another cause has lines of its own");
            for _ in 0..1000 {
                tracing::info!("not a warning");
            }
            assert_eq!(log.lines().len(), 1000);
            let now = flood.now();
            assert_eq!(flood.take(now), []);
            assert_eq!(
                flood.take(now + WINDOW),
                [LeftOut {
                    message: "request failed".to_owned(),
                    count: 995
                }]
            );
            fails(1001, "the disk is full");
            assert_eq!(log.lines().len(), 1, "it has its lines again");
        });
    }

    #[test]
    fn what_is_kept_of_causes_is_bounded() {
        let flood = Flood::default();
        logged(&flood, |log| {
            for cause in 0..10_000 {
                fails(0, &format!("cause {cause}"));
            }
            assert_eq!(log.lines().len(), MOST_CAUSES + LINES as usize);
        });
        assert_eq!(flood.0.causes.lock().len(), MOST_CAUSES + 1);
    }
}
