//! The connections to a socket: so many at once, and no more.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
    time::{Sleep, sleep},
};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use crate::limits::MAX_CONNECTIONS;

/// The pause after a connection could not be accepted, for example because there are too many open files: the next
/// attempt would fail at once.
const PAUSE: Duration = Duration::from_millis(500);

/// What connections come from.
pub trait Accept: Unpin {
    /// The next one.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>>;
}

impl Accept for UnixListener {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        Self::poll_accept(self, cx).map_ok(|(stream, _)| stream)
    }
}

/// The connections that come.
#[derive(Debug)]
pub struct Incoming<L = UnixListener> {
    listener: L,
    open: Arc<AtomicUsize>,
    pause: Option<Pin<Box<Sleep>>>,
}

/// A connection, which has a place until it ends.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    open: Arc<AtomicUsize>,
}

impl<L> Incoming<L> {
    /// The connections to a socket.
    pub fn new(listener: L) -> Self {
        Self {
            listener,
            open: Arc::default(),
            pause: None,
        }
    }
}

impl<L: Accept> Stream for Incoming<L> {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let stream = match ready!(self.listener.poll_accept(cx)) {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    self.pause = Some(Box::pin(sleep(PAUSE)));
                    continue;
                }
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

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::poll_fn};

    use tokio::time::timeout;

    use super::*;

    /// Has no file for a connection, until it has been asked so often.
    struct Exhausted {
        asked: Cell<u32>,
        fails: u32,
    }

    impl Accept for Exhausted {
        fn poll_accept(&self, _: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
            self.asked.set(self.asked.get() + 1);
            Poll::Ready(if self.asked.get() <= self.fails {
                Err(io::Error::other("too many open files"))
            } else {
                UnixStream::pair().map(|(one, _)| one)
            })
        }
    }

    async fn next(incoming: &mut Incoming<Exhausted>) -> io::Result<Connection> {
        poll_fn(|cx| Pin::new(&mut *incoming).poll_next(cx))
            .await
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_cannot_be_accepted_do_not_use_up_the_processor() {
        let asked = Cell::new(0);
        let mut incoming = Incoming::new(Exhausted { asked, fails: 10 });
        let waited = timeout(PAUSE * 4 + PAUSE / 2, next(&mut incoming)).await;
        assert!(waited.is_err());
        assert_eq!(incoming.listener.asked.get(), 5);
        next(&mut incoming).await.unwrap();
        assert_eq!(incoming.listener.asked.get(), 11);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_when_all_places_are_taken_is_sent_away() {
        let asked = Cell::new(0);
        let mut incoming = Incoming::new(Exhausted { asked, fails: 0 });
        let mut open = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            open.push(next(&mut incoming).await.unwrap());
        }
        open.pop();
        next(&mut incoming).await.unwrap();
    }
}
