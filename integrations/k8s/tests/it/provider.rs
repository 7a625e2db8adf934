//! What the provider takes and what not, apart from what an API server does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use keyward_k8s::{
    context::{ANNOTATION, Context, parse},
    fault::Fault,
    provider::{Provider, Settings},
    wire::{DecryptRequest, EncryptRequest},
};
use tokio::{task::JoinSet, time::Instant};

use crate::kms::{ARN, Memory};

const OTHER: &str = "arn:aws:kms:eu-west-1:111122223333:key/other";

fn by() -> Instant {
    Instant::now() + Duration::from_secs(3)
}

fn asked(plaintext: &[u8]) -> EncryptRequest {
    EncryptRequest {
        plaintext: plaintext.to_vec(),
        uid: String::new(),
    }
}

fn settings(context: &str, others: &[&str]) -> Settings {
    let parsed = |text: &&str| parse(text).unwrap();
    Settings {
        key: ARN.to_owned(),
        context: parse(context).unwrap(),
        other_contexts: others.iter().map(parsed).collect::<Vec<Context>>(),
        ..Settings::default()
    }
}

/// What a provider encrypts, as it comes back.
async fn stored(provider: &Provider<Memory>) -> DecryptRequest {
    let made = provider.encrypt(asked(b"seed"), by()).await.unwrap();
    DecryptRequest {
        ciphertext: made.ciphertext,
        uid: String::new(),
        key_id: made.key_id,
        annotations: made.annotations,
    }
}

