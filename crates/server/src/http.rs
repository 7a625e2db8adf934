//! The listener: HTTP/1.1 and HTTP/2, with or without TLS. Everything that a stranger could make
//! long, numerous or slow has a limit.

mod about;
pub mod admin;
mod body;
mod budget;
mod connection;
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
mod through;
mod timer;
pub mod tls;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use keyward_engine::front::Front;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    config::Network,
    http::{budget::Budget, connection::Connection, peers::Peers, seldom::Seldom},
};

/// The most header bytes of a request. Session tokens are the longest headers, with up to 16 KiB.
const MAX_HEADER_BYTES: u32 = 32 << 10;
/// How many requests one HTTP/2 connection may have at once. The headers of all of them may be
/// decoded before the first one is handled.
const MAX_STREAMS: u32 = 64;
/// Bytes of bodies that an HTTP/2 client may send ahead on one stream, and on all streams together.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
/// Bytes of answers that are kept for an HTTP/2 client that does not read them.
const MAX_SEND_BUFFER: usize = 64 << 10;

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
                _ = Seldom::new(displaced) => Err("its place was needed for another connection".into()),
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
        tracing::warn!("open requests were cut off after the drain period");
    }
}

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
