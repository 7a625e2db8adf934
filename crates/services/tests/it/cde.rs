//! Cloudera's protocol below the wire: who is refused before anything is looked up. `clients/test_cde.py` has the rest.

use std::net::IpAddr;

use keyward_engine::request::{Peer, Received, TlsDetails};
use keyward_testkit::world::{OWN, World};
use serde_json::{Value, json};

const LIST: &str = "/api/v1/de/listServices";
const AUTH: &str = "eyJhY2Nlc3Nfa2V5X2lkIjogIjBiNWM3YzBlLTRmMGEtNGE2Yi05YTVlLTNmMWQyYzRiNWE2OSIsICJhdXRoX21ldGhvZCI6ICJlZDI1NTE5djEifQ==.AAAA";

/// Status, code and message of a request from an address.
async fn ask(world: &World, from: &str, over_tls: bool) -> (u16, Value) {
    let from: IpAddr = from.parse().unwrap();
    let tls = over_tls.then(|| TlsDetails {
        version: "TLSv1.3",
        cipher_suite: "TLS_AES_256_GCM_SHA384".to_owned(),
    });
    let peer = Peer::new(from, tls);
    let received = Received {
        method: "POST",
        path: LIST,
        query: "",
        headers: &[
            ("content-type", b"application/json"),
            ("x-altus-date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
            ("x-altus-auth", AUTH.as_bytes()),
        ],
        peer: &peer,
    };
    let answer = world.front.answer(&received, b"{}").await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[tokio::test]
async fn off_this_machine_a_body_that_is_not_signed_needs_tls() {
    let world = World::new().await;
    for from in ["192.0.2.1", "2001:db8::1"] {
        let insecure = json!({
            "code": "FAILED_PRECONDITION",
            "message": "Requests of this protocol do not sign their bodies. Use an https endpoint, or connect from the same machine.",
        });
        assert_eq!(ask(&world, from, false).await, (400, insecure));
        let (status, body) = ask(&world, from, true).await;
        assert_eq!((status, &body["code"]), (401, &json!("UNAUTHENTICATED")));
    }
    for from in ["127.0.0.1", "::1"] {
        let (status, body) = ask(&world, from, false).await;
        assert_eq!((status, &body["code"]), (401, &json!("UNAUTHENTICATED")));
    }
    // Nobody is proven: there is no event.
    assert!(!world.trail().contains(r#""eventName":"listServices""#));
}

#[tokio::test]
async fn a_signature_of_aws_is_as_good_and_covers_the_body() {
    let world = World::new().await;
    let allow = r#"{"Effect":"Allow","Action":"de:*","Resource":"*"}"#;
    let user = world.user(OWN, "dana", Some(allow)).await;
    let answer = world.rest(Some(&user), "de", ("POST", LIST), "{}").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"services":[]}"#)
    );
    // Of another service it is not.
    let answer = world
        .rest(Some(&user), "environments", ("POST", LIST), "{}")
        .await;
    assert_eq!(answer.status, 404, "{}", answer.body);
    let answer = world.rest(None, "de", ("POST", LIST), "{}").await;
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (answer.status, &said["code"]),
        (401, &json!("UNAUTHENTICATED"))
    );
}

#[tokio::test]
async fn the_operation_that_notes_what_was_done_has_no_path() {
    let world = World::new().await;
    let path = "/api/v1/de/recordProvisioning";
    let root = world.root.clone();
    let answer = world.rest(Some(&root), "de", ("POST", path), "{}").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (
            404,
            r#"{"code":"NOT_FOUND","message":"There is no such operation."}"#
        )
    );
}
