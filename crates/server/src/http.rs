//! The listener: HTTP/1.1 and HTTP/2, with or without TLS, with limits on everything a stranger
//! can make long, many or slow.

pub mod admin;
pub mod health;
pub mod idle;
pub mod peers;
pub mod proxy;
pub mod taken;
mod timer;
pub mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use keyward_services::front::{Answer, Front, Peer, Received};
use smallvec::SmallVec;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use uuid::fmt::Hyphenated;

use crate::{
    config::Network,
    http::{idle::Activity, peers::Peers, taken::Taken, timer::Kept},
};

/// The longest body, in bytes: the longest parameter KMS has (an attestation document of
/// 262,144 bytes) in base64, with room for the rest.
const MAX_BODY: usize = 512 << 10;
/// The most header bytes of a request; session tokens are the longest of them.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// The most headers of a request.
const MAX_HEADERS: usize = 100;
/// More headers than clients of AWS usually send.
const USUAL_HEADERS: usize = 16;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 256;
/// How long a TLS handshake or a PROXY header may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How the listener behaves.
pub struct HttpOptions {
    /// TLS, if configured.
    pub tls: Option<tokio_rustls::TlsAcceptor>,
    /// Peers whose connections begin with a PROXY header.
    pub proxies: Vec<Network>,
    /// Open connections in all.
    pub connections: usize,
    /// Open connections from one address.
    pub connections_per_address: usize,
    /// To send the headers, and between two requests.
    pub header_timeout: Duration,
    /// To send the body, and how long at most the client may not read its answer.
    pub body_timeout: Duration,
    /// How long a stop waits for requests under way.
    pub drain: Duration,
}

/// Accepts connections until `stop` says so, then waits for the requests under way.
pub async fn serve(
    listener: TcpListener,
    front: Arc<Front>,
    options: HttpOptions,
    mut stop: watch::Receiver<bool>,
) {
    let options = Arc::new(options);
    let peers = Peers::new(options.connections, options.connections_per_address);
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .header_read_timeout(options.header_timeout)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(options.header_timeout))
        .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS);
    let server = Arc::new(server);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors or the like: what is open goes on, new ones wait.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(place) = peers.admit(address.ip()) else {
            tracing::debug!(%address, "too many connections");
            continue;
        };
        let (front, options) = (Arc::clone(&front), Arc::clone(&options));
        let (server, watcher) = (Arc::clone(&server), graceful.watcher());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, address, front, &options, &server, watcher).await
            {
                tracing::debug!(%address, %error, "connection ended");
            }
            drop(place);
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

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    front: Arc<Front>,
    options: &Arc<HttpOptions>,
    server: &auto::Builder<TokioExecutor>,
    watcher: Watcher,
) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let (stream, source) = if options.proxies.iter().any(|net| net.contains(address.ip())) {
        tokio::time::timeout(HANDSHAKE, proxy::accept(stream)).await??
    } else {
        (proxy::Prefixed::bare(stream), None)
    };
    let mut peer = Peer::new(source.unwrap_or(address.ip()).to_canonical(), None);
    match &options.tls {
        None => exchange(stream, peer, front, options, server, watcher).await,
        Some(acceptor) => {
            let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await??;
            peer.tls = Some(tls::details(stream.get_ref().1));
            exchange(stream, peer, front, options, server, watcher).await
        }
    }
}

async fn exchange<S>(
    stream: S,
    peer: Peer,
    front: Arc<Front>,
    options: &Arc<HttpOptions>,
    server: &auto::Builder<TokioExecutor>,
    watcher: Watcher,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (peer, time) = (Arc::new(peer), options.body_timeout);
    let body_timer = Kept::default();
    let activity = Activity::default();
    let requests = activity.clone();
    let service = service_fn(move |request| {
        let (front, peer, timer) = (Arc::clone(&front), Arc::clone(&peer), body_timer.clone());
        let under_way = requests.begin();
        async move {
            let answer = answer(request, &front, &peer, (&timer, time)).await;
            drop(under_way);
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let io = TokioIo::new(Taken::new(stream, time));
    let mut server = server.clone();
    server.http1().timer(Kept::default());
    let connection = server.serve_connection(io, service).into_owned();
    tokio::select! {
        // Nobody is favoured by it: whoever is ready first is the end.
        biased;
        ended = watcher.watch(connection) => ended,
        () = activity.idle(options.header_timeout) => Ok(()),
    }
}

async fn answer(
    request: http::Request<Incoming>,
    front: &Front,
    peer: &Peer,
    (timer, body_timeout): (&Kept, Duration),
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    if head.method == http::Method::GET
        && let Some(answer) = health::answer(head.uri.path(), front)
    {
        return answer;
    }
    let body = timer.within(body_timeout, whole(body)).await;
    let body = body.unwrap_or(Err(BodyFault::TooSlow));
    let mut headers: SmallVec<[(&str, &[u8]); USUAL_HEADERS]> = SmallVec::new();
    if !head.headers.contains_key(header::HOST)
        && let Some(authority) = head.uri.authority()
    {
        // HTTP/2 says :authority where HTTP/1.1 says Host; the signature covers it as host.
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
    let answer = match body {
        Ok(body) => front.answer(&received, &body).await,
        Err(BodyFault::TooLarge) => front.body_too_large(&received),
        Err(BodyFault::TooSlow) => front.body_too_slow(&received),
        Err(BodyFault::Broken) => front.body_broken(&received),
    };
    render(answer)
}

/// The body, put together only if it came in pieces.
async fn whole(body: Incoming) -> Result<Bytes, BodyFault> {
    let mut body = Limited::new(body, MAX_BODY);
    let mut first = Bytes::new();
    let mut pieces = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() {
                BodyFault::TooLarge
            } else {
                BodyFault::Broken
            }
        })?;
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.is_empty() {
            first = data;
            continue;
        }
        if pieces.is_empty() {
            pieces.extend_from_slice(&first);
        }
        pieces.extend_from_slice(&data);
    }
    Ok(if pieces.is_empty() {
        first
    } else {
        pieces.freeze()
    })
}

enum BodyFault {
    TooLarge,
    TooSlow,
    Broken,
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

fn render(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.reserve(8);
    let mut id = [0; Hyphenated::LENGTH];
    let id = answer.request_id.hyphenated().encode_lower(&mut id);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
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
