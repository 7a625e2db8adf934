//! An issuer of web identities that answers what it is told to. Its keys and tokens are those of
//! `keyward-oidc`: issued at second 1000, over at 4600.

use std::{collections::HashMap, sync::Arc};

use keyward_oidc::{
    fetch::{Fetch, FetchError, Fetching},
    issuers::Issuers,
    url::HttpsUrl,
};
use parking_lot::Mutex;

macro_rules! testdata {
    ($file:literal) => {
        include_str!(concat!("../../oidc/testdata/", $file))
    };
}

pub const RSA_1: &str = testdata!("rsa-1.json");
pub const EC_1: &str = testdata!("ec-1.json");
pub const BY_RSA_1: &str = testdata!("by-rsa-1.jwt");
pub const BY_EC_1: &str = testdata!("by-ec-1.jwt");
pub const BY_RSA_2_AS_1: &str = testdata!("by-rsa-2-as-1.jwt");
/// With session tags, a source identity and authentication methods.
pub const TAGGED: &str = testdata!("tagged.jwt");

pub const DISCOVERY_URL: &str = "https://issuer.example/realm/.well-known/openid-configuration";
const KEYS_URL: &str = "https://keys.example/jwks";
const DISCOVERY: &str =
    r#"{"issuer":"https://issuer.example/realm","jwks_uri":"https://keys.example/jwks"}"#;

/// Issuers of which none answers.
pub fn offline() -> Issuers {
    fetching(&Arc::default())
}

/// Issuers that are asked in this web.
pub fn fetching(web: &Arc<Web>) -> Issuers {
    Issuers::new(Arc::clone(web) as Arc<dyn Fetch>, HashMap::new())
}

/// What the issuer publishes; notes what it is asked for.
#[derive(Debug, Default)]
pub struct Web {
    documents: Mutex<HashMap<&'static str, Result<String, FetchError>>>,
    asked: Mutex<Vec<String>>,
}

impl Web {
    pub fn publishing(keys: &[&str]) -> Arc<Self> {
        let web = Self::default();
        web.put(DISCOVERY_URL, Ok(DISCOVERY.to_owned()));
        web.put(KEYS_URL, Ok(format!("{{\"keys\":[{}]}}", keys.join(","))));
        Arc::new(web)
    }

    pub fn put(&self, url: &'static str, document: Result<String, FetchError>) {
        self.documents.lock().insert(url, document);
    }

    /// The URLs asked for since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock())
    }
}

impl Fetch for Web {
    fn fetch<'a>(&'a self, url: &'a HttpsUrl) -> Fetching<'a> {
        self.asked.lock().push(url.as_str().to_owned());
        let document = self.documents.lock().get(url.as_str()).cloned();
        let document = document.unwrap_or(Err(FetchError::Status(404)));
        Box::pin(async move { document.map(String::into_bytes) })
    }
}
