//! The four words AWS has for what a KMS key is: spec, usage, origin, and its algorithms.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
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
    /// What kind of material a key holds. Keyward makes these; the others of AWS's list are
    /// refused by name (see `unsupported.txt`).
    KeySpec {
        /// A 256-bit AES-GCM key.
        SymmetricDefault = "SYMMETRIC_DEFAULT",
    }
}

words! {
    /// What a key is for.
    KeyUsage {
        /// Encryption and decryption.
        EncryptDecrypt = "ENCRYPT_DECRYPT",
        /// Message authentication.
        GenerateVerifyMac = "GENERATE_VERIFY_MAC",
        /// Key agreement.
        KeyAgreement = "KEY_AGREEMENT",
        /// Key encapsulation.
        EncapsulateDecapsulate = "ENCAPSULATE_DECAPSULATE",
        /// Signatures.
        SignVerify = "SIGN_VERIFY",
    }
}

words! {
    /// Where a key's material comes from.
    Origin {
        /// Made here.
        AwsKms = "AWS_KMS",
        /// Imported by its owner.
        External = "EXTERNAL",
    }
}

words! {
    /// Who looks after a key.
    KeyManager {
        /// A customer managed key.
        Customer = "CUSTOMER",
        /// An AWS managed key.
        Aws = "AWS",
    }
}

words! {
    /// How data is encrypted under a KMS key.
    EncryptionAlgorithm {
        /// AES-256-GCM under a key derived per call.
        SymmetricDefault = "SYMMETRIC_DEFAULT",
        /// RSA-OAEP with SHA-1.
        RsaesOaepSha1 = "RSAES_OAEP_SHA_1",
        /// RSA-OAEP with SHA-256.
        RsaesOaepSha256 = "RSAES_OAEP_SHA_256",
        /// SM2 encryption (China Regions).
        Sm2Pke = "SM2PKE",
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
