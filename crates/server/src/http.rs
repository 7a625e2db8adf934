//! The listener: HTTP/1.1 and HTTP/2, with or without TLS. Everything that a stranger could make
//! long, numerous or slow has a limit.

mod about;
pub mod admin;
mod body;
mod budget;
mod frames;
pub mod health;
pub mod idle;
mod kind;
mod leaving;
mod names;
pub mod peers;
pub mod proxy;
mod request_log;
mod seldom;
pub mod taken;
mod timer;
pub mod tls;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header};
use hyper::{
    body::{Body as _, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use keyward_engine::{
    front::{Front, MAX_UNSIGNED_BODY},
    request::{Answer, Peer, Received},
};
use smallvec::SmallVec;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use uuid::fmt::Hyphenated;

use crate::{
    config::Network,
    http::{
        body::{BodyFault, Waiting},
        budget::{Budget, Claim, Ending},
        frames::Frames,
        idle::Activity,
        kind::{Kind, Refusal},
        leaving::{Leaving, UntilSent},
        names::Names,
        peers::{Admitted, Peers},
        request_log::Begun,
        seldom::Seldom,
        taken::Taken,
        timer::Kept,
    },
};

/// The longest body, in bytes: the longest parameter KMS has (an attestation document of
/// 262,144 bytes) in base64, with room for the rest.
const MAX_BODY: usize = 512 << 10;
/// Nothing of a longer body is kept until the caller's claim has been checked.
const SMALL_BODY: u64 = 16 << 10;
/// The most header bytes of a request. Session tokens are the longest headers, with up to 16 KiB.
const MAX_HEADER_BYTES: u32 = 32 << 10;
/// More headers than AWS clients usually send.
const USUAL_HEADERS: usize = 16;
/// Bytes of memory that an answer and its stream take in addition to the body.
const ANSWER_COST: usize = 4 << 10;
/// A longer answer is counted on every connection, a shorter one only where a client can have many
/// at once.
const SMALL_ANSWER: usize = 8 << 10;
/// How many requests one HTTP/2 connection may have at once. The headers of all of them may be
/// decoded before the first one is handled.
const MAX_STREAMS: u32 = 64;
/// Bytes of bodies that an HTTP/2 client may send ahead on one stream, and on all streams together.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
/// Bytes of answers that are kept for an HTTP/2 client that does not read them.
const MAX_SEND_BUFFER: usize = 64 << 10;
/// How long a TLS handshake or a PROXY header may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How the listener behaves.
pub struct HttpOptions {
    /// TLS, if configured.
    pub tls: Option<tokio_rustls::TlsAcceptor>,
    /// Peers whose connections begin with a PROXY header.
    pub proxies: Vec<Network>,
    /// Keeps track of who holds a connection.
    pub peers: Peers,
    /// Bytes of memory for requests whose caller has not been authenticated.
    pub unauthenticated_bytes: usize,
    /// The time limit for sending the headers, and between two requests.
    pub header_timeout: Duration,
    /// The time limit for sending the body, and for not reading an answer.
    pub body_timeout: Duration,
    /// How long a stop waits for requests in progress.
    pub drain: Duration,
}

/// Accepts connections until `stop` changes, and then waits for the requests in progress.
pub async fn serve(
    listener: TcpListener,
    front: Arc<Front>,
    options: HttpOptions,
    mut stop: watch::Receiver<bool>,
) {
    let listening = Arc::new(Listening {
        front,
        server: server(&options),
        strangers: Budget::new(options.unauthenticated_bytes),
        clients: Budget::new(options.unauthenticated_bytes),
        options,
    });
    let options = &listening.options;
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // No file descriptors are left, or the like: open connections continue, and new
                // ones wait.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let behind_proxy = options.proxies.iter().any(|net| net.contains(address.ip()));
        let place = if behind_proxy {
            options.peers.admit_proxy()
        } else {
            options.peers.admit(address.ip())
        };
        let Some((place, displaced)) = place else {
            tracing::debug!(%address, "too many connections");
            continue;
        };
        let (listening, watcher) = (Arc::clone(&listening), graceful.watcher());
        tokio::spawn(async move {
            let connection = Connection {
                listening,
                address,
                behind_proxy,
                place,
                settled: AtomicBool::new(false),
            };
            let ended = tokio::select! {
                // The order does not matter: the first branch that is ready ends the connection.
                biased;
                ended = connection.serve(stream, watcher) => ended,
                _ = Seldom::new(displaced) => Err("others needed its place".into()),
            };
            if let Err(error) = ended {
                tracing::debug!(%address, %error, "connection ended");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(options.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests under way were cut off after the drain period");
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// State that all connections share.
struct Listening {
    front: Arc<Front>,
    options: HttpOptions,
    server: auto::Builder<TokioExecutor>,
    /// The memory of requests that wait for their bodies, and of answers that have not been sent:
    /// one budget for connections on which nobody has been authenticated yet, and one for the
    /// others. Strangers cannot use up what clients need.
    strangers: Budget,
    clients: Budget,
}

impl Listening {
    /// The budget that requests and answers of strangers or of clients count against.
    fn budget(&self, stranger: bool) -> &Budget {
        if stranger {
            &self.strangers
        } else {
            &self.clients
        }
    }
}

fn server(options: &HttpOptions) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .header_read_timeout(options.header_timeout)
        // Its own default is MAX_HEADERS. If the limit is set explicitly, it clears that many slots
        // for every request.
        .max_buf_size(usize::try_from(MAX_HEADER_BYTES).unwrap_or(usize::MAX));
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(options.header_timeout))
        // A header block must fit into one frame.
        .max_frame_size(MAX_HEADER_BYTES)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_SEND_BUFFER);
    server
}

/// One connection.
struct Connection {
    listening: Arc<Listening>,
    address: SocketAddr,
    behind_proxy: bool,
    place: Admitted,
    /// Whether the connection is known to be no stranger's.
    settled: AtomicBool,
}

impl Connection {
    async fn serve(self, stream: TcpStream, watcher: Watcher) -> Result<(), Error> {
        stream.set_nodelay(true)?;
        let (stream, source) = self.client(stream).await?;
        let mut peer = Peer::new(source.to_canonical(), None);
        peer.proof = self.place.proof().clone();
        let tls = self.listening.options.tls.clone();
        match tls {
            None => self.exchange(stream, peer, watcher).await,
            Some(acceptor) => {
                let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await??;
                peer.tls = Some(tls::details(stream.get_ref().1));
                self.exchange(stream, peer, watcher).await
            }
        }
    }

    /// The stream behind a PROXY header, and the client's address.
    async fn client(&self, stream: TcpStream) -> Result<(proxy::Prefixed, IpAddr), Error> {
        if !self.behind_proxy {
            return Ok((proxy::Prefixed::bare(stream), self.address.ip()));
        }
        let accepted = tokio::time::timeout(HANDSHAKE, proxy::accept(stream));
        let (stream, source) = accepted.await??;
        // A proxy that names no client speaks for itself.
        let source = source.unwrap_or(self.address.ip());
        if !self.place.attribute(source) {
            return Err("too many connections of the client".into());
        }
        Ok((stream, source))
    }

    async fn exchange<S>(self, stream: S, peer: Peer, watcher: Watcher) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = Arc::new(self);
        let HttpOptions {
            header_timeout,
            body_timeout,
            ..
        } = connection.listening.options;
        let (proof, peer) = (peer.proof.clone(), Arc::new(peer));
        let body_timer = Kept::default();
        let (ending, mut ended) = Ending::new();
        let ending = Arc::new(ending);
        let activity = Activity::default();
        let requests = activity.clone();
        let asked = Arc::clone(&connection);
        let service = service_fn(move |request: http::Request<Incoming>| {
            let (connection, peer, timer) =
                (Arc::clone(&asked), Arc::clone(&peer), body_timer.clone());
            let (activity, ending) = (requests.clone(), Arc::clone(&ending));
            let version = request.version();
            // Checked here and not in the request's own task, so that too long a head is dropped
            // before more is read.
            let kind = Kind::of(&request, asked.listening.front.services());
            let request = match kind {
                Kind::Refused(refusal) => Err(refusal),
                Kind::Request | Kind::Health | Kind::About => Ok(request),
            };
            // Health checks and visits by browsers do not keep a connection open.
            let under_way = (kind == Kind::Request).then(|| requests.begin());
            // Boxed, because the HTTP library moves it around.
            Box::pin(async move {
                let answer = connection.answer(request, kind, &peer, &timer).await;
                let claim = connection.claim(answer.body().len(), version, &peer, &ending);
                let held = UntilSent::new(activity.leave(), claim, under_way);
                let answer = answer.map(|body| Leaving::new(body, held));
                Ok::<_, std::convert::Infallible>(answer)
            })
        });
        let io = TokioIo::new(Names::new(Frames::new(Taken::new(stream, body_timeout))));
        let mut server = connection.listening.server.clone();
        server.http1().timer(Kept::default());
        let served = server.serve_connection(io, service).into_owned();
        // The other reasons to end the connection.
        let other_end = async {
            tokio::select! {
                biased;
                () = activity.idle(header_timeout, &proof, header_timeout + body_timeout) => Ok(()),
                () = activity.stalled(body_timeout) => Err("the client does not take its answers"),
                _ = &mut ended => Err("others needed the memory of its answers"),
            }
        };
        tokio::select! {
            biased;
            ended = watcher.watch(served) => ended,
            other = Seldom::new(other_end) => other.map_err(Error::from),
        }
    }

    /// What an answer claims of the budget until it has been sent. Short answers are not counted on
    /// an authenticated connection of HTTP/1.1, since it has only one at a time.
    fn claim(
        &self,
        bytes: usize,
        version: Version,
        peer: &Peer,
        connection: &Arc<Ending>,
    ) -> Option<Claim> {
        let stranger = !peer.proof.is_proven();
        let counts = stranger || version >= Version::HTTP_2 || bytes > SMALL_ANSWER;
        let budget = self.listening.budget(stranger);
        (counts && bytes > 0).then(|| budget.answer(ANSWER_COST + bytes, connection))
    }

    async fn answer(
        &self,
        request: Result<http::Request<Incoming>, Refusal>,
        kind: Kind,
        peer: &Peer,
        timer: &Kept,
    ) -> Response<Bytes> {
        let front = &self.listening.front;
        let request = match request {
            Ok(request) => request,
            Err(refusal) => {
                front.refused(peer, refusal.code());
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = refusal.status();
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
                return response;
            }
        };
        let (head, body) = request.into_parts();
        if kind == Kind::Health
            && let Some(answer) = health::answer(head.uri.path(), front)
        {
            return answer;
        }
        if kind == Kind::About {
            let mut answer = about::answer(head.uri.path());
            if head.method == http::Method::HEAD {
                *answer.body_mut() = Bytes::new();
            }
            return answer;
        }
        let begun = Begun::now();
        let mut headers: SmallVec<[(&str, &[u8]); USUAL_HEADERS]> = SmallVec::new();
        if !head.headers.contains_key(header::HOST)
            && let Some(authority) = head.uri.authority()
        {
            // HTTP/2 has :authority instead of Host; the signature covers it as host.
            headers.push(("host", authority.as_str().as_bytes()));
        }
        headers.extend(
            head.headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes())),
        );
        let received = Received {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &headers,
            peer,
        };
        let answer = self.answer_received(&received, &head, body, timer).await;
        if !self.settled.load(Ordering::Relaxed) && peer.proof.is_proven() {
            self.settled.store(true, Ordering::Relaxed);
            self.place.settle();
        }
        begun.answered(&head, peer.address(), &answer);
        let mut response = render(answer);
        if head.method == http::Method::HEAD {
            // Otherwise the head would give the length of a body that is not sent.
            *response.body_mut() = Bytes::new();
        }
        response
    }

    async fn answer_received(
        &self,
        received: &Received<'_>,
        head: &http::request::Parts,
        body: Incoming,
        timer: &Kept,
    ) -> Answer {
        let Listening { front, options, .. } = &*self.listening;
        let length = body.size_hint().exact();
        let small = length.is_some_and(|length| length <= SMALL_BODY);
        let signed = received.is_signed();
        let most = if signed { MAX_BODY } else { MAX_UNSIGNED_BODY };
        let stranger = !received.peer.proof.is_proven();
        let waiting = Waiting {
            budget: self.listening.budget(stranger),
            received,
            // A body that the client sends together with the head is there at once, or nearly so.
            at_once: stranger || !small || head.version >= Version::HTTP_2,
        };
        // Rare cases are boxed, so that they do not enlarge the future of every request.
        if !small && let Err(refused) = Box::pin(front.look(received)).await {
            // A client that waits for `100 Continue` gets the answer at once. Others would not read
            // it before they have sent everything.
            let passed = if received.expects() {
                Ok(())
            } else {
                let passed = timer.within(options.body_timeout, body::discard(body, MAX_BODY));
                passed.await.unwrap_or(Err(BodyFault::TooSlow))
            };
            return match passed {
                Ok(()) => front.refuse_looked_at(received, refused),
                Err(fault) => without_body(front, received, fault),
            };
        }
        let body = timer.within(options.body_timeout, body::whole(body, most, &waiting));
        match body.await.unwrap_or(Err(BodyFault::TooSlow)) {
            // A signature that has not been verified proves nothing: until the client is
            // authenticated, the request's memory counts as a stranger's.
            Ok((body, share)) if signed && !stranger => {
                drop(share);
                front.answer(received, &body).await
            }
            Ok((body, share)) => {
                let answer = Box::pin(front.answer(received, &body));
                let answer = body::counted(answer, body.len(), share, &waiting).await;
                answer.unwrap_or_else(|fault| without_body(front, received, fault))
            }
            Err(fault) => without_body(front, received, fault),
        }
    }
}

fn without_body(front: &Front, received: &Received<'_>, fault: BodyFault) -> Answer {
    match fault {
        BodyFault::TooLarge => front.body_too_large(received),
        BodyFault::TooSlow => front.body_too_slow(received),
        BodyFault::Broken => front.body_broken(received),
        BodyFault::Crowded => front.crowded(received),
    }
}

const ERROR_TYPE: HeaderName = HeaderName::from_static(keyward_wire::response::ERROR_TYPE);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

fn render(answer: Answer) -> Response<Bytes> {
    let mut response = Response::new(answer.body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.reserve(8);
    let mut id = [0; Hyphenated::LENGTH];
    let id = answer.request_id.hyphenated().encode_lower(&mut id);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(code) = &answer.error_type
        && let Ok(code) = HeaderValue::from_str(code)
    {
        headers.insert(ERROR_TYPE, code);
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content_type),
    );
    headers.insert(header::SERVER, HeaderValue::from_static("Server"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store, must-revalidate, private"),
    );
    headers.insert(header::EXPIRES, HeaderValue::from_static("0"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
