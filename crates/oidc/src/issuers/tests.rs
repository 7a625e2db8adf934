//! The tokens are those of `testdata`: issued at second 1000, over at 4600.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::fetch::Fetching;

const ISSUER: &str = "https://issuer.example/realm";
const DISCOVERY_URL: &str = "https://issuer.example/realm/.well-known/openid-configuration";
const KEYS_URL: &str = "https://keys.example/jwks";
const DISCOVERY: &str =
    r#"{"issuer":"https://issuer.example/realm","jwks_uri":"https://keys.example/jwks","x":1}"#;

const RSA_1: &str = include_str!("../../testdata/rsa-1.json");
const RSA_2: &str = include_str!("../../testdata/rsa-2.json");
const EC_1: &str = include_str!("../../testdata/ec-1.json");
const BY_RSA_1: &str = include_str!("../../testdata/by-rsa-1.jwt");
const BY_RSA_2: &str = include_str!("../../testdata/by-rsa-2.jwt");
const BY_EC_1: &str = include_str!("../../testdata/by-ec-1.jwt");
const BY_RSA_2_AS_1: &str = include_str!("../../testdata/by-rsa-2-as-1.jwt");
const WITHOUT_ID: &str = include_str!("../../testdata/without-id.jwt");
const FOR_PARTY: &str = include_str!("../../testdata/for-party.jwt");

#[derive(Debug)]
struct MovedClock(AtomicU64);

impl MovedClock {
    fn at(seconds: u64) -> Self {
        Self(AtomicU64::new(seconds))
    }

    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::Relaxed).try_into().unwrap())
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_millis(self.0.load(Ordering::Relaxed) * 1000)
    }
}

/// An issuer that answers what it is told to, and notes what it is asked for.
#[derive(Debug, Default)]
struct Web {
    documents: Mutex<HashMap<&'static str, Result<String, FetchError>>>,
    asked: Mutex<Vec<String>>,
}

impl Web {
    fn publishing(keys: &[&str]) -> Arc<Self> {
        let web = Self::default();
        web.put(DISCOVERY_URL, Ok(DISCOVERY.to_owned()));
        web.publish(keys);
        Arc::new(web)
    }

    fn publish(&self, keys: &[&str]) {
        self.put(KEYS_URL, Ok(set(keys)));
    }

    fn put(&self, url: &'static str, document: Result<String, FetchError>) {
        self.documents.lock().insert(url, document);
    }

