//! AWS account ids: twelve decimal digits.

use std::fmt;

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

/// An AWS account id, twelve decimal digits kept as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(ArrayString<12>);

/// The text is not twelve decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an account id is twelve decimal digits")]
pub struct AccountIdError;

impl AccountId {
    /// Parses exactly twelve ASCII digits.
    pub fn parse(text: &str) -> Result<Self, AccountIdError> {
        let digits: &[u8; 12] = text.as_bytes().try_into().map_err(|_| AccountIdError)?;
        Self::of_digits(digits)
    }

    /// A random id.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        // 128 bits over twelve digits: no digit is noticeably likelier than another.
        let mut rest = u128::from_be_bytes(bytes);
        let mut text = ArrayString::new();
        while !text.is_full() {
            let digit = u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            text.push(char::from(b'0' + digit));
        }
        Self(text)
    }

    /// The account of that number, if it is below 10^12.
    pub fn from_number(number: u64) -> Result<Self, AccountIdError> {
        let (mut digits, mut rest) = ([b'0'; 12], number);
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        if rest == 0 {
            Self::of_digits(&digits)
        } else {
            Err(AccountIdError)
        }
    }

    fn of_digits(digits: &[u8; 12]) -> Result<Self, AccountIdError> {
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(AccountIdError);
        }
        let text = ArrayString::from_byte_string(digits).map_err(|_| AccountIdError)?;
        Ok(Self(text))
    }

    /// The twelve digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a number below 10^12, as it is encoded in access key ids.
    pub fn number(&self) -> u64 {
        self.0
            .bytes()
            .fold(0, |n, digit| n * 10 + u64::from(digit - b'0'))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for AccountId {
    type Error = AccountIdError;
    fn try_from(text: String) -> Result<Self, AccountIdError> {
        Self::parse(&text)
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> String {
        id.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_account_is_twelve_digits() {
        let account = AccountId::from_random([255; 16]);
        assert_eq!(account.as_str(), "554112867134");
        assert_eq!(AccountId::parse(account.as_str()), Ok(account));
    }

    #[test]
    fn only_twelve_digits_are_an_account() {
        assert_eq!(
            AccountId::parse("000000000000").unwrap().as_str(),
            "000000000000"
        );
        assert_eq!(
            AccountId::parse("111122223333").unwrap().number(),
            111_122_223_333
        );
        for number in [0, 7, 111_122_223_333, 999_999_999_999] {
            assert_eq!(AccountId::from_number(number).unwrap().number(), number);
        }
        assert_eq!(
            AccountId::from_number(1_000_000_000_000),
            Err(AccountIdError)
        );
        for bad in [
            "",
            "11112222333",
            "1111222233334",
            "11112222333a",
            "１11122223333",
        ] {
            assert_eq!(AccountId::parse(bad), Err(AccountIdError), "{bad}");
        }
    }
}
