//! Who has a place while a volume is locked, from the listener to the answers.

use std::net::{IpAddr, Ipv4Addr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use super::*;
use crate::{
    authorize::{Answer, Question, Refused, Rights},
    options::Limits,
    record::record,
    rights::Watch,
    xdr::Writer,
};

const KNOWN: u8 = 1;
const DENIED: u8 = 2;

/// Authorizes one address.
struct OnlyKnown;

impl Authorize for OnlyKnown {
    fn authorize(&self, question: Question) -> Answer<'_> {
        let rights = Rights {
            write: true,
            root: true,
            access_point: None,
        };
        let denied = Refused::Denied {
            reason: "by this test".to_owned(),
        };
        let is_known = question.client == address(KNOWN);
        Box::pin(async move { if is_known { Ok(rights) } else { Err(denied) } })
    }
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 9, last).into()
}

/// A volume with a listener. No process is started for it: there is room for none.
struct Served {
    volume: Arc<Volume>,
    shared: Arc<Shared>,
    at: SocketAddr,
    state: tempfile::TempDir,
    listening: AbortHandle,
    _target: watch::Sender<Arc<Target>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Served {
    async fn start(limits: Limits) -> Self {
        let state = tempfile::tempdir().unwrap();
        let options = Options {
            max_views: 0,
            limits,
            ..Options::new(state.path().to_owned())
        };
        let quiet = Arc::new(Quiet::new());
        let shared = Arc::new(Shared {
            limits,
            questions: Questions::new(Arc::new(OnlyKnown), limits),
            tls: tls::acceptor(&options, Arc::clone(&quiet)).unwrap(),
            quiet,
        });
        let rooms = Arc::new(Rooms::new(options.max_views));
        let volume = Arc::new(Volume::new("fs-1", Arc::new(options), rooms));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let target = Target {
            id: "fsmt-1".to_owned(),
            address: at.ip(),
            port: at.port(),
            cidrs: vec!["127.0.0.0/8".parse().unwrap()],
        };
        let (sender, target) = watch::channel(Arc::new(target));
        let accepting = Accepting {
            listener,
            volume: Arc::clone(&volume),
            target,
            places: Places::new(limits),
            shared: Arc::clone(&shared),
        };
        let listening = tokio::spawn(accepting.run()).abort_handle();
        Self {
            volume,
            shared,
            at,
            state,
            listening,
            _target: sender,
        }
    }

    fn unlock(&self) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(self.state.path(), flags, Mode::empty()).unwrap();
        self.volume
            .state
            .send_replace(LockState::Unlocked(Arc::new(root)));
    }

    async fn connect(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(address(last), 0)).unwrap();
        socket.connect(self.at).await.unwrap()
    }

    /// A connection that has asked for the root of the volume, and what it was answered.
    async fn asks(&self, last: u8) -> (TcpStream, Option<u32>) {
        let mut stream = self.connect(last).await;
        let status = ask(&mut stream).await;
        (stream, status)
    }
}

const IO: Option<u32> = Some(5);
const ACCESS: Option<u32> = Some(13);

/// Asks for the root of the volume, and answers the status; nothing if the connection is closed.
async fn ask(stream: &mut TcpStream) -> Option<u32> {
    let mut call = Writer::default();
    call.unsigned(7).unsigned(0).unsigned(2);
    call.unsigned(100_003).unsigned(4).unsigned(1);
    call.unsigned(1).opaque(&[0; 20]).unsigned(0).opaque(b"");
    // No tag, version 4.0, PUTROOTFH.
    call.opaque(b"").unsigned(0).unsigned(1).unsigned(24);
    stream.write_all(&record(&call.finish())).await.ok()?;
    let mut answer = [0; 4 + 24 + 20];
    stream.read_exact(&mut answer).await.ok()?;
    answer.get(28..32)?.try_into().ok().map(u32::from_be_bytes)
}

/// Resolves when the server has closed the connection.
async fn is_closed(stream: &mut TcpStream) {
    let closed = async { while !matches!(stream.read(&mut [0; 64]).await, Ok(0) | Err(_)) {} };
    let closed = tokio::time::timeout(Duration::from_secs(60), closed).await;
    closed.expect("it is closed in the end");
}

fn few_places() -> Limits {
    Limits {
        connections: 8,
        per_client: 2,
        strangers: 4,
        ..Limits::default()
    }
}

