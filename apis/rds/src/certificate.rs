//! As much of X.509 as `DescribeCertificates` shows: from when until when a certificate is good.
//!
//! It is not verified: an agent that may run databases says which authority signs for them.
//!
//! <https://www.rfc-editor.org/rfc/rfc5280#section-4.1>

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_crypto::digest::sha256;
use keyward_types::time::Timestamp;

/// What is shown of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub thumbprint: String,
    /// From when it is good.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Tags of DER.
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

impl Certificate {
    /// Reads the first certificate of a PEM file; none if there is none that can be read.
    pub fn parse(pem: &str) -> Option<Self> {
        let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
        let (text, _) = rest.split_once("-----END CERTIFICATE-----")?;
        let text: String = text.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(text).ok()?;
        let mut whole = Der(&bytes);
        let mut certificate = Der(whole.take(SEQUENCE)?);
        let mut signed = Der(certificate.take(SEQUENCE)?);
        if signed.has(VERSION) {
            signed.take(VERSION)?;
        }
        signed.take(INTEGER)?;
        // The algorithm and the issuer.
        signed.take(SEQUENCE)?;
        signed.take(SEQUENCE)?;
        let mut validity = Der(signed.take(SEQUENCE)?);
        let from = validity.time()?;
        let until = validity.time()?;
        let hash = sha256(&bytes);
        Some(Self {
            thumbprint: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            from,
            until,
        })
    }
}

/// Bytes in DER that are not read yet.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    fn has(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The content of the next element, which must have that tag.
    fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (&found, rest) = self.0.split_first()?;
        if found != tag {
            return None;
        }
        let (&short, rest) = rest.split_first()?;
        let (length, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(short - 0x80))?;
                let digits = digits.iter();
                let length = digits.fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    /// The next element, which must be a time.
    fn time(&mut self) -> Option<Timestamp> {
        let (text, century) = match self.0.first()? {
            &UTC_TIME => (self.take(UTC_TIME)?, true),
            _ => (self.take(GENERALIZED_TIME)?, false),
        };
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (year, rest) = text.split_at_checked(if century { 2 } else { 4 })?;
        let year: i64 = year.parse().ok()?;
        let year = match (century, year) {
            (false, year) => year,
            (true, 50..) => 1900 + year,
            (true, _) => 2000 + year,
        };
        let part = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
        let (month, day) = (part(0)?, part(2)?);
        let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
        let is_time = (1..=12).contains(&month) && (1..=31).contains(&day) && rest.len() == 10;
        let seconds = days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        is_time.then(|| Timestamp::from_seconds(seconds))
    }
}

/// Days from 1970 to a day of the Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March, so that the day that is sometimes there is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=keyward -days 3650`.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBeTCCAR+gAwIBAgIUaC85PREjBBCXM34zpJR0jJjocAEwCgYIKoZIzj0EAwIw\n\
        EjEQMA4GA1UEAwwHa2V5d2FyZDAeFw0yNjEyMDEwNTEyMDBaFw0zNjExMjgwNTEy\n\
        MDBaMBIxEDAOBgNVBAMMB2tleXdhcmQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
        AASeu2E6oUXUKTDBzgJfZMFpkhwmWcnKFHN6fBmqwYawZcGaj/OA11F51WzjSk4r\n\
        8u+TKvX605Pnf0vfeRFjr3Qjo1MwUTAdBgNVHQ4EFgQUPVKIPUkVi9Zwq/jrIG6h\n\
        9uYoBp0wHwYDVR0jBBgwFoAUPVKIPUkVi9Zwq/jrIG6h9uYoBp0wDwYDVR0TAQH/\n\
        BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAvSpUakFdvydDJeArrEYqbaxLRlTy\n\
        PsYXkJ6oguppZKMCIGPE2JPdykn2pFEllO3XtfenVGEcpzjiSDAy4fZrRA07\n\
        -----END CERTIFICATE-----";

    #[test]
    fn the_dates_of_a_certificate_are_read() {
        let read = Certificate::parse(PEM).unwrap();
        assert_eq!(read.from.iso8601().as_str(), "2026-12-01T05:12:00Z");
        assert_eq!(read.until.iso8601().as_str(), "2036-11-28T05:12:00Z");
        assert_eq!(
            read.thumbprint,
            "bb1bdba0a02b87b9ec365fbbabbd1bdab30042de25cde9455123d92c026c9a68"
        );
        // Whatever is cut off or changed is refused, or read, and nothing else.
        for at in 0..PEM.len() {
            let mut text = PEM.to_owned();
            text.truncate(at);
            assert_eq!(Certificate::parse(&text), None);
            let mut bytes = PEM.as_bytes().to_vec();
            bytes[at] = b'A';
            let _ = Certificate::parse(std::str::from_utf8(&bytes).unwrap());
        }
    }

    #[test]
    fn days_are_counted() {
        assert_eq!(days_before(1970, 1, 1), 0);
        assert_eq!(days_before(2000, 2, 29), 11_016);
        assert_eq!(days_before(2000, 3, 1), 11_017);
        assert_eq!(days_before(2100, 3, 1), 47_541);
    }
}
