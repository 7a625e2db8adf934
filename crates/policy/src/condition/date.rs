//! `DateEquals` and its kin: the W3C profile of ISO 8601, or seconds since the epoch.
//!
//! <https://www.w3.org/TR/NOTE-datetime>

use super::numeric::Decimal;

/// An instant: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(i128);

impl Instant {
    /// Reads `2026-01`, `2026-01-01`, `2026-01-01T00:00Z`, `2026-01-01T00:00:00.5+02:00`, or a
    /// count of seconds. Four digits alone are seconds, not a year.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(seconds) = Decimal::parse(text) {
            return Some(Self(seconds.nanos()));
        }
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year = digits(parts.next()?, 4)?;
        let month = digits(parts.next()?, 2)?;
        let day = match parts.next() {
            Some(day) => digits(day, 2)?,
            None if time.is_none() => 1,
            None => return None,
        };
        if parts.next().is_some() || !(1..=12).contains(&month) {
            return None;
        }
        if day < 1 || day > days_in(year, month) {
            return None;
        }
        let midnight = days_from_epoch(year, month, day) * 86_400 * NANOS;
        let time = time.map_or(Some(0), time_of_day)?;
        Some(Self(midnight + time))
    }
}

const NANOS: i128 = 1_000_000_000;

/// Nanoseconds since midnight UTC of `hh:mm[:ss[.s+]]` followed by `Z` or `±hh:mm`.
fn time_of_day(text: &str) -> Option<i128> {
    let (clock, offset) = match text.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let sign = text.rfind(['+', '-'])?;
            let (clock, offset) = text.split_at_checked(sign)?;
            let minutes = match offset.strip_prefix('-') {
                Some(ahead) => -hours_and_minutes(ahead)?,
                None => hours_and_minutes(offset.strip_prefix('+')?)?,
            };
            (clock, minutes)
        }
    };
    let (clock, seconds) = match clock.match_indices(':').nth(1) {
        Some((colon, _)) => {
            let (clock, seconds) = clock.split_at_checked(colon)?;
            (clock, seconds_and_fraction(seconds.strip_prefix(':')?)?)
        }
        None => (clock, 0),
    };
    let minutes = hours_and_minutes(clock)?;
    Some((minutes - offset) * 60 * NANOS + seconds)
}

fn hours_and_minutes(text: &str) -> Option<i128> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn seconds_and_fraction(text: &str) -> Option<i128> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let whole = digits(whole, 2).filter(|seconds| *seconds < 60)?;
    let nanos = match fraction {
        None => 0,
        Some("") => return None,
        Some(fraction) => {
            if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            // Digits beyond the ninth are less than a nanosecond.
            fraction
                .bytes()
                .chain(std::iter::repeat(b'0'))
                .take(9)
                .fold(0, |n, digit| n * 10 + i128::from(digit - b'0'))
        }
    };
    Some(whole * NANOS + nanos)
}

fn digits(text: &str, count: usize) -> Option<i128> {
    let legal = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    legal.then(|| text.parse().ok()).flatten()
}

fn is_leap(year: i128) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i128, month: i128) -> i128 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so
/// that a leap day is the last of its year.
fn days_from_epoch(year: i128, month: i128, day: i128) -> i128 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_one_instant_is_equal() {
        for text in [
            "1767225600",
            "1767225600.0",
            "2026-01",
            "2026-01-01",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.000Z",
            "2026-01-01T02:00+02:00",
            "2025-12-31T23:30:00-00:30",
        ] {
            assert_eq!(
                Instant::parse(text),
                Some(Instant(1_767_225_600 * NANOS)),
                "{text}"
            );
        }
        assert_eq!(
            Instant::parse("1969-12-31T23:59:59.25Z"),
            Some(Instant(-NANOS * 3 / 4))
        );
        assert_eq!(Instant::parse("-0.75"), Some(Instant(-NANOS * 3 / 4)));
        assert!(Instant::parse("2024-02-29").is_some());
    }

    #[test]
    fn other_texts_are_no_dates() {
        for bad in [
            "",
            "tomorrow",
            "2026-13",
            "2026-00",
            "2026-02-29",
            "2026-1-1",
            "2026-01-01T",
            "2026-01-01T00:00",
            "2026-01-01T24:00Z",
            "2026-01-01T00:60Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01 00:00Z",
            "2026-01T00:00Z",
            "2026-01-01T00:00+2",
            "2026-01-01T00:00:00:00Z",
            "2026-01-01-01",
            "20260101T000000Z",
            "2026-01-01t00:00z",
        ] {
            assert_eq!(Instant::parse(bad), None, "{bad}");
        }
    }
}