#[tokio::test]
async fn strangers_that_hold_all_places_of_a_locked_volume_keep_nobody_out() {
    let served = Served::start(few_places()).await;
    served.unlock();
    // It was authorized, although it could not be served.
    assert_eq!(served.asks(KNOWN).await.1, IO);
    assert_eq!(served.asks(DENIED).await.1, ACCESS);
    served.volume.lock().await.unwrap();

    let mut strangers = Vec::new();
    for number in 0..8 {
        let (stream, status) = served.asks(10 + number / 2).await;
        assert_eq!(status, IO);
        strangers.push(stream);
    }
    // Who was authorized before comes back, and displaces the oldest of those who have most.
    let (mut known, status) = served.asks(KNOWN).await;
    assert_eq!(status, IO);
    is_closed(&mut strangers[0]).await;
    // So does whoever comes for the first time.
    assert_eq!(served.asks(20).await.1, IO);
    is_closed(&mut strangers[2]).await;
    // However many come, they displace each other only.
    for number in 100..150 {
        strangers.push(served.asks(number).await.0);
    }
    assert_eq!(ask(&mut known).await, IO);
    // Nor do those who say nothing keep out who is known, before it has said anything.
    let mut second = served.connect(KNOWN).await;
    let mut silent = Vec::new();
    for number in 200..205 {
        silent.push(served.connect(number).await);
    }
    is_closed(&mut silent[0]).await;
    assert_eq!(ask(&mut second).await, IO);
}

#[tokio::test]
async fn who_was_denied_before_the_lock_is_a_stranger_while_it_lasts() {
    let served = Served::start(few_places()).await;
    served.unlock();
    assert_eq!(served.asks(DENIED).await.1, ACCESS);
    served.volume.lock().await.unwrap();
    assert!(!served.volume.known.has(address(DENIED)));
    let (mut denied, status) = served.asks(DENIED).await;
    assert_eq!(status, IO);
    let mut strangers = Vec::new();
    for number in 0..8 {
        strangers.push(served.asks(10 + number).await.0);
    }
    is_closed(&mut denied).await;
}

#[tokio::test]
async fn whoever_says_nothing_to_a_locked_volume_has_as_long_as_for_a_handshake() {
    let limits = Limits {
        handshake: Duration::from_millis(20),
        idle: Duration::MAX / 4,
        idle_unknown: Duration::MAX / 4,
        ..Limits::default()
    };
    let served = Served::start(limits).await;
    served
        .volume
        .known
        .note(address(KNOWN), tokio::time::Instant::now());
    for last in [KNOWN, DENIED] {
        let mut stream = served.connect(last).await;
        // The beginning of a call.
        stream.write_all(&[0x80, 0, 0]).await.unwrap();
        is_closed(&mut stream).await;
    }
}

#[tokio::test]
async fn a_stranger_may_be_silent_for_a_short_time_while_a_volume_is_locked() {
    let (short, forever) = (Duration::from_millis(20), Duration::MAX / 4);
    for (last, idle, idle_unknown) in [(DENIED, forever, short), (KNOWN, short, forever)] {
        let limits = Limits {
            idle,
            idle_unknown,
            ..Limits::default()
        };
        let served = Served::start(limits).await;
        served
            .volume
            .known
            .note(address(KNOWN), tokio::time::Instant::now());
        let (mut stream, status) = served.asks(last).await;
        assert_eq!(status, IO);
        is_closed(&mut stream).await;
    }
}

#[tokio::test]
async fn a_lock_forgets_who_was_authorized_long_before_it_and_keeps_the_others_as_long_as_it_lasts()
{
    let served = Served::start(few_places()).await;
    let known = &served.volume.known;
    let now = tokio::time::Instant::now();
    let long_ago = now.checked_sub(Duration::from_hours(25)).unwrap();
    served.unlock();
    known.note(address(KNOWN), long_ago);
    known.note(address(DENIED), now);
    served.volume.lock().await.unwrap();
    assert!(!known.has(address(KNOWN)) && known.has(address(DENIED)));
    // As it is when a lock has lasted for a day, and the volume is locked once more.
    known.note(address(KNOWN), long_ago);
    served.volume.lock().await.unwrap();
    assert!(known.has(address(KNOWN)));
}

#[tokio::test]
async fn who_is_connected_and_asked_about_again_is_known() {
    let served = Served::start(few_places()).await;
    let question = |client| Question {
        volume: "fs-1".to_owned(),
        target: "fsmt-1".to_owned(),
        client,
        tls: false,
        again: false,
        certificate: None,
    };
    let about_known = question(address(KNOWN));
    let rights = served.shared.questions.again(&about_known).await.unwrap();
    let begin = |client| {
        let (shared, volume) = (Arc::clone(&served.shared), Arc::clone(&served.volume));
        let revision = served.volume.revision.subscribe();
        Watch::begin(shared, volume, revision, question(client), rights.clone())
    };
    let mut denied = begin(address(DENIED));
    let _watch = begin(address(KNOWN));
    served
        .volume
        .revision
        .send_modify(|revision| *revision += 1);
    assert_eq!((&mut denied.task).await.unwrap(), "by this test");
    let is_known = async {
        while !served.volume.known.has(address(KNOWN)) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let is_known = tokio::time::timeout(Duration::from_secs(60), is_known).await;
    is_known.expect("it is known in the end");
    assert!(!served.volume.known.has(address(DENIED)));
}
