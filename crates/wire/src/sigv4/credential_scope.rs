//! The credential: an access key id and the scope its signing key is derived for.

use std::borrow::Cow;
use std::fmt;

use super::TERMINATOR;
use super::clock::Basic;
use super::clock::RequestTime;
use super::error::AuthError;
use super::error::Incomplete;

/// `AKIDEXAMPLE/20150830/us-east-1/service/aws4_request`: five elements, nothing more is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential<'r>(Cow<'r, str>);

impl<'r> Credential<'r> {
    pub(super) fn parse(value: Cow<'r, str>) -> Result<Self, Incomplete> {
        let mut elements = value.split('/');
        let are_five = elements
            .by_ref()
            .take(5)
            .filter(|element| !element.is_empty())
            .count()
            == 5;
        if !are_five || elements.next().is_some() {
            return Err(Incomplete::Credential {
                value: value.into(),
            });
        }
        Ok(Self(value))
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
        self.0.split_once('/').map_or("", |(_, scope)| scope)
    }

    fn terminator(&self) -> &str {
        self.element(4)
    }

    fn element(&self, at: usize) -> &str {
        self.0.split('/').nth(at).unwrap_or_default()
    }

    pub(super) fn check(
        &self,
        service: &str,
        region_is_served: impl FnOnce(&str) -> bool,
        time: &RequestTime,
    ) -> Result<(), AuthError> {
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
            Err(faults.into())
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
