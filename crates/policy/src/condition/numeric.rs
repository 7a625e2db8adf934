//! `NumericEquals` and its kin: integers and decimals, compared exactly.

/// A decimal number in units of 10^-18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(i128);

/// The most digits read on either side of the point.
const MAX_DIGITS: usize = 18;

impl Decimal {
    /// Reads an optional sign, digits, and optionally a point and digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (digits, ""),
        };
        let decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !decimal(whole) || !decimal(fraction) {
            return None;
        }
        // Zeros before the whole part and after the fraction carry no value.
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        if whole.len() > MAX_DIGITS || fraction.len() > MAX_DIGITS {
            return None;
        }
        let padding = std::iter::repeat_n(b'0', MAX_DIGITS - fraction.len());
        let magnitude = whole
            .bytes()
            .chain(fraction.bytes())
            .chain(padding)
            .fold(0_i128, |n, digit| n * 10 + i128::from(digit - b'0'));
        Some(Self(if negative { -magnitude } else { magnitude }))
    }

    /// Whole and fractional seconds as nanoseconds, if this counts seconds.
    pub(super) fn nanos(self) -> i128 {
        self.0.div_euclid(1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_is_thirty_point_zero() {
        assert_eq!(Decimal::parse("30"), Decimal::parse("+030.00"));
        assert!(Decimal::parse("-1") < Decimal::parse("-0.5"));
        assert_eq!(Decimal::parse("-0"), Decimal::parse("0"));
        assert!(Decimal::parse("9007199254740993") > Decimal::parse("9007199254740992"));
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for bad in [
            "",
            "-",
            "x",
            "1e3",
            "1.",
            ".5",
            "1.2.3",
            " 1",
            "--1",
            "0x10",
            "١",
            "1234567890123456789",
            "0.1234567890123456789",
        ] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }
}
