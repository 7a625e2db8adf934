//! Time as an argument: instants, durations in milliseconds, and the one trait that reads clocks.

use std::fmt;

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

/// Milliseconds in a day.
pub const DAY_MILLIS: i64 = 86_400_000;

/// An instant of the wall clock: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant that many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The instant that many seconds after the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant `millis` milliseconds later (earlier if negative).
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The instant `days` days of 24 hours later.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(DAY_MILLIS)))
    }

    /// Milliseconds from `earlier` to this instant.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `2026-01-01T00:00:00Z`: ISO 8601 in UTC to the second.
    pub fn iso8601(self) -> ArrayString<20> {
        let [y1, y2, y3, y4, mo1, mo2, d1, d2, h1, h2, mi1, mi2, s1, s2] = self.digits();
        text(&[
            y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T', h1, h2, b':', mi1, mi2, b':', s1,
            s2, b'Z',
        ])
    }

    /// `20260101T000000Z`: the basic form of SigV4.
    pub fn iso8601_basic(self) -> ArrayString<16> {
        let [y1, y2, y3, y4, mo1, mo2, d1, d2, h1, h2, mi1, mi2, s1, s2] = self.digits();
        text(&[
            y1, y2, y3, y4, mo1, mo2, d1, d2, b'T', h1, h2, mi1, mi2, s1, s2, b'Z',
        ])
    }

    /// `Aug 10, 2022, 10:38:27 PM`: UTC to the second, as CloudTrail writes dates inside of
    /// `responseElements`.
    pub fn in_words(self) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let (y, mo, d, h, mi, s) = self.civil();
        let month = MONTHS
            .get(usize::from(mo).saturating_sub(1))
            .copied()
            .unwrap_or_default();
        let half = if h < 12 { "AM" } else { "PM" };
        let hour = (h + 11) % 12 + 1;
        format!("{month} {d}, {y}, {hour}:{mi:02}:{s:02} {half}")
    }

    fn civil(self) -> (i32, u8, u8, u8, u8, u8) {
        let instant = ::time::OffsetDateTime::from_unix_timestamp(self.seconds())
            .unwrap_or(::time::OffsetDateTime::UNIX_EPOCH);
        let (date, time) = (instant.date(), instant.time());
        (
            date.year(),
            date.month().into(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
        )
    }

    /// The decimal digits of year, month, day, hour, minute and second.
    fn digits(self) -> [u8; 14] {
        let (year, month, day, hour, minute, second) = self.civil();
        // INVARIANT: `time` is built for years up to 9999; none before 0 is ever shown.
        let year = u16::try_from(year).unwrap_or(0);
        let digit = |n: u16| b'0' + u8::try_from(n % 10).unwrap_or(0);
        let two = |n: u8| [b'0' + n / 10, b'0' + n % 10];
        let ([mo1, mo2], [d1, d2]) = (two(month), two(day));
        let ([h1, h2], [mi1, mi2]) = (two(hour), two(minute));
        let [s1, s2] = two(second);
        [
            digit(year / 1000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            mo1,
            mo2,
            d1,
            d2,
            h1,
            h2,
            mi1,
            mi2,
            s1,
            s2,
        ]
    }
}

fn text<const N: usize>(ascii: &[u8; N]) -> ArrayString<N> {
    // Digits and punctuation only, so the fallback is never taken.
    ArrayString::from_byte_string(ascii).unwrap_or_default()
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso8601())
    }
}

/// An instant of the monotonic clock, in milliseconds from an arbitrary start of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The instant that many milliseconds after the process's arbitrary start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the process's arbitrary start.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to this instant, zero if it is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The only way to read a clock. The server has the real one, tests have one that they move.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// The monotonic clock, which no operator can set.
    fn monotonic(&self) -> Monotonic;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_iso_8601_are_utc_to_the_second() {
        let at = Timestamp::from_millis(1_762_430_878_420);
        assert_eq!(&*at.iso8601(), "2025-11-06T12:07:58Z");
        assert_eq!(&*at.iso8601_basic(), "20251106T120758Z");
        assert_eq!(&*at.plus_days(-1).iso8601(), "2025-11-05T12:07:58Z");
        let epoch = Timestamp::default();
        assert_eq!(epoch.to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn words_tell_the_hour_of_each_half_of_the_day() {
        let noon = Timestamp::from_seconds(1_660_132_800);
        let words = |hours: i64| noon.plus_millis(hours * 3_600_000).in_words();
        assert_eq!(words(0), "Aug 10, 2022, 12:00:00 PM");
        assert_eq!(words(-12), "Aug 10, 2022, 12:00:00 AM");
        assert_eq!(words(-1), "Aug 10, 2022, 11:00:00 AM");
        assert_eq!(words(10), "Aug 10, 2022, 10:00:00 PM");
    }
}
