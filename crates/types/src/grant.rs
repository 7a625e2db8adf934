//! Grants: their ids, and the operations that a grant can let its grantee do.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/grants.html>

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::key_spec::{KeySpec, KeyUsage};

/// The id of a grant: 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GrantId(Box<str>);

/// The text does not have the form of a grant id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a grant id is 64 lower-case hexadecimal digits")]
pub struct GrantIdError;

impl GrantId {
    /// A new id from 32 random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        let [high, low] = bytes.as_chunks::<16>().0 else {
            return Self(Box::default());
        };
        let (high, low) = (u128::from_be_bytes(*high), u128::from_be_bytes(*low));
        Self(format!("{high:032x}{low:032x}").into())
    }

    /// Parses 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, GrantIdError> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(digit) {
            Ok(Self(text.into()))
        } else {
            Err(GrantIdError)
        }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for GrantId {
    type Error = GrantIdError;
    fn try_from(text: String) -> Result<Self, GrantIdError> {
        Self::parse(&text)
    }
}

impl From<GrantId> for String {
    fn from(id: GrantId) -> String {
        id.0.into()
    }
}

macro_rules! operations {
    ($($variant:ident for $kind:ident,)*) => {
        /// What a grant can let its grantee do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum GrantOperation {
            $(#[doc = concat!("`", stringify!($variant), "`")] $variant,)*
        }

        impl GrantOperation {
            /// Every operation, in the order of AWS's model.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// Their words, in the same order.
            pub const WORDS: &[&str] = &[$(stringify!($variant),)*];

            /// The word on the wire, which is also the action without its prefix.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }
        }
    };
}

operations! {
    Decrypt for Encryption,
    Encrypt for Encryption,
    GenerateDataKey for DataKeys,
    GenerateDataKeyWithoutPlaintext for DataKeys,
    ReEncryptFrom for Encryption,
    ReEncryptTo for Encryption,
    Sign for Signatures,
    Verify for Signatures,
    GetPublicKey for PublicKey,
    CreateGrant for AnyKey,
    RetireGrant for AnyKey,
    DescribeKey for AnyKey,
    GenerateDataKeyPair for DataKeys,
    GenerateDataKeyPairWithoutPlaintext for DataKeys,
    GenerateMac for Macs,
    VerifyMac for Macs,
    DeriveSharedSecret for Agreement,
    Encapsulate for Encapsulation,
    Decapsulate for Encapsulation,
}

/// Which keys an operation is for.
#[derive(Clone, Copy)]
enum Kind {
    /// Keys of every kind.
    AnyKey,
    /// What encrypts and decrypts, symmetric or not.
    Encryption,
    /// Symmetric encryption keys.
    DataKeys,
    /// What has a public key.
    PublicKey,
    Signatures,
    Macs,
    Agreement,
    Encapsulation,
}

impl GrantOperation {
    /// The operation of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.as_str() == text)
    }

    /// Whether a key of that spec and usage can do it at all.
    pub fn fits(self, spec: KeySpec, usage: KeyUsage) -> bool {
        match self.kind() {
            Kind::AnyKey => true,
            Kind::Encryption => usage == KeyUsage::EncryptDecrypt,
            Kind::DataKeys => spec == KeySpec::SymmetricDefault,
            Kind::PublicKey => spec.is_asymmetric(),
            Kind::Signatures => usage == KeyUsage::SignVerify,
            Kind::Macs => usage == KeyUsage::GenerateVerifyMac,
            Kind::Agreement => usage == KeyUsage::KeyAgreement,
            Kind::Encapsulation => usage == KeyUsage::EncapsulateDecapsulate,
        }
    }

    /// Whether the constraints on the encryption context hold for the operation. The others have no
    /// context, or only show or end what the grantee may see and end anyway.
    pub fn is_constrained_by_context(self) -> bool {
        match self {
            Self::DescribeKey | Self::RetireGrant => false,
            Self::Decrypt
            | Self::Encrypt
            | Self::GenerateDataKey
            | Self::GenerateDataKeyWithoutPlaintext
            | Self::ReEncryptFrom
            | Self::ReEncryptTo
            | Self::Sign
            | Self::Verify
            | Self::GetPublicKey
            | Self::CreateGrant
            | Self::GenerateDataKeyPair
            | Self::GenerateDataKeyPairWithoutPlaintext
            | Self::GenerateMac
            | Self::VerifyMac
            | Self::DeriveSharedSecret
            | Self::Encapsulate
            | Self::Decapsulate => true,
        }
    }
}

