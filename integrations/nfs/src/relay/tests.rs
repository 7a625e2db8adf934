//! What passes, and what is answered when a volume is locked between or within messages.

use tokio::{
    io::{AsyncWriteExt as _, DuplexStream, duplex},
    net::TcpListener,
};

use super::*;
use crate::{record::record, xdr::Writer};

/// A COMPOUND of 4.1 with a SEQUENCE in the slot and a READ of nothing in particular.
fn call(xid: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    writer
        .unsigned(xid)
        .unsigned(0)
        .unsigned(2)
        .unsigned(100_003)
        .unsigned(4)
        .unsigned(1);
    writer.unsigned(1).opaque(&[7; 20]).unsigned(0).opaque(b"");
    writer.opaque(b"").unsigned(1).unsigned(2);
    writer
        .unsigned(53)
        .fixed(&[9; 16])
        .unsigned(1)
        .unsigned(0)
        .unsigned(0)
        .unsigned(0);
    writer.unsigned(25);
    record(&writer.finish())
}

fn reply(xid: u32, body: usize) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.unsigned(xid).unsigned(1);
    let mut message = writer.finish();
    message.resize(message.len() + body, 0xaa);
    record(&message)
}

fn failed(xid: u32) -> Vec<u8> {
    locked::answer(&call(xid)[4..], Failure::Io).unwrap()
}

/// A client, the relay's two sides, and the server's end.
async fn connected() -> (DuplexStream, Client<DuplexStream>, Relay, TcpStream) {
    let (outside, inside) = duplex(1 << 20);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to_server = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (
        outside,
        Client::new(inside),
        Relay::new(to_server, None),
        server,
    )
}

