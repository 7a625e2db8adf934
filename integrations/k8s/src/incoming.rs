//! The connections to a socket: so many at once, and no more.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use crate::limits::MAX_CONNECTIONS;

/// The connections that come.
#[derive(Debug)]
pub struct Incoming {
    listener: UnixListener,
    open: Arc<AtomicUsize>,
}

/// A connection, which has a place until it ends.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    open: Arc<AtomicUsize>,
}

impl Incoming {
    /// The connections to a socket.
    pub fn new(listener: UnixListener) -> Self {
        Self {
            listener,
            open: Arc::default(),
        }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let stream = match self.listener.poll_accept(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Ok((stream, _))) => stream,
            };
            // Only this stream adds to it.
            if self.open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
                tracing::warn!("a connection was closed: there are {MAX_CONNECTIONS} already");
                continue;
            }
            self.open.fetch_add(1, Ordering::Relaxed);
            let open = Arc::clone(&self.open);
            return Poll::Ready(Some(Ok(Connection { stream, open })));
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
