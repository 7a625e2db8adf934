//! A cluster through the life of its key, with the times that an API server has.

use std::{sync::Arc, time::Duration};

use keyward_k8s::provider::{Provider, Settings};
use tokio::time::Instant;

use crate::{
    api_server::{ApiServer, Read},
    kms::{ALIAS, ARN, Memory},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn provider(key: &str) -> (Memory, Arc<Provider<Memory>>) {
    let kms = Memory::new();
    let settings = Settings {
        key: key.to_owned(),
        ..Settings::default()
    };
    (kms.clone(), Arc::new(Provider::new(kms, settings)))
}

fn read(data: &str, stale: bool) -> Result<Read, String> {
    let data = data.to_owned();
    Ok(Read { data, stale })
}

#[tokio::test(start_paused = true)]
async fn an_idle_cluster_asks_kms_twice_a_minute_for_each_api_server() {
    let (kms, provider) = provider(ARN);
    let mut server = ApiServer::start(&provider).await;
    // The test of the key, and the seed with the test of its ciphertext.
    assert_eq!(kms.calls(), 4);
    let objects: Vec<_> = (0..1000).map(|_| server.write("s").unwrap()).collect();
    for object in &objects {
        assert_eq!(server.read(object).await, read("s", false));
    }
    assert_eq!(kms.calls(), 0);
    server.polls = 0;
    server.runs_for(60 * MINUTE).await;
    assert_eq!((server.polls, kms.calls()), (60, 120));
    // Another one decrypts the seed of the first once.
    let mut second = ApiServer::start(&provider).await;
    kms.calls();
    for object in &objects {
        assert_eq!(second.read(object).await, read("s", false));
    }
    assert_eq!(kms.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn rotation_is_seen_within_a_minute_and_what_was_written_before_is_stale() {
    let (kms, provider) = provider(ARN);
    let mut server = ApiServer::start(&provider).await;
    let old = server.write("old").unwrap();
    server.runs_for(30 * SECOND).await;
    kms.set(|state| state.material = 2).await;
    server.runs_for(29 * SECOND).await;
    assert_eq!(server.read(&old).await, read("old", false));
    server.runs_for(2 * SECOND).await;
    assert_eq!(server.read(&old).await, read("old", true));
    let new = server.write("new").unwrap();
    assert_eq!(server.read(&new).await, read("new", false));
    // A storage migration reads and writes it.
    let migrated = server.write("old").unwrap();
    let mut restarted = ApiServer::start(&provider).await;
    for (object, expected) in [
        (&migrated, read("old", false)),
        (&new, read("new", false)),
        (&old, read("old", true)),
    ] {
        assert_eq!(restarted.read(object).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn rotation_between_status_and_encrypt_is_made_up_for_ten_seconds_later() {
    let (kms, provider) = provider(ARN);
    let mut server = ApiServer::start(&provider).await;
    let first = server.write("first").unwrap();
    kms.set(|state| state.material = 2).await;
    server.runs_for(MINUTE - SECOND).await;
    // Status is answered from what is known for five seconds, and Encrypt never is.
    provider.status(Instant::now() + SECOND).await.unwrap();
    kms.set(|state| state.material = 3).await;
    server.runs_for(2 * SECOND).await;
    assert_eq!(server.read(&first).await, read("first", false));
    server.runs_for(10 * SECOND).await;
    assert_eq!(server.read(&first).await, read("first", true));
    assert_eq!(server.poll().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn while_the_key_is_disabled_writes_end_after_three_minutes_and_come_back_in_seconds() {
    for code in [
        "DisabledException",
        "KMSInvalidStateException",
        "AccessDeniedException",
        "NotFoundException",
    ] {
        let (kms, provider) = provider(ARN);
        let mut server = ApiServer::start(&provider).await;
        let before = server.write("before").unwrap();
        server.runs_for(5 * MINUTE + SECOND).await;
        // The last good status was a second ago.
        kms.set(|state| state.refuses = Some(code)).await;
        server.runs_for(2 * MINUTE + 58 * SECOND).await;
        assert!(server.write("w").is_ok());
        server.runs_for(2 * SECOND).await;
        assert_eq!(server.write("w"), Err("the encryption key has expired"));
        // It has the seed in its memory.
        assert_eq!(server.read(&before).await, read("before", false));
        // One that starts now has not.
        let mut restarted = ApiServer::start(&provider).await;
        let refused = restarted.read(&before).await.unwrap_err();
        assert_eq!(refused, "unexpected nil transformer");
        restarted.runs_for(10 * MINUTE).await;
        assert!(restarted.write("w").is_err());
        kms.set(|state| state.refuses = None).await;
        server.runs_for(10 * SECOND).await;
        restarted.runs_for(10 * SECOND).await;
        for server in [&mut server, &mut restarted] {
            assert!(server.write("w").is_ok(), "{code}");
            assert_eq!(server.read(&before).await, read("before", false));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_away_for_less_than_three_minutes_is_not_noticed_by_writers() {
    let (kms, provider) = provider(ARN);
    let mut server = ApiServer::start(&provider).await;
    for _ in 0..5 {
        kms.set(|state| state.slow = 20 * SECOND).await;
        for _ in 0..11 {
            server.runs_for(10 * SECOND).await;
            assert!(server.write("w").is_ok());
        }
        kms.set(|state| state.slow = Duration::from_millis(5)).await;
        server.runs_for(MINUTE).await;
        assert!(server.write("w").is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_starts_first_goes_on_when_kms_comes() {
    let (kms, provider) = provider(ALIAS);
    kms.set(|state| state.slow = 20 * SECOND).await;
    let mut server = ApiServer::start(&provider).await;
    assert_eq!(server.write("w"), Err("unexpected nil transformer"));
    server.runs_for(5 * MINUTE).await;
    kms.set(|state| state.slow = Duration::from_millis(5)).await;
    server.runs_for(13 * SECOND).await;
    let object = server.write("w").unwrap();
    assert_eq!(server.read(&object).await, read("w", false));
    // An alias that belongs to another key by then is not followed.
    kms.set(|state| state.alias = "arn:aws:kms:eu-west-1:111122223333:key/other")
        .await;
    server.runs_for(5 * MINUTE).await;
    assert_eq!(server.read(&object).await, read("w", false));
    assert!(server.write("w").is_ok());
}
