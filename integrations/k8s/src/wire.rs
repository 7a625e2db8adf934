//! The messages of the KMS v2 API, as `proto/api.proto` of Kubernetes defines them. They are written by hand, since
//! those that hold a plaintext are wiped and never printed; `clients/test_kubernetes.py` speaks with them by code that
//! is generated from that file.

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroize as _;

/// The question how the provider is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StatusRequest {}

/// How the provider is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StatusResponse {
    /// The version of this API.
    #[prost(string, tag = "1")]
    pub version: String,
    /// `ok`, or what is wrong.
    #[prost(string, tag = "2")]
    pub healthz: String,
    /// The key that is written with. Objects with another one are stale.
    #[prost(string, tag = "3")]
    pub key_id: String,
}

/// What shall be decrypted.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DecryptRequest {
    /// What Encrypt has answered.
    #[prost(bytes = "vec", tag = "1")]
    pub ciphertext: Vec<u8>,
    /// The id of the request.
    #[prost(string, tag = "2")]
    pub uid: String,
    /// The key that Encrypt has named.
    #[prost(string, tag = "3")]
    pub key_id: String,
    /// The annotations that Encrypt has made.
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub annotations: BTreeMap<String, Vec<u8>>,
}

/// What was decrypted.
#[derive(prost::Message)]
#[prost(skip_debug)]
pub struct DecryptResponse {
    /// The plaintext.
    #[prost(bytes = "vec", tag = "1")]
    pub plaintext: Vec<u8>,
}

/// What shall be encrypted.
#[derive(prost::Message)]
#[prost(skip_debug)]
pub struct EncryptRequest {
    /// The plaintext.
    #[prost(bytes = "vec", tag = "1")]
    pub plaintext: Vec<u8>,
    /// The id of the request.
    #[prost(string, tag = "2")]
    pub uid: String,
}

/// What was encrypted.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EncryptResponse {
    /// The ciphertext.
    #[prost(bytes = "vec", tag = "1")]
    pub ciphertext: Vec<u8>,
    /// The key.
    #[prost(string, tag = "2")]
    pub key_id: String,
    /// What is stored beside the ciphertext, for everybody to read.
    #[prost(btree_map = "string, bytes", tag = "3")]
    pub annotations: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for DecryptResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptResponse").finish_non_exhaustive()
    }
}

impl fmt::Debug for EncryptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptRequest").finish_non_exhaustive()
    }
}

impl Drop for DecryptResponse {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

impl Drop for EncryptRequest {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        let status = StatusResponse {
            version: "v2".to_owned(),
            healthz: "ok".to_owned(),
            key_id: "k".to_owned(),
        };
        assert_eq!(status.encode_to_vec(), b"\x0a\x02v2\x12\x02ok\x1a\x01k");
        let bytes = b"\x0a\x021x\x12\x01u\x1a\x01k\x22\x06\x0a\x01a\x12\x01b";
        let decrypt = DecryptRequest::decode(&bytes[..]).unwrap();
        assert_eq!((&*decrypt.ciphertext, &*decrypt.uid), (&b"1x"[..], "u"));
        assert_eq!(decrypt.annotations["a"], b"b");
        assert_eq!(decrypt.encode_to_vec(), bytes);
        let encrypt = EncryptRequest::decode(&b"\x0a\x01s\x12\x01u"[..]).unwrap();
        assert_eq!((&*encrypt.plaintext, &*encrypt.uid), (&b"s"[..], "u"));
    }

    #[test]
    fn a_plaintext_is_not_printed() {
        let encrypt = EncryptRequest {
            plaintext: b"secret".to_vec(),
            uid: String::new(),
        };
        assert_eq!(format!("{encrypt:?}"), "EncryptRequest { .. }");
        let decrypt = DecryptResponse {
            plaintext: b"secret".to_vec(),
        };
        assert_eq!(format!("{decrypt:?}"), "DecryptResponse { .. }");
    }
}