async fn read(from: &mut (impl AsyncRead + Unpin), length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// Runs the relay while something else happens.
async fn meanwhile<T>(
    client: &mut Client<DuplexStream>,
    relay: &mut Relay,
    user: Option<&User>,
    other: impl Future<Output = T>,
) -> T {
    tokio::select! {
        end = client.relay(relay, user, || {}) => panic!("{end}"),
        done = other => done,
    }
}

#[tokio::test]
async fn messages_pass_both_ways() {
    let (mut outside, mut client, mut relay, mut server) = connected().await;
    meanwhile(&mut client, &mut relay, None, async {
        outside.write_all(&call(1)).await.unwrap();
        assert_eq!(read(&mut server, call(1).len()).await, call(1));
        server.write_all(&reply(1, 100_000)).await.unwrap();
        let answer = reply(1, 100_000);
        assert_eq!(read(&mut outside, answer.len()).await, answer);
    })
    .await;
}

#[tokio::test]
async fn when_locked_what_is_unanswered_fails_and_what_is_answered_does_not() {
    let (mut outside, mut client, mut relay, mut server) = connected().await;
    meanwhile(&mut client, &mut relay, None, async {
        for xid in 1..=3 {
            outside.write_all(&call(xid)).await.unwrap();
            read(&mut server, call(xid).len()).await;
        }
        server.write_all(&reply(2, 40)).await.unwrap();
        read(&mut outside, reply(2, 40).len()).await;
    })
    .await;
    client.lock(relay).unwrap();
    client.finish_message(|| {}).await.unwrap();
    let length = failed(1).len();
    let mut answers = [
        read(&mut outside, length).await,
        read(&mut outside, length).await,
    ];
    answers.sort();
    assert_eq!(answers, [failed(1), failed(3)]);
}

#[tokio::test]
async fn a_call_that_is_arriving_when_locked_is_answered_once_when_it_is_complete() {
    let (mut outside, mut client, mut relay, mut server) = connected().await;
    let bytes = call(5);
    let (first, second) = bytes.split_at(bytes.len() - 2);
    meanwhile(&mut client, &mut relay, None, async {
        outside.write_all(first).await.unwrap();
        // The head is passed on when all of it is there, so nothing arrives yet.
        outside.write_all(&[]).await.unwrap();
        tokio::task::yield_now().await;
    })
    .await;
    client.lock(relay).unwrap();
    outside.write_all(second).await.unwrap();
    outside.write_all(&call(6)).await.unwrap();
    let wanted = [failed(5), failed(6)].concat();
    let answers = tokio::select! {
        end = client.fail(Failure::Io, || {}) => panic!("{end}"),
        answers = read(&mut outside, wanted.len()) => answers,
    };
    assert_eq!(answers, wanted);
    drop(server.shutdown().await);
}

#[tokio::test]
async fn a_long_call_that_has_begun_when_locked_is_not_passed_on() {
    let (mut outside, mut client, mut relay, mut server) = connected().await;
    // A WRITE, of which the head and a part have passed.
    let mut message = call(7)[4..].to_vec();
    message.resize(50_000, 0xbb);
    let bytes = record(&message);
    let (first, second) = bytes.split_at(30_000);
    meanwhile(&mut client, &mut relay, None, async {
        outside.write_all(first).await.unwrap();
        assert_eq!(read(&mut server, first.len()).await, first);
    })
    .await;
    client.lock(relay).unwrap();
    assert!(!client.is_between_messages());
    outside.write_all(second).await.unwrap();
    client.finish_message(|| {}).await.unwrap();
    assert_eq!(read(&mut outside, failed(7).len()).await, failed(7));
    // The server got nothing more of it.
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_connection_in_the_middle_of_an_answer_is_closed() {
    let (mut outside, mut client, mut relay, mut server) = connected().await;
    meanwhile(&mut client, &mut relay, None, async {
        outside.write_all(&call(1)).await.unwrap();
        read(&mut server, call(1).len()).await;
        let answer = reply(1, 5000);
        server.write_all(&answer[..3000]).await.unwrap();
        read(&mut outside, 3000).await;
    })
    .await;
    assert!(matches!(client.lock(relay), Err(End::InMessage)));
}

#[tokio::test]
async fn after_a_lock_the_next_message_goes_to_another_server() {
    let (mut outside, mut client, relay, server) = connected().await;
    drop(server);
    client.lock(relay).unwrap();
    outside.write_all(&call(1)).await.unwrap();
    let answer = tokio::select! {
        end = client.fail(Failure::Io, || {}) => panic!("{end}"),
        answer = read(&mut outside, failed(1).len()) => answer,
    };
    assert_eq!(answer, failed(1));
    let (_, _, mut relay, mut server) = connected().await;
    meanwhile(&mut client, &mut relay, None, async {
        outside.write_all(&call(2)).await.unwrap();
        assert_eq!(read(&mut server, call(2).len()).await, call(2));
    })
    .await;
}

/// A COMPOUND of 4.0 with a PUTROOTFH.
fn root_call(xid: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.unsigned(xid).unsigned(0).unsigned(2);
    writer.unsigned(100_003).unsigned(4).unsigned(1);
    writer.unsigned(0).opaque(b"").unsigned(0).opaque(b"");
    writer.opaque(b"").unsigned(0).unsigned(1).unsigned(24);
    record(&writer.finish())
}

/// What the server says if a handle is wrong.
fn stale(xid: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.unsigned(xid).unsigned(1).unsigned(0).unsigned(0);
    writer.opaque(b"").unsigned(0).unsigned(70).opaque(b"");
    writer.unsigned(1).unsigned(22).unsigned(70);
    record(&writer.finish())
}

/// As [`connected`], with a client that is guarded.
async fn guarded(pace: &Pace) -> (DuplexStream, Client<DuplexStream>, Relay, TcpStream) {
    let (outside, client, relay, server) = connected().await;
    let relay = Relay::new(relay.server, Some((Originals::default(), pace.clone())));
    (outside, client, relay, server)
}

#[tokio::test]
async fn a_wrong_handle_is_paid_for_before_the_answer_is_passed_on() {
    let pace = Pace::default();
    let (mut outside, mut client, mut relay, mut server) = guarded(&pace).await;
    meanwhile(&mut client, &mut relay, None, async {
        outside.write_all(&root_call(1)).await.unwrap();
        read(&mut server, root_call(1).len()).await;
        // Much was charged by others.
        pace.charge(1_000_000);
        server.write_all(&stale(1)).await.unwrap();
        let before = pace.owed();
        while pace.owed() == before {
            tokio::task::yield_now().await;
        }
        let mut byte = [0];
        for _ in 0..100 {
            tokio::select! {
                biased;
                _ = outside.read(&mut byte) => panic!("it was passed on"),
                () = tokio::task::yield_now() => {}
            }
        }
    })
    .await;
    // Whoever hangs up has not paid: the next client does.
    drop((outside, client, relay));
    let (mut outside, mut client, mut relay, server) = guarded(&pace).await;
    meanwhile(&mut client, &mut relay, None, async {
        outside.write_all(&root_call(2)).await.unwrap();
        for _ in 0..1000 {
            tokio::task::yield_now().await;
            let read = server.try_read(&mut [0]);
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    })
    .await;
}

#[tokio::test]
async fn many_wrong_handles_in_a_row_end_the_connection() {
    let (mut outside, mut client, mut relay, mut server) = guarded(&Pace::default()).await;
    let right = |xid| {
        let mut answer = stale(xid);
        answer[31] = 0;
        answer
    };
    let answers = [
        (1..64).flat_map(stale).collect(),
        right(64),
        (1..64).flat_map(stale).collect(),
    ];
    for answer in answers {
        let answer: Vec<u8> = answer;
        meanwhile(&mut client, &mut relay, None, async {
            server.write_all(&answer).await.unwrap();
            assert_eq!(read(&mut outside, answer.len()).await, answer);
        })
        .await;
    }
    server.write_all(&stale(1)).await.unwrap();
    let end = client.relay(&mut relay, None, || {}).await;
    assert!(
        matches!(end, End::Refused(guard::Refused::Guesses)),
        "{end}"
    );
}

#[tokio::test]
async fn every_call_is_made_as_the_user_of_the_access_point() {
    let (mut outside, mut client, mut relay, mut server) = connected().await;
    let user = User {
        uid: 1000,
        gid: 1001,
        secondary_gids: vec![1002],
    };
    let of_user = {
        let bytes = call(1);
        record(&Call::parse(&bytes[4..]).unwrap().as_user(&user))
    };
    meanwhile(&mut client, &mut relay, Some(&user), async {
        outside.write_all(&call(1)).await.unwrap();
        assert_eq!(read(&mut server, of_user.len()).await, of_user);
    })
    .await;
}

#[tokio::test]
async fn answers_to_calls_of_the_server_pass_as_they_are() {
    let (mut outside, mut client, mut relay, mut server) = connected().await;
    let user = User::default();
    meanwhile(&mut client, &mut relay, Some(&user), async {
        outside.write_all(&reply(9, 20)).await.unwrap();
        assert_eq!(read(&mut server, reply(9, 20).len()).await, reply(9, 20));
    })
    .await;
    client.lock(relay).unwrap();
    assert!(client.is_between_messages());
}

#[tokio::test]
async fn whoever_speaks_something_else_is_not_relayed() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &record(&[0xff; 40]),
        &record(&[0; 12]),
    ] {
        let (mut outside, mut client, mut relay, _server) = connected().await;
        outside.write_all(bytes).await.unwrap();
        let user = User::default();
        let end = client.relay(&mut relay, Some(&user), || {}).await;
        assert!(matches!(end, End::NotRecords(_)), "{end}");
    }
}
