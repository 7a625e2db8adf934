//! What is taken away stays away: no Decrypt that begins after the answer to a revocation
//! succeeds, and none that begins after the answer to its undoing fails, over thousands of
//! interleavings of real signed requests on several connections.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use serde_json::json;

use crate::{
    process::Server,
    wire::{Answer, Connection, Signer, base64},
};

/// Lanes that run side by side, each with a user, a key and readers of its own.
const LANES: usize = 3;
/// Connections on which a lane's user decrypts without pause.
const READERS: usize = 2;
/// How often each lane revokes and undoes.
const ROUNDS: u64 = 500;

#[test]
fn no_decrypt_begun_after_disable_key_succeeds() {
    check("DisabledException", |lane| {
        let key = json!({"KeyId": lane.key});
        let (disable, enable) = (
            lane.root.kms("DisableKey", &key),
            lane.root.kms("EnableKey", &key),
        );
        for _ in 0..ROUNDS {
            lane.round(|admin| admin.send(&disable), |admin| admin.send(&enable));
        }
    });
}

#[test]
fn no_decrypt_begun_after_a_denying_policy_succeeds() {
    check("AccessDeniedException", |lane| {
        let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}}"#;
        let name = [("UserName", &*lane.user), ("PolicyName", "deny")];
        let put = [&name[..], &[("PolicyDocument", document)]].concat();
        let (deny, allow) = (
            lane.root.iam("PutUserPolicy", &put),
            lane.root.iam("DeleteUserPolicy", &name),
        );
        for _ in 0..ROUNDS {
            lane.round(|admin| admin.send(&deny), |admin| admin.send(&allow));
        }
    });
}

#[test]
fn no_decrypt_begun_after_delete_access_key_succeeds() {
    check("UnrecognizedClientException", |lane| {
        let user = ("UserName", &*lane.user);
        let create = lane.root.iam("CreateAccessKey", &[user]);
        let mut id = lane.caller.id.clone();
        for _ in 0..ROUNDS {
            let gone = [user, ("AccessKeyId", &id)];
            let delete = lane.root.iam("DeleteAccessKey", &gone);
            let mut caller = None;
            lane.round(
                |admin| admin.send(&delete),
                |admin| {
                    let made = admin.send(&create);
                    let signer = signer(&made);
                    *lane.request.lock().unwrap() = decrypt(&signer, &lane.blob);
                    caller = Some(signer);
                    made
                },
            );
            id = caller.unwrap().id;
        }
    });
}

#[test]
fn no_decrypt_begun_after_a_grant_ended_succeeds() {
    check("AccessDeniedException", |lane| {
        let mut admin = Connection::open(&lane.address);
        let user = format!("arn:aws:iam::000000000000:user/{}", lane.user);
        let grant = |round: u64| {
            // The constraints that the blob's context meets.
            let constraint = match round % 3 {
                0 => json!({}),
                1 => json!({"EncryptionContextEquals": {"a": "1"}}),
                _ => json!({"EncryptionContextSubset": {"a": "1"}}),
            };
            let body = json!({
                "KeyId": lane.key,
                "GranteePrincipal": user,
                "Operations": ["Decrypt", "DescribeKey"],
                "Constraints": constraint,
            });
            lane.root.kms("CreateGrant", &body)
        };
        let mut made = admin.send(&grant(0)).json();
        // From here on the grant alone allows.
        let policy = [("UserName", &*lane.user), ("PolicyName", "p")];
        assert_eq!(
            admin
                .send(&lane.root.iam("DeleteUserPolicy", &policy))
                .status,
            200
        );
        for round in 0..ROUNDS {
            let end = if round % 2 == 0 {
                let body = json!({"KeyId": lane.key, "GrantId": made["GrantId"]});
                lane.root.kms("RevokeGrant", &body)
            } else {
                let body = json!({"GrantToken": made["GrantToken"]});
                lane.root.kms("RetireGrant", &body)
            };
            let mut next = None;
            lane.round(
                |admin| admin.send(&end),
                |admin| {
                    let answer = admin.send(&grant(round + 1));
                    next = Some(answer.json());
                    answer
                },
            );
            made = next.unwrap();
        }
    });
}

/// Where a round stands; the number counts on, so that every stretch has one of its own.
const ALLOWED: u64 = 0;
const REVOKED: u64 = 2;

struct Lane {
    root: Signer,
    user: String,
    caller: Signer,
    key: String,
    blob: String,
    address: String,
    /// What the readers send.
    request: Mutex<Arc<Vec<u8>>>,
    /// Allowed, being revoked, revoked, being restored, allowed again, and so on.
    stage: AtomicU64,
    /// The last stage within which a Decrypt began, ended and was checked.
    seen: AtomicU64,
    /// Decrypts that were under way while a revocation was answered.
    crossed: AtomicU64,
    over: AtomicBool,
}

