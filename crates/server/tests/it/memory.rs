//! Keys stand in the process's memory inside the arena and nowhere else: the memory of a server
//! that has worked is searched for every key that its store holds.

mod image;
mod keys;

use rustix::process::Signal;
use serde_json::json;

use crate::{
    memory::{
        image::Image,
        keys::{Secret, keys_at_rest},
    },
    process::Server,
    wire::{Signer, base64, from_base64, now},
};

#[tokio::test]
async fn keys_stand_in_the_arena_and_nowhere_else() {
    let server = Server::start("");
    let seen = work(&server);
    // Nothing moves while its files and its memory are read.
    server.signal(Signal::STOP);
    let mut secrets = keys_at_rest(&server.data_dir()).await;
    assert!(secrets.len() > 15, "{secrets:?}");
    for caller in seen.callers {
        secrets.extend(caller_secrets(&caller));
    }
    // Made here and handed out: no copy stays behind.
    secrets.extend(
        seen.data_keys
            .iter()
            .map(|key| Secret::new("data key", key)),
    );
    let Some(image) = Image::of(server.pid()) else {
        eprintln!("only root can read the memory of a process that is not dumpable");
        return;
    };
    let found = image.search(&secrets);
    // What stands in memory the search does find: what is no secret, outside the arena, and the
    // keys that are open while the server serves, in it.
    let public = [Secret::new("an ARN", "arn:aws:kms:us-east-1")];
    assert!(!image.search(&public).elsewhere.is_empty());
    for open in [
        "root key",
        "seal key 1",
        "domain key us-east-1",
        "audit key",
    ] {
        assert!(
            found.in_arena.iter().any(|place| place.starts_with(open)),
            "{open} is not in the arena: {:#?}",
            found.in_arena
        );
    }
    assert!(found.in_arena.iter().any(|at| at.starts_with("material ")));
    assert!(found.elsewhere.is_empty(), "{:#?}", found.elsewhere);
}

/// What the clients know after the work.
struct Seen {
    callers: Vec<Signer>,
    data_keys: Vec<Vec<u8>>,
}

/// Every kind of use of keys, by two callers on several connections.
fn work(server: &Server) -> Seen {
    let root = server.root();
    let mut admin = server.connect();
    let name = [("UserName", "alice")];
    admin.send(&root.iam("CreateUser", &name));
    let made = admin.send(&root.iam("CreateAccessKey", &name));
    let alice = Signer::new(made.element("AccessKeyId"), made.element("SecretAccessKey"));
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
    let policy = [
        ("UserName", "alice"),
        ("PolicyName", "p"),
        ("PolicyDocument", document),
    ];
    assert_eq!(admin.send(&root.iam("PutUserPolicy", &policy)).status, 200);

    let mut data_keys = Vec::new();
    for _ in 0..3 {
        let made = admin.send(&root.kms("CreateKey", &json!({}))).json();
        let key = made["KeyMetadata"]["KeyId"].as_str().unwrap();
        for round in 0..3 {
            for caller in [&root, &alice] {
                let mut connection = server.connect();
                let mut call = |operation, body| {
                    let answer = connection.send(&caller.kms(operation, &body));
                    answer.json()
                };
                let text = base64(format!("round {round}"));
                let made = call("Encrypt", json!({"KeyId": key, "Plaintext": text}));
                let blob = &made["CiphertextBlob"];
                let opened = call("Decrypt", json!({"CiphertextBlob": blob}));
                assert_eq!(opened["Plaintext"], text);
                let moved = json!({"CiphertextBlob": blob, "DestinationKeyId": key});
                call("ReEncrypt", moved);
                let wanted = json!({"KeyId": key, "KeySpec": "AES_256"});
                let made = call("GenerateDataKey", wanted.clone());
                data_keys.push(from_base64(&made["Plaintext"]));
                call("GenerateDataKeyWithoutPlaintext", wanted);
                call("ListKeys", json!({"Limit": 1}));
            }
            let rotated = admin.send(&root.kms("RotateKeyOnDemand", &json!({"KeyId": key})));
            rotated.json();
        }
        // With the new material.
        let encrypt = json!({"KeyId": key, "Plaintext": base64("last")});
        admin.send(&root.kms("Encrypt", &encrypt)).json();
    }
    let callers = vec![root, alice];
    Seen { callers, data_keys }
}

/// A secret access key, and the keys that this day's signatures are made with.
fn caller_secrets(caller: &Signer) -> Vec<Secret> {
    let date = &now().iso8601_basic()[..8];
    let signing = |service| {
        Secret::new(
            format!("signing key of {service}"),
            caller.signing_key(date, service),
        )
    };
    vec![
        Secret::new("secret access key", caller.secret.as_bytes()),
        signing("kms"),
        signing("iam"),
    ]
}
