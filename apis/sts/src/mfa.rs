//! Codes of multi-factor devices. There are no such devices, so no code is valid.

use keyward_wire::json::Members;

use crate::fault::StsFault;

/// `SerialNumber` and `TokenCode`, if they were sent.
#[derive(Debug)]
pub struct Code {
    serial_number: Option<String>,
    code: bool,
}

impl Code {
    /// Reads both.
    pub fn read(m: &mut Members<'_>) -> Self {
        let serial = |c: char| c.is_ascii_alphanumeric() || "_+=/:,.@-".contains(c);
        let serial_number = m
            .string("SerialNumber")
            .length(9, 256)
            .pattern("[\\w+=/:,.@-]*", |text| text.chars().all(serial))
            .optional()
            .map(str::to_owned);
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let code = m.string("TokenCode").sensitive();
        let code = code.length(6, 6).pattern("[\\d]*", digits);
        Self {
            code: code.optional().is_some(),
            serial_number,
        }
    }

    /// Refuses whatever was sent.
    ///
    /// # Errors
    /// `AccessDenied` if anything was.
    pub fn refuse(&self) -> Result<(), StsFault> {
        let message = match (&self.serial_number, self.code) {
            (None, false) => return Ok(()),
            // An existing device could only belong to somebody else.
            (Some(_), true) => {
                "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."
            }
            (Some(_), false) | (None, true) => {
                "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
            }
        };
        Err(StsFault::NeverAllowed {
            message: message.to_owned(),
        })
    }
}
