//! The time of a request: reading it, and comparing it with the server's clock.

use std::fmt;

use keyward_types::time::Timestamp;
use time::{Date, Month, OffsetDateTime, Time, format_description::well_known::Rfc2822};

use super::{Request, incomplete::Incomplete};

/// How far a request's time may be from the server's, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// KMS.
    FiveMinutes,
    /// STS and IAM, presigned queries included.
    FifteenMinutes,
}

impl Skew {
    pub(super) const fn minutes(self) -> u16 {
        match self {
            Self::FiveMinutes => 5,
            Self::FifteenMinutes => 15,
        }
    }
}

/// A request whose time is too far from the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkewError {
    /// Signed too long ago.
    #[error("Signature expired: {claimed} is now earlier than {bound} ({now} - {minutes} min.)")]
    Expired {
        /// The request's time.
        claimed: Basic,
        /// The earliest time accepted.
        bound: Basic,
        /// The server's clock.
        now: Basic,
        /// The skew allowed.
        minutes: u16,
    },
    /// Signed in the future.
    #[error(
        "Signature not yet current: {claimed} is still later than {bound} ({now} + {minutes} min.)"
    )]
    NotYetCurrent {
        /// The request's time.
        claimed: Basic,
        /// The latest time accepted.
        bound: Basic,
        /// The server's clock.
        now: Basic,
        /// The skew allowed.
        minutes: u16,
    },
}

/// `YYYYMMDDTHHMMSSZ`: an instant as SigV4 writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Basic([u8; 16]);

impl Basic {
    fn of(instant: Timestamp) -> Self {
        let text = instant.iso8601_basic();
        Self(text.as_bytes().try_into().unwrap_or(*b"99991231T235959Z"))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// `YYYYMMDD`.
    pub(super) fn date(&self) -> &[u8] {
        self.0.first_chunk::<8>().map_or(&[], |date| date)
    }

    pub(super) fn date_text(&self) -> &str {
        std::str::from_utf8(self.date()).unwrap_or_default()
    }
}

impl fmt::Display for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// When a request claims to have been signed, and in which field.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestTime {
    instant: Timestamp,
    basic: Basic,
    field: (&'static str, &'static str),
}

impl RequestTime {
    /// `X-Amz-Date`, or else `Date`; none if neither is there.
    pub(super) fn of(request: &Request<'_>) -> Result<Option<Self>, Incomplete> {
        if let Some(value) = request.value("x-amz-date") {
            return Self::parse(value).map(Some);
        }
        let Some(value) = request.value("date") else {
            return Ok(None);
        };
        let field = ("date", "Date");
        if let Ok(time) = Self::parse(value) {
            return Ok(Some(Self { field, ..time }));
        }
        let instant = std::str::from_utf8(value)
            .ok()
            .and_then(|text| OffsetDateTime::parse(text.trim(), &Rfc2822).ok())
            .map(|instant| Timestamp::from_seconds(instant.unix_timestamp()))
            .ok_or_else(|| malformed(value))?;
        Ok(Some(Self {
            instant,
            basic: Basic::of(instant),
            field,
        }))
    }

    /// Reads `YYYYMMDDTHHMMSSZ`.
    pub(super) fn parse(value: &[u8]) -> Result<Self, Incomplete> {
        let basic = Basic(
            value
                .trim_ascii()
                .try_into()
                .map_err(|_| malformed(value))?,
        );
        let instant = instant(&basic.0).ok_or_else(|| malformed(value))?;
        Ok(Self {
            instant,
            basic,
            field: ("x-amz-date", "X-Amz-Date"),
        })
    }

    pub(super) fn instant(&self) -> Timestamp {
        self.instant
    }

    pub(super) fn basic(&self) -> Basic {
        self.basic
    }

    /// The name of that field, in lower case and as messages write it.
    pub(super) fn field(&self) -> (&'static str, &'static str) {
        self.field
    }

    pub(super) fn check(&self, now: Timestamp, skew: Skew) -> Result<(), SkewError> {
        self.check_within(now, (skew.minutes(), skew.minutes()))
    }

    /// Checks that no more minutes have passed since, and that it is no more minutes ahead.
    pub(super) fn check_within(
        &self,
        now: Timestamp,
        (since, ahead): (u16, u16),
    ) -> Result<(), SkewError> {
        // Whole seconds, as they are written: a request's time has no fraction.
        let now = Timestamp::from_seconds(now.seconds());
        let earliest = now.plus_millis(-i64::from(since) * 60_000);
        let latest = now.plus_millis(i64::from(ahead) * 60_000);
        let claimed = self.basic;
        if self.instant < earliest {
            return Err(SkewError::Expired {
                claimed,
                bound: Basic::of(earliest),
                now: Basic::of(now),
                minutes: since,
            });
        }
        if self.instant > latest {
            return Err(SkewError::NotYetCurrent {
                claimed,
                bound: Basic::of(latest),
                now: Basic::of(now),
                minutes: ahead,
            });
        }
        Ok(())
    }
}

fn malformed(value: &[u8]) -> Incomplete {
    Incomplete::Date {
        value: String::from_utf8_lossy(value).into(),
    }
}

fn instant(text: &[u8; 16]) -> Option<Timestamp> {
    let [
        y1,
        y2,
        y3,
        y4,
        mo1,
        mo2,
        d1,
        d2,
        b'T',
        h1,
        h2,
        mi1,
        mi2,
        s1,
        s2,
        b'Z',
    ] = *text
    else {
        return None;
    };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    let two = |tens: u8, ones: u8| Some(digit(tens)? * 10 + digit(ones)?);
    let year = i32::from(two(y1, y2)?) * 100 + i32::from(two(y3, y4)?);
    let month = Month::try_from(two(mo1, mo2)?).ok()?;
    let date = Date::from_calendar_date(year, month, two(d1, d2)?).ok()?;
    let time = Time::from_hms(two(h1, h2)?, two(mi1, mi2)?, two(s1, s2)?).ok()?;
    let instant = OffsetDateTime::new_utc(date, time);
    Some(Timestamp::from_seconds(instant.unix_timestamp()))
}