impl fmt::Display for GrantOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The operations of one grant, each once, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantOperations(Vec<GrantOperation>);

impl GrantOperations {
    /// The operations in their order; one that occurs twice counts once.
    pub fn new(given: impl IntoIterator<Item = GrantOperation>) -> Self {
        let mut operations = Vec::new();
        for operation in given {
            if !operations.contains(&operation) {
                operations.push(operation);
            }
        }
        Self(operations)
    }

    /// Whether the operation is among them.
    pub fn contains(&self, operation: GrantOperation) -> bool {
        self.0.contains(&operation)
    }

    /// Whether every one of them is among those.
    pub fn is_subset_of(&self, those: &Self) -> bool {
        self.0.iter().all(|operation| those.contains(*operation))
    }

    /// Them as a number: a bit for each, the first of [`GrantOperation::ALL`] the lowest. It is in
    /// paths of the store, so operations are only ever added at the end.
    pub fn bits(&self) -> u32 {
        let all = (0..).zip(GrantOperation::ALL);
        all.filter(|(_, operation)| self.contains(**operation))
            .fold(0, |bits, (place, _)| bits | 1_u32 << place)
    }

    /// The operations of that number; `None` if a bit is not that of an operation.
    pub fn from_bits(bits: u32) -> Option<Self> {
        let all = (0..).zip(GrantOperation::ALL.iter().copied());
        let found = all.filter(|(place, _)| bits & 1_u32 << *place != 0);
        let found = Self::new(found.map(|(_, operation)| operation));
        (found.bits() == bits).then_some(found)
    }

    /// Them, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = GrantOperation> + '_ {
        self.0.iter().copied()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_64_lower_case_digits() {
        let id = GrantId::from_random([0xa5; 32]);
        assert_eq!(id.as_str(), "a5".repeat(32));
        assert_eq!(GrantId::parse(id.as_str()), Ok(id));
        for wrong in [
            "",
            "a5",
            &"A5".repeat(32),
            &"a5".repeat(33),
            &"g5".repeat(32),
        ] {
            assert_eq!(GrantId::parse(wrong), Err(GrantIdError), "{wrong}");
        }
    }

    #[test]
    fn there_are_19_operations_of_which_a_symmetric_key_has_these() {
        assert_eq!(GrantOperation::ALL.len(), 19);
        let fits = |operation: &&GrantOperation| {
            operation.fits(KeySpec::SymmetricDefault, KeyUsage::EncryptDecrypt)
        };
        let words: Vec<&str> = GrantOperation::ALL
            .iter()
            .filter(fits)
            .map(|o| o.as_str())
            .collect();
        assert_eq!(
            words,
            [
                "Decrypt",
                "Encrypt",
                "GenerateDataKey",
                "GenerateDataKeyWithoutPlaintext",
                "ReEncryptFrom",
                "ReEncryptTo",
                "CreateGrant",
                "RetireGrant",
                "DescribeKey",
                "GenerateDataKeyPair",
                "GenerateDataKeyPairWithoutPlaintext",
            ]
        );
        for (word, operation) in GrantOperation::WORDS.iter().zip(GrantOperation::ALL) {
            assert_eq!(GrantOperation::parse(word), Some(*operation));
        }
    }

    #[test]
    fn operations_keep_their_order_and_stand_once() {
        use GrantOperation::{Decrypt, Encrypt};
        let operations = GrantOperations::new([Encrypt, Decrypt, Encrypt]);
        assert_eq!(operations.iter().collect::<Vec<_>>(), [Encrypt, Decrypt]);
        let one = GrantOperations::new([Decrypt]);
        assert!(one.is_subset_of(&operations) && !operations.is_subset_of(&one));
    }
}
