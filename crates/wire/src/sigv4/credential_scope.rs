//! The credential: an access key id, and the scope for which its signing key is derived.

use std::{borrow::Cow, fmt};

use super::{
    TERMINATOR,
    clock::{Basic, RequestTime},
    incomplete::Incomplete,
};

/// `AKIDEXAMPLE/20150830/us-east-1/service/aws4_request`: five elements, nothing more is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential<'r> {
    text: Cow<'r, str>,
    /// Where the first four elements end.
    ends: [usize; 4],
}

impl<'r> Credential<'r> {
    pub(super) fn parse(value: Cow<'r, str>) -> Result<Self, Incomplete> {
        let mut slashes = value
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'/')
            .map(|(at, _)| at);
        let ends = [
            slashes.next(),
            slashes.next(),
            slashes.next(),
            slashes.next(),
        ];
        let more = slashes.next().is_some();
        if let ([Some(a), Some(b), Some(c), Some(d)], false) = (ends, more) {
            let has_five = a > 0 && b > a + 1 && c > b + 1 && d > c + 1 && value.len() > d + 1;
            if has_five {
                return Ok(Self {
                    text: value,
                    ends: [a, b, c, d],
                });
            }
        }
        Err(Incomplete::Credential {
            value: value.into(),
        })
    }

    /// The access key's id.
    pub fn access_key_id(&self) -> &str {
        self.element(0)
    }

    /// The day of the scope, `YYYYMMDD`.
    pub fn date(&self) -> &str {
        self.element(1)
    }

    /// The Region of the scope: where the call happens.
    pub fn region(&self) -> &str {
        self.element(2)
    }

    /// The service of the scope.
    pub fn service(&self) -> &str {
        self.element(3)
    }

    /// The scope without the access key's id: `20150830/us-east-1/service/aws4_request`.
    pub(super) fn scope(&self) -> &str {
        let [end, ..] = self.ends;
        self.text.get(end + 1..).unwrap_or_default()
    }

    fn terminator(&self) -> &str {
        self.element(4)
    }

    fn element(&self, at: usize) -> &str {
        let from = match at.checked_sub(1) {
            Some(before) => self.ends.get(before).map_or(0, |end| end + 1),
            None => 0,
        };
        let to = self.ends.get(at).copied().unwrap_or(self.text.len());
        self.text.get(from..to).unwrap_or_default()
    }

    pub(super) fn check(
        &self,
        service: &str,
        region_is_served: impl FnOnce(&str) -> bool,
        time: &RequestTime,
    ) -> Result<(), ScopeError> {
        let faults = ScopeError {
            region: (!region_is_served(self.region())).then(|| self.region().into()),
            service: (self.service() != service).then(|| service.into()),
            terminator: (self.terminator() != TERMINATOR).then(|| self.terminator().into()),
            date: (self.date().as_bytes() != time.basic().date())
                .then(|| (self.date().into(), time.basic())),
        };
        if faults.is_none() {
            Ok(())
        } else {
            Err(faults)
        }
    }
}

/// What is wrong with a credential scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeError {
    /// The scope's Region, which is not served here.
    region: Option<Box<str>>,
    /// The service dispatched to, which is not the scope's.
    service: Option<Box<str>>,
    /// The scope's last element, which is not `aws4_request`.
    terminator: Option<Box<str>>,
    /// The scope's date, and the request's time that has another.
    date: Option<(Box<str>, Basic)>,
}

impl ScopeError {
    fn is_none(&self) -> bool {
        self.region.is_none()
            && self.service.is_none()
            && self.terminator.is_none()
            && self.date.is_none()
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        if let Some(region) = &self.region {
            write!(
                f,
                "Credential should be scoped to a valid region, not '{region}'."
            )?;
            blank = " ";
        }
        if let Some(service) = &self.service {
            write!(
                f,
                "{blank}Credential should be scoped to correct service: '{service}'."
            )?;
            blank = " ";
        }
        if let Some(terminator) = &self.terminator {
            write!(
                f,
                "{blank}Credential should be scoped with a valid terminator: '{TERMINATOR}', not \
                 '{terminator}'."
            )?;
            blank = " ";
        }
        if let Some((date, time)) = &self.date {
            let day = time.date_text();
            write!(
                f,
                "{blank}Date in Credential scope does not match YYYYMMDD from ISO-8601 version of \
                 date from HTTP: '{date}' != '{day}', from '{time}'."
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for ScopeError {}