async fn decrypted(provider: &Provider<Memory>, request: &DecryptRequest) -> Result<(), String> {
    let answer = provider.decrypt(request.clone(), by()).await;
    let answer = answer.map_err(|fault| fault.to_string())?;
    assert_eq!(answer.plaintext, b"seed");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_at_once_are_one_question_to_kms() {
    let kms = Memory::new();
    let provider = Arc::new(Provider::new(kms.clone(), settings("", &[])));
    let mut asking = JoinSet::new();
    for _ in 0..50 {
        let provider = Arc::clone(&provider);
        asking.spawn(async move { provider.status(by()).await.unwrap().key_id });
    }
    while let Some(found) = asking.join_next().await {
        assert_eq!(found.unwrap(), format!("{ARN}#m1"));
    }
    assert_eq!(kms.calls(), 2);
    // A failure is everybody's, too, for a moment.
    kms.set(|state| state.refuses = Some("DisabledException"))
        .await;
    tokio::time::advance(Duration::from_secs(6)).await;
    for _ in 0..5 {
        assert!(provider.status(by()).await.is_err());
    }
    assert_eq!(kms.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_has_the_next_status_look_at_the_key() {
    let kms = Memory::new();
    let provider = Provider::new(kms.clone(), settings("", &[]));
    let request = stored(&provider).await;
    provider.status(by()).await.unwrap();
    kms.set(|state| state.refuses = Some("DisabledException"))
        .await;
    assert!(provider.decrypt(request, by()).await.is_err());
    assert!(provider.status(by()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_while_kms_is_slow_is_answered_in_time() {
    let kms = Memory::new();
    let provider = Arc::new(Provider::new(kms.clone(), settings("", &[])));
    kms.set(|state| state.slow = Duration::from_secs(60)).await;
    let first = Arc::clone(&provider);
    let waiting = tokio::spawn(async move {
        let by = Instant::now() + Duration::from_secs(30);
        first.status(by).await.is_err()
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    let fault = provider.status(by()).await.unwrap_err();
    assert_eq!(fault.to_string(), "KMS has not answered in time");
    assert_eq!(start.elapsed().as_secs(), 3);
    assert!(waiting.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_kms_that_does_not_give_back_what_it_took_is_not_relied_on() {
    let kms = Memory::new();
    let provider = Provider::new(kms.clone(), settings("", &[]));
    kms.set(|state| state.lies = true).await;
    let fault = provider.encrypt(asked(b"seed"), by()).await.unwrap_err();
    assert!(matches!(fault, Fault::Useless), "{fault}");
    assert!(provider.status(by()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn only_encryption_contexts_that_were_named_are_tried() {
    let kms = Memory::new();
    let provider = |context, others: &[&str]| Provider::new(kms.clone(), settings(context, others));
    let one = stored(&provider("c=1", &[])).await;
    assert_eq!(one.annotations[ANNOTATION], br#"{"c":"1"}"#);
    let none = stored(&provider("", &[])).await;
    assert_eq!(none.annotations, BTreeMap::new());
    let two = provider("c=2", &["", "c=1"]);
    assert_eq!(decrypted(&two, &one).await, Ok(()));
    assert_eq!(decrypted(&two, &none).await, Ok(()));
    // Without its annotation, as aws-encryption-provider writes it.
    let bare = DecryptRequest {
        annotations: BTreeMap::new(),
        ..one.clone()
    };
    assert_eq!(decrypted(&two, &bare).await, Ok(()));
    let strict = provider("c=2", &[]);
    let refused = decrypted(&strict, &one).await.unwrap_err();
    assert!(
        refused.ends_with("also start the plugin with --decrypt-encryption-context c=1"),
        "{refused}"
    );
    let refused = decrypted(&strict, &bare).await.unwrap_err();
    assert!(
        refused.starts_with("InvalidCiphertextException"),
        "{refused}"
    );
    // An annotation of ours on an object with another context.
    let forged = DecryptRequest {
        annotations: [(ANNOTATION.to_owned(), br#"{"c":"2"}"#.to_vec())].into(),
        ..one
    };
    let refused = decrypted(&two, &forged).await.unwrap_err();
    assert!(
        refused.starts_with("InvalidCiphertextException"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn only_keys_that_were_named_are_asked_about() {
    let kms = Memory::new();
    let of_other = Settings {
        key: OTHER.to_owned(),
        ..Settings::default()
    };
    let request = stored(&Provider::new(kms.clone(), of_other)).await;
    let strict = Provider::new(kms.clone(), settings("", &[]));
    kms.calls();
    let refused = decrypted(&strict, &request).await.unwrap_err();
    assert!(
        refused.ends_with(&format!("also start the plugin with --decrypt-key {OTHER}")),
        "{refused}"
    );
    assert_eq!(kms.calls(), 0);
    let moving = Settings {
        other_keys: vec![OTHER.to_owned()],
        ..settings("", &[])
    };
    let moving = Provider::new(kms.clone(), moving);
    assert_eq!(decrypted(&moving, &request).await, Ok(()));
    let forged = DecryptRequest {
        key_id: ARN.to_owned(),
        ..request
    };
    let refused = decrypted(&moving, &forged).await.unwrap_err();
    assert!(refused.starts_with("IncorrectKeyException"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn health_checks_do_not_ask_kms_often() {
    let kms = Memory::new();
    let provider = Provider::new(kms.clone(), settings("", &[]));
    for code in ["DisabledException", "AccessDeniedException"] {
        kms.set(|state| state.refuses = Some(code)).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        let fault = provider.healthy(by()).await.unwrap_err();
        assert!(fault.to_string().starts_with(code), "{fault}");
    }
    kms.set(|state| state.refuses = None).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(provider.healthy(by()).await.is_ok());
    kms.calls();
    for _ in 0..29 {
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(provider.healthy(by()).await.is_ok());
    }
    assert_eq!(kms.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_in_a_hurry_does_not_decide_for_others() {
    let kms = Memory::new();
    let provider = Provider::new(kms.clone(), settings("", &[]));
    kms.set(|state| state.slow = Duration::from_secs(1)).await;
    let hurried = Instant::now() + Duration::from_millis(50);
    let fault = provider.status(hurried).await.unwrap_err();
    assert_eq!(fault.to_string(), "KMS has not answered in time");
    // The test has gone on, and is the one that others wait for.
    assert!(provider.status(by()).await.is_ok());
    assert_eq!(kms.calls(), 2);
    assert!(provider.status(hurried).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_does_not_end_the_test() {
    let kms = Memory::new();
    let provider = Arc::new(Provider::new(kms.clone(), settings("", &[])));
    kms.set(|state| state.slow = Duration::from_secs(1)).await;
    let asking = tokio::spawn({
        let provider = Arc::clone(&provider);
        async move { provider.status(by()).await.is_ok() }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    asking.abort();
    assert!(provider.status(by()).await.is_ok());
    assert_eq!(kms.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_plugins_own_limits_say_nothing_about_the_key() {
    let kms = Memory::new();
    let provider = Provider::new(kms.clone(), settings("", &[]));
    let request = stored(&provider).await;
    kms.set(|state| state.limited = true).await;
    kms.calls();
    // A call that fails so does not have the next status look at the key.
    assert!(matches!(
        provider.encrypt(asked(b"seed"), by()).await,
        Err(Fault::Limited)
    ));
    assert!(matches!(
        provider.decrypt(request, by()).await,
        Err(Fault::Limited)
    ));
    assert_eq!(kms.calls(), 2);
    assert!(provider.status(by()).await.is_ok());
    assert_eq!(kms.calls(), 0);
    // Nor is it remembered that a test could not be made.
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(matches!(provider.status(by()).await, Err(Fault::Limited)));
    kms.set(|state| state.limited = false).await;
    assert!(provider.status(by()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_late_success_does_not_hide_what_was_found_since() {
    for finds in ["status", "decrypt"] {
        let kms = Memory::new();
        let provider = Arc::new(Provider::new(kms.clone(), settings("", &[])));
        let request = stored(&provider).await;
        tokio::time::advance(Duration::from_secs(10)).await;
        kms.set(|state| state.slow = Duration::from_secs(1)).await;
        let late = tokio::spawn({
            let provider = Arc::clone(&provider);
            async move { provider.encrypt(asked(b"seed"), by()).await.is_ok() }
        });
        // Both of its calls have begun.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        kms.set(|state| {
            state.slow = Duration::from_millis(5);
            state.refuses = Some("DisabledException");
        })
        .await;
        match finds {
            "status" => assert!(provider.status(by()).await.is_err()),
            _ => assert!(provider.decrypt(request, by()).await.is_err()),
        }
        assert!(late.await.unwrap());
        assert!(provider.status(by()).await.is_err(), "{finds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_succeeds_counts_more_than_a_test_that_began_before() {
    let kms = Memory::new();
    let provider = Arc::new(Provider::new(kms.clone(), settings("", &[])));
    kms.set(|state| state.slow = Duration::from_secs(60)).await;
    let waiting: Vec<_> = [3, 20]
        .into_iter()
        .map(|seconds| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move {
                let by = Instant::now() + Duration::from_secs(seconds);
                provider.status(by).await.map(|status| status.key_id)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    kms.set(|state| state.slow = Duration::from_millis(5)).await;
    stored(&provider).await;
    // The test of the first one ends after eight seconds, without an answer.
    for waiting in waiting {
        tokio::time::sleep(Duration::from_secs(4)).await;
        stored(&provider).await;
        assert_eq!(waiting.await.unwrap().unwrap(), format!("{ARN}#m1"));
    }
    assert!(provider.status(by()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_denies_one_context_does_not_hide_another() {
    let kms = Memory::new();
    let provider = |context, others: &[&str]| Provider::new(kms.clone(), settings(context, others));
    let old = stored(&provider("c=old", &[])).await;
    // Without its annotation, as aws-encryption-provider writes it.
    let bare = DecryptRequest {
        annotations: BTreeMap::new(),
        ..old
    };
    for denied in ["c=new", "c=other"] {
        let denies = Some(parse(denied).unwrap());
        kms.set(|state| state.denies = denies).await;
        let moving = provider("c=new", &["c=other", "c=old"]);
        assert_eq!(decrypted(&moving, &bare).await, Ok(()), "{denied}");
        // If none fits, the denial is what can be mended.
        let wrong = provider("c=new", &["c=other"]);
        let refused = decrypted(&wrong, &bare).await.unwrap_err();
        assert!(refused.starts_with("AccessDeniedException"), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_id_that_was_edited_is_refused() {
    let kms = Memory::new();
    let provider = Provider::new(kms.clone(), settings("", &[]));
    let old = stored(&provider).await;
    kms.set(|state| state.material = 2).await;
    let new = stored(&provider).await;
    let forged = DecryptRequest {
        key_id: new.key_id.clone(),
        ..old.clone()
    };
    let refused = decrypted(&provider, &forged).await.unwrap_err();
    assert!(
        refused.starts_with("the object's key id does not name the material"),
        "{refused}"
    );
    for good in [old, new] {
        assert_eq!(decrypted(&provider, &good).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_encrypt_has_seen_counts_for_status() {
    let kms = Memory::new();
    let provider = Provider::new(kms.clone(), settings("", &[]));
    let status = async || provider.status(by()).await.map(|status| status.key_id);
    assert_eq!(status().await.unwrap(), format!("{ARN}#m1"));
    kms.set(|state| state.material = 2).await;
    assert_eq!(status().await.unwrap(), format!("{ARN}#m1"));
    assert_eq!(stored(&provider).await.key_id, format!("{ARN}#m2"));
    assert_eq!(status().await.unwrap(), format!("{ARN}#m2"));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_back_is_found_within_two_seconds() {
    let kms = Memory::new();
    let provider = Provider::new(kms.clone(), settings("", &[]));
    kms.set(|state| state.refuses = Some("DisabledException"))
        .await;
    assert!(provider.status(by()).await.is_err());
    kms.set(|state| state.refuses = None).await;
    assert!(provider.status(by()).await.is_err());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(provider.status(by()).await.is_ok());
}
