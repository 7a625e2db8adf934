//! Strangers hold nothing for long: whoever is slow, silent or too many is cut off.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    process::Command,
    thread,
    time::Duration,
};

use serde_json::json;

use crate::{
    process::{Server, program},
    wire::{Answer, Connection},
};

/// Limits that a test can wait for.
const IMPATIENT: &str = "[limits]\nheader_seconds = 3\nbody_seconds = 2\n";
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: keyward.test\r\n\r\n";

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let server = Server::start(IMPATIENT);
    assert!(server.connect().answer().is_none());
}

#[test]
fn headers_that_do_not_end_are_not_waited_for() {
    let server = Server::start(IMPATIENT);
    let mut connection = server.connect();
    connection.stream.write_all(&HEALTH[..20]).unwrap();
    assert!(
        connection
            .answer()
            .is_none_or(|answer| answer.status == 408)
    );
    assert!(connection.answer().is_none());
}

#[test]
fn a_body_that_does_not_end_is_not_waited_for() {
    let server = Server::start(IMPATIENT);
    let request = server.root().kms("ListKeys", &json!({"Limit": 1}));
    let mut connection = server.connect();
    let (all_but_one, _) = request.split_at(request.len() - 1);
    connection.stream.write_all(all_but_one).unwrap();
    let answer = connection.answer().unwrap();
    assert_eq!(answer.status, 408);
    assert_eq!(answer.code(), "RequestTimeoutException");
    assert!(connection.answer().is_none());
}

#[test]
fn a_body_that_comes_in_drops_is_not_waited_for() {
    let server = Server::start(IMPATIENT);
    let request = server.root().kms("ListKeys", &json!({"Limit": 1}));
    let mut connection = server.connect();
    let body = request.len() - 12;
    connection.stream.write_all(&request[..body]).unwrap();
    let mut drops = connection.stream.try_clone().unwrap();
    let dripping = thread::spawn(move || {
        // Never so long a pause that a limit between two bytes would be met.
        for byte in request[body..].chunks(1) {
            thread::sleep(Duration::from_millis(300));
            if drops.write_all(byte).is_err() {
                return;
            }
        }
    });
    let answer = connection.answer().unwrap();
    assert_eq!(
        (answer.status, &*answer.code()),
        (408, "RequestTimeoutException")
    );
    dripping.join().unwrap();
}

#[test]
fn an_idle_connection_is_closed() {
    let server = Server::start(IMPATIENT);
    let mut connection = server.connect();
    assert_eq!(connection.send(HEALTH).status, 200);
    assert_eq!(connection.send(HEALTH).status, 200);
    assert!(connection.answer().is_none());
}

#[test]
fn an_idle_http_2_connection_is_closed_though_it_answers_pings() {
    let server = Server::start(IMPATIENT);
    let mut stream = server.connect().stream;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    stream.write_all(&settings).unwrap();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        let is_ping = head[3] == 6 && head[4] == 0;
        if is_ping {
            let answer = [&[0, 0, 8, 6, 1, 0, 0, 0, 0], &*payload].concat();
            let _ = stream.write_all(&answer);
        }
    }
}

#[test]
fn a_client_that_does_not_read_its_answers_loses_its_place() {
    let one_place = format!("{IMPATIENT}connections = 1\n");
    let server = Server::start(&one_place);
    let root = server.root();
    let mut admin = server.connect();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Sid":"{}","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::000000000000:root"}},"Action":"kms:*","Resource":"*"}}}}"#,
        "long".repeat(7500)
    );
    let made = admin
        .send(&root.kms("CreateKey", &json!({"Policy": policy})))
        .json();
    let key = json!({"KeyId": made["KeyMetadata"]["KeyId"]});
    let request = root.kms("GetKeyPolicy", &key);
    assert_eq!(admin.send(&request).status, 200);
    // Far more than the kernel keeps for a peer that does not read.
    let mut sender = admin.stream.try_clone().unwrap();
    let sending = thread::spawn(move || (0..1000).all(|_| sender.write_all(&request).is_ok()));
    // It still holds the one place; whoever comes next waits until it is free.
    while let Err(error) = healthy(server.address()) {
        assert_eq!(error, "no place");
    }
    let mut answers = 0;
    while let Ok(Some(_)) = next(&mut admin) {
        answers += 1;
    }
    assert!(answers < 1000, "all were answered");
    let _ = sending.join();
}

#[test]
fn no_more_connections_are_served_than_there_are_places() {
    let server = Server::start("[limits]\nconnections = 3\n");
    let request = server.root().kms("ListKeys", &json!({"Limit": 1}));
    let mut open: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for connection in &mut open {
        assert_eq!(connection.send(&request).status, 200);
    }
    assert_eq!(healthy(server.address()), Err("no place"));
    for connection in &mut open {
        assert_eq!(
            connection.send(&request).status,
            200,
            "they are not disturbed"
        );
    }
    drop(open.pop());
    while healthy(server.address()).is_err() {}
}