/// Runs a scenario on every lane, with readers that check each answer.
fn check(refusal: &str, scenario: impl Fn(&Lane) + Sync) {
    let server = Server::start("");
    let lanes: Vec<Lane> = (0..LANES).map(|number| lane(&server, number)).collect();
    thread::scope(|scope| {
        for lane in &lanes {
            for _ in 0..READERS {
                scope.spawn(|| read(lane, refusal));
            }
            scope.spawn(|| {
                // Also when the scenario fails: or the readers would go on for ever.
                let _over = Over(&lane.over);
                scenario(lane);
            });
        }
    });
    for lane in &lanes {
        assert_eq!(lane.stage.load(Ordering::SeqCst), 4 * ROUNDS);
        assert!(lane.crossed.load(Ordering::SeqCst) > 0);
    }
}

/// A user who may decrypt, and a blob under a new key.
fn lane(server: &Server, number: usize) -> Lane {
    let (root, user) = (server.root(), format!("reader-{number}"));
    let mut admin = server.connect();
    let name = ("UserName", &*user);
    admin.send(&root.iam("CreateUser", &[name]));
    let caller = signer(&admin.send(&root.iam("CreateAccessKey", &[name])));
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}}"#;
    let policy = [name, ("PolicyName", "p"), ("PolicyDocument", document)];
    assert_eq!(admin.send(&root.iam("PutUserPolicy", &policy)).status, 200);
    let made = admin.send(&root.kms("CreateKey", &json!({}))).json();
    let key = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    let encrypt = json!({"KeyId": key, "Plaintext": base64("x"), "EncryptionContext": {"a": "1"}});
    let made = admin.send(&root.kms("Encrypt", &encrypt)).json();
    let blob = made["CiphertextBlob"].as_str().unwrap().to_owned();
    Lane {
        request: Mutex::new(decrypt(&caller, &blob)),
        root,
        user,
        caller,
        key,
        blob,
        address: server.address().to_owned(),
        stage: AtomicU64::new(ALLOWED),
        seen: AtomicU64::new(0),
        crossed: AtomicU64::new(0),
        over: AtomicBool::new(false),
    }
}

impl Lane {
    /// Revokes and restores once, each with readers at work before and after.
    fn round(
        &self,
        revoke: impl FnOnce(&mut Connection) -> Answer,
        restore: impl FnOnce(&mut Connection) -> Answer,
    ) {
        let mut admin = Connection::open(&self.address);
        self.wait_for_readers();
        self.next_stage();
        let answer = revoke(&mut admin);
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.next_stage();
        self.wait_for_readers();
        self.next_stage();
        let answer = restore(&mut admin);
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.next_stage();
    }

    fn next_stage(&self) {
        self.stage.fetch_add(1, Ordering::SeqCst);
    }

    fn wait_for_readers(&self) {
        let stage = self.stage.load(Ordering::SeqCst);
        while self.seen.load(Ordering::SeqCst) != stage {
            assert!(!self.over.load(Ordering::SeqCst), "a reader has failed");
            thread::yield_now();
        }
    }
}

/// Decrypts until the lane is over, and holds every answer against the stage it fell into.
fn read(lane: &Lane, refusal: &str) {
    let _over = Over(&lane.over);
    let mut connection = Connection::open(&lane.address);
    while !lane.over.load(Ordering::SeqCst) {
        let begun = lane.stage.load(Ordering::SeqCst);
        let request = Arc::clone(&lane.request.lock().unwrap());
        let answer = connection.send(&request);
        let ended = lane.stage.load(Ordering::SeqCst);
        if begun != ended {
            let crossed = begun % 4 < REVOKED && ended % 4 == REVOKED;
            lane.crossed.fetch_add(u64::from(crossed), Ordering::SeqCst);
            continue;
        }
        match begun % 4 {
            ALLOWED => assert_eq!(answer.status, 200, "{}", answer.text()),
            REVOKED => assert_eq!((answer.status, &*answer.code()), (400, refusal)),
            _ => continue,
        }
        lane.seen.fetch_max(begun, Ordering::SeqCst);
    }
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn decrypt(caller: &Signer, blob: &str) -> Arc<Vec<u8>> {
    let body = json!({"CiphertextBlob": blob, "EncryptionContext": {"a": "1"}});
    Arc::new(caller.kms("Decrypt", &body))
}

fn signer(made: &Answer) -> Signer {
    Signer::new(made.element("AccessKeyId"), made.element("SecretAccessKey"))
}
