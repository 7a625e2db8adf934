//! The four words AWS has for what a KMS key is: spec, usage, origin, and its algorithms.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every value, in the order in which AWS lists them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// Their words, in the same order.
            pub const WORDS: &[&str] = &[$($text,)*];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of that word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What kind of material a key holds: all that AWS has. `unsupported.txt` lists those that
    /// Keyward does not create.
    KeySpec {
        /// RSA, 2048 bits.
        Rsa2048 = "RSA_2048",
        /// RSA, 3072 bits.
        Rsa3072 = "RSA_3072",
        /// RSA, 4096 bits.
        Rsa4096 = "RSA_4096",
        /// The elliptic curve P-256 of NIST.
        EccNistP256 = "ECC_NIST_P256",
        /// The elliptic curve P-384 of NIST.
        EccNistP384 = "ECC_NIST_P384",
        /// The elliptic curve P-521 of NIST.
        EccNistP521 = "ECC_NIST_P521",
        /// The elliptic curve secp256k1.
        EccSecgP256k1 = "ECC_SECG_P256K1",
        /// The Edwards curve of Ed25519.
        EccNistEdwards25519 = "ECC_NIST_EDWARDS25519",
        /// A 256-bit AES-GCM key.
        SymmetricDefault = "SYMMETRIC_DEFAULT",
        /// HMAC with SHA-224.
        Hmac224 = "HMAC_224",
        /// HMAC with SHA-256.
        Hmac256 = "HMAC_256",
        /// HMAC with SHA-384.
        Hmac384 = "HMAC_384",
        /// HMAC with SHA-512.
        Hmac512 = "HMAC_512",
        /// SM2 (China Regions).
        Sm2 = "SM2",
        /// ML-DSA, category 2.
        MlDsa44 = "ML_DSA_44",
        /// ML-DSA, category 3.
        MlDsa65 = "ML_DSA_65",
        /// ML-DSA, category 5.
        MlDsa87 = "ML_DSA_87",
        /// ML-KEM, category 1.
        MlKem512 = "ML_KEM_512",
        /// ML-KEM, category 3.
        MlKem768 = "ML_KEM_768",
        /// ML-KEM, category 5.
        MlKem1024 = "ML_KEM_1024",
    }
}

words! {
    /// What a key is for.
    KeyUsage {
        /// Signatures.
        SignVerify = "SIGN_VERIFY",
        /// Encryption and decryption.
        EncryptDecrypt = "ENCRYPT_DECRYPT",
        /// Message authentication.
        GenerateVerifyMac = "GENERATE_VERIFY_MAC",
        /// Key agreement.
        KeyAgreement = "KEY_AGREEMENT",
        /// Key encapsulation.
        EncapsulateDecapsulate = "ENCAPSULATE_DECAPSULATE",
    }
}

words! {
    /// Where a key's material comes from.
    Origin {
        /// Keyward generated it.
        AwsKms = "AWS_KMS",
        /// Imported by its owner.
        External = "EXTERNAL",
        /// Generated in a hardware security module: a custom key store.
        AwsCloudHsm = "AWS_CLOUDHSM",
        /// Stays in a key manager of its owner: an external key store.
        ExternalKeyStore = "EXTERNAL_KEY_STORE",
    }
}

words! {
    /// Who looks after a key.
    KeyManager {
        /// An AWS managed key.
        Aws = "AWS",
        /// A customer managed key.
        Customer = "CUSTOMER",
    }
}

words! {
    /// How data is encrypted under a KMS key.
    EncryptionAlgorithm {
        /// RSA-OAEP with SHA-1.
        RsaesOaepSha1 = "RSAES_OAEP_SHA_1",
        /// RSA-OAEP with SHA-256.
        RsaesOaepSha256 = "RSAES_OAEP_SHA_256",
        /// SM2 encryption (China Regions).
        Sm2Pke = "SM2PKE",
        /// AES-256-GCM under a key derived per call.
        SymmetricDefault = "SYMMETRIC_DEFAULT",
    }
}

