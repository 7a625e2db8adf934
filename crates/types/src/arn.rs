//! Amazon Resource Names: six parts between colons, of which the last may hold more colons.

use std::fmt;

/// The longest ARN that Keyward reads, in bytes (IAM's and KMS's `arnType` limit).
pub const MAX_ARN_LENGTH: usize = 2048;

/// An ARN taken apart; every part borrows from the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArnParts<'a> {
    /// `aws`, `aws-cn`, …; not checked against the known partitions.
    pub partition: &'a str,
    /// `kms`, `iam`, `sts`, …
    pub service: &'a str,
    /// A Region or empty.
    pub region: &'a str,
    /// An account id, empty, or (in patterns and AWS's own policies) another word.
    pub account: &'a str,
    /// Everything after the fifth colon.
    pub resource: &'a str,
}

impl<'a> ArnParts<'a> {
    /// Splits at the first five colons; the first part must be `arn`.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_ARN_LENGTH {
            return None;
        }
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return None;
        }
        Some(Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        })
    }
}

impl fmt::Display for ArnParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            service,
            region,
            account,
            resource,
        } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_part_keeps_its_colons() {
        let arn = ArnParts::parse("arn:aws:logs:us-east-1:111122223333:log-group:a:b").unwrap();
        assert_eq!(arn.resource, "log-group:a:b");
        assert_eq!(
            arn.to_string(),
            "arn:aws:logs:us-east-1:111122223333:log-group:a:b"
        );
    }

    #[test]
    fn fewer_than_six_parts_is_no_arn() {
        assert_eq!(ArnParts::parse("arn:aws:kms:us-east-1:111122223333"), None);
        assert_eq!(
            ArnParts::parse("urn:aws:kms:us-east-1:111122223333:key/a"),
            None
        );
    }
}
