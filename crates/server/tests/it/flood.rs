//! One client that asks for far more at once than the server can do.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::json;

use crate::{
    http_2::Asking,
    process::Server,
    strangers::{MOST, most_memory},
    untaken::{borrowed, long_answer},
    wire::Signer,
};

/// What the flood has under way at once.
const CONNECTIONS: usize = 110;
const STREAMS: usize = 60;

#[test]
fn a_flood_of_one_client_is_answered_and_keeps_no_other_out() {
    let server = Server::start("");
    let other = user(&server);
    let (fields, body) = long_answer(&server);
    let fields = borrowed(&fields);
    let (begin, flooding) = (Barrier::new(CONNECTIONS + 1), AtomicUsize::new(CONNECTIONS));
    let (answered, slowed, others) = thread::scope(|scope| {
        let flood: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    let mut asking = Asking::taking_all(server.address());
                    begin.wait();
                    for _ in 0..STREAMS {
                        asking.ask(&fields, &body).unwrap();
                    }
                    let answers = (0..STREAMS).map(|_| asking.answer());
                    let answers: Result<Vec<_>, _> = answers.collect();
                    flooding.fetch_sub(1, Ordering::Relaxed);
                    answers
                })
            })
            .collect();
        let mut connection = server.connect();
        let request = other.kms("ListKeys", &json!({"Limit": 1}));
        begin.wait();
        let mut others = 0;
        while flooding.load(Ordering::Relaxed) > 0 {
            let answer = connection.send(&request);
            assert_eq!(answer.status, 200, "{}", answer.text());
            others += 1;
        }
        let (mut answered, mut slowed) = (0, 0);
        for answers in flood {
            for status in answers.join().unwrap().unwrap() {
                match status {
                    200 => answered += 1,
                    400 => slowed += 1,
                    other => panic!("{other}"),
                }
            }
        }
        (answered, slowed, others)
    });
    let most = most_memory(&server);
    println!(
        "{answered} answered, {slowed} slowed, {others} others, {} MiB",
        most >> 20
    );
    assert_eq!(answered + slowed, CONNECTIONS * STREAMS);
    assert!(most < MOST, "{} MiB", most >> 20);
}

/// A user who may list keys.
fn user(server: &Server) -> Signer {
    let (root, mut admin) = (server.root(), server.connect());
    let name = ("UserName", "other");
    admin.send(&root.iam("CreateUser", &[name]));
    let made = admin.send(&root.iam("CreateAccessKey", &[name]));
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}}"#;
    let policy = [name, ("PolicyName", "p"), ("PolicyDocument", document)];
    assert_eq!(admin.send(&root.iam("PutUserPolicy", &policy)).status, 200);
    Signer::new(made.element("AccessKeyId"), made.element("SecretAccessKey"))
}
