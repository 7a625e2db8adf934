//! Strangers take neither the memory nor the places of clients who prove who they are.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use serde_json::json;
use tokio::net::TcpSocket;

use crate::{
    http_2::{self, frame, header_block},
    process::Server,
    wire::Connection,
};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: keyward.test\r\n\r\n";

/// The most that a server may ever have had in memory.
pub const MOST: u64 = 200 << 20;

#[test]
fn header_lists_of_strangers_take_little_memory() {
    // As many fields as the old limit let through, and as many as today's does.
    for fields in [1850, 850] {
        let server = Server::start("");
        let block = header_block(fields);
        let attackers: Vec<_> = (0..10)
            .map(|_| {
                let (address, block) = (server.address().to_owned(), block.clone());
                thread::spawn(move || hold_streams(&address, &block, 250))
            })
            .collect();
        let held: Vec<_> = attackers.into_iter().map(|it| it.join().unwrap()).collect();
        answers_root(&server);
        let most = most_memory(&server);
        assert!(most < MOST, "{fields} fields: {} MiB", most >> 20);
        drop(held);
    }
}

#[test]
fn bodies_of_strangers_take_little_memory() {
    let server = Server::start("");
    // Everything but the last byte of the longest body, on many connections at once.
    let body = vec![b' '; (512 << 10) - 1];
    let head = format!(
        "POST / HTTP/1.1\r\nhost: keyward.test\r\nx-amz-target: TrentService.ListKeys\r\n\
         authorization: {}\r\ncontent-length: {}\r\n\r\n",
        "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/kms/aws4_request, \
         SignedHeaders=host;x-amz-target;x-amz-date, Signature=0",
        body.len() + 1
    );
    let held: Vec<_> = (0..800)
        .map(|_| {
            let mut connection = server.connect();
            // Whoever has been cut off meanwhile holds nothing.
            let _ = connection.stream.write_all(head.as_bytes());
            let _ = connection.stream.write_all(&body);
            connection
        })
        .collect();
    answers_root(&server);
    let most = most_memory(&server);
    assert!(most < MOST, "{} MiB", most >> 20);
    drop(held);
}

#[test]
fn a_full_set_of_strangers_does_not_keep_a_client_out() {
    let server = Server::start("[limits]\nconnections = 64\nconnections_per_address = 24\n");
    let address: SocketAddr = server.address().parse().unwrap();
    // More than there are places, from several addresses, and all ask for health.
    let mut strangers = Vec::new();
    for round in 0..40 {
        for host in 2..6 {
            if let Ok(mut stream) = connect_from(Ipv4Addr::new(127, 0, 0, host), address) {
                let _ = stream.write_all(HEALTH);
                strangers.push((round, stream));
            }
        }
    }
    answers_root(&server);
    // Nor when they go on asking and coming.
    let mut client = server.connect();
    let root = server.root();
    for _ in 0..3 {
        for (_, stream) in &mut strangers {
            let _ = stream.write_all(HEALTH);
        }
        for host in 2..6 {
            if let Ok(stream) = connect_from(Ipv4Addr::new(127, 0, 0, host), address) {
                strangers.push((40, stream));
            }
        }
        let answer = client.send(&root.kms("ListKeys", &json!({"Limit": 1})));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    answers_root(&server);
}

#[test]
fn a_full_address_does_not_keep_a_client_of_that_address_out() {
    let server = Server::start("[limits]\nconnections_per_address = 8\n");
    let mut strangers: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for stranger in &mut strangers {
        assert_eq!(stranger.send(HEALTH).status, 200);
    }
    answers_root(&server);
    // The one that had been silent for longest gave its place.
    assert!(closed(&mut strangers[0]));
    assert_eq!(strangers[7].send(HEALTH).status, 200);
}

#[test]
fn a_connection_that_only_asks_for_health_is_closed() {
    let server = Server::start("[limits]\nheader_seconds = 1\nbody_seconds = 1\n");
    let mut stranger = server.connect();
    while stranger.stream.write_all(HEALTH).is_ok() {
        match stranger.try_answer() {
            Ok(Some(answer)) => assert_eq!(answer.status, 200),
            Ok(None) | Err(_) => return,
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_no_client_needs_of_http_2_ends_the_connection() {
    let server = Server::start("");
    let ping = frame(6, 0, 0, &[0; 8]);
    let settings = frame(4, 0, 0, &[]);
    let empty = frame(0, 0, 1, &[]);
    let mut resets = Vec::new();
    for stream in (1..2001).step_by(2) {
        resets.extend(frame(1, 0x4, stream, &header_block(0)));
        resets.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    let open = frame(1, 0x4, 1, &header_block(0));
    for (what, frames) in [
        (
            "a header block in several frames",
            frame(1, 0, 1, &header_block(10)),
        ),
        ("streams that are reset at once", resets),
        ("pings", ping.repeat(5000)),
        ("settings", settings.repeat(5000)),
        ("empty data", [open, empty.repeat(5000)].concat()),
    ] {
        let mut stream = http_2::open(server.address());
        let _ = stream.write_all(&frames);
        assert!(ends(&mut stream), "{what}");
    }
    answers_root(&server);
}

/// A signed request on a connection of its own is answered.
#[track_caller]
pub fn answers_root(server: &Server) {
    let request = server.root().kms("ListKeys", &json!({"Limit": 1}));
    let answer = server.connect().send(&request);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The most memory that the process ever had, in bytes.
pub fn most_memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib << 10
}

fn closed(connection: &mut Connection) -> bool {
    matches!(connection.try_answer(), Ok(None) | Err(_))
}

/// Whether the server ends the connection.
pub fn ends(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return !matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                );
            }
        }
    }
}

/// A connection from one of this machine's addresses.
fn connect_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
        let stream = socket.connect(to).await?.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    })
}

/// Opens streams whose bodies never come.
fn hold_streams(address: &str, block: &[u8], streams: u32) -> TcpStream {
    let mut stream = http_2::open(address);
    for id in 0..streams {
        let frame = frame(1, 0x4, 2 * id + 1, block);
        if stream.write_all(&frame).is_err() {
            break;
        }
    }
    // The server has read it all when it answers a ping.
    let _ = stream.write_all(&frame(6, 0, 0, &[1; 8]));
    let mut received = Vec::new();
    let mut part = [0; 4096];
    while !received.windows(8).any(|eight| eight == [1; 8]) {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(count) => received.extend_from_slice(&part[..count]),
        }
    }
    stream
}