impl KeySpec {
    /// What a key of this spec can be for.
    ///
    /// <https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html>
    pub fn usages(self) -> &'static [KeyUsage] {
        match self {
            Self::SymmetricDefault => &[KeyUsage::EncryptDecrypt],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => {
                &[KeyUsage::EncryptDecrypt, KeyUsage::SignVerify]
            }
            Self::EccNistP256 | Self::EccNistP384 | Self::EccNistP521 => {
                &[KeyUsage::SignVerify, KeyUsage::KeyAgreement]
            }
            Self::EccSecgP256k1
            | Self::EccNistEdwards25519
            | Self::MlDsa44
            | Self::MlDsa65
            | Self::MlDsa87 => &[KeyUsage::SignVerify],
            Self::Hmac224 | Self::Hmac256 | Self::Hmac384 | Self::Hmac512 => {
                &[KeyUsage::GenerateVerifyMac]
            }
            Self::Sm2 => &[
                KeyUsage::EncryptDecrypt,
                KeyUsage::SignVerify,
                KeyUsage::KeyAgreement,
            ],
            Self::MlKem512 | Self::MlKem768 | Self::MlKem1024 => {
                &[KeyUsage::EncapsulateDecapsulate]
            }
        }
    }

    /// How a key of this spec encrypts, if it is for that.
    pub fn encryption_algorithms(self) -> &'static [EncryptionAlgorithm] {
        match self {
            Self::SymmetricDefault => &[EncryptionAlgorithm::SymmetricDefault],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &[
                EncryptionAlgorithm::RsaesOaepSha1,
                EncryptionAlgorithm::RsaesOaepSha256,
            ],
            Self::Sm2 => &[EncryptionAlgorithm::Sm2Pke],
            Self::EccNistP256
            | Self::EccNistP384
            | Self::EccNistP521
            | Self::EccSecgP256k1
            | Self::EccNistEdwards25519
            | Self::Hmac224
            | Self::Hmac256
            | Self::Hmac384
            | Self::Hmac512
            | Self::MlDsa44
            | Self::MlDsa65
            | Self::MlDsa87
            | Self::MlKem512
            | Self::MlKem768
            | Self::MlKem1024 => &[],
        }
    }

    /// Whether a key of this spec has a public half.
    pub fn is_asymmetric(self) -> bool {
        match self {
            Self::SymmetricDefault
            | Self::Hmac224
            | Self::Hmac256
            | Self::Hmac384
            | Self::Hmac512 => false,
            Self::Rsa2048
            | Self::Rsa3072
            | Self::Rsa4096
            | Self::EccNistP256
            | Self::EccNistP384
            | Self::EccNistP521
            | Self::EccSecgP256k1
            | Self::EccNistEdwards25519
            | Self::Sm2
            | Self::MlDsa44
            | Self::MlDsa65
            | Self::MlDsa87
            | Self::MlKem512
            | Self::MlKem768
            | Self::MlKem1024 => true,
        }
    }
}

words! {
    /// How long a data key is.
    DataKeySpec {
        /// 16 bytes.
        Aes128 = "AES_128",
        /// 32 bytes.
        Aes256 = "AES_256",
    }
}

words! {
    /// What made a rotation happen.
    RotationType {
        /// The period that EnableKeyRotation set.
        Automatic = "AUTOMATIC",
        /// RotateKeyOnDemand.
        OnDemand = "ON_DEMAND",
    }
}

impl DataKeySpec {
    /// The data key's length in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_as_the_value_that_writes_it() {
        for spec in KeySpec::ALL {
            assert_eq!(KeySpec::parse(spec.as_str()), Some(*spec));
        }
        let words: Vec<&str> = KeySpec::ALL.iter().map(|spec| spec.as_str()).collect();
        assert_eq!(words, KeySpec::WORDS);
        assert_eq!(KeySpec::parse("AES_256"), None);
    }

    #[test]
    fn every_spec_has_a_usage_and_only_what_encrypts_has_an_encryption_algorithm() {
        for spec in KeySpec::ALL {
            assert!(!spec.usages().is_empty(), "{spec}");
            let encrypts = spec.usages().contains(&KeyUsage::EncryptDecrypt);
            assert_eq!(encrypts, !spec.encryption_algorithms().is_empty(), "{spec}");
        }
    }

    #[test]
    fn what_signs_agrees_or_encapsulates_has_a_public_half() {
        for spec in KeySpec::ALL {
            let public = spec.usages().iter().any(|usage| match usage {
                KeyUsage::SignVerify
                | KeyUsage::KeyAgreement
                | KeyUsage::EncapsulateDecapsulate => true,
                KeyUsage::EncryptDecrypt | KeyUsage::GenerateVerifyMac => false,
            });
            assert_eq!(public, spec.is_asymmetric(), "{spec}");
        }
    }
}
