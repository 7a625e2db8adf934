//! The rules of throughput.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/performance.html>

use keyward_wire::json::Members;

use crate::{fault::EfsFault, records::Throughput};

/// The modes.
const MODES: &[&str] = &["bursting", "provisioned", "elastic"];

/// What a request contains about throughput.
#[derive(Clone, Copy, Debug)]
pub struct AskedThroughput {
    mode: Option<&'static str>,
    mibps: Option<f64>,
}

impl AskedThroughput {
    /// Reads `ThroughputMode` and `ProvisionedThroughputInMibps`.
    pub fn read(m: &mut Members<'_>) -> Self {
        let mode = m.enumeration("ThroughputMode", MODES).optional();
        let mibps = m.double("ProvisionedThroughputInMibps");
        let mibps = mibps.at_least(1).optional();
        Self { mode, mibps }
    }

    /// Whether anything is said of it.
    pub fn is_nothing(self) -> bool {
        self.mode.is_none() && self.mibps.is_none()
    }

    /// The requested throughput, where anything not given stays the same.
    ///
    /// # Errors
    /// If the mode and the provisioned throughput do not match.
    pub fn from(self, before: Throughput) -> Result<Throughput, EfsFault> {
        let mode = self.mode.unwrap_or_else(|| before.mode());
        let wrong = |text: &str| Err(EfsFault::BadRequest(text.to_owned()));
        match (mode, self.mibps, before.mibps()) {
            ("provisioned", Some(mibps), _) | ("provisioned", None, Some(mibps)) => {
                Ok(Throughput::Provisioned { mibps })
            }
            ("provisioned", None, None) => wrong(
                "ProvisionedThroughputInMibps must be specified if ThroughputMode is provisioned.",
            ),
            (_, Some(_), _) => wrong(
                "ProvisionedThroughputInMibps can be specified only if ThroughputMode is provisioned.",
            ),
            ("elastic", None, _) => Ok(Throughput::Elastic),
            (_, None, _) => Ok(Throughput::Bursting),
        }
    }
}
