//! A fault on its way to the wire: code, HTTP status and message, of whatever service.

use std::{borrow::Cow, error::Error, net::IpAddr};

use keyward_store::error::{CommitError, StoreError};
use keyward_trail::writer::NotRecorded;
use keyward_wire::echo;

/// What failed inside; the chain of causes goes to the log, and none of it to the caller.
#[derive(Debug)]
pub struct Internal(Box<dyn std::error::Error + Send + Sync>);

impl Internal {
    /// Wraps the cause.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// The cause and the causes below it, for the log.
    pub fn chain(&self) -> String {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(next) = cause {
            text.push_str(": ");
            text.push_str(&next.to_string());
            cause = next.source();
        }
        text
    }

    /// Whether no room was left on the server's disk.
    fn is_disk_full(&self) -> bool {
        let first: &(dyn Error + 'static) = &*self.0;
        let mut causes = std::iter::successors(Some(first), |cause| (*cause).source());
        causes.any(|cause| {
            let store = cause.downcast_ref::<StoreError>();
            let commit = cause.downcast_ref::<CommitError>();
            store == Some(&StoreError::Full)
                || commit == Some(&CommitError::Store(StoreError::Full))
                || cause.downcast_ref() == Some(&NotRecorded::DiskFull)
        })
    }
}

/// A fault as a renderer needs it.
#[derive(Debug)]
pub struct Fault {
    code: &'static str,
    status: u16,
    message: Option<String>,
    reason: Option<&'static str>,
    named: Option<(&'static str, String)>,
    audit_code: &'static str,
    internal: Option<Internal>,
    repeated: Option<Box<IpAddr>>,
    unrecorded: bool,
}

impl Fault {
    /// A fault of the caller (HTTP 400). Of a message that repeats too much of what was sent, the
    /// start is kept.
    pub fn new(code: &'static str, message: Option<String>) -> Self {
        let message = message.map(|text| echo::message(text, echo::MAX_MESSAGE).into_owned());
        Self {
            code,
            status: 400,
            message,
            reason: None,
            named: None,
            audit_code: code,
            internal: None,
            repeated: None,
            unrecorded: false,
        }
    }

    /// A fault of the wire, whose code is ours or that of AWS's own faults; `otherwise` replaces a
    /// code that is neither.
    pub fn of_wire(fault: keyward_wire::fault::Fault, otherwise: &'static str) -> Self {
        let code = match fault.code {
            Cow::Borrowed(code) => code,
            Cow::Owned(_) => otherwise,
        };
        let message = fault.message.map(Cow::into_owned);
        Self::new(code, message).status(fault.status)
    }

    /// A failure on our side (HTTP 500): nothing but the code is said, and that the disk is full if it
    /// is, which does not mend itself.
    pub fn internal(code: &'static str, internal: Internal) -> Self {
        let message = if internal.is_disk_full() {
            "The request could not be completed: the server's disk is full. Its operator must free space on it."
        } else {
            "The request could not be completed. Try again later."
        };
        let message = Some(message.to_owned());
        Self {
            code,
            status: 500,
            message,
            reason: None,
            named: None,
            audit_code: code,
            internal: Some(internal),
            repeated: None,
            unrecorded: false,
        }
    }

    /// What a stranger is told about it.
    #[must_use]
    pub fn for_strangers(mut self) -> Self {
        let shorten = |text| echo::message(text, echo::MAX_STRANGERS_MESSAGE).into_owned();
        self.message = self.message.map(shorten);
        self
    }

    /// With AWS's reason code, in addition to the message.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// With a member in addition to code and message, such as the id of what exists already.
    #[must_use]
    pub fn naming(mut self, member: &'static str, value: String) -> Self {
        self.named = Some((member, value));
        self
    }

    /// With another HTTP status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With the code that the audit trail shows where it differs from the wire's.
    #[must_use]
    pub fn audited_as(mut self, code: &'static str) -> Self {
        self.audit_code = code;
        self
    }

    /// As one that repeats what a stranger at that address was refused a short time ago: it is counted and sampled, and not
    /// recorded again.
    #[must_use]
    pub fn repeated(mut self, address: IpAddr) -> Self {
        self.repeated = Some(Box::new(address));
        self
    }

    /// As one of a caller over its rate: it is counted, and not recorded.
    #[must_use]
    pub fn unrecorded(mut self) -> Self {
        self.unrecorded = true;
        self
    }

    /// Whether it is not recorded.
    pub(crate) fn is_unrecorded(&self) -> bool {
        self.unrecorded
    }

    /// The address of the stranger who was refused the same a short time ago.
    pub(crate) fn repeated_for(&self) -> Option<IpAddr> {
        self.repeated.as_deref().copied()
    }

    /// As the wire renders it.
    pub fn to_wire(&self) -> keyward_wire::fault::Fault {
        let fault = keyward_wire::fault::Fault::new(self.code, self.status);
        match &self.message {
            Some(message) => fault.with_message(message.clone()),
            None => fault,
        }
    }

    /// The code on the wire.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The code on the audit trail.
    pub fn audit_code(&self) -> &'static str {
        self.audit_code
    }

    /// The HTTP status.
    pub fn http_status(&self) -> u16 {
        self.status
    }

    /// The message, if AWS sends one.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// AWS's reason code, where a service has one in addition to the message.
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// The member in addition to code and message, if there is one.
    pub fn named(&self) -> Option<(&'static str, &str)> {
        let (member, value) = self.named.as_ref()?;
        Some((member, value))
    }

    /// What failed inside, for the log.
    pub fn internal_cause(&self) -> Option<&Internal> {
        self.internal.as_ref()
    }
}