#[test]
fn one_address_has_so_many_places_and_no_more() {
    let server = Server::start("[limits]\nconnections_per_address = 2\n");
    let request = server.root().kms("ListKeys", &json!({"Limit": 1}));
    let mut open: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for connection in &mut open {
        assert_eq!(connection.send(&request).status, 200);
    }
    assert_eq!(healthy(server.address()), Err("no place"));
    drop(open);
    while healthy(server.address()).is_err() {}
}

#[test]
fn connections_are_held_against_the_systems_limit() {
    let few = || {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 300; exec \"$0\" \"$@\""]);
        command.arg(program());
        command
    };
    // As many as may be, if nobody said how many.
    let server = Server::start_by(&mut few(), "");
    assert_eq!(healthy(server.address()), Ok(()));
    let log = server.log();
    assert!(log.contains("fewer connections than usual"), "{log}");
    // Configured ones are a promise.
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("keyward.toml");
    fs::write(&config, "[limits]\nconnections = 200\n").unwrap();
    let data = home.path().join("data");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--config"];
    let mut command = few();
    let command = command.args(serve).arg(&config).arg("--data-dir").arg(data);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let expect = "`limits.connections` is `200`: the system allows this process 300 open files, \
                  of which 192 are needed for other things; raise its limit (`ulimit -Hn`, \
                  `LimitNOFILE=` of systemd) to 392, or use at most 108";
    assert!(said.contains(expect), "{said}");
    // A low soft limit is raised.
    let mut soft = Command::new("sh");
    soft.args(["-c", "ulimit -Sn 100; exec \"$0\" \"$@\""]);
    soft.arg(program());
    let server = Server::start_by(&mut soft, "[limits]\nconnections = 150\n");
    let mut open: Vec<_> = (0..110).map(|_| server.connect()).collect();
    for connection in &mut open {
        assert_eq!(connection.send(HEALTH).status, 200);
    }
}

/// Asks for health on a connection of its own.
fn healthy(address: &str) -> Result<(), &'static str> {
    let mut connection = Connection::open(address);
    if connection.stream.write_all(HEALTH).is_err() {
        return Err("no place");
    }
    match next(&mut connection) {
        Ok(Some(answer)) if answer.status == 200 => Ok(()),
        Ok(Some(_)) => Err("not healthy"),
        Ok(None) => Err("no place"),
        Err(error) => Err(error),
    }
}

/// The next answer, where a connection may also be reset.
fn next(connection: &mut Connection) -> Result<Option<Answer>, &'static str> {
    match connection.try_answer() {
        Ok(answer) => Ok(answer),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Err("no place"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_body_that_is_too_long_is_answered_to_whoever_sends_it_all_first() {
    let server = Server::start("");
    let signed = |length: usize| {
        let body = json!({"KeyId": "alias/a", "Plaintext": "a".repeat(length)});
        server.root().kms("Encrypt", &body)
    };
    let known = signed(600 << 10);
    let long = signed(5 << 20);
    let strange = String::from_utf8(signed(3 << 20)).unwrap();
    let strange = strange.replace("Credential=A", "Credential=B").into_bytes();
    let unsigned = b"POST / HTTP/1.1\r\nhost: keyward.test\r\ncontent-length: 3000000\r\n\r\n";
    let unsigned = [&unsigned[..], &[b'x'; 3_000_000]].concat();
    for request in [known, long, strange, unsigned] {
        // More than once: it was a race.
        for _ in 0..5 {
            let mut connection = server.connect();
            connection.stream.write_all(&request).unwrap();
            assert_eq!(connection.answer().unwrap().status, 413);
        }
    }
}

#[test]
fn a_body_that_is_far_too_long_is_not_read() {
    let server = Server::start("");
    let head = b"POST / HTTP/1.1\r\nhost: keyward.test\r\ncontent-length: 1000000000\r\n\r\n";
    assert_eq!(server.connect().send(head).status, 413);
    let request = server.root().kms("ListKeys", &json!({"Limit": 1}));
    let request = String::from_utf8(request).unwrap();
    let expecting = request.replace(
        "content-length: ",
        "expect: 100-continue\r\ncontent-length: 10000",
    );
    let (head, _) = expecting.split_once("\r\n\r\n").unwrap();
    let head = format!("{head}\r\n\r\n");
    assert_eq!(server.connect().send(head.as_bytes()).status, 413);
}

#[test]
fn a_transfer_coding_that_nobody_decodes_is_not_implemented() {
    let server = Server::start("");
    for (coding, status) in [
        ("chunked", 400),
        ("Chunked", 400),
        ("gzip, chunked", 501),
        ("gzip\r\ntransfer-encoding: chunked", 501),
        ("identity, chunked", 501),
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: keyward.test\r\ntransfer-encoding: {coding}\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        );
        let mut connection = server.connect();
        let answer = connection.send(request.as_bytes());
        assert_eq!(answer.status, status, "{coding}: {}", answer.text());
        // It could be the end of another request: nothing after it is read.
        if status == 501 {
            assert!(connection.answer().is_none(), "{coding}");
        }
    }
}
