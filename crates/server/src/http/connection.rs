//! One connection: what comes before its requests, the requests, and when it ends.

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
use hyper_util::{rt::TokioIo, server::graceful::Watcher};
use keyward_engine::{
    front::{Front, MAX_UNSIGNED_BODY},
    request::{Answer, Peer, Received},
};
use smallvec::SmallVec;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use uuid::fmt::Hyphenated;

use super::{
    HttpOptions, Listening, about,
    body::{self, BodyFault, Waiting},
    budget::{Claim, Ending},
    frames::Frames,
    health,
    idle::Activity,
    kind::{Kind, Refusal},
    leaving::{Leaving, UntilSent},
    names::Names,
    peers::Admitted,
    proxy,
    request_log::Begun,
    seldom::Seldom,
    taken::Taken,
    timer::Kept,
    tls,
};

/// The longest body, in bytes: the longest parameter KMS has (an attestation document of
/// 262,144 bytes) in base64, with room for the rest.
const MAX_BODY: usize = 512 << 10;
/// Nothing of a longer body is kept until the caller's claim has been checked.
const SMALL_BODY: u64 = 16 << 10;
/// More headers than AWS clients usually send.
const USUAL_HEADERS: usize = 16;
/// Bytes of memory that an answer and its stream take in addition to the body.
const ANSWER_COST: usize = 4 << 10;
/// A longer answer is counted on every connection, a shorter one only where a client can have many
/// at once.
const SMALL_ANSWER: usize = 8 << 10;
/// How long a TLS handshake or a PROXY header may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// One connection.
pub(super) struct Connection {
    pub(super) listening: Arc<Listening>,
    pub(super) address: SocketAddr,
    pub(super) behind_proxy: bool,
    pub(super) place: Admitted,
    /// Whether the connection is known to be no stranger's.
    pub(super) settled: AtomicBool,
}

impl Connection {
    pub(super) async fn serve(self, stream: TcpStream, watcher: Watcher) -> Result<(), Error> {
        stream.set_nodelay(true)?;
        let (stream, source) = self.client(stream).await?;
        let mut peer = Peer::new(source.to_canonical(), None);
        peer.is_named_by_proxy = self.behind_proxy;
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
                () = activity.stalled(body_timeout) => Err("the client does not read its answers"),
                _ = &mut ended => Err("the memory of its answers was needed for other connections"),
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
        let is_clouderas = received.path.starts_with(keyward_altus::PREFIX)
            || head.headers.contains_key("x-altus-auth");
        let mut response = render(answer);
        if is_clouderas && let Some(id) = response.headers().get(REQUEST_ID).cloned() {
            response.headers_mut().insert(ALTUS_REQUEST_ID, id);
        }
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
const ALTUS_REQUEST_ID: HeaderName = HeaderName::from_static("x-altus-request-id");
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
