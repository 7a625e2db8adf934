//! Answers that a client asks for and does not take.

use std::{thread, time::Duration};

use serde_json::json;

use crate::{
    http_2::Asking,
    process::Server,
    strangers::{MOST, answers_root, ends, most_memory},
};

/// Streams at once on one connection, nearly as many as a client may have.
const STREAMS: usize = 60;

/// Unsigned requests whose answers tell what was sent, each character escaped.
fn web_identity(member: &str) -> Vec<u8> {
    let rest = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=aaaa";
    let others = ["RoleArn", "RoleSessionName"].map(|name| match name == member {
        true => String::new(),
        false => format!("&{name}=xx"),
    });
    let mut body = format!("{rest}{}&{member}=", others.concat()).into_bytes();
    if member == "Action" {
        body = b"Version=2011-06-15&Action=".to_vec();
    }
    body.resize(65_000, b'\'');
    body
}

#[test]
fn answers_that_strangers_do_not_take_use_little_memory() {
    for member in ["RoleSessionName", "RoleArn"] {
        let server = Server::start("");
        let body = web_identity(member);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let attackers: Vec<_> = (0..25)
            .map(|_| {
                let (address, body) = (server.address().to_owned(), body.clone());
                thread::spawn(move || {
                    let mut asking = Asking::new(&address, 0);
                    for _ in 0..STREAMS {
                        // Whoever has been cut off meanwhile holds nothing.
                        if asking.ask(&form, &body).is_err() {
                            break;
                        }
                    }
                    asking
                })
            })
            .collect();
        let held: Vec<_> = attackers.into_iter().map(|it| it.join().unwrap()).collect();
        answers_root(&server);
        let most = most_memory(&server);
        assert!(most < MOST, "{member}: {} MiB", most >> 20);
        drop(held);
    }
}

#[test]
fn a_stranger_is_told_little_of_what_it_sent() {
    let server = Server::start("");
    let head = "POST / HTTP/1.1\r\nhost: keyward.test\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let long = "'".repeat(30_000);
    let scope = format!(
        "authorization: AWS4-HMAC-SHA256 Credential=x/20260101/{long}/s/aws4_request, SignedHeaders=host, Signature=0\r\n"
    );
    let service = format!(
        "authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/{long}/aws4_request, SignedHeaders=host, Signature=0\r\n"
    );
    let target = format!("x-amz-target: {long}\r\n");
    let members = [
        "RoleSessionName",
        "RoleArn",
        "ProviderId",
        "Policy",
        "Action",
    ];
    let requests = members.map(|member| ("", web_identity(member)));
    let others = [&scope, &service, &target].map(|field| (field.as_str(), b"Action=x".to_vec()));
    for (field, body) in requests.into_iter().chain(others) {
        let head = format!("{head}{field}content-length: {}\r\n\r\n", body.len());
        let answer = server.connect().send(&[head.as_bytes(), &body].concat());
        assert!(answer.status >= 400, "{}", answer.text());
        assert!(answer.body.len() < 5 << 10, "{}", answer.text());
    }
}

#[test]
fn answers_that_clients_do_not_take_use_little_memory() {
    let server = Server::start("");
    let (fields, body) = long_answer(&server);
    let attackers: Vec<_> = (0..4)
        .map(|_| {
            let (address, fields, body) =
                (server.address().to_owned(), fields.clone(), body.clone());
            thread::spawn(move || {
                let connections = (0..30).map(|_| {
                    let mut asking = Asking::new(&address, 0);
                    for _ in 0..STREAMS {
                        let answered = asking.ask(&borrowed(&fields), &body);
                        if answered.and_then(|_| asking.head()).is_err() {
                            break;
                        }
                    }
                    asking
                });
                connections.collect::<Vec<_>>()
            })
        })
        .collect();
    let held: Vec<_> = attackers.into_iter().map(|it| it.join().unwrap()).collect();
    answers_root(&server);
    let most = most_memory(&server);
    assert!(most < MOST, "{} MiB", most >> 20);
    drop(held);
}

#[test]
fn an_answer_that_is_not_taken_ends_its_connection() {
    let server = Server::start("[limits]\nbody_seconds = 1\n");
    let (fields, body) = long_answer(&server);
    for taken in [0, 100, 20_000] {
        let mut asking = Asking::new(server.address(), taken);
        asking.ask(&borrowed(&fields), &body).unwrap();
        assert!(ends(asking.stream()), "{taken} bytes were taken");
    }
}

#[test]
fn an_answer_that_is_taken_slowly_arrives() {
    let server = Server::start("[limits]\nbody_seconds = 1\n");
    let (fields, body) = long_answer(&server);
    let mut asking = Asking::new(server.address(), 0);
    let stream = asking.ask(&borrowed(&fields), &body).unwrap();
    let mut arrived = 0;
    loop {
        asking.take(stream, 4 << 10).unwrap();
        let (kind, ended, length) = asking.frame().unwrap();
        if kind == 0 {
            arrived += length;
            thread::sleep(Duration::from_millis(200));
        }
        if ended {
            break;
        }
    }
    assert!(arrived > 30_000, "{arrived} bytes");
}

/// The fields and the body of a request whose answer is long.
pub fn long_answer(server: &Server) -> (Vec<(String, String)>, Vec<u8>) {
    let root = server.root();
    let mut connection = server.connect();
    let key = connection.send(&root.kms("CreateKey", &json!({}))).json();
    let key = key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    let statement = |sid: &str| {
        let arn = "arn:aws:iam::000000000000:root";
        json!({"Sid": sid, "Effect": "Allow", "Principal": {"AWS": arn}, "Action": "kms:*", "Resource": "*"})
    };
    let policy = json!({"Version": "2012-10-17", "Statement": [statement(&"s".repeat(32_000))]});
    let put = json!({"KeyId": key, "PolicyName": "default", "Policy": policy.to_string()});
    let answer = connection.send(&root.kms("PutKeyPolicy", &put));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let request = root.kms("GetKeyPolicy", &json!({"KeyId": key}));
    let text = String::from_utf8(request).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let fields = head.lines().skip(1).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.to_owned()))
    });
    (fields.collect(), body.as_bytes().to_vec())
}

pub fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    let fields = fields.iter();
    fields
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}