    /// The URLs asked for since the last time.
    fn asked(&self) -> Vec<String> {
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

fn set(keys: &[&str]) -> String {
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

fn fetching(web: &Arc<Web>) -> Issuers {
    Issuers::new(Arc::clone(web) as Arc<dyn Fetch>, HashMap::new())
}

async fn verify(
    issuers: &Issuers,
    text: &str,
    clock: &MovedClock,
) -> Result<VerifiedToken, TokenError> {
    let clients = ["client".to_owned(), "party".to_owned()];
    let trusted = TrustedIssuer {
        url: ISSUER,
        client_ids: &clients,
    };
    let token = UnverifiedToken::parse(text).unwrap();
    issuers.verify(&token, &trusted, clock, &|| ()).await
}

async fn refusal(issuers: &Issuers, text: &str, clock: &MovedClock) -> TokenError {
    verify(issuers, text, clock).await.expect_err("refused")
}

#[tokio::test]
async fn a_token_of_a_published_key_is_verified() {
    let web = Web::publishing(&[RSA_1, EC_1]);
    let (issuers, clock) = (fetching(&web), MovedClock::at(2000));
    for text in [BY_RSA_1, BY_EC_1] {
        let token = verify(&issuers, text, &clock).await.unwrap();
        assert_eq!(token.issuer(), ISSUER);
        assert_eq!(token.subject(), "repo:main");
        assert_eq!(token.audience(), "client");
    }
    // Once for both.
    assert_eq!(web.asked(), [DISCOVERY_URL, KEYS_URL]);
}

#[tokio::test]
async fn configured_keys_need_no_fetch() {
    let web = Web::publishing(&[RSA_1]);
    let keys = KeySet::parse(set(&[EC_1]).as_bytes()).unwrap();
    let configured = HashMap::from([(ISSUER.to_owned(), keys)]);
    let issuers = Issuers::new(Arc::clone(&web) as Arc<dyn Fetch>, configured);
    let clock = MovedClock::at(2000);
    assert!(verify(&issuers, BY_EC_1, &clock).await.is_ok());
    let error = refusal(&issuers, BY_RSA_1, &clock).await;
    assert_eq!(error, TokenError::NoKey(NoKey::Unknown));
    assert!(web.asked().is_empty());
}

#[tokio::test]
async fn a_token_of_another_key_is_refused() {
    let web = Web::publishing(&[RSA_1, EC_1]);
    let (issuers, clock) = (fetching(&web), MovedClock::at(2000));
    let error = refusal(&issuers, BY_RSA_2_AS_1, &clock).await;
    assert_eq!(error, TokenError::WrongSignature);
    let (claims, _) = BY_RSA_1.rsplit_once('.').unwrap();
    let (_, signature) = BY_EC_1.rsplit_once('.').unwrap();
    let error = refusal(&issuers, &format!("{claims}.{signature}"), &clock).await;
    assert_eq!(error, TokenError::WrongSignature);
    let error = refusal(&issuers, &format!("{claims}."), &clock).await;
    assert_eq!(error, TokenError::WrongSignature);
    let error = refusal(&issuers, BY_RSA_2, &clock).await;
    assert_eq!(error, TokenError::NoKey(NoKey::Unknown));
}

#[tokio::test]
async fn a_token_without_key_id_needs_a_single_key_that_suits_it() {
    let clock = MovedClock::at(2000);
    let issuers = fetching(&Web::publishing(&[RSA_1, EC_1]));
    assert!(verify(&issuers, WITHOUT_ID, &clock).await.is_ok());
    let issuers = fetching(&Web::publishing(&[RSA_1, RSA_2]));
    let error = refusal(&issuers, WITHOUT_ID, &clock).await;
    assert_eq!(error, TokenError::NoKey(NoKey::Unknown));
}

#[tokio::test]
async fn times_hold_with_a_minute_of_leeway() {
    let issuers = fetching(&Web::publishing(&[EC_1]));
    for (second, holds) in [
        (939, false),
        (940, true),
        (4600, true),
        (4659, true),
        (4660, false),
    ] {
        let verified = verify(&issuers, BY_EC_1, &MovedClock::at(second)).await;
        assert_eq!(verified.is_ok(), holds, "second {second}");
    }
    let error = refusal(&issuers, BY_EC_1, &MovedClock::at(5000)).await;
    let (now, expires) = (5000, 4600);
    assert_eq!(error, TokenError::Expired { now, expires });
    let error = refusal(&issuers, BY_EC_1, &MovedClock::at(900)).await;
    let (now, from) = (900, 1000);
    assert_eq!(error, TokenError::NotYetValid { now, from });
}

#[tokio::test]
async fn the_authorized_party_is_the_audience_if_there_is_one() {
    let (issuers, clock) = (fetching(&Web::publishing(&[EC_1])), MovedClock::at(2000));
    let token = verify(&issuers, FOR_PARTY, &clock).await.unwrap();
    assert_eq!(token.audience(), "party");
    for (text, clients) in [
        (FOR_PARTY, "client"),
        (BY_EC_1, "somebody"),
        (BY_EC_1, "Client"),
    ] {
        let clients = [clients.to_owned()];
        let trusted = TrustedIssuer {
            url: ISSUER,
            client_ids: &clients,
        };
        let token = UnverifiedToken::parse(text).unwrap();
        let error = issuers
            .verify(&token, &trusted, &clock, &|| ())
            .await
            .expect_err("refused");
        assert_eq!(error, TokenError::WrongAudience);
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused_before_anything_is_fetched() {
    let web = Web::publishing(&[EC_1]);
    let (issuers, clients) = (fetching(&web), ["client".to_owned()]);
    for url in ["https://issuer.example", "https://issuer.example/realm/"] {
        let trusted = TrustedIssuer {
            url,
            client_ids: &clients,
        };
        let token = UnverifiedToken::parse(BY_EC_1).unwrap();
        let error = issuers
            .verify(&token, &trusted, &MovedClock::at(2000), &|| ())
            .await;
        let unknown = TokenError::UnknownIssuer(ISSUER.to_owned());
        assert_eq!(error.expect_err("refused"), unknown);
    }
    assert!(web.asked().is_empty());
}

#[tokio::test]
async fn keys_are_fetched_again_when_they_are_old_or_one_is_unknown_but_not_too_often() {
    let web = Web::publishing(&[EC_1]);
    let (issuers, clock) = (fetching(&web), MovedClock::at(1000));
    assert!(verify(&issuers, BY_EC_1, &clock).await.is_ok());
    assert_eq!(web.asked().len(), 2);

    // The issuer adds a key: seen after a minute, asked for once a minute at most.
    web.publish(&[EC_1, RSA_1]);
    clock.advance(59);
    refusal(&issuers, BY_RSA_1, &clock).await;
    assert_eq!(web.asked().len(), 0);
    clock.advance(1);
    assert!(verify(&issuers, BY_RSA_1, &clock).await.is_ok());
    assert_eq!(web.asked().len(), 2);
    refusal(&issuers, BY_RSA_2, &clock).await;
    assert_eq!(web.asked().len(), 0);

    // The issuer withdraws a key: it is believed for an hour at most.
    web.publish(&[EC_1]);
    clock.advance(3599);
    assert_eq!(clock.now().seconds(), 4659);
    assert!(verify(&issuers, BY_RSA_1, &clock).await.is_ok());
    assert_eq!(web.asked().len(), 0);
    let later = MovedClock::at(4660);
    let token = UnverifiedToken::parse(BY_RSA_1).unwrap();
    assert_eq!(
        issuers.verdict(&token, &later, &|| ()).await,
        Ok(SignatureVerdict::NoKey)
    );
    assert_eq!(web.asked().len(), 2);
}

#[tokio::test]
async fn a_failure_stands_for_some_seconds_and_old_keys_do_not_outlive_their_hour() {
    let web = Web::publishing(&[EC_1]);
    let (issuers, clock) = (fetching(&web), MovedClock::at(1000));
    web.put(DISCOVERY_URL, Err(FetchError::TimedOut));
    for advance in [0, 4] {
        clock.advance(advance);
        let error = refusal(&issuers, BY_EC_1, &clock).await;
        assert_eq!(error, TokenError::Unreachable(FetchError::TimedOut));
    }
    assert_eq!(web.asked(), [DISCOVERY_URL]);
    web.put(DISCOVERY_URL, Ok(DISCOVERY.to_owned()));
    clock.advance(1);
    assert!(verify(&issuers, BY_EC_1, &clock).await.is_ok());
    web.put(DISCOVERY_URL, Err(FetchError::Connection));
    clock.advance(3600);
    let error = refusal(&issuers, BY_EC_1, &clock).await;
    assert_eq!(error, TokenError::Unreachable(FetchError::Connection));
}

#[tokio::test]
async fn what_an_issuer_publishes_wrongly_is_no_key() {
    let web = Web::publishing(&[EC_1]);
    let discovery = |text: &str| web.put(DISCOVERY_URL, Ok(text.to_owned()));
    let clock = MovedClock::at(2000);
    for text in [
        "",
        "{}",
        r#"{"issuer":"https://issuer.example/realm"}"#,
        r#"{"issuer":"https://other.example","jwks_uri":"https://keys.example/jwks"}"#,
        r#"{"issuer":"https://issuer.example/realm/","jwks_uri":"https://keys.example/jwks"}"#,
        r#"{"issuer":"https://issuer.example/realm","jwks_uri":"http://keys.example/jwks"}"#,
        r#"{"issuer":"https://issuer.example/realm","jwks_uri":"file:///etc/passwd"}"#,
    ] {
        discovery(text);
        let error = refusal(&fetching(&web), BY_EC_1, &clock).await;
        assert_eq!(error, TokenError::NoKey(NoKey::Discovery), "{text}");
    }
    discovery(DISCOVERY);
    web.put(KEYS_URL, Ok("[]".to_owned()));
    let error = refusal(&fetching(&web), BY_EC_1, &clock).await;
    assert_eq!(error, TokenError::NoKey(NoKey::KeySet));
    for (failure, passes) in [
        (FetchError::Redirect, false),
        (FetchError::NotAllowed, true),
        (FetchError::TooLarge, false),
        (FetchError::Tls, true),
        (FetchError::Status(404), false),
        (FetchError::Status(503), true),
        (FetchError::Name, true),
    ] {
        web.put(KEYS_URL, Err(failure.clone()));
        let error = refusal(&fetching(&web), BY_EC_1, &clock).await;
        let expect = if passes {
            TokenError::Unreachable(failure)
        } else {
            TokenError::NoKey(NoKey::Fetch(failure))
        };
        assert_eq!(error, expect);
    }
}
